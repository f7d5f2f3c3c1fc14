/* `facepair calibrate`: labelled photographs -> thresholds for false-match rates and a
 * log-likelihood ratio, as a new version of the model with the same weights; before that, when
 * asked for, a better embedding from them: with the mirror image, normalised, through a learned
 * head. */
#include "cli/command.h"
#include "cli/learned_head.h"
#include "cli/version_people.h"
#include "model/dataset.h"
#include "model/decision.h"
#include "model/evaluation.h"
#include "model/gallery_fit.h"
#include "model/whitening.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char METHOD_PAIRS[] = "Pairs as listed; 95 % intervals by Wilson's method.";

struct settings {
    const char *people, *split, *part, *pairs, *images, *data, *device;
    const char *head_people, *head_part;
    unsigned face, no_face;
    int64_t threads, replicates, seed;
    bool mirror, normalise, head, activate;
    struct option_list trusted;
};

/* ---- fitting ---- */

static const struct error_rates_extra NO_MORE = {0};

static enum status fit_pairs(const struct evaluation_pair *pairs, size_t count,
                             struct gallery_fit *fit, struct error *err) {
    struct evaluation evaluation; /* refuses what is no measurement */
    enum status status = evaluation_measure(pairs, count, 0.5, &evaluation, err);
    if (status == STATUS_OK)
        status = evaluation_histogram(pairs, count, &fit->histogram, err);
    if (status != STATUS_OK)
        return status;
    error_rates_of_pairs(&fit->histogram, &NO_MORE, &fit->measured.error_rates);
    return gallery_fit_decisions(fit, err);
}

/* ---- publishing ---- */

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

static enum status publish(const struct settings *settings, const struct session *session,
                           const struct gallery_fit *fit, const struct calibrated_data *data,
                           const struct calibrated_head *head, struct error *err) {
    char version[CARD_VERSION_MAX + 1];
    struct calibrated calibrated = {.data_directory = session->data,
                                    .card = &session->version->card,
                                    .embedding_changed = settings->mirror || settings->normalise,
                                    .head = head,
                                    .measured = &fit->measured,
                                    .typical = &fit->typical,
                                    .points = fit->points,
                                    .points_count = fit->points_count,
                                    .data = *data};
    calibrated.data.genuine_pairs = fit->histogram.genuine_pairs;
    calibrated.data.impostor_pairs = fit->histogram.impostor_pairs;
    enum status status = calibrated_publish(&calibrated, version, err);
    if (status == STATUS_OK && settings->activate)
        status = calibrated_activate(&calibrated, version, err);
    if (status == STATUS_OK)
        print(fit, calibrated.card, version);
    return status;
}

/* ---- the two kinds of data ---- */

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

/* Whom a part of the photographs is of. */
static struct people_gallery_options options_of(const struct settings *settings, const char *people,
                                                const char *part) {
    return (struct people_gallery_options){
        .people = people,
        .split = part ? settings->split : NULL,
        .part = part,
        .faces = {settings->images, settings->face, settings->no_face}};
}

/* Who is calibrated on, and, for a head, who it is learned from. */
struct crowd {
    struct people_gallery_options options, head_options;
    struct people_gallery people;
    struct learned_head head;
};

static enum status read_crowd(const struct settings *settings, struct crowd *crowd,
                              struct error *err) {
    crowd->options = options_of(settings, settings->people, settings->part);
    crowd->head_options =
        options_of(settings, settings->head_people ? settings->head_people : settings->people,
                   settings->head_part);
    enum status status = people_gallery_read(&crowd->options, &crowd->people, err);
    return status == STATUS_OK && settings->head
               ? learned_head_read(&crowd->head_options, crowd->people.hashes, &crowd->head, err)
               : status;
}

static void release_crowd(struct crowd *crowd) {
    people_gallery_release(&crowd->people);
    learned_head_release(&crowd->head);
}

/* The head first, and those to calibrate on as they will be once it stands in the version. */
static enum status embed_crowd(const struct settings *settings, struct session *session,
                               struct crowd *crowd, struct error *err) {
    enum status status = version_people_refuse_learned(session, &crowd->people.people, err);
    if (status == STATUS_OK && settings->head)
        status = learned_head_learn(session, &crowd->head_options, &crowd->head, err);
    if (status == STATUS_OK)
        status = people_gallery_embed(session, &crowd->options, &crowd->people, err);
    return status == STATUS_OK && settings->head
               ? whitening_apply(crowd->head.matrix, &crowd->people.gallery, err)
               : status;
}

