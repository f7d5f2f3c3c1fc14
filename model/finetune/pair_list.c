#include "model/finetune/pair_list.h"

#include "model/decision.h"
#include "model/random.h"

#include <stdlib.h>
#include <string.h>

/* ---- drawing ---- */

/* Of each person the photographs that may stand in pairs. */
struct chosen {
    uint32_t *images; /* (people, PAIR_LIST_IMAGES_MAX) of the gallery */
    uint32_t *counts; /* (people) */
};

static void choose(const struct gallery *gallery, uint32_t person,
                   struct random_generator *generator, uint32_t *order, struct chosen *chosen) {
    uint32_t images = gallery_images_of(gallery, person);
    uint32_t count = images < PAIR_LIST_IMAGES_MAX ? images : PAIR_LIST_IMAGES_MAX;
    for (uint32_t i = 0; i < images; i++)
        order[i] = gallery->first[person] + i;
    random_shuffle(generator, order, images);
    memcpy(chosen->images + (size_t)person * PAIR_LIST_IMAGES_MAX, order, count * sizeof(*order));
    chosen->counts[person] = count;
}

static void list_genuine(const struct chosen *chosen, uint32_t people, struct pair_list *list) {
    for (uint32_t person = 0; person < people; person++) {
        const uint32_t *own = chosen->images + (size_t)person * PAIR_LIST_IMAGES_MAX;
        for (uint32_t i = 0; i < chosen->counts[person]; i++)
            for (uint32_t j = i + 1; j < chosen->counts[person]; j++)
                list->genuine[list->genuine_count++] =
                    (struct pair_list_item){own[i], own[j], {person, person}};
    }
}

/* The first PAIR_LIST_EACH_MAX of a random order. */
static void cut_genuine(struct random_generator *generator, struct pair_list *list) {
    for (uint32_t i = 0; list->genuine_count > PAIR_LIST_EACH_MAX && i < PAIR_LIST_EACH_MAX; i++) {
        uint32_t j = i + random_below(generator, list->genuine_count - i);
        struct pair_list_item kept = list->genuine[i];
        list->genuine[i] = list->genuine[j];
        list->genuine[j] = kept;
    }
    if (list->genuine_count > PAIR_LIST_EACH_MAX)
        list->genuine_count = PAIR_LIST_EACH_MAX;
}

static void draw_impostors(const struct chosen *chosen, uint32_t people,
                           struct random_generator *generator, struct pair_list *list) {
    while (list->impostor_count < PAIR_LIST_EACH_MAX) {
        uint32_t a = random_below(generator, people);
        uint32_t b = (a + 1 + random_below(generator, people - 1)) % people;
        uint32_t i = random_below(generator, chosen->counts[a]);
        uint32_t j = random_below(generator, chosen->counts[b]);
        list->impostor[list->impostor_count++] =
            (struct pair_list_item){chosen->images[(size_t)a * PAIR_LIST_IMAGES_MAX + i],
                                    chosen->images[(size_t)b * PAIR_LIST_IMAGES_MAX + j],
                                    {a, b}};
    }
}

enum status pair_list_draw(const struct gallery *gallery, uint64_t seed, struct pair_list *list,
                           struct error *err) {
    enum { PAIRS_MAX = PAIR_LIST_IMAGES_MAX * (PAIR_LIST_IMAGES_MAX - 1) / 2 };
    size_t people = gallery->people;
    struct random_generator generator = random_seeded(seed);
    struct chosen chosen = {calloc(people * PAIR_LIST_IMAGES_MAX, sizeof(*chosen.images)),
                            calloc(people, sizeof(*chosen.counts))};
    uint32_t *order = calloc(gallery_images(gallery), sizeof(*order));
    *list = (struct pair_list){.genuine = calloc(people * PAIRS_MAX, sizeof(*list->genuine)),
                               .impostor = calloc(PAIR_LIST_EACH_MAX, sizeof(*list->impostor))};
    bool well = chosen.images && chosen.counts && order && list->genuine && list->impostor;
    if (well) {
        for (uint32_t person = 0; person < people; person++)
            choose(gallery, person, &generator, order, &chosen);
        list_genuine(&chosen, gallery->people, list);
        cut_genuine(&generator, list);
        draw_impostors(&chosen, gallery->people, &generator, list);
    } else {
        pair_list_release(list);
    }
    free(chosen.images);
    free(chosen.counts);
    free(order);
    return well ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory");
}

void pair_list_release(struct pair_list *list) {
    free(list->genuine);
    free(list->impostor);
    *list = (struct pair_list){.genuine = NULL};
}

/* ---- accuracy ---- */

static double distance_of(const struct gallery *gallery, const struct pair_list_item *pair) {
    return decision_distance(gallery->embeddings + (size_t)pair->a * gallery->length,
                             gallery->embeddings + (size_t)pair->b * gallery->length,
                             gallery->length);
}

double pair_list_accuracy(const struct pair_list *list, const struct gallery *gallery,
                          double threshold) {
    uint32_t accepted = 0, refused = 0;
    for (uint32_t i = 0; i < list->genuine_count; i++)
        accepted += distance_of(gallery, &list->genuine[i]) < threshold;
    for (uint32_t i = 0; i < list->impostor_count; i++)
        refused += !(distance_of(gallery, &list->impostor[i]) < threshold);
    return 0.5 * accepted / list->genuine_count + 0.5 * refused / list->impostor_count;
}

struct labelled {
    double distance, gain; /* of accuracy, by accepting it */
};

static int by_distance(const void *a, const void *b) {
    double x = ((const struct labelled *)a)->distance, y = ((const struct labelled *)b)->distance;
    return (x > y) - (x < y);
}

/* Of sorted distances; the threshold stands before the one where the accuracy is largest. */
static double best_threshold(const struct labelled *sorted, size_t count) {
    double accuracy = 0, best = 0, threshold = sorted[0].distance;
    for (size_t i = 0; i < count; i++) {
        accuracy += sorted[i].gain;
        bool between = i + 1 == count || sorted[i + 1].distance > sorted[i].distance;
        if (between && accuracy > best) {
            best = accuracy;
            threshold = i + 1 < count ? (sorted[i].distance + sorted[i + 1].distance) / 2
                                      : sorted[i].distance * 1.01;
        }
    }
    return threshold;
}

enum status pair_list_threshold(const struct pair_list *list, const struct gallery *gallery,
                                double *threshold, struct error *err) {
    size_t count = (size_t)list->genuine_count + list->impostor_count, next = 0;
    struct labelled *labelled = calloc(count, sizeof(*labelled));
    if (!labelled)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t i = 0; i < list->genuine_count; i++)
        labelled[next++] =
            (struct labelled){distance_of(gallery, &list->genuine[i]), 0.5 / list->genuine_count};
    for (uint32_t i = 0; i < list->impostor_count; i++)
        labelled[next++] = (struct labelled){distance_of(gallery, &list->impostor[i]),
                                             -0.5 / list->impostor_count};
    qsort(labelled, count, sizeof(*labelled), by_distance);
    *threshold = best_threshold(labelled, count);
    free(labelled);
    return STATUS_OK;
}
