/* A linear head that makes distances count what tells people apart: within-class whitening.
 *
 * Directions in which photographs of one person differ much (light, pose, age) say little about who
 * it is. Let S be the covariance of embeddings within people, each person weighing the same,
 *
 *     S = mean over people with n ≥ 2 images of  1/(n−1) Σ (x − m)(x − m)ᵀ,   m the person's mean,
 *
 * and λ its mean eigenvalue, trace(S) ÷ length. With C = S + λI, the head H is √(2λ) L⁻¹ where
 * C = L Lᵀ is Cholesky's decomposition, so that |H(a − b)|² = 2λ (a − b)ᵀ C⁻¹ (a − b): Mahalanobis'
 * distance within a person. Any other square root of C⁻¹, the symmetric one of an eigenvalue
 * decomposition say, is the same head turned around, and gives the same distances; this one takes
 * forty lines and no library. λI keeps directions in which too few people were seen to vary from
 * being blown up (shrinkage; Ledoit and Wolf 2004 choose its share, we take one half), and bounds
 * the condition of C by length + 1. The factor √(2λ) leaves distances as they are where S is the
 * same in all directions.
 */
#ifndef FACEPAIR_MODEL_WHITENING_H
#define FACEPAIR_MODEL_WHITENING_H

#include "model/gallery.h"

/* head (length, length) float32, row-major, lower triangular. STATUS_INVALID_FIELD when nobody has
 * two images that differ, or a value is not finite; STATUS_INTERNAL: out of memory. */
enum status whitening_learn(const struct gallery *gallery, float *head, struct error *err);

/* Every embedding of the gallery through a head of its length, as model/network/finish.h does it.
 */
enum status whitening_apply(const float *head, struct gallery *gallery, struct error *err);

#endif
