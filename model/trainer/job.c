/* One job: what its run tells goes into the store and is told on; what the store wishes goes to the
 * run. Every write is conditional on the claim, and one that is refused ends the run. */
#include "model/trainer/inside.h"

#include "model/catalog.h"
#include "model/cause.h"
#include "model/file.h"
#include "model/finetune/finetune.h"
#include "model/measure/job.h"
#include "model/store/datasets.h"
#include "server/clock.h"
#include "server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PROGRESS_MS = 1000, RETRY_MS = 500, RESERVE_BYTES = 256 * 1024 };

struct run {
    struct trainer *trainer;
    const struct store_claim *claim;
    const struct store_job *job;
    struct finetune_spec spec;   /* of a fine-tuning job, or … */
    struct measure_spec measure; /* … of another */
    uint32_t deadline_s;
    char dataset[PATH_MAX], work[PATH_MAX], resume[PATH_MAX], reserve[PATH_MAX];
    bool evaluating;
    uint64_t begun_us, progress_us; /* progress_us: when it was last told; 0: never */
    enum finetune_wish wished;      /* of a measurement, last */
    bool late;                      /* the deadline has passed */
    bool lost;                      /* the store has refused a write */
    enum status failed;             /* STATUS_OK: the store has taken all */
    struct error error;             /* of that */
};

/* ---- what the run tells ---- */

/* What the store says of a write. True: it was taken. */
static bool took(struct run *run, enum status status, const struct error *err) {
    if (status == STATUS_WRONG_STATE)
        run->lost = true;
    else if (status == STATUS_OVERLOADED)
        log_event(LOG_WARN, "store", LOG_STR("cause", err->detail));
    else if (status != STATUS_OK && run->failed == STATUS_OK) {
        run->failed = status;
        run->error = *err;
    }
    return status == STATUS_OK;
}

static bool is_due(struct run *run) {
    uint64_t now_us = clock_monotonic_us();
    if (run->progress_us != 0 && now_us - run->progress_us < PROGRESS_MS * UINT64_C(1000))
        return false;
    run->progress_us = now_us;
    return true;
}

static void evaluate(struct run *run) {
    struct error err;
    if (took(run, store_claim_evaluating(run->trainer->store, run->claim, &err), &err))
        told_state(run->trainer, run->claim->id, JOB_EVALUATING, run->claim->attempt);
}

static void on_progress(void *context, const struct finetune_progress *progress) {
    struct run *run = context;
    struct error err;
    bool evaluating =
        progress->phase == FINETUNE_EVALUATING || progress->phase == FINETUNE_PUBLISHING;
    if (evaluating && !run->evaluating)
        evaluate(run);
    run->evaluating |= evaluating;
    if (evaluating || !is_due(run))
        return;
    if (!took(run,
              store_claim_progress(run->trainer->store, run->claim, progress->epoch,
                                   (unsigned)progress->step, (unsigned)progress->steps,
                                   progress->eta_s, &err),
              &err))
        return;
    struct json_writer *line = told_open(event_type_word(EVENT_PROGRESS), "job", run->claim->id);
    if (line) {
        json_write_text(line, "phase", FINETUNE_PHASE_NAMES[progress->phase]);
        json_write_integer(line, "epoch", progress->epoch);
        json_write_integer(line, "step", (int64_t)progress->step);
        json_write_integer(line, "steps", (int64_t)progress->steps);
    }
    told_close(run->trainer, line);
}

static void on_epoch(void *context, const struct finetune_epoch *epoch) {
    struct run *run = context;
    struct error err;
    if (!took(run,
              store_claim_metrics(run->trainer->store, run->claim, epoch->epoch, epoch->train_loss,
                                  epoch->validation_loss, epoch->best_epoch,
                                  epoch->best_validation_loss, &err),
              &err))
        return;
    struct json_writer *line = told_open(event_type_word(EVENT_METRICS), "job", run->claim->id);
    if (line) {
        json_write_integer(line, "epoch", epoch->epoch);
        json_write_real(line, "train_loss", epoch->train_loss);
        json_write_real(line, "validation_loss", epoch->validation_loss);
    }
    told_close(run->trainer, line);
}

