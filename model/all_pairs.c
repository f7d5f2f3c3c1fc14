/* Two readings of one scan (model/pair_scan.h).
 *
 * The histogram adds each pair's weight to its bin: a megabyte a lane for both kinds.
 *
 * The shares keep apart whose pairs they are. For a pair of people (a, b) and rising thresholds
 * t₀ < t₁ < …, share j is the part of their image pairs with tⱼ₋₁ ≤ distance < tⱼ; so
 * FMR(tⱼ) = mean over pairs of people of share 0 + … + share j. Most pairs of people have a handful
 * of images and so a handful of shares. A lane gathers those of one tile of people and sorts them
 * by (person, threshold), by counting, so that a resampling reads them in order.
 */
#include "model/all_pairs.h"

#include "model/pair_scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static enum status check(const struct gallery *gallery, uint32_t *paired, struct error *err) {
    *paired = 0;
    for (uint32_t person = 0; person < gallery->people; person++) {
        assert(gallery_images_of(gallery, person) > 0);
        *paired += gallery_images_of(gallery, person) > 1;
    }
    if (gallery->people < 2 || *paired == 0)
        return error_set(err, STATUS_INVALID_FIELD,
                         "all pairs need two people, one of them with two images");
    if (gallery_images(gallery) > ALL_PAIRS_IMAGES_MAX)
        return error_set(err, STATUS_INVALID_FIELD, "more than %d images",
                         (int)ALL_PAIRS_IMAGES_MAX);
    return STATUS_OK;
}

static double pairs_within(double images) { return images * (images - 1) / 2; }

/* ---- the histogram ---- */

struct measuring {
    const struct gallery *gallery;
    double *bins[ALL_PAIRS_LANES]; /* (2, DISTANCE_BINS): genuine, impostor; NULL: none yet */
};

static void add_own_pairs(double *genuine, const struct pair_block *block, uint32_t person) {
    const uint32_t *first = block->gallery->first;
    uint32_t begin = first[person], end = first[person + 1];
    double weight = 1 / pairs_within(end - begin);
    for (uint32_t i = begin; i < end; i++)
        for (uint32_t j = i + 1; j < end; j++)
            genuine[block
                        ->bins[(i - block->first_row) * block->stride + j - block->first_column]] +=
                weight;
}

static void add_pairs(double *impostor, const struct pair_block *block, uint32_t a, uint32_t b) {
    const uint32_t *first = block->gallery->first;
    double weight =
        1 / ((double)gallery_images_of(block->gallery, a) * gallery_images_of(block->gallery, b));
    for (uint32_t i = first[a]; i < first[a + 1]; i++)
        for (uint32_t j = first[b]; j < first[b + 1]; j++)
            impostor[block->bins[(i - block->first_row) * block->stride + j -
                                 block->first_column]] += weight;
}

static bool add_block(void *context, unsigned lane, const struct pair_block *block) {
    struct measuring *measuring = context;
    double *bins = measuring->bins[lane];
    if (!bins)
        bins = measuring->bins[lane] = calloc(2 * DISTANCE_BINS, sizeof(double));
    if (!bins)
        return false;
    for (uint32_t a = block->row_people[0]; a < block->row_people[1]; a++) {
        for (uint32_t b = block->column_people[0]; b < block->column_people[1]; b++) {
            if (a == b)
                add_own_pairs(bins, block, a);
            else if (a < b)
                add_pairs(bins + DISTANCE_BINS, block, a, b);
        }
    }
    return true;
}

static void count_pairs(const struct gallery *gallery, struct distance_histogram *histogram) {
    double own = 0;
    for (uint32_t person = 0; person < gallery->people; person++)
        own += pairs_within(gallery_images_of(gallery, person));
    histogram->people = gallery->people;
    histogram->images = gallery_images(gallery);
    histogram->genuine_pairs = (uint64_t)own;
    histogram->impostor_pairs = (uint64_t)(pairs_within(histogram->images) - own);
}

static void add_up(const struct measuring *measuring, struct distance_histogram *histogram) {
    for (unsigned lane = 0; lane < ALL_PAIRS_LANES; lane++)
        for (size_t i = 0; measuring->bins[lane] && i < 2 * (size_t)DISTANCE_BINS; i++)
            histogram->genuine[i] += measuring->bins[lane][i];
    for (size_t i = 0; i < DISTANCE_BINS; i++) {
        histogram->genuine[i] /= histogram->people_paired;
        histogram->impostor[i] /= pairs_within(histogram->people);
    }
}

