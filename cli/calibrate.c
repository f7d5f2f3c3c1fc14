/* `facepair calibrate`: labelled photographs -> thresholds for false-match rates and a
 * log-likelihood ratio, as a new version of the model with the same weights; before that, when
 * asked for, a better embedding from them: with the mirror image, normalised, through a learned
 * head. */
#include "model/measure/calibrate.h"
#include "cli/command.h"
#include "cli/session.h"
#include "model/catalog.h"

#include <stdio.h>

struct settings {
    const char *people, *split, *part, *pairs, *images, *data, *device;
    const char *head_people, *head_part;
    unsigned face, no_face;
    int64_t threads, replicates, seed;
    bool mirror, normalise, head, activate;
    struct option_list trusted;
};

static void print(const struct gallery_fit *fit, const struct card *card, const char *version) {
    printf("%s@%s: calibrated from version %s\n", card->name, version, card->version);
    for (size_t i = 0; i < fit->points_count; i++) {
        const struct error_rates_point *point = &fit->points[i].measured;
        printf("max FMR %-8g threshold %-8.5g FMR %.3g to %.3g   FNMR %.4f (%.4f to %.4f)\n",
               fit->points[i].fmr, point->threshold, point->fmr_interval.low,
               point->fmr_interval.high, point->fnmr, point->fnmr_interval.low,
               point->fnmr_interval.high);
    }
}

static enum status open_session(const struct settings *settings, const char *model,
                                struct session *session, struct error *err) {
    const struct session_options options = {.data = settings->data,
                                            .device = settings->device,
                                            .threads = (unsigned)settings->threads,
                                            .model = model,
                                            .trusted = &settings->trusted,
                                            .mirror = settings->mirror,
                                            .normalise = settings->normalise};
    return session_open(&options, session, err);
}

static enum status calibrate_session(const struct settings *settings, const struct session *session,
                                     struct calibrate *work, struct error *err) {
    const struct measure_place place = session_place(session);
    const struct card *card = &session->version->card;
    char version[CARD_VERSION_MAX + 1];
    enum status status = calibrate_run(&place, work, version, err);
    if (status == STATUS_OK && settings->activate)
        status = catalog_activate(session->data, card->name, version, err);
    if (status == STATUS_OK)
        print(calibrate_fit(work), card, version);
    return status;
}

static enum status calibrate_model(const struct settings *s, const char *model, struct error *err) {
    const struct calibrate_options options = {
        .measured = {.pairs = s->pairs,
                     .people = s->people,
                     .split = s->split,
                     .part = s->part,
                     .faces = {s->images, s->face, s->no_face},
                     .replicates = (uint32_t)s->replicates,
                     .seed = (uint64_t)s->seed},
        .mirror = s->mirror,
        .normalise = s->normalise,
        .head = s->head,
        .head_people = s->head_people,
        .head_part = s->head_part};
    struct calibrate *work;
    struct session session;
    enum status status = calibrate_create(&options, &work, err);
    if (status != STATUS_OK)
        return status;
    status = open_session(s, model, &session, err);
    if (status == STATUS_OK) {
        status = calibrate_session(s, &session, work, err);
        session_close(&session);
    }
    calibrate_destroy(work);
    return status;
}

/* ---- the command ---- */

/* What of the options does not go together; NULL: nothing. */
static const char *find_mistake(const struct settings *s) {
    if (!s->images || !s->people == !s->pairs)
        return "--images and either --people or --pairs are needed";
    if (!s->split != !s->part || (s->split && !s->people))
        return "--split and --part go together, with --people";
    if (s->head && (!s->people || (!s->head_people && !s->head_part)))
        return "--head needs --people, and --head-people or --head-part for others";
    if ((s->head_people || s->head_part) && !s->head)
        return "--head-people and --head-part need --head";
    if (s->head_part && !s->split)
        return "--head-part needs --split";
    return NULL;
}

static int run(const struct settings *s, const char *command, const char *model) {
    struct error err;
    if (calibrate_model(s, model, &err) != STATUS_OK)
        return cli_failed(command, err.detail);
    return cli_flushed(command);
}

static int parse_and_run(struct settings *s, int argc, char **argv) {
    const struct option_spec table[] = {
        {"people", "FILE", "people in LFW's format: all their pairs", OPTION_STRING,
         .to.string = &s->people},
        {"split", "FILE", "a split by person (model/lfw-development-split.txt)", OPTION_STRING,
         .to.string = &s->split},
        {"part", "NAME", "the part of the split to calibrate on (calibration)", OPTION_STRING,
         .to.string = &s->part},
        {"pairs", "FILE", "or: labelled pairs in LFW's format", OPTION_STRING,
         .to.string = &s->pairs},
        {"images", "DIR", "where NAME/NAME_0001.jpg stand", OPTION_STRING, .to.string = &s->images},
        {"mirror", NULL, "embed faces with their mirror images (twice the time)", OPTION_FLAG,
         .to.flag = &s->mirror},
        {"normalise", NULL, "divide embeddings by their length", OPTION_FLAG,
         .to.flag = &s->normalise},
        {"head", NULL, "learn a head that whitens what varies within people", OPTION_FLAG,
         .to.flag = &s->head},
        {"head-people", "FILE", "the people to learn the head from (those of --people)",
         OPTION_STRING, .to.string = &s->head_people},
        {"head-part", "NAME", "their part of the split (learning)", OPTION_STRING,
         .to.string = &s->head_part},
        {"face", "WHICH", "largest (default), centre or only: the face used of several",
         OPTION_CHOICE, .to.choice = &s->face, .choices = FACES_WHICH},
        {"no-face", "WHAT", "reject (default) or centre: images without a face", OPTION_CHOICE,
         .to.choice = &s->no_face, .choices = FACES_WITHOUT},
        {"activate", NULL, "make the new version the one in use", OPTION_FLAG,
         .to.flag = &s->activate},
        {"replicates", "N", "resamples for the intervals (1000)", OPTION_INTEGER,
         .to.integer = &s->replicates, .integer = {64, BOOTSTRAP_REPLICATES_MAX}},
        {"seed", "N", "of the resamples (1)", OPTION_INTEGER, .to.integer = &s->seed,
         .integer = {0, INT64_MAX}},
        SESSION_OPTIONS(s),
        TRUST_OPTION(&s->trusted),
    };
    const struct options options = {
        .command = "calibrate",
        .arguments = "MODEL --images DIR --people FILE | --pairs FILE",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary =
            "Measures thresholds for false-match rates and probabilities, and publishes them "
            "as a new\nversion of the model with the same weights, with a better embedding when "
            "asked for.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    const char *mistake = find_mistake(s);
    return mistake ? options_mistake(&options, "%s", mistake)
                   : run(s, options.command, arguments.values[0]);
}

int cli_calibrate(int argc, char **argv) {
    struct settings settings = {.device = "cpu", .replicates = BOOTSTRAP_REPLICATES, .seed = 1};
    int code = parse_and_run(&settings, argc, argv);
    option_list_release(&settings.trusted);
    return code;
}