static void on_checkpoint(void *context, const struct finetune_checkpoint *told) {
    struct run *run = context;
    struct error err;
    const char *slash = strrchr(told->path, '/');
    struct store_checkpoint checkpoint = {.epoch = told->epoch,
                                          .step = (unsigned)told->step,
                                          .bytes = told->bytes,
                                          .validation_loss = told->validation_loss};
    snprintf(checkpoint.file, sizeof checkpoint.file, "%s", slash ? slash + 1 : told->path);
    if (!took(run, store_claim_checkpoint(run->trainer->store, run->claim, &checkpoint, &err),
              &err))
        return;
    struct json_writer *line = told_open(event_type_word(EVENT_CHECKPOINT), "job", run->claim->id);
    if (line) {
        json_write_integer(line, "epoch", checkpoint.epoch);
        json_write_integer(line, "step", checkpoint.step);
        json_write_integer(line, "bytes", (int64_t)checkpoint.bytes);
    }
    told_close(run->trainer, line);
}

static void on_log(void *context, const char *text) {
    struct run *run = context;
    struct error err;
    if (!took(run, store_claim_log(run->trainer->store, run->claim, text, &err), &err))
        return;
    struct json_writer *line = told_open(event_type_word(EVENT_LOG), "job", run->claim->id);
    if (line)
        json_write_text(line, "text", text);
    told_close(run->trainer, line);
}

static uint32_t candidates(void *context, const char *evaluation_sha256) {
    struct run *run = context;
    struct error err;
    size_t count = 1;
    (void)took(
        run,
        store_evaluation_use(run->trainer->store, evaluation_sha256, run->claim->id, &count, &err),
        &err);
    return (uint32_t)count;
}

/* ---- what is wished ---- */

static bool is_late(const struct run *run) {
    uint64_t computed_ms =
        run->job->computed_ms + (clock_monotonic_us() - run->begun_us) / UINT64_C(1000);
    return computed_ms > run->deadline_s * UINT64_C(1000);
}

static enum finetune_wish wish(void *context) {
    struct run *run = context;
    enum watch_wish wished = watch_wish(run->trainer->watch);
    run->late |= is_late(run);
    if (run->late || run->lost || run->failed != STATUS_OK)
        return FINETUNE_STOP;
    if (wished == WATCH_PAUSE)
        return FINETUNE_PAUSE;
    return wished == WATCH_GO_ON ? FINETUNE_GO_ON : FINETUNE_STOP;
}

/* ---- how it ends ---- */

/* While the disk is full or the store busy it is tried again, as long as the lease holds. */
static enum status finish(struct run *run, const struct store_outcome *outcome) {
    enum status status;
    struct error err;
    const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000L};
    do {
        status = store_claim_finish(run->trainer->store, run->claim, outcome, &err);
        if (status == STATUS_OK) {
            told_state(run->trainer, run->claim->id, outcome->state, run->claim->attempt);
        } else if (status != STATUS_WRONG_STATE) {
            log_event(LOG_WARN, "store", LOG_STR("cause", err.detail));
            nanosleep(&pause, NULL);
        }
    } while (status != STATUS_OK && status != STATUS_WRONG_STATE &&
             watch_wish(run->trainer->watch) != WATCH_LOST);
    return status;
}

static void fail(struct run *run, enum status cause, const struct error *why) {
    struct error message;
    cause_without_path(why->detail, run->trainer->options->data, &message);
    if (cause == STATUS_STORAGE_FULL)
        (void)unlink(run->reserve);
    const struct store_outcome outcome = {
        .state = JOB_FAILED, .error_code = status_code(cause), .error_message = message.detail};
    log_event(LOG_WARN, "job_failed", LOG_STR("job", run->claim->id),
              LOG_STR("code", outcome.error_code), LOG_STR("cause", why->detail));
    (void)finish(run, &outcome);
}

/* Of a job that is somebody else's by now, who has not found this version (finetune.h) but made one
 * of its own. */
static void remove_if_nobodys(struct run *run, const struct finetune_result *result) {
    struct store_job job;
    if (run->job->kind == JOB_EVALUATION || /* it makes none */
        store_job_get(run->trainer->store, run->claim->id, &job, NULL) != STATUS_OK)
        return;
    if (job_state_is_final(job.state) && strcmp(job.result.version, result->version) != 0)
        (void)catalog_remove(run->trainer->options->data, result->model, result->version, NULL);
    store_job_release(&job);
}

