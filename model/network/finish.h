/* From what a network gives to an embedding, as the card says (model/card_embedding.h): the same
 * for every engine, in plain C.
 *
 *     v = network(face)                        or, mirrored, ½ network(face) + ½ network(mirrored)
 *     v = v ÷ √Σvᵢ²                            when normalised; a vector of zeros stays one
 *     embedding = H v                          when there is a head H (length, network_length)
 *
 * Sums are taken in double and only the embedding is rounded to float32, so that the order of the
 * additions does not show.
 *
 * The order was measured, each head learned on one half of the learning people of LFW's development
 * view and tried on the other: tests/check/embedding_order.c.
 */
#ifndef FACEPAIR_MODEL_NETWORK_FINISH_H
#define FACEPAIR_MODEL_NETWORK_FINISH_H

#include "model/card.h"

struct finish {
    uint32_t network_length, length;
    bool mirror, normalise;
    float *head;    /* (length, network_length), owned; NULL: none */
    double *vector; /* (network_length), owned: working memory */
};

/* Reads the head from the weights file, where the card has one: STATUS_INTERNAL with the tensor's
 * name when it is missing, of another shape, or holds a value that is not finite; out of memory
 * too. On failure nothing is left to close. */
enum status finish_open(const struct card *card, const char *weights_path, struct finish *finish,
                        struct error *err);
/* A zeroed one is allowed. */
void finish_close(struct finish *finish);

/* False: what the network gives is the embedding already. */
bool finish_needed(const struct finish *finish);

/* face, mirrored (network_length): the network's numbers; mirrored is NULL unless the card says
 * mirror. out (length) may be face. */
void finish_embedding(const struct finish *finish, const float *face, const float *mirrored,
                      float *out);

/* face (3, side, side) -> out, likewise, with every row from its right end to its left. */
void finish_mirror(const float *face, uint32_t side, float *out);

#endif