enum status all_pairs_measure(const struct gallery *gallery, const struct crew *crew,
                              struct distance_histogram *histogram, struct error *err) {
    struct measuring measuring = {.gallery = gallery};
    const struct pair_visitor visitor = {.visit = add_block, .context = &measuring};
    uint32_t paired;
    double per_unit;
    enum status status = check(gallery, &paired, err);
    if (status == STATUS_OK)
        status = pair_scan_resolution(gallery, &per_unit, err);
    if (status == STATUS_OK)
        status = distance_histogram_create(per_unit, histogram, err);
    if (status != STATUS_OK)
        return status;
    histogram->people_paired = paired;
    count_pairs(gallery, histogram);
    status = pair_scan(gallery, per_unit, crew, &visitor, err);
    if (status == STATUS_OK)
        add_up(&measuring, histogram);
    else
        distance_histogram_release(histogram);
    for (unsigned lane = 0; lane < ALL_PAIRS_LANES; lane++)
        free(measuring.bins[lane]);
    return status;
}

/* ---- the shares ---- */

/* A share not yet in its place. */
struct pending {
    uint32_t person, other, threshold;
    float share;
};

struct gathering {
    struct pending *pending;
    size_t count, room;
    uint32_t counts[ALL_PAIRS_THRESHOLDS_MAX], touched[ALL_PAIRS_THRESHOLDS_MAX];
};

struct sharing {
    uint32_t thresholds_count;
    uint16_t threshold_of_bin[DISTANCE_BINS];        /* the first that accepts it; count: none */
    struct gathering gatherings[ALL_PAIRS_LANES][2]; /* impostor, genuine */
    struct all_pairs_shares *shares;
};

/* Room for one more of `size` bytes, doubling. */
static bool grow(void **items, size_t count, size_t *room, size_t size) {
    if (count < *room)
        return true;
    size_t wanted = *room ? *room * 2 : 1024;
    void *grown = reallocarray(*items, wanted, size);
    if (!grown)
        return false;
    *items = grown;
    *room = wanted;
    return true;
}

/* The pairs of images of a and b, counted by the first threshold that accepts them. */
static bool gather(const struct sharing *sharing, struct gathering *gathering,
                   const struct pair_block *block, uint32_t a, uint32_t b) {
    const uint32_t *first = block->gallery->first;
    uint32_t touched = 0;
    double pairs = a == b ? pairs_within(gallery_images_of(block->gallery, a))
                          : (double)gallery_images_of(block->gallery, a) *
                                gallery_images_of(block->gallery, b);
    for (uint32_t i = first[a]; i < first[a + 1]; i++) {
        const uint16_t *bins =
            block->bins + (size_t)(i - block->first_row) * block->stride - block->first_column;
        for (uint32_t j = a == b ? i + 1 : first[b]; j < first[b + 1]; j++) {
            uint32_t threshold = sharing->threshold_of_bin[bins[j]];
            if (threshold < sharing->thresholds_count && gathering->counts[threshold]++ == 0)
                gathering->touched[touched++] = threshold;
        }
    }
    for (uint32_t i = 0; i < touched; i++) {
        uint32_t threshold = gathering->touched[i];
        if (!grow((void **)&gathering->pending, gathering->count, &gathering->room,
                  sizeof(struct pending)))
            return false;
        gathering->pending[gathering->count++] = (struct pending){
            a, b, threshold, (float)((double)gathering->counts[threshold] / pairs)};
        gathering->counts[threshold] = 0;
    }
    return true;
}

static bool gather_block(void *context, unsigned lane, const struct pair_block *block) {
    struct sharing *sharing = context;
    for (uint32_t a = block->row_people[0]; a < block->row_people[1]; a++)
        for (uint32_t b = block->column_people[0]; b < block->column_people[1]; b++)
            if (a <= b && !gather(sharing, &sharing->gatherings[lane][a == b], block, a, b))
                return false;
    return true;
}

static bool make_room(struct all_pairs_lane *lane, size_t more) {
    size_t wanted = lane->shares_count + more;
    if (wanted <= lane->shares_room)
        return true;
    wanted += wanted / 2;
    struct all_pairs_share *grown = reallocarray(lane->shares, wanted, sizeof(*grown));
    if (!grown)
        return false;
    lane->shares = grown;
    lane->shares_room = wanted;
    return true;
}