static void succeed(struct run *run, const struct finetune_result *result) {
    const struct store_outcome outcome = {.state = JOB_SUCCEEDED,
                                          .model = result->model,
                                          .version = result->version,
                                          .evaluation = result->evaluation,
                                          .better = result->better};
    if (!run->evaluating) /* it was published by an attempt that died before it could say so */
        evaluate(run);
    if (finish(run, &outcome) != STATUS_OK)
        remove_if_nobodys(run, result);
}

static void end_early(struct run *run, bool paused) {
    const struct store_outcome cancelled = {.state = JOB_CANCELLED};
    const struct store_outcome pause = {.state = JOB_PAUSED};
    enum watch_wish wished = watch_wish(run->trainer->watch);
    if (run->failed != STATUS_OK)
        fail(run, run->failed, &run->error);
    else if (run->late)
        fail(run, STATUS_DEADLINE_EXCEEDED, &(struct error){"The job's deadline_s has passed."});
    else if (wished == WATCH_CANCEL)
        (void)finish(run, &cancelled);
    else if (paused)
        (void)finish(run, &pause);
    else if (!run->lost && wished != WATCH_LOST &&
             store_claim_give_back(run->trainer->store, run->claim, NULL) == STATUS_OK)
        told_state(run->trainer, run->claim->id, JOB_QUEUED, run->claim->attempt);
}

static void end(struct run *run, enum status status, struct finetune_result *result,
                const struct error *err) {
    if (status != STATUS_OK && !run->lost)
        fail(run, status, err);
    else if (status == STATUS_OK && result->outcome == FINETUNE_FINISHED)
        succeed(run, result);
    else
        end_early(run, status == STATUS_OK && result->outcome == FINETUNE_PAUSED);
    if (status == STATUS_OK)
        finetune_result_release(result);
}

/* ---- how it begins ---- */

static enum status make_directory(const char *data, struct error *err) {
    char jobs[PATH_MAX];
    enum status status = file_path(jobs, err, "%s/jobs", data);
    if (status != STATUS_OK || mkdir(jobs, 0700) == 0)
        return status == STATUS_OK ? file_flush_directory(data, err) : status;
    return errno == EEXIST ? STATUS_OK
                           : error_set(err, errno == ENOSPC ? STATUS_STORAGE_FULL : STATUS_INTERNAL,
                                       "%.180s: %.60s", jobs, strerror(errno));
}

