/* FMR over a resample with multiplicities k is Σ k_a k_b share(a, b, t) ÷ Σ k_a k_b over pairs
 * a < b, a quadratic form in k. The shares are computed once (model/all_pairs.h); a replicate only
 * sums them. 64 replicates are done together: their multiplicities stand side by side, so that each
 * share is read once and multiplied with a vector. Within a run (one person a, one threshold)
 * Σ k_b share is gathered first and multiplied by k_a once.
 *
 * Σ_{a<b} k_a k_b = ((Σ k)² − Σ k²) ÷ 2, and Σ k is the number of people. Sums over a run are in
 * float (at most some thousand terms of one sign: a relative error below 1e-4 of a rate whose
 * interval is wider than a tenth of it), the rest in double.
 */
#include "model/bootstrap.h"

#include "model/random.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOGETHER = 64, VECTOR = 8 };

typedef float vector __attribute__((vector_size(VECTOR * sizeof(float))));

struct bootstrap {
    const struct all_pairs_shares *shares;
    uint64_t seed;
    uint32_t replicates;
    double *fmr, *fnmr; /* (thresholds, replicates) */
};

/* One group of replicates. */
struct group {
    float *weights;                        /* (people, TOGETHER): how often each was drawn */
    double *impostor, *genuine;            /* (thresholds, TOGETHER) */
    double pairs[TOGETHER], own[TOGETHER]; /* the denominators */
    const struct bootstrap *bootstrap;
};

static void sum_impostors(struct group *group, const struct all_pairs_lane *lane) {
    size_t next = 0;
    for (size_t i = 0; i < lane->runs_count; i++) {
        const struct all_pairs_run *run = &lane->runs[i];
        const float *own = group->weights + (size_t)run->person * TOGETHER;
        double *sums = group->impostor + (size_t)run->threshold * TOGETHER;
        vector gathered[TOGETHER / VECTOR] = {0};
        for (; next < run->end; next++) {
            const vector *weights =
                (const vector *)(group->weights + (size_t)lane->shares[next].person * TOGETHER);
            for (int v = 0; v < TOGETHER / VECTOR; v++)
                gathered[v] += lane->shares[next].share * weights[v];
        }
        float others[TOGETHER];
        memcpy(others, gathered, sizeof(others));
        for (int r = 0; r < TOGETHER; r++)
            sums[r] += (double)(own[r] * others[r]);
    }
}

static void sum_genuine(struct group *group, const struct all_pairs_lane *lane) {
    size_t next = 0;
    for (size_t i = 0; i < lane->runs_count; i++) {
        const struct all_pairs_run *run = &lane->runs[i];
        const float *own = group->weights + (size_t)run->person * TOGETHER;
        double *sums = group->genuine + (size_t)run->threshold * TOGETHER;
        for (; next < run->end; next++)
            for (int r = 0; r < TOGETHER; r++)
                sums[r] += (double)(own[r] * lane->shares[next].share);
    }
}

/* Notes the denominators of replicate r; false when it has no rates, for want of two different
 * people or of one with two images. */
static bool weigh(struct group *group, int r) {
    const struct all_pairs_shares *shares = group->bootstrap->shares;
    double squares = 0, own = 0;
    for (uint32_t person = 0; person < shares->people; person++) {
        double k = (double)group->weights[(size_t)person * TOGETHER + (size_t)r];
        squares += k * k;
        own += shares->paired[person] ? k : 0;
    }
    group->pairs[r] = ((double)shares->people * shares->people - squares) / 2;
    group->own[r] = own;
    return group->pairs[r] > 0 && own > 0;
}

static void draw(struct group *group, int r, uint64_t seed) {
    uint32_t people = group->bootstrap->shares->people;
    struct random_generator generator = random_seeded(seed);
    do {
        for (uint32_t person = 0; person < people; person++)
            group->weights[(size_t)person * TOGETHER + (size_t)r] = 0;
        for (uint32_t i = 0; i < people; i++)
            group->weights[(size_t)random_below(&generator, people) * TOGETHER + (size_t)r] += 1;
    } while (!weigh(group, r));
}

