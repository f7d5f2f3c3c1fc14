/* `facepair verify A B`: the service's question, answered in process. */
#include "cli/command.h"
#include "cli/session.h"
#include "model/decision.h"
#include "model/json.h"
#include "model/photographs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDES = 2 };
#define DEFAULT_MAX_FMR 0.001

static const char *const FACES[] = {"largest", "only", "centre", NULL};
static const enum face_choice FACE_OF[] = {FACE_LARGEST, FACE_ONLY, FACE_CENTRE};

struct settings {
    const char *model, *data, *device;
    double max_fmr, threshold; /* NaN: not given */
    unsigned face;
    bool json, check;
    int64_t threads;
    struct option_list trusted;
};

struct run {
    struct settings settings;
    struct session session;
    struct decision decision;
    struct photograph photographs[SIDES];
    double distance;
    bool verified;
};

static enum status decide_how(struct run *run, struct error *err) {
    const struct settings *s = &run->settings;
    if (!isnan(s->threshold)) {
        run->decision = decision_by_threshold(s->threshold);
        return STATUS_OK;
    }
    double max_fmr = isnan(s->max_fmr) ? DEFAULT_MAX_FMR : s->max_fmr;
    return decision_by_max_fmr(&run->session.version->card, max_fmr, &run->decision, err);
}

/* Both photographs' faults are told: each on its own line, the last by the caller. */
static enum status check_photographs(const struct run *run, struct error *err) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < SIDES; i++) {
        const struct photograph *photograph = &run->photographs[i];
        if (photograph->status == STATUS_OK)
            continue;
        if (status != STATUS_OK)
            cli_failed("verify", err->detail);
        status = photograph->status;
        *err = photograph->error;
    }
    return status;
}

static enum status compare(struct run *run, struct error *err) {
    uint32_t length = run->session.version->card.embedding_length;
    float *embeddings = calloc((size_t)SIDES * length, sizeof(float));
    if (!embeddings)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    const struct photographs_options options = {.data = run->session.data,
                                                .threads = run->session.threads,
                                                .face = FACE_OF[run->settings.face],
                                                .no_face = PREPARE_REJECT};
    enum status status =
        photographs_embed(&options, run->session.version, run->photographs, SIDES, embeddings, err);
    if (status == STATUS_OK)
        status = check_photographs(run, err);
    if (status == STATUS_OK) {
        run->distance = decision_distance(embeddings, embeddings + length, length);
        run->verified = decision_verified(&run->decision, run->distance);
    }
    free(embeddings);
    return status;
}

/* ---- telling ---- */

static void print_for_people(const struct run *run) {
    const struct card *card = &run->session.version->card;
    printf("%s: distance %.4f is %s the threshold %g (",
           run->verified ? "same person" : "not verified", run->distance,
           run->verified ? "below" : "not below", run->decision.threshold);
    if (run->decision.rule == DECISION_MAX_FMR)
        printf("max_fmr %g, ", run->decision.max_fmr);
    printf("%s@%s)\n", card->name, card->version);
}

static void write_photograph(struct json_writer *writer, const struct photograph *photograph) {
    const struct prepared *about = &photograph->about;
    json_write_object(writer, NULL);
    json_write_text(writer, "format", image_format_name(about->info.format));
    json_write_integer(writer, "width", about->info.width);
    json_write_integer(writer, "height", about->info.height);
    if (about->face.count > 0)
        json_write_integer(writer, "face_count", about->face.count);
    else
        json_write_null(writer, "face_count");
    json_write_object(writer, "face");
    json_write_object(writer, "box");
    json_write_real(writer, "x", about->face.x);
    json_write_real(writer, "y", about->face.y);
    json_write_real(writer, "width", about->face.width);
    json_write_real(writer, "height", about->face.height);
    json_write_end(writer);
    json_write_real(writer, "score", about->face.score);
    json_write_end(writer);
    json_write_end(writer);
}