static enum status calibrate_session(const struct settings *settings, struct session *session,
                                     struct crowd *crowd, struct gallery_fit *fit,
                                     struct error *err) {
    const struct people_gallery *people = &crowd->people;
    const struct bootstrap_options bootstrap = {
        (uint32_t)settings->replicates, (uint64_t)settings->seed, (unsigned)settings->threads};
    enum status status = embed_crowd(settings, session, crowd, err);
    if (status == STATUS_OK)
        status = gallery_fit_people(&people->gallery, &bootstrap, fit, err);
    if (status != STATUS_OK)
        return status;
    const struct calibrated_data data = {.kind = "people",
                                         .file_sha256 = people->file_sha256,
                                         .people_sha256 = people->people_sha256,
                                         .part = settings->part,
                                         .hashes = people->hashes,
                                         .people = people->gallery.people,
                                         .images = gallery_images(&people->gallery),
                                         .method = GALLERY_FIT_METHOD};
    return publish(settings, session, fit, &data, settings->head ? &crowd->head.described : NULL,
                   err);
}

static enum status calibrate_people(const struct settings *settings, const char *model,
                                    struct gallery_fit *fit, struct error *err) {
    struct crowd crowd = {.head = {.matrix = NULL}};
    struct session session;
    enum status status = read_crowd(settings, &crowd, err);
    if (status == STATUS_OK)
        status = open_session(settings, model, &session, err);
    if (status == STATUS_OK) {
        status = calibrate_session(settings, &session, &crowd, fit, err);
        session_close(&session);
    }
    release_crowd(&crowd);
    return status;
}

static enum status measure_pairs(const struct dataset_pairs *dataset, const struct faces *faces,
                                 uint32_t length, struct gallery_fit *fit, struct error *err) {
    struct evaluation_pair *measured = calloc(dataset->pairs_count, sizeof(*measured));
    size_t count = 0;
    if (!measured)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (size_t i = 0; i < dataset->pairs_count; i++) {
        const struct dataset_pair *pair = &dataset->pairs[i];
        if (faces->photographs[pair->a].status == STATUS_OK &&
            faces->photographs[pair->b].status == STATUS_OK)
            measured[count++] = (struct evaluation_pair){
                decision_distance(faces->embeddings + (size_t)pair->a * length,
                                  faces->embeddings + (size_t)pair->b * length, length),
                pair->same};
    }
    enum status status = fit_pairs(measured, count, fit, err);
    free(measured);
    return status;
}

static enum status calibrate_pairs(const struct settings *settings, const char *model,
                                   struct gallery_fit *fit, struct error *err) {
    const struct faces_options options = {settings->images, settings->face, settings->no_face};
    char sha256[DIGEST_TEXT_SIZE];
    struct dataset_pairs dataset;
    struct session session;
    enum status status = digest_file(settings->pairs, sha256, err);
    if (status == STATUS_OK)
        status = dataset_pairs_read(settings->pairs, &dataset, err);
    if (status != STATUS_OK)
        return status;
    status = open_session(settings, model, &session, err);
    if (status != STATUS_OK) {
        dataset_pairs_release(&dataset);
        return status;
    }
    struct faces faces = {0};
    status =
        version_people_refuse_learned_images(&session, dataset.images, dataset.images_count, err);
    if (status == STATUS_OK)
        status = faces_embed(&session, &options, dataset.images, dataset.images_count, &faces, err);
    if (status == STATUS_OK)
        status = measure_pairs(&dataset, &faces, session.version->card.embedding_length, fit, err);
    if (status == STATUS_OK) {
        const struct calibrated_data data = {.kind = "pairs",
                                             .file_sha256 = sha256,
                                             .images = dataset.images_count - faces.left_out,
                                             .method = METHOD_PAIRS};
        status = publish(settings, &session, fit, &data, NULL, err);
    }
    faces_release(&faces);
    session_close(&session);
    dataset_pairs_release(&dataset);
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
    struct gallery_fit *fit = calloc(1, sizeof(*fit));
    if (!fit)
        return cli_failed(command, "out of memory");
    enum status status =
        s->people ? calibrate_people(s, model, fit, &err) : calibrate_pairs(s, model, fit, &err);
    gallery_fit_release(fit);
    free(fit);
    if (status != STATUS_OK)
        return cli_failed(command, err.detail);
    return cli_flushed(command);
}

static int calibrate(struct settings *s, int argc, char **argv) {
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
        {"data", "DIR", "the data directory", OPTION_STRING, .to.string = &s->data},
        {"device", "D", "cpu (default) or cuda:N", OPTION_STRING, .to.string = &s->device},
        {"threads", "N", "threads of each stage (0: one for each CPU granted)", OPTION_INTEGER,
         .to.integer = &s->threads, .integer = {0, 1024}},
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
    int code = calibrate(&settings, argc, argv);
    option_list_release(&settings.trusted);
    return code;
}