/* From how many shares each key has to where they begin; a run for each key that has any. */
static bool begin_runs(struct all_pairs_lane *lane, size_t *counts, size_t keys,
                       uint32_t first_person, uint32_t thresholds) {
    for (size_t key = 0; key < keys; key++) {
        size_t count = counts[key];
        counts[key] = lane->shares_count;
        lane->shares_count += count;
        if (count == 0)
            continue;
        if (!grow((void **)&lane->runs, lane->runs_count, &lane->runs_room, sizeof(*lane->runs)))
            return false;
        lane->runs[lane->runs_count++] =
            (struct all_pairs_run){first_person + (uint32_t)(key / thresholds),
                                   (uint32_t)(key % thresholds), lane->shares_count};
    }
    return true;
}

static size_t key_of(const struct pending *pending, uint32_t first_person, uint32_t thresholds) {
    return (size_t)(pending->person - first_person) * thresholds + pending->threshold;
}

/* Appends what was gathered to the lane by (person, threshold): a counting sort. */
static bool settle(struct all_pairs_lane *lane, struct gathering *gathering, uint32_t first_person,
                   uint32_t people, uint32_t thresholds) {
    size_t keys = (size_t)people * thresholds;
    size_t *next = calloc(keys + 1, sizeof(*next));
    if (!next || !make_room(lane, gathering->count)) {
        free(next);
        return false;
    }
    for (size_t i = 0; i < gathering->count; i++)
        next[key_of(&gathering->pending[i], first_person, thresholds)]++;
    bool well = begin_runs(lane, next, keys, first_person, thresholds);
    for (size_t i = 0; well && i < gathering->count; i++) {
        const struct pending *pending = &gathering->pending[i];
        lane->shares[next[key_of(pending, first_person, thresholds)]++] =
            (struct all_pairs_share){pending->other, pending->share};
    }
    gathering->count = 0;
    free(next);
    return well;
}

static bool settle_row(void *context, unsigned lane, const struct pair_block *block) {
    struct sharing *sharing = context;
    uint32_t first = block->row_people[0], people = block->row_people[1] - first;
    return settle(&sharing->shares->impostor[lane], &sharing->gatherings[lane][0], first, people,
                  sharing->thresholds_count) &&
           settle(&sharing->shares->genuine[lane], &sharing->gatherings[lane][1], first, people,
                  sharing->thresholds_count);
}

static void mark_bins(struct sharing *sharing, const uint32_t *thresholds, uint32_t count) {
    uint32_t next = 0;
    for (uint32_t bin = 0; bin < DISTANCE_BINS; bin++) {
        while (next < count && thresholds[next] <= bin)
            next++;
        sharing->threshold_of_bin[bin] = (uint16_t)next;
    }
}

enum status all_pairs_share_out(const struct gallery *gallery, const uint32_t *thresholds,
                                uint32_t count, const struct crew *crew,
                                struct all_pairs_shares *shares, struct error *err) {
    assert(count > 0 && count <= ALL_PAIRS_THRESHOLDS_MAX);
    *shares = (struct all_pairs_shares){.people = gallery->people, .thresholds_count = count};
    double per_unit;
    enum status status = check(gallery, &shares->people_paired, err);
    if (status == STATUS_OK)
        status = pair_scan_resolution(gallery, &per_unit, err);
    if (status != STATUS_OK)
        return status;
    struct sharing *sharing = calloc(1, sizeof(*sharing));
    shares->paired = calloc(gallery->people, sizeof(*shares->paired));
    if (!sharing || !shares->paired) {
        free(sharing);
        all_pairs_shares_release(shares);
        return error_set(err, STATUS_INTERNAL, "out of memory");
    }
    for (uint32_t person = 0; person < gallery->people; person++)
        shares->paired[person] = gallery_images_of(gallery, person) > 1;
    sharing->thresholds_count = count;
    sharing->shares = shares;
    mark_bins(sharing, thresholds, count);
    const struct pair_visitor visitor = {gather_block, settle_row, sharing};
    status = pair_scan(gallery, per_unit, crew, &visitor, err);
    for (unsigned lane = 0; lane < ALL_PAIRS_LANES; lane++)
        for (unsigned kind = 0; kind < 2; kind++)
            free(sharing->gatherings[lane][kind].pending);
    free(sharing);
    if (status != STATUS_OK)
        all_pairs_shares_release(shares);
    return status;
}

void all_pairs_shares_release(struct all_pairs_shares *shares) {
    for (unsigned lane = 0; lane < ALL_PAIRS_LANES; lane++) {
        free(shares->impostor[lane].shares);
        free(shares->impostor[lane].runs);
        free(shares->genuine[lane].shares);
        free(shares->genuine[lane].runs);
    }
    free(shares->paired);
    memset(shares, 0, sizeof(*shares));
}