static void write_decision(struct json_writer *writer, const struct decision *decision) {
    bool by_fmr = decision->rule == DECISION_MAX_FMR;
    json_write_object(writer, "decision");
    json_write_text(writer, "rule", by_fmr ? "max_fmr" : "threshold");
    if (by_fmr)
        json_write_real(writer, "max_fmr", decision->max_fmr);
    else
        json_write_null(writer, "max_fmr");
    json_write_end(writer);
}

/* The members that the service's answer has too have its names and meaning. */
static enum status print_json(const struct run *run, struct error *err) {
    const struct card *card = &run->session.version->card;
    struct json_writer *writer = json_writer_create();
    if (!writer)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    json_write_object(writer, NULL);
    json_write_bool(writer, "verified", run->verified);
    json_write_float(writer, "distance", (float)run->distance);
    json_write_text(writer, "metric", card->distance);
    json_write_real(writer, "threshold", run->decision.threshold);
    write_decision(writer, &run->decision);
    json_write_object(writer, "model");
    json_write_text(writer, "name", card->name);
    json_write_text(writer, "version", card->version);
    json_write_end(writer);
    json_write_array(writer, "images");
    for (size_t i = 0; i < SIDES; i++)
        write_photograph(writer, &run->photographs[i]);
    json_write_end(writer);
    json_write_end(writer);
    size_t size;
    char *json = json_writer_finish(writer, &size);
    if (!json)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    fwrite(json, 1, size, stdout);
    free(json);
    return STATUS_OK;
}

/* ---- the command ---- */

static enum status verify(struct run *run, struct error *err) {
    const struct session_options options = {.data = run->settings.data,
                                            .device = run->settings.device,
                                            .threads = (unsigned)run->settings.threads,
                                            .model = run->settings.model,
                                            .trusted = &run->settings.trusted};
    enum status status = session_open(&options, &run->session, err);
    if (status != STATUS_OK)
        return status;
    status = decide_how(run, err);
    if (status == STATUS_OK)
        status = compare(run, err);
    if (status == STATUS_OK && run->settings.json)
        status = print_json(run, err);
    else if (status == STATUS_OK)
        print_for_people(run);
    session_close(&run->session);
    return status;
}

static int verify_command(struct run *run, int argc, char **argv) {
    struct settings *s = &run->settings;
    const struct option_spec table[] = {
        {"model", "NAME", "NAME or NAME@VERSION (default: the default model)", OPTION_STRING,
         .to.string = &s->model},
        {"max-fmr", "RATE", "accept so that at most this rate of impostors passes (0.001)",
         OPTION_REAL, .to.real = &s->max_fmr, .real = {1e-9, 1}},
        {"threshold", "T", "accept below this distance, instead of --max-fmr", OPTION_REAL,
         .to.real = &s->threshold, .real = {0, 1e9}},
        {"face", "WHICH", "largest (default), only or centre: the face used of several",
         OPTION_CHOICE, .to.choice = &s->face, .choices = FACES},
        {"json", NULL, "print the answer as the service does", OPTION_FLAG, .to.flag = &s->json},
        {"check", NULL, "exit with 3 when it is not verified", OPTION_FLAG, .to.flag = &s->check},
        SESSION_OPTIONS(s),
        TRUST_OPTION(&s->trusted),
    };
    const struct options options = {.command = "verify",
                                    .arguments = "A B",
                                    .arguments_min = SIDES,
                                    .arguments_max = SIDES,
                                    .summary =
                                        "Tells whether two photographs show the same person.",
                                    .table = table,
                                    .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    if (!isnan(s->max_fmr) && !isnan(s->threshold))
        return options_mistake(&options, "--max-fmr and --threshold exclude each other");
    for (size_t i = 0; i < SIDES; i++)
        run->photographs[i].name = arguments.values[i];
    struct error err;
    if (verify(run, &err) != STATUS_OK)
        return cli_failed(options.command, err.detail);
    code = cli_flushed(options.command);
    return code == EXIT_DONE && s->check && !run->verified ? EXIT_NOT_ONE_PERSON : code;
}

int cli_verify(int argc, char **argv) {
    struct run run = {.settings = {.device = "cpu", .max_fmr = NAN, .threshold = NAN}};
    int code = verify_command(&run, argc, argv);
    option_list_release(&run.settings.trusted);
    return code;
}
