/* `facepair finetune`: one fine-tuning job in the foreground, over a folder of photographs. */
#include "cli/command.h"
#include "cli/data.h"
#include "cli/finetune_report.h"
#include "cli/session.h"
#include "model/catalog.h"
#include "model/file.h"
#include "model/finetune/curves.h"
#include "model/import/publish.h"
#include "model/leftovers.h"
#include "model/network/network.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
    const char *data, *device, *images, *people, *pairs, *work, *plot, *name, *compare_to;
    const char *trainable;
    unsigned face, loss, mining, promote;
    int64_t threads, epochs, batch_size, patience, views, seed, cache_bytes_max;
    double learning_rate, margin, average, blend, scale, factor, colour, rotation, zoom, shift;
    bool no_flip, json;
};

struct job {
    const struct settings *settings;
    char data[DATA_PATH_MAX];
    char own_work[PATH_MAX]; /* made for this run and removed after it; "": --work */
    char lists[PATH_MAX];
    struct finetune_epoch *epochs; /* (FINETUNE_EPOCHS_MAX) */
    uint32_t epochs_count;
};

/* A signal handler can reach nothing else. */
static volatile sig_atomic_t interrupted;
static void interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

/* ---- hooks ---- */

static void on_progress(void *context, const struct finetune_progress *progress) {
    (void)context;
    finetune_report_progress(progress);
}

static void on_epoch(void *context, const struct finetune_epoch *epoch) {
    struct job *job = context;
    job->epochs[epoch->epoch - 1] = *epoch;
    job->epochs_count = epoch->epoch;
    finetune_report_epoch(epoch);
}

static void on_log(void *context, const char *text) {
    (void)context;
    fprintf(stderr, "%s\n", text);
}

/* With a work directory of its own the run can be taken up again. */
static enum finetune_wish wish(void *context) {
    const struct job *job = context;
    if (!interrupted)
        return FINETUNE_GO_ON;
    return job->own_work[0] ? FINETUNE_STOP : FINETUNE_PAUSE;
}

/* ---- settings ---- */

/* FILE -> its folder, and its name in the source. */
static enum status take_list(const char *path, enum finetune_source_kind kind, struct job *job,
                             struct finetune_source *source, struct error *err) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strlen(name) > SPEC_FILE_MAX)
        return error_set(err, STATUS_INVALID_FIELD, "%.100s…: the file's name is too long", name);
    source->kind = kind;
    snprintf(source->file, sizeof(source->file), "%s", name);
    return slash ? file_path(job->lists, err, "%.*s", (int)(slash - path + 1), path)
                 : file_path(job->lists, err, ".");
}

static enum status make_spec(const struct settings *s, const char *model, struct job *job,
                             struct finetune_spec *spec, struct error *err) {
    char version[CARD_VERSION_MAX + 1];
    struct finetune_hyperparameters *p = &spec->hyperparameters;
    finetune_spec_default(spec);
    if ((s->compare_to && !catalog_parse(s->compare_to, spec->name, version)) ||
        !catalog_parse(model, spec->name, version))
        return error_set(err, STATUS_INVALID_NAME, "%s", CATALOG_REFERENCE_RULE);
    if (s->name && !card_name_valid(s->name))
        return error_set(err, STATUS_INVALID_NAME,
                         "--name: a model's name is of a-z, 0-9, '.', "
                         "'_' and '-'");
    snprintf(spec->base_model, sizeof(spec->base_model), "%s", model);
    snprintf(spec->dataset, sizeof(spec->dataset), "directory");
    if (s->name)
        snprintf(spec->name, sizeof(spec->name), "%s", s->name);
    if (s->compare_to)
        snprintf(spec->compare_to, sizeof(spec->compare_to), "%s", s->compare_to);
    p->epochs = (uint32_t)s->epochs;
    p->batch_size = (uint32_t)s->batch_size;
    p->learning_rate = s->learning_rate;
    p->loss = s->loss;
    p->mining = s->mining;
    p->average = s->average;
    p->blend = s->blend;
    p->margin = s->margin > 0 ? s->margin : finetune_default_margin(p->loss);
    p->scale = s->scale;
    p->factor = s->factor;
    p->patience = (uint32_t)s->patience;
    p->augment = (struct finetune_augment){!s->no_flip, s->colour, s->rotation,
                                           s->zoom,     s->shift,  (uint32_t)s->views};
    p->seed = (uint64_t)s->seed;
    p->cache_bytes_max = (uint64_t)s->cache_bytes_max;
    spec->face = s->face;
    spec->promote = s->promote;
    snprintf(p->trainable, sizeof(p->trainable), "%s", s->trainable);
    if (s->people)
        return take_list(s->people, FINETUNE_PEOPLE, job, &spec->train, err);
    return s->pairs ? take_list(s->pairs, FINETUNE_PAIRS, job, &spec->train, err) : STATUS_OK;
}

