/* What a genuine face of a version looks like, in the card: "typical" is absent, null, or
 *
 *     {"mean": [embedding_length numbers], "distance_min": real, "share": real, "source": text}
 *
 * The mean embedding of many people lies nearer to each of them than they lie to each other, so
 * whoever may hand in a vector of their own could pass for a good part of mankind with it. Genuine
 * faces keep a distance from it: only a share `share` of them lies within `distance_min`.
 */
#ifndef FACEPAIR_MODEL_CARD_TYPICAL_H
#define FACEPAIR_MODEL_CARD_TYPICAL_H

#include "model/json.h"

#include <stdint.h>

struct card_typical {
    float *mean;         /* (embedding_length), owned; NULL: not measured */
    double distance_min; /* decision_distance() from the mean */
    double share;        /* of genuine faces that lie nearer than that, 0 … 1 */
};

/* The member of the card's root object. Faults are the reader's; what was read before one is still
 * to be released. */
void card_typical_read(const struct json_node *root, uint32_t embedding_length,
                       struct card_typical *typical);
/* Writes the member into the innermost object: null without a mean. source: what it was measured
 * on. */
void card_typical_write(struct json_writer *json, const struct card_typical *typical,
                        uint32_t embedding_length, const char *source);
void card_typical_release(struct card_typical *typical);

#endif
