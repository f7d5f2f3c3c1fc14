/* The threshold of a fold is the one that decides most pairs of all other folds rightly, so that no
 * pair is judged by a threshold that was chosen on it. Candidates lie half way between neighbouring
 * distances and beyond both ends; of several equally good ones the smallest is taken, which accepts
 * fewer impostors. The standard error of the mean is the folds' deviation (with n − 1) ÷ √n, as in
 * LFW's report (Huang and others 2007). */
#include "model/folds.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    double distance;
    uint32_t fold;
    bool same;
};

static int by_distance(const void *a, const void *b) {
    double x = ((const struct entry *)a)->distance, y = ((const struct entry *)b)->distance;
    return (x > y) - (x < y);
}

/* sorted[0…count): all pairs; those of `fold` are skipped. */
static double choose_threshold(const struct entry *sorted, size_t count, uint32_t fold) {
    long right = 0, best = 0;
    double threshold = 0, before = 0;
    bool any = false;
    for (size_t i = 0; i < count; i++) /* refusing all is right for impostors */
        right += sorted[i].fold != fold && !sorted[i].same;
    best = right;
    for (size_t i = 0; i < count;) {
        double here = sorted[i].distance;
        long change = 0;
        bool member = false;
        for (; i < count && sorted[i].distance == here; i++) {
            if (sorted[i].fold == fold)
                continue;
            change += sorted[i].same ? 1 : -1;
            member = true;
        }
        if (!member)
            continue;
        /* The threshold that was best so far begins after `before` and may reach up to here. */
        if (any && threshold < 0)
            threshold = (before + here) / 2;
        right += change;
        if (right > best) {
            best = right;
            threshold = -1;
        }
        before = here;
        any = true;
    }
    return threshold < 0 ? nextafter(before, INFINITY) : threshold;
}

static void judge(const struct entry *sorted, size_t count, uint32_t number, struct fold *fold) {
    size_t right = 0;
    *fold = (struct fold){.threshold = choose_threshold(sorted, count, number)};
    for (size_t i = 0; i < count; i++) {
        if (sorted[i].fold != number)
            continue;
        fold->pairs++;
        right += (sorted[i].distance < fold->threshold) == sorted[i].same;
    }
    fold->accuracy = fold->pairs ? (double)right / (double)fold->pairs : NAN;
}

static enum status summarise(struct folds *folds, struct error *err) {
    double sum = 0, squares = 0;
    for (uint32_t i = 0; i < folds->count; i++) {
        if (folds->list[i].pairs == 0)
            return error_set(err, STATUS_INVALID_FIELD, "fold %u has no pair", i + 1);
        sum += folds->list[i].accuracy;
    }
    folds->accuracy = sum / folds->count;
    for (uint32_t i = 0; i < folds->count; i++)
        squares += pow(folds->list[i].accuracy - folds->accuracy, 2);
    folds->standard_error = sqrt(squares / (folds->count - 1) / folds->count);
    return STATUS_OK;
}

enum status folds_measure(const struct evaluation_pair *pairs, const uint32_t *fold_of,
                          size_t pairs_count, uint32_t count, struct folds *folds,
                          struct error *err) {
    assert(count >= 2 && count <= FOLDS_MAX);
    memset(folds, 0, sizeof(*folds));
    folds->count = count;
    struct entry *sorted = calloc(pairs_count + 1, sizeof(*sorted));
    if (!sorted)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = STATUS_OK;
    for (size_t i = 0; i < pairs_count; i++) {
        assert(fold_of[i] < count);
        sorted[i] = (struct entry){pairs[i].distance, fold_of[i], pairs[i].same};
        if (!isfinite(pairs[i].distance))
            status = error_set(err, STATUS_INVALID_FIELD, "the distance of pair %zu is no number",
                               i + 1);
    }
    qsort(sorted, pairs_count, sizeof(*sorted), by_distance);
    for (uint32_t number = 0; number < count && status == STATUS_OK; number++)
        judge(sorted, pairs_count, number, &folds->list[number]);
    free(sorted);
    return status == STATUS_OK ? summarise(folds, err) : status;
}