/* --work, or DATA/jobs/.new-XXXXXX. */
static enum status make_work(struct job *job, struct error *err) {
    char jobs[PATH_MAX];
    if (job->settings->work)
        return STATUS_OK;
    enum status status = file_path(jobs, err, "%s/jobs", job->data);
    if (status == STATUS_OK)
        status = publish_make_directory(jobs, err);
    return status == STATUS_OK ? publish_begin(jobs, job->own_work, err) : status;
}

/* ---- the run ---- */

static int finish(const struct job *job, const struct finetune_result *result) {
    static const char COMMAND[] = "finetune";
    const struct settings *s = job->settings;
    struct error err;
    if (result->outcome != FINETUNE_FINISHED)
        return cli_failed(COMMAND, job->own_work[0]
                                       ? "interrupted"
                                       : "paused: the same command with the same --work goes on");
    if (s->plot && job->epochs_count > 0 &&
        curves_write(s->plot, result->model, job->epochs, job->epochs_count, &err) != STATUS_OK)
        return cli_failed(COMMAND, err.detail);
    if (s->promote == FINETUNE_PROMOTE_IF_BETTER && result->better &&
        catalog_activate(job->data, result->model, result->version, &err) != STATUS_OK)
        return cli_failed(COMMAND, err.detail);
    if (s->json)
        fwrite(result->evaluation, 1, result->evaluation_size, stdout);
    else if (finetune_report_result(result, &err) != STATUS_OK)
        return cli_failed(COMMAND, err.detail);
    return cli_flushed(COMMAND);
}

static enum status run_job(struct job *job, const struct finetune_spec *spec,
                           struct finetune_result *result, struct error *err) {
    const struct settings *s = job->settings;
    const struct finetune_place place = {.data = job->data,
                                         .dataset = s->images,
                                         .lists = job->lists[0] ? job->lists : NULL,
                                         .work = s->work ? s->work : job->own_work,
                                         .threads = (unsigned)s->threads};
    const struct finetune_hooks hooks = {.context = job,
                                         .on_progress = on_progress,
                                         .on_epoch = on_epoch,
                                         .on_log = on_log,
                                         .wish = wish};
    const struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESETHAND};
    enum status status = network_runtime_open(s->device, (unsigned)s->threads, err);
    if (status == STATUS_OK)
        status = make_work(job, err);
    if (status != STATUS_OK)
        return status;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return finetune_run(&place, spec, &hooks, result, err);
}

static int run(const struct settings *s, const char *model) {
    struct error err;
    struct job job = {.settings = s, .epochs = calloc(FINETUNE_EPOCHS_MAX, sizeof(*job.epochs))};
    struct finetune_spec spec;
    struct finetune_result result = {.evaluation = NULL};
    enum status status = job.epochs ? data_directory_find(s->data, job.data, &err)
                                    : error_set(&err, STATUS_INTERNAL, "out of memory");
    if (status == STATUS_OK)
        status = make_spec(s, model, &job, &spec, &err);
    if (status == STATUS_OK)
        status = run_job(&job, &spec, &result, &err);
    int code = status == STATUS_OK ? finish(&job, &result) : cli_failed("finetune", err.detail);
    finetune_result_release(&result);
    if (job.own_work[0])
        leftovers_remove(job.own_work);
    free(job.epochs);
    return code;
}

