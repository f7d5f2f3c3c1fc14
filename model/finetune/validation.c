/* The log loss is convex in a and b. Newton's steps find its bottom; a little is added to the
 * second derivatives' diagonal, so that distances which separate both kinds entirely (where b would
 * grow without end) leave them finite. */
#include "model/finetune/validation.h"

#include <math.h>
#include <stdlib.h>

enum { NEWTON_STEPS = 40 };
static const double RIDGE = 1e-6;
static const double EPSILON = 1e-6; /* pairwise_distance's, as in network/train.h */

enum status validation_begin(const struct album *album, const struct parts *parts,
                             const struct views *views,
                             const struct finetune_hyperparameters *parameters, uint32_t length,
                             struct validation *validation, struct error *err) {
    struct plan_people people;
    struct random_generator generator = random_seeded(parameters->seed);
    *validation = (struct validation){.views = views, .parameters = parameters, .length = length};
    enum status status = plan_people_of(album, parts, PART_VALIDATION, views, &people, err);
    if (status != STATUS_OK)
        return status;
    status =
        plan_pairs(&people, &parts->validation, views, 1, 1, &generator, &validation->pairs, err);
    plan_people_release(&people);
    if (status != STATUS_OK)
        return status;
    validation->embeddings =
        calloc((size_t)views->validation * length, sizeof(*validation->embeddings));
    validation->distances =
        calloc((size_t)validation->pairs.count + 1, sizeof(*validation->distances));
    if (validation->embeddings && validation->distances)
        return STATUS_OK;
    validation_end(validation);
    return error_set(err, STATUS_INTERNAL, "out of memory");
}

void validation_end(struct validation *validation) {
    plan_release(&validation->pairs);
    free(validation->embeddings);
    free(validation->distances);
    *validation = (struct validation){.views = NULL};
}

/* ---- distances ---- */

static double contrastive_distance(const float *a, const float *b, uint32_t length) {
    double sum = 0;
    for (uint32_t i = 0; i < length; i++) {
        double difference = (double)a[i] - (double)b[i] + EPSILON;
        sum += difference * difference;
    }
    return sqrt(sum);
}

static void normalise(float *embedding, uint32_t length) {
    double sum = 0;
    for (uint32_t i = 0; i < length; i++)
        sum += (double)embedding[i] * (double)embedding[i];
    for (uint32_t i = 0; i < length && sum > 0; i++)
        embedding[i] = (float)((double)embedding[i] / sqrt(sum));
}

static double contrastive_loss(const struct validation *validation) {
    double sum = 0;
    for (uint32_t i = 0; i < validation->pairs.count; i++) {
        double d = validation->distances[i];
        double lack = fmax(0, validation->parameters->margin - d);
        sum += validation->pairs.same[i] ? d * d : lack * lack;
    }
    return sum / validation->pairs.count;
}

/* ---- log loss ---- */

struct newton {
    double gradient[2], hessian[3]; /* of a and b; aa, ab, bb */
    double loss;
};

/* −ln of a probability 1 / (1 + exp(−x)), for any x. */
static double minus_log_of(double x) { return x > 0 ? log1p(exp(-x)) : log1p(exp(x)) - x; }

static struct newton newton_at(double a, double b, const double *distances, const uint8_t *same,
                               uint32_t count, const double *weights) {
    struct newton at = {.loss = 0};
    for (uint32_t i = 0; i < count; i++) {
        double x = a - b * distances[i], p = 1 / (1 + exp(-x)), w = weights[same[i]];
        double slope = w * (p - same[i]), curve = w * p * (1 - p);
        at.loss += w * minus_log_of(same[i] ? x : -x);
        at.gradient[0] += slope;
        at.gradient[1] -= slope * distances[i];
        at.hessian[0] += curve;
        at.hessian[1] -= curve * distances[i];
        at.hessian[2] += curve * distances[i] * distances[i];
    }
    return at;
}

double validation_log_loss(const double *distances, const uint8_t *same, uint32_t count) {
    uint32_t genuine = 0;
    for (uint32_t i = 0; i < count; i++)
        genuine += same[i];
    if (genuine == 0 || genuine == count)
        return NAN;
    const double weights[2] = {0.5 / (count - genuine), 0.5 / genuine};
    double a = 0, b = 0, smallest = log(2);
    for (int step = 0; step < NEWTON_STEPS; step++) {
        struct newton at = newton_at(a, b, distances, same, count, weights);
        double aa = at.hessian[0] + RIDGE, bb = at.hessian[2] + RIDGE, ab = at.hessian[1];
        double determinant = aa * bb - ab * ab;
        smallest = fmin(smallest, at.loss);
        a -= (bb * at.gradient[0] - ab * at.gradient[1]) / determinant;
        b -= (aa * at.gradient[1] - ab * at.gradient[0]) / determinant;
    }
    return smallest;
}

/* ---- the whole ---- */

enum status validation_measure(struct validation *validation, struct network_train *train,
                               double *loss, struct error *err) {
    const struct finetune_hyperparameters *parameters = validation->parameters;
    uint32_t length = validation->length, rows = validation->views->validation;
    enum status status = network_train_embed(train, rows_at(&validation->views->rows, 0), rows,
                                             validation->embeddings, err);
    if (status != STATUS_OK)
        return status;
    for (uint32_t i = 0; i < rows && parameters->loss != FINETUNE_CONTRASTIVE; i++)
        normalise(validation->embeddings + (size_t)i * length, length);
    for (uint32_t i = 0; i < validation->pairs.count; i++)
        validation->distances[i] = contrastive_distance(
            validation->embeddings + (size_t)validation->pairs.a[i] * length,
            validation->embeddings + (size_t)validation->pairs.b[i] * length, length);
    bool contrastive =
        parameters->loss == FINETUNE_CONTRASTIVE && parameters->mining == FINETUNE_MINING_NONE;
    *loss = contrastive ? contrastive_loss(validation)
                        : validation_log_loss(validation->distances, validation->pairs.same,
                                              validation->pairs.count);
    return STATUS_OK;
}
