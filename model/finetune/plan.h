/* What an epoch takes its steps on, in which order: drawn anew for each epoch from the generator,
 * so that its state at the epoch's beginning is all that a checkpoint need hold of it.
 *
 * Pairs, for the contrastive loss: those of a file; or of every person up to PLAN_GENUINE_MAX pairs
 * of two of their photographs (as many as there are, at most), and as many pairs of two people.
 * People, for mining and the margin softmaxes: of every person up to PLAN_IMAGES_MAX photographs in
 * one batch, which is filled with whole people. Each photograph by one of its views, and the only
 * one of a person by two, where it has as many: somebody without a pair would only be pushed away
 * from the others.
 */
#ifndef FACEPAIR_MODEL_FINETUNE_PLAN_H
#define FACEPAIR_MODEL_FINETUNE_PLAN_H

#include "model/finetune/views.h"
#include "model/random.h"

enum { PLAN_GENUINE_MAX = 10, PLAN_IMAGES_MAX = 4 };

/* The photographs of one part that can be used, by person. */
struct plan_people {
    uint32_t people;
    uint32_t *first;  /* (people + 1) */
    uint32_t *images; /* (first[people]) of the album */
};
enum status plan_people_of(const struct album *album, const struct parts *parts, enum part part,
                           const struct views *views, struct plan_people *people,
                           struct error *err);
void plan_people_release(struct plan_people *people);

struct plan {
    bool pairs;
    uint32_t count;      /* pairs, or photographs */
    uint32_t *a, *b;     /* (count) rows; b: NULL unless pairs */
    uint8_t *same;       /* (count); NULL unless pairs */
    uint32_t *identity;  /* (count) below people; NULL for pairs */
    uint32_t batches;    /* ≥ 1 */
    uint32_t *batch_end; /* (batches) one past the last of its pairs or photographs */
};

/* listed: pairs of a file, those that can be used are taken; list NULL: sampled. per_image: views
 * to draw from. On STATUS_OK the caller releases it; STATUS_INTERNAL: out of memory. */
enum status plan_pairs(const struct plan_people *people, const struct parts_pairs *listed,
                       const struct views *views, uint32_t per_image, uint32_t batch_size,
                       struct random_generator *generator, struct plan *plan, struct error *err);
/* STATUS_INVALID_FIELD: no batch would hold two people. */
enum status plan_identities(const struct plan_people *people, const struct views *views,
                            uint32_t batch_size, struct random_generator *generator,
                            struct plan *plan, struct error *err);
void plan_release(struct plan *plan); /* a zeroed one is allowed */

#endif
