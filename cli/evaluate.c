/* `facepair evaluate`: labelled photographs -> how often the model's decisions are right. Each
 * photograph is prepared and embedded once, in however many pairs it stands. */
#include "cli/evaluate.h"

#include "cli/command.h"
#include "model/file.h"
#include "server/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- in common ---- */

struct measure_options evaluate_options(const struct evaluate_settings *settings) {
    return (struct measure_options){.pairs = settings->pairs,
                                    .people = settings->people,
                                    .split = settings->split,
                                    .part = settings->part,
                                    .groups = settings->groups,
                                    .faces = {settings->images, settings->face, settings->no_face},
                                    .replicates = (uint32_t)settings->replicates,
                                    .seed = (uint64_t)settings->seed,
                                    .protocol = settings->protocol_name,
                                    .threshold = settings->threshold,
                                    .view2 = settings->view2};
}

enum status evaluate_open(const struct evaluate_settings *settings, const char *model,
                          struct session *session, struct error *err) {
    const struct session_options options = {.data = settings->data,
                                            .device = settings->device,
                                            .threads = (unsigned)settings->threads,
                                            .model = model,
                                            .trusted = &settings->trusted};
    return session_open(&options, session, err);
}

void evaluate_print_points(const struct operating_point *points, size_t count) {
    printf("max FMR   threshold  FMR (95 %%)                          FNMR (95 %%)\n");
    for (size_t i = 0; i < count; i++) {
        const struct error_rates_point *measured = &points[i].measured;
        printf("%-9g %-10.5g %-10.3g (%.3g to %.3g)%*s%-9.4f (%.4f to %.4f)\n", points[i].fmr,
               measured->threshold, measured->fmr, measured->fmr_interval.low,
               measured->fmr_interval.high, 3, "", measured->fnmr, measured->fnmr_interval.low,
               measured->fnmr_interval.high);
    }
}

/* A version is immutable: its evaluation may join it once. */
static enum status record(const struct session *session, const char *json, size_t size,
                          struct error *err) {
    char path[DATA_PATH_MAX];
    enum status status = session_path(session, "evaluation.json", path, err);
    if (status == STATUS_OK && access(path, F_OK) == 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: is there already and is not replaced",
                         path);
    if (status == STATUS_OK)
        status = card_metrics_check(json, size, err);
    return status == STATUS_OK ? file_write(path, json, size, err) : status;
}

enum status evaluate_emit(const struct evaluate_settings *settings, const struct session *session,
                          char *json, size_t size, struct error *err) {
    if (!json)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = STATUS_OK;
    if (settings->json)
        fwrite(json, 1, size, stdout);
    if (settings->record)
        status = record(session, json, size, err);
    free(json);
    return status;
}

/* ---- the command ---- */

/* --protocol, or the file's name without its directory and ending. */
static void name_protocol(struct evaluate_settings *settings) {
    const char *path = settings->people ? settings->people : settings->pairs;
    const char *slash = strrchr(path, '/');
    const char *name = settings->protocol ? settings->protocol : slash ? slash + 1 : path;
    const char *dot = settings->protocol ? NULL : strrchr(name, '.');
    utf8_copy(settings->protocol_name, CARD_PROTOCOL_SIZE, name,
              dot && dot != name ? (size_t)(dot - name) : strlen(name));
}

/* NULL, or what does not go together. */
static const char *mistake(const struct evaluate_settings *settings) {
    if (!settings->images)
        return "--images is needed";
    if (!settings->pairs == !settings->people)
        return "either --pairs or --all-pairs with --people is needed";
    if (settings->all_pairs != (settings->people != NULL))
        return "--all-pairs and --people go together";
    if ((settings->split || settings->part || settings->groups) && !settings->people)
        return "--split, --part and --groups need --people";
    if (!settings->split != !settings->part)
        return "--split and --part go together";
    if (settings->master_part && !settings->split)
        return "--master-faces needs --split";
    if ((settings->view2 || settings->distances) && !settings->pairs)
        return "--view2 and --distances need --pairs";
    if (settings->protocol && strlen(settings->protocol) >= CARD_PROTOCOL_SIZE)
        return "--protocol is too long";
    return NULL;
}

enum { OPTIONS_MAX = 24 };

/* Appends rows to the table; returns how many it has then. */
static size_t append(struct option_spec *table, size_t count, const struct option_spec *rows,
                     size_t rows_count) {
    assert(count + rows_count <= OPTIONS_MAX);
    memcpy(table + count, rows, rows_count * sizeof(*rows));
    return count + rows_count;
}

