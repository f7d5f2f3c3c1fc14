/* An interrupted epoch is gone through again from its beginning in order, not in steps: its plan is
 * drawn from the generator's state at its beginning, and the batches that the checkpoint has behind
 * it are passed over. */
#include "model/finetune/training.h"

#include "server/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct training {
    const struct training_options *options;
    const struct finetune_hyperparameters *parameters;
    struct network_train *train;
    struct course *course;
    struct validation validation;
    struct plan_people people;
    struct plan plan;
    float *a, *b;      /* (batch, row_values): a batch put together */
    float *embeddings; /* (batch, length) */
    char checkpoint[PATH_MAX];
    uint64_t begun_us, steps_begun; /* for the time that is left */
};

/* ---- what is told ---- */

static enum finetune_wish wish_of(const struct training *training) {
    const struct finetune_hooks *hooks = training->options->hooks;
    return hooks->wish ? hooks->wish(hooks->context) : FINETUNE_GO_ON;
}

/* Epochs have nearly the same number of batches: the plan's is taken for each. */
static uint64_t steps_done(const struct training *training) {
    return (uint64_t)training->plan.batches * training->course->epochs_done +
           training->course->batches_done;
}

static void tell_progress(const struct training *training) {
    const struct finetune_hooks *hooks = training->options->hooks;
    const struct course *course = training->course;
    uint64_t steps = (uint64_t)training->plan.batches * training->parameters->epochs;
    uint64_t done = steps_done(training);
    uint64_t since = done - training->steps_begun;
    double elapsed_s = (double)(clock_monotonic_us() - training->begun_us) / 1e6;
    const struct finetune_progress progress = {
        .phase = FINETUNE_RUNNING,
        .epoch = course->epochs_done + 1,
        .epochs = training->parameters->epochs,
        .step = done,
        .steps = steps,
        .eta_s = since > 0 ? elapsed_s / (double)since * (double)(steps - done) : -1};
    if (hooks->on_progress)
        hooks->on_progress(hooks->context, &progress);
}

static void tell_epochs(const struct training *training, uint32_t from) {
    const struct finetune_hooks *hooks = training->options->hooks;
    for (uint32_t i = from; i < training->course->epochs_done && hooks->on_epoch; i++)
        hooks->on_epoch(hooks->context, &training->course->history[i]);
}

static enum status keep(struct training *training, bool best, struct error *err) {
    const struct training_options *options = training->options;
    const struct course *course = training->course;
    const struct views *views = options->views;
    uint64_t bytes, taken = views->rows.on_disk ? views->rows.bytes : 0;
    uint64_t left =
        options->spec->disk_bytes_max > taken ? options->spec->disk_bytes_max - taken : 0;
    enum status status = checkpoint_write(options->work, course, options->key, training->train,
                                          best, left, training->checkpoint, &bytes, err);
    if (status != STATUS_OK || !options->hooks->on_checkpoint)
        return status;
    const struct finetune_checkpoint checkpoint = {
        .path = training->checkpoint,
        .epoch = course->epochs_done,
        .step = steps_done(training),
        .bytes = bytes,
        .validation_loss = course->epochs_done > 0
                               ? course->history[course->epochs_done - 1].validation_loss
                               : NAN};
    options->hooks->on_checkpoint(options->hooks->context, &checkpoint);
    return STATUS_OK;
}

/* ---- steps ---- */

static void gather(const struct training *training, const uint32_t *rows, uint32_t count,
                   float *to) {
    const struct rows *from = &training->options->views->rows;
    for (uint32_t i = 0; i < count; i++)
        memcpy(to + i * from->values, rows_at(from, rows[i]), from->values * sizeof(*to));
}

static enum status step(struct training *training, uint32_t batch, struct error *err) {
    const struct plan *plan = &training->plan;
    uint32_t start = batch == 0 ? 0 : plan->batch_end[batch - 1];
    uint32_t count = plan->batch_end[batch] - start;
    double loss;
    struct network_train_batch rows = {.n = count};
    gather(training, plan->a + start, count, training->a);
    if (plan->pairs) {
        gather(training, plan->b + start, count, training->b);
        rows.a = training->a;
        rows.b = training->b;
        rows.same = plan->same + start;
    } else {
        rows.rows = training->a;
        rows.identity = plan->identity + start;
    }
    enum status status = network_train_step(training->train, &rows, &loss, err);
    if (status == STATUS_OK)
        training->course->loss_sum += loss;
    return status;
}

