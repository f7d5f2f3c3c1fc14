/* A list of pairs from a gallery, as LFW has them: as many of one person as there are, up to a
 * number, and that number of two, so that a version's accuracy can be told in the usual way. */
#ifndef FACEPAIR_MODEL_FINETUNE_PAIR_LIST_H
#define FACEPAIR_MODEL_FINETUNE_PAIR_LIST_H

#include "model/gallery.h"

#include <stdbool.h>

enum { PAIR_LIST_EACH_MAX = 3000, PAIR_LIST_IMAGES_MAX = 5 /* of a person */ };

struct pair_list_item {
    uint32_t a, b;      /* images of the gallery */
    uint32_t person[2]; /* the same twice for a pair of one person */
};
struct pair_list {
    struct pair_list_item *genuine, *impostor; /* owned */
    uint32_t genuine_count, impostor_count;
};

/* At most PAIR_LIST_IMAGES_MAX photographs of each person are drawn and all their pairs listed, and
 * of these PAIR_LIST_EACH_MAX drawn where there are more. Pairs of two people are drawn person by
 * person, then photograph. The gallery has two people and somebody with two photographs. On
 * STATUS_OK the caller releases it; STATUS_INTERNAL: out of memory. */
enum status pair_list_draw(const struct gallery *gallery, uint64_t seed, struct pair_list *list,
                           struct error *err);
void pair_list_release(struct pair_list *list); /* a zeroed one is allowed */

/* Half of the share of genuine pairs below the threshold and of impostor pairs not below it. */
double pair_list_accuracy(const struct pair_list *list, const struct gallery *gallery,
                          double threshold);
/* The threshold of the largest accuracy, in the middle between the distances on both its sides. */
enum status pair_list_threshold(const struct pair_list *list, const struct gallery *gallery,
                                double *threshold, struct error *err);

#endif