/* What is measured. */
static size_t add_data_options(struct evaluate_settings *s, struct option_spec *table,
                               size_t count) {
    const struct option_spec rows[] = {
        {"pairs", "FILE", "labelled pairs in LFW's format (pairs.txt, pairsDevTest.txt)",
         OPTION_STRING, .to.string = &s->pairs},
        {"all-pairs", NULL, "measure all pairs of the people of --people", OPTION_FLAG,
         .to.flag = &s->all_pairs},
        {"people", "FILE", "people in LFW's format (people.txt, peopleDevTrain.txt)", OPTION_STRING,
         .to.string = &s->people},
        {"split", "FILE", "a split by person (model/lfw-development-split.txt)", OPTION_STRING,
         .to.string = &s->split},
        {"part", "NAME", "the part of the split to measure (evaluation)", OPTION_STRING,
         .to.string = &s->part},
        {"master-faces", "PART", "try averaged and blurred faces of this part of the split on them",
         OPTION_STRING, .to.string = &s->master_part},
        {"groups", "FILE", "lines \"NAME GROUP\": the error rates within each group too",
         OPTION_STRING, .to.string = &s->groups},
        {"images", "DIR", "where NAME/NAME_0001.jpg stand", OPTION_STRING, .to.string = &s->images},
        {"face", "WHICH", "largest (default), centre or only: the face used of several",
         OPTION_CHOICE, .to.choice = &s->face, .choices = FACES_WHICH},
        {"no-face", "WHAT",
         "reject (default): leave the image's pairs out, and count them; centre: use the box at "
         "the image's centre",
         OPTION_CHOICE, .to.choice = &s->no_face, .choices = FACES_WITHOUT},
    };
    return append(table, count, rows, OPTIONS_COUNT(rows));
}

/* How, and where the figures go. */
static size_t add_figure_options(struct evaluate_settings *s, struct option_spec *table,
                                 size_t count) {
    const struct option_spec rows[] = {
        {"threshold", "T", "accept below this distance (0.6)", OPTION_REAL,
         .to.real = &s->threshold, .real = {1e-6, 1e9}},
        {"view2", NULL, "accuracy by folds, the threshold of each chosen on the others",
         OPTION_FLAG, .to.flag = &s->view2},
        {"json", NULL, "print evaluation.json", OPTION_FLAG, .to.flag = &s->json},
        {"record", NULL, "put evaluation.json into the version's directory, once", OPTION_FLAG,
         .to.flag = &s->record},
        {"plot", "FILE", "draw ROC, DET, distances and reliability (SVG)", OPTION_STRING,
         .to.string = &s->plot},
        {"distances", "FILE", "write each pair's distance, tab-separated", OPTION_STRING,
         .to.string = &s->distances},
        {"protocol", "NAME", "what the numbers are to be called (default: the file's name)",
         OPTION_STRING, .to.string = &s->protocol},
        {"replicates", "N", "resamples for the intervals of --all-pairs (1000)", OPTION_INTEGER,
         .to.integer = &s->replicates, .integer = {64, BOOTSTRAP_REPLICATES_MAX}},
        {"seed", "N", "of the resamples (1)", OPTION_INTEGER, .to.integer = &s->seed,
         .integer = {0, INT64_MAX}},
    };
    return append(table, count, rows, OPTIONS_COUNT(rows));
}

static size_t add_machine_options(struct evaluate_settings *s, struct option_spec *table,
                                  size_t count) {
    const struct option_spec rows[] = {
        SESSION_OPTIONS(s),
        TRUST_OPTION(&s->trusted),
    };
    return append(table, count, rows, OPTIONS_COUNT(rows));
}

static int evaluate(struct evaluate_settings *settings, int argc, char **argv) {
    struct option_spec table[OPTIONS_MAX];
    size_t count = add_data_options(settings, table, 0);
    count = add_figure_options(settings, table, count);
    count = add_machine_options(settings, table, count);
    const struct options options = {
        .command = "evaluate",
        .arguments = "MODEL --images DIR --pairs FILE | --all-pairs --people FILE",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Measures a model (NAME or NAME@VERSION) on labelled photographs: on a list of "
                   "pairs, or\non all pairs of a list of people.",
        .table = table,
        .count = count};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    const char *wrong = mistake(settings);
    if (wrong)
        return options_mistake(&options, "%s", wrong);
    name_protocol(settings);
    struct error err;
    enum status status = settings->people ? evaluate_people(settings, arguments.values[0], &err)
                                          : evaluate_pairs(settings, arguments.values[0], &err);
    if (status != STATUS_OK)
        return cli_failed(options.command, err.detail);
    return cli_flushed(options.command);
}

int cli_evaluate(int argc, char **argv) {
    struct evaluate_settings settings = {
        .device = "cpu", .threshold = 0.6, .replicates = BOOTSTRAP_REPLICATES, .seed = 1};
    int code = evaluate(&settings, argc, argv);
    option_list_release(&settings.trusted);
    return code;
}