/* From sums by threshold to rates: accepted so far ÷ all. */
static void note_rates(const struct group *group, unsigned number) {
    const struct bootstrap *bootstrap = group->bootstrap;
    for (int r = 0; r < TOGETHER; r++) {
        double impostor = 0, genuine = 0;
        for (uint32_t t = 0; t < bootstrap->shares->thresholds_count; t++) {
            size_t place =
                (size_t)t * bootstrap->replicates + (size_t)number * TOGETHER + (size_t)r;
            impostor += group->impostor[(size_t)t * TOGETHER + (size_t)r];
            genuine += group->genuine[(size_t)t * TOGETHER + (size_t)r];
            bootstrap->fmr[place] = fmin(1, impostor / group->pairs[r]);
            bootstrap->fnmr[place] = fmax(0, 1 - genuine / group->own[r]);
        }
    }
}

static bool run_group(void *context, unsigned number, struct crew_shift *shift) {
    (void)shift; /* a group is one piece */
    const struct bootstrap *bootstrap = context;
    const struct all_pairs_shares *shares = bootstrap->shares;
    size_t sums = (size_t)shares->thresholds_count * TOGETHER;
    size_t weights = (size_t)shares->people * TOGETHER * sizeof(float);
    struct group group = {.bootstrap = bootstrap,
                          .weights = aligned_alloc(sizeof(vector), weights), /* draw() fills it */
                          .impostor = calloc(2 * sums, sizeof(double))};
    bool well = group.weights && group.impostor;
    if (well) {
        group.genuine = group.impostor + sums;
        for (int r = 0; r < TOGETHER; r++)
            draw(&group, r, bootstrap->seed + (uint64_t)number * TOGETHER + (uint64_t)r);
        for (unsigned lane = 0; lane < ALL_PAIRS_LANES; lane++) {
            sum_impostors(&group, &shares->impostor[lane]);
            sum_genuine(&group, &shares->genuine[lane]);
        }
        note_rates(&group, number);
    }
    free(group.weights);
    free(group.impostor);
    return well;
}

/* Up to some threshold FMR has no events; there the rate can only be smaller than at the threshold
 * beside it, so that one's bound holds too. FNMR is a mean over people, and whatever was seen in n
 * of them, a part of 3 ÷ n of all people may be quite different and have been missed. */
static void widen(const struct all_pairs_shares *shares, struct interval *fmr,
                  struct interval *fnmr) {
    const double of_pairs = interval_of_rate(0, shares->people / 2).high;
    const double of_people = interval_of_rate(0, shares->people_paired).high;
    for (uint32_t t = shares->thresholds_count; t-- > 0;) {
        if (fmr[t].high <= 0)
            fmr[t].high =
                t + 1 < shares->thresholds_count ? fmin(of_pairs, fmr[t + 1].high) : of_pairs;
        fnmr[t].high = fmax(fnmr[t].high, of_people);
    }
}

/* False: it is not to go on. Many replicates take long to sort. */
static bool fill_intervals(const struct bootstrap *bootstrap, const struct go_on *go_on,
                           struct interval *fmr, struct interval *fnmr) {
    const struct all_pairs_shares *shares = bootstrap->shares;
    for (uint32_t t = 0; t < shares->thresholds_count; t++) {
        size_t place = (size_t)t * bootstrap->replicates;
        fmr[t] = interval_of_replicates(bootstrap->fmr + place, bootstrap->replicates);
        fnmr[t] = interval_of_replicates(bootstrap->fnmr + place, bootstrap->replicates);
        if (!go_on_ask(go_on))
            return false;
    }
    widen(shares, fmr, fnmr);
    return true;
}

enum status bootstrap_people(const struct all_pairs_shares *shares,
                             const struct bootstrap_options *options, struct interval *fmr,
                             struct interval *fnmr, struct error *err) {
    assert(options->replicates > 0 && options->replicates <= BOOTSTRAP_REPLICATES_MAX);
    unsigned groups = (options->replicates + TOGETHER - 1) / TOGETHER;
    struct bootstrap bootstrap = {
        .shares = shares, .seed = options->seed, .replicates = groups * TOGETHER};
    size_t rates = (size_t)shares->thresholds_count * bootstrap.replicates;
    bootstrap.fmr = calloc(2 * rates, sizeof(double));
    if (!bootstrap.fmr)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    bootstrap.fnmr = bootstrap.fmr + rates;
    enum status status = crew_run(&options->crew, groups, run_group, &bootstrap, err);
    if (status == STATUS_OK && !fill_intervals(&bootstrap, &options->crew.go_on, fmr, fnmr))
        status = error_set(err, STATUS_DRAINING, "stopped");
    free(bootstrap.fmr);
    return status;
}