static int finetune(struct settings *s, int argc, char **argv) {
    const struct option_spec table[] = {
        {"images", "DIR", "where PERSON/PERSON_0001.jpg stand", OPTION_STRING,
         .to.string = &s->images},
        {"people", "FILE",
         "train on those of this people file (LFW's format), measure on the others", OPTION_STRING,
         .to.string = &s->people},
        {"pairs", "FILE", "or: train on the pairs of this file", OPTION_STRING,
         .to.string = &s->pairs},
        {"name", "NAME", "the model that gets the version (MODEL)", OPTION_STRING,
         .to.string = &s->name},
        {"compare-to", "MODEL", "the version to be better than (MODEL)", OPTION_STRING,
         .to.string = &s->compare_to},
        {"epochs", "N", "times through the training people (20)", OPTION_INTEGER,
         .to.integer = &s->epochs, .integer = {1, FINETUNE_EPOCHS_MAX}},
        {"batch-size", "N", "pairs, or with --mining or another loss photographs, a step (32)",
         OPTION_INTEGER, .to.integer = &s->batch_size, .integer = {2, FINETUNE_BATCH_MAX}},
        {"learning-rate", "R", "of Adam (0.001)", OPTION_REAL, .to.real = &s->learning_rate,
         .real = {1e-12, 1}},
        {"loss", "LOSS", "contrastive (default), cosface or arcface", OPTION_CHOICE,
         .to.choice = &s->loss, .choices = FINETUNE_LOSSES},
        {"mining", "KIND", "none (default), or batch_hard: the hardest pairs of each batch",
         OPTION_CHOICE, .to.choice = &s->mining, .choices = FINETUNE_MININGS},
        {"average", "A",
         "keep a running mean of the weights, which is what is measured and saved; 0 "
         "to 0.99999 (0: none)",
         OPTION_REAL, .to.real = &s->average, .real = {0, 0.99999}},
        {"blend", "B", "go only this part of the way from the base's weights to those learned (1)",
         OPTION_REAL, .to.real = &s->blend, .real = {1e-12, 1}},
        {"margin", "M", "of the loss (1; cosface 0.35, arcface 0.5)", OPTION_REAL,
         .to.real = &s->margin, .real = {1e-12, 1000}},
        {"scale", "S", "of cosface and arcface (30)", OPTION_REAL, .to.real = &s->scale,
         .real = {1e-12, 1000}},
        {"trainable", "WHICH", "last_block (default), last_N, all, or a pattern of tensor names",
         OPTION_STRING, .to.string = &s->trainable},
        {"factor", "F", "by which the rate falls when the loss does not (0.1)", OPTION_REAL,
         .to.real = &s->factor, .real = {1e-12, 0.999999}},
        {"patience", "N", "epochs before it falls (5)", OPTION_INTEGER, .to.integer = &s->patience,
         .integer = {0, FINETUNE_EPOCHS_MAX}},
        {"views", "N", "of each photograph, the first as it is (4)", OPTION_INTEGER,
         .to.integer = &s->views, .integer = {1, FINETUNE_VIEWS_MAX}},
        {"no-flip", NULL, "no mirror images among the views", OPTION_FLAG, .to.flag = &s->no_flip},
        {"colour", "C", "how far colours of views may lie apart, 0 to 1 (0.2)", OPTION_REAL,
         .to.real = &s->colour, .real = {0, 1}},
        {"rotation", "DEGREES", "how far views may be turned (5)", OPTION_REAL,
         .to.real = &s->rotation, .real = {0, 45}},
        {"zoom", "Z", "how far views may differ in size, 0 to 0.5 (0.05)", OPTION_REAL,
         .to.real = &s->zoom, .real = {0, 0.5}},
        {"shift", "S", "how far views may be moved, of the side, 0 to 0.5 (0)", OPTION_REAL,
         .to.real = &s->shift, .real = {0, 0.5}},
        {"seed", "N", "of whatever is drawn (1)", OPTION_INTEGER, .to.integer = &s->seed,
         .integer = {0, INT64_C(9007199254740991)}},
        {"cache-bytes", "N", "of rows that may stand in memory; more go to disk (1 GiB)",
         OPTION_INTEGER, .to.integer = &s->cache_bytes_max, .integer = {0, INT64_C(1) << 45}},
        {"face", "WHICH", "of several in a photograph: largest (default), only or centre",
         OPTION_CHOICE, .to.choice = &s->face, .choices = FINETUNE_FACES},
        {"promote", "WHEN", "never (default), or if_better: make the version the active one",
         OPTION_CHOICE, .to.choice = &s->promote, .choices = FINETUNE_PROMOTIONS},
        {"work", "DIR", "keep checkpoints here, and go on from one that is there", OPTION_STRING,
         .to.string = &s->work},
        {"plot", "FILE", "draw the curves as SVG", OPTION_STRING, .to.string = &s->plot},
        {"json", NULL, "print evaluation.json instead of the table", OPTION_FLAG,
         .to.flag = &s->json},
        SESSION_OPTIONS(s),
    };
    const struct options options = {
        .command = "finetune",
        .arguments = "MODEL --images DIR [--people FILE | --pairs FILE]",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary =
            "Learns from photographs of people, publishes the result as a new version of the "
            "model, and tells\nwhether it is better on people whom it has not seen.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    if (!s->images)
        return options_mistake(&options, "--images is needed");
    if (s->people && s->pairs)
        return options_mistake(&options, "--people and --pairs exclude each other");
    if (s->mining == FINETUNE_MINING_BATCH_HARD && s->loss != FINETUNE_CONTRASTIVE)
        return options_mistake(&options, "--mining batch_hard goes with --loss contrastive");
    if (s->mining == FINETUNE_MINING_BATCH_HARD && s->batch_size < 4)
        return options_mistake(&options, "--mining batch_hard needs a --batch-size of 4 at least");
    if (strlen(s->trainable) > FINETUNE_TRAINABLE_MAX)
        return options_mistake(&options, "--trainable is too long");
    return run(s, arguments.values[0]);
}

int cli_finetune(int argc, char **argv) {
    struct finetune_spec d;
    finetune_spec_default(&d);
    const struct finetune_hyperparameters *p = &d.hyperparameters;
    struct settings settings = {.device = "cpu",
                                .trainable = p->trainable,
                                .epochs = p->epochs,
                                .batch_size = p->batch_size,
                                .patience = p->patience,
                                .views = p->augment.views,
                                .seed = (int64_t)p->seed,
                                .cache_bytes_max = (int64_t)p->cache_bytes_max,
                                .learning_rate = p->learning_rate,
                                .blend = p->blend,
                                .scale = p->scale,
                                .factor = p->factor,
                                .colour = p->augment.colour,
                                .rotation = p->augment.rotation_degrees,
                                .zoom = p->augment.scale,
                                .shift = p->augment.shift};
    return finetune(&settings, argc, argv);
}