static enum status make_plan(struct training *training, struct random_generator *generator,
                             struct error *err) {
    const struct training_options *options = training->options;
    const struct finetune_hyperparameters *p = training->parameters;
    plan_release(&training->plan);
    bool pairs = p->loss == FINETUNE_CONTRASTIVE && p->mining == FINETUNE_MINING_NONE;
    return pairs ? plan_pairs(&training->people, &options->parts->training, options->views,
                              p->augment.views, p->batch_size, generator, &training->plan, err)
                 : plan_identities(&training->people, options->views, p->batch_size, generator,
                                   &training->plan, err);
}

/* The epoch's batches from where the course is. *wish: why it ended before the last. */
static enum status run_batches(struct training *training, enum finetune_wish *wish,
                               struct error *err) {
    struct course *course = training->course;
    enum status status = STATUS_OK;
    if (training->begun_us == 0) {
        training->begun_us = clock_monotonic_us();
        training->steps_begun = steps_done(training);
    }
    *wish = FINETUNE_GO_ON;
    while (course->batches_done < training->plan.batches && status == STATUS_OK) {
        *wish = wish_of(training);
        if (*wish != FINETUNE_GO_ON)
            return STATUS_OK;
        status = step(training, course->batches_done, err);
        if (status == STATUS_DRAINING) { /* it was not taken: what is wished is asked again */
            status = STATUS_OK;
            continue;
        }
        course->batches_done++;
        tell_progress(training);
    }
    return status;
}

/* *wish: why the loss was not measured. */
static enum status validate(struct training *training, double *loss, enum finetune_wish *wish,
                            struct error *err) {
    enum status status;
    do {
        *wish = wish_of(training);
        if (*wish != FINETUNE_GO_ON)
            return STATUS_OK;
        status = validation_measure(&training->validation, training->train, loss, err);
    } while (status == STATUS_DRAINING);
    return status;
}

/* Notes what the epoch has given; *best: nothing was better before it. */
static enum status end_epoch(struct training *training, double loss, bool *best,
                             struct error *err) {
    struct course *course = training->course;
    double rate = course->plateau.learning_rate;
    /* The first epoch is the best so far even where its loss is no number. */
    *best = course->best_epoch == 0 || loss < course->best_loss;
    if (*best) {
        course->best_loss = isnan(loss) ? INFINITY : loss;
        course->best_epoch = course->epochs_done + 1;
    }
    course->history[course->epochs_done] =
        (struct finetune_epoch){.epoch = course->epochs_done + 1,
                                .train_loss = course->loss_sum / training->plan.batches,
                                .validation_loss = loss,
                                .learning_rate = rate,
                                .best_epoch = course->best_epoch,
                                .best_validation_loss = course->best_loss};
    course->epochs_done++;
    course->batches_done = 0;
    course->loss_sum = 0;
    rate = plateau_step(&course->plateau, loss);
    return network_train_set_learning_rate(training->train, rate, err);
}

static enum status run_epoch(struct training *training, enum finetune_wish *wish,
                             struct error *err) {
    struct random_generator generator = training->course->generator;
    double loss = 0;
    bool best;
    enum status status = make_plan(training, &generator, err);
    if (status == STATUS_OK)
        status = run_batches(training, wish, err);
    if (status == STATUS_OK && *wish == FINETUNE_GO_ON)
        status = validate(training, &loss, wish, err);
    if (status != STATUS_OK || *wish == FINETUNE_STOP)
        return status;
    if (*wish == FINETUNE_PAUSE)
        return keep(training, false, err);
    status = end_epoch(training, loss, &best, err);
    if (status != STATUS_OK)
        return status;
    training->course->generator = generator;
    tell_epochs(training, training->course->epochs_done - 1);
    return keep(training, best, err);
}

static enum status run_epochs(struct training *training, enum finetune_outcome *outcome,
                              struct error *err) {
    enum finetune_wish wish = FINETUNE_GO_ON;
    enum status status = STATUS_OK;
    while (training->course->epochs_done < training->parameters->epochs && status == STATUS_OK &&
           wish == FINETUNE_GO_ON)
        status = run_epoch(training, &wish, err);
    *outcome = wish == FINETUNE_GO_ON  ? FINETUNE_FINISHED
               : wish == FINETUNE_STOP ? FINETUNE_STOPPED
                                       : FINETUNE_PAUSED;
    if (status == STATUS_OK && *outcome == FINETUNE_FINISHED)
        status = checkpoint_load_best(training->checkpoint, training->train, err);
    return status;
}

/* ---- beginning ---- */