/* Room that is given up when the disk is full, for the word that the job has failed. */
static enum status make_reserve(const struct run *run, struct error *err) {
    int fd = open(run->reserve, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int cause = fd < 0 ? errno : posix_fallocate(fd, 0, RESERVE_BYTES);
    if (fd >= 0)
        close(fd);
    if (cause == 0)
        return STATUS_OK;
    return error_set(err, cause == ENOSPC ? STATUS_STORAGE_FULL : STATUS_INTERNAL, "%.180s: %.60s",
                     run->reserve, strerror(cause));
}

/* The store keeps what finetune_spec_write or measure_spec_write has written. */
static bool read_members(struct run *run, struct spec_faults *faults) {
    const struct store_job *job = run->job;
    enum measure_kind kind =
        job->kind == JOB_CALIBRATION ? MEASURE_CALIBRATION : MEASURE_EVALUATION;
    size_t size = strlen(job->spec);
    bool read = job->kind == JOB_FINE_TUNE
                    ? finetune_spec_parse(job->spec, size, &run->spec, faults)
                    : measure_spec_parse(kind, job->spec, size, &run->measure, faults);
    run->deadline_s = job->kind == JOB_FINE_TUNE ? run->spec.deadline_s : run->measure.deadline_s;
    return read;
}

static enum status read_spec(struct run *run, struct error *err) {
    struct spec_faults faults;
    const struct store_job *job = run->job;
    if (!read_members(run, &faults))
        return error_set(err, STATUS_INTERNAL, "the job's description: %s: %s",
                         faults.list[0].field, faults.list[0].detail);
    snprintf(job->kind == JOB_FINE_TUNE ? run->spec.base_model : run->measure.base_model,
             SPEC_MODEL_MAX + 1, "%s@%s", job->base_model, job->base_version);
    return STATUS_OK;
}

static enum status prepare(struct run *run, struct error *err) {
    const char *data = run->trainer->options->data;
    const struct store_job *job = run->job;
    enum status status = read_spec(run, err);
    if (status == STATUS_OK)
        status = make_directory(data, err);
    if (status == STATUS_OK)
        status = file_path(run->dataset, err, "%s/datasets/%s", data,
                           job->kind == JOB_FINE_TUNE ? run->spec.dataset : run->measure.dataset);
    if (status == STATUS_OK)
        status = store_job_directory(run->trainer->store, job->id, run->work, err);
    if (status == STATUS_OK)
        status = store_job_directory(run->trainer->store, job->resume_from, run->resume, err);
    if (status == STATUS_OK)
        status = file_path(run->reserve, err, "%s/jobs/.reserve", data);
    return status == STATUS_OK ? make_reserve(run, err) : status;
}

/* ---- the kinds ---- */

static enum status fine_tune(struct run *run, struct finetune_result *result, struct error *err) {
    const struct trainer_options *options = run->trainer->options;
    const struct finetune_place place = {.data = options->data,
                                         .dataset = run->dataset,
                                         .work = run->work,
                                         .resume = run->job->resume_from[0] ? run->resume : NULL,
                                         .threads = options->threads};
    const struct finetune_hooks hooks = {.context = run,
                                         .on_progress = on_progress,
                                         .on_epoch = on_epoch,
                                         .on_checkpoint = on_checkpoint,
                                         .on_log = on_log,
                                         .wish = wish,
                                         .candidates = candidates};
    return finetune_run(&place, &run->spec, &hooks, result, err);
}

static void on_photographs(void *context, size_t done, size_t total) {
    struct run *run = context;
    double elapsed_s = (double)(clock_monotonic_us() - run->begun_us) / 1e6;
    const struct finetune_progress progress = {.phase = FINETUNE_PREPARING,
                                               .step = done,
                                               .steps = total,
                                               .eta_s = elapsed_s / (double)done *
                                                        (double)(total - done)};
    on_progress(run, &progress);
}

static bool goes_on(void *context) {
    struct run *run = context;
    run->wished = wish(run);
    return run->wished == FINETUNE_GO_ON;
}

/* Told as a fine-tuning's end is; there is nothing that a pause would have to keep. */
static enum status measure(struct run *run, struct finetune_result *result, struct error *err) {
    const struct measure_job job = {.data = run->trainer->options->data,
                                    .dataset = run->dataset,
                                    .id = run->job->id,
                                    .threads = run->trainer->options->threads,
                                    .progress = on_photographs,
                                    .context = run,
                                    .go_on = {goes_on, run}};
    struct measure_result measured;
    enum status status = measure_job_run(&job, &run->measure, &measured, err);
    result->outcome = run->wished == FINETUNE_PAUSE ? FINETUNE_PAUSED : FINETUNE_STOPPED;
    if (status != STATUS_OK)
        return status == STATUS_DRAINING ? STATUS_OK : status;
    *result =
        (struct finetune_result){.outcome = FINETUNE_FINISHED, .evaluation = measured.evaluation};
    memcpy(result->model, measured.model, sizeof result->model);
    memcpy(result->version, measured.version, sizeof result->version);
    return STATUS_OK;
}

void trainer_run_job(struct trainer *trainer, const struct store_claim *claim,
                     const struct store_job *job) {
    struct run run = {
        .trainer = trainer, .claim = claim, .job = job, .begun_us = clock_monotonic_us()};
    struct finetune_result result = {0};
    struct error err;
    watch_hold(trainer->watch, claim);
    told_state(trainer, claim->id, JOB_RUNNING, claim->attempt);
    enum status status = prepare(&run, &err);
    if (status == STATUS_OK)
        status = job->kind == JOB_FINE_TUNE ? fine_tune(&run, &result, &err)
                                            : measure(&run, &result, &err);
    end(&run, status, &result, &err);
    watch_let_go(trainer->watch);
}