/* Adds the direction of each of `count` embeddings. */
static void add_directions(const float *embeddings, uint32_t count, uint32_t length,
                           float *column) {
    for (uint32_t i = 0; i < count; i++, embeddings += length) {
        double squares = 0;
        for (uint32_t k = 0; k < length; k++)
            squares += (double)embeddings[k] * (double)embeddings[k];
        for (uint32_t k = 0; k < length && squares > 0; k++)
            column[k] += (float)((double)embeddings[k] / sqrt(squares));
    }
}

/* column (length): the mean direction of the person's photographs, by the weights as they are. */
static enum status find_column(struct training *training, uint32_t person, float *column,
                               struct error *err) {
    const struct plan_people *people = &training->people;
    uint32_t length = training->options->length, at_once = training->parameters->batch_size;
    for (uint32_t i = people->first[person]; i < people->first[person + 1]; i += at_once) {
        uint32_t left = people->first[person + 1] - i, count = left < at_once ? left : at_once;
        for (uint32_t j = 0; j < count; j++)
            gather(training, &training->options->views->first[people->images[i + j]], 1,
                   training->a + j * training->options->views->rows.values);
        enum status status =
            network_train_embed(training->train, training->a, count, training->embeddings, err);
        if (status != STATUS_OK)
            return status;
        add_directions(training->embeddings, count, length, column);
    }
    return STATUS_OK;
}

/* A margin softmax begins at where the network puts each person now. */
static enum status begin_columns(struct training *training, struct error *err) {
    uint32_t length = training->options->length, identities = training->options->identities;
    if (training->parameters->loss == FINETUNE_CONTRASTIVE)
        return STATUS_OK;
    float *columns = calloc((size_t)identities * length, sizeof(*columns));
    if (!columns)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = STATUS_OK;
    for (uint32_t person = 0; person < training->people.people && status == STATUS_OK; person++)
        status = find_column(training, person, columns + (size_t)person * length, err);
    /* Who has no face found is in no batch; a direction is needed all the same. */
    for (uint32_t person = training->people.people; person < identities; person++)
        columns[(size_t)person * length + person % length] = 1;
    if (status == STATUS_OK)
        status = network_train_set_columns(training->train, columns, err);
    free(columns);
    return status;
}

/* The checkpoint of this work directory, or of the job that this one goes on from. */
static enum status take_up(struct training *training, struct error *err) {
    const struct training_options *options = training->options;
    enum status status = checkpoint_find(options->work, training->checkpoint, err);
    if (status == STATUS_OK && !training->checkpoint[0] && options->resume) {
        status = checkpoint_find(options->resume, training->checkpoint, err);
        if (status == STATUS_OK && !training->checkpoint[0])
            status = error_set(err, STATUS_INVALID_FIELD,
                               "the job that resume_from names has no checkpoint");
    }
    if (status != STATUS_OK)
        return status;
    return training->checkpoint[0] ? checkpoint_read(training->checkpoint, options->key,
                                                     training->course, training->train, err)
                                   : begin_columns(training, err);
}

static enum status prepare(struct training *training, struct error *err) {
    const struct training_options *options = training->options;
    size_t batch = training->parameters->batch_size + 2 * PLAN_IMAGES_MAX;
    size_t values = options->views->rows.values;
    training->a = calloc(batch * values, sizeof(*training->a));
    training->b = calloc(batch * values, sizeof(*training->b));
    training->embeddings = calloc(batch * options->length, sizeof(*training->embeddings));
    if (!training->a || !training->b || !training->embeddings)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status =
        validation_begin(options->album, options->parts, options->views, training->parameters,
                         options->length, &training->validation, err);
    if (status == STATUS_OK)
        status = plan_people_of(options->album, options->parts, PART_TRAINING, options->views,
                                &training->people, err);
    return status;
}

enum status training_run(const struct training_options *options, struct network_train *train,
                         struct course *course, enum finetune_outcome *outcome, struct error *err) {
    struct training training = {.options = options,
                                .parameters = &options->spec->hyperparameters,
                                .train = train,
                                .course = course};
    course_begin(training.parameters, course);
    enum status status = prepare(&training, err);
    if (status == STATUS_OK)
        status = take_up(&training, err);
    if (status == STATUS_OK) {
        tell_epochs(&training, 0);
        status = run_epochs(&training, outcome, err);
    }
    validation_end(&training.validation);
    plan_people_release(&training.people);
    plan_release(&training.plan);
    free(training.a);
    free(training.b);
    free(training.embeddings);
    return status;
}
