/* From the best weights to a version on disk, and what it is worth.
 *
 * The candidate's embedding is made as the base's is: with the mirror image and normalised where
 * its card says so (after a margin softmax always normalised, since such a loss learns angles); a
 * head is learned anew, from the training people, for the new weights. */
#include "model/catalog.h"
#include "model/digest.h"
#include "model/evaluation_gallery.h"
#include "model/file.h"
#include "model/finetune/comparison.h"
#include "model/finetune/part_gallery.h"
#include "model/finetune/run.h"
#include "model/gallery_fit.h"
#include "model/import/calibrated.h"
#include "model/whitening.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double OPERATING_FMR = 0.001; /* the service's default rule, where data supports it */
static const double LARGEST_FMR = 0.1;
enum { COMPARISON_REPLICATES = 2000, COMPARISON_REPLICATES_MAX = 20000 };

struct candidate {
    struct run *run;
    struct model_version version; /* its card's own texts are the base's */
    const char *weights;
    float *head; /* owned; NULL: none */
    char *head_hashes, *training_hashes, *evaluation_hashes, *calibration_hashes;
    char training_sha256[DIGEST_TEXT_SIZE], calibration_sha256[DIGEST_TEXT_SIZE];
    char evaluation_sha256[DIGEST_TEXT_SIZE];
    uint32_t head_people, head_images, evaluation_people, evaluation_images;
    /* Of the candidate and of the version that it is compared with. */
    struct part_gallery calibration[2], evaluation[2];
    struct gallery_fit fit;
    bool calibrated;
    struct comparison_side sides[2];
    struct comparison_options options;
    struct comparison comparison;
    struct evaluation_gallery measured;
};
enum { NEW, OLD };

/* ---- whom it is of ---- */

static enum status describe_people(const struct run *run, enum part part,
                                   char sha256[DIGEST_TEXT_SIZE], char **hashes, uint32_t *people,
                                   uint32_t *images, struct error *err) {
    struct people list;
    size_t size;
    enum status status = parts_people(&run->album, &run->parts, part, &list, err);
    if (status != STATUS_OK)
        return status;
    status = people_digest(&list, sha256, err);
    *hashes = status == STATUS_OK ? people_hashes(&list, &size) : NULL;
    if (status == STATUS_OK && !*hashes)
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    *people = list.count;
    *images = list.images;
    people_release(&list);
    return status;
}

/* Those that the base was trained on are in the new weights too. */
static enum status add_earlier(struct candidate *candidate, struct error *err) {
    const char *earlier = candidate->run->base.learned[SOURCE_TRAINING];
    if (!earlier)
        return STATUS_OK;
    char *joined = people_hashes_join(candidate->training_hashes, earlier);
    if (!joined)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    free(candidate->training_hashes);
    candidate->training_hashes = joined;
    return STATUS_OK;
}

static enum status describe_parts(struct candidate *candidate, struct error *err) {
    const struct run *run = candidate->run;
    uint32_t people, images;
    enum status status =
        describe_people(run, PART_TRAINING, candidate->training_sha256, &candidate->training_hashes,
                        &candidate->head_people, &candidate->head_images, err);
    candidate->head_hashes = status == STATUS_OK ? strdup(candidate->training_hashes) : NULL;
    if (status == STATUS_OK && !candidate->head_hashes)
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    if (status == STATUS_OK)
        status = add_earlier(candidate, err);
    if (status == STATUS_OK)
        status = describe_people(run, PART_CALIBRATION, candidate->calibration_sha256,
                                 &candidate->calibration_hashes, &people, &images, err);
    if (status == STATUS_OK)
        status = describe_people(run, PART_EVALUATION, candidate->evaluation_sha256,
                                 &candidate->evaluation_hashes, &candidate->evaluation_people,
                                 &candidate->evaluation_images, err);
    return status;
}

/* ---- galleries ---- */

static enum status embed(struct candidate *candidate, enum part part,
                         const struct model_version *version, struct part_gallery *gallery,
                         struct error *err) {
    const struct run *run = candidate->run;
    const struct photographs_options options = run_photographs(candidate->run);
    return part_gallery_embed(&run->album, &run->parts, part, &options, version, gallery, err);
}

static enum status learn_head(struct candidate *candidate, struct error *err) {
    struct part_gallery training;
    size_t length = candidate->version.card.embedding_length;
    enum status status = embed(candidate, PART_TRAINING, &candidate->version, &training, err);
    candidate->head = calloc(length * length, sizeof(*candidate->head));
    if (status == STATUS_OK && !candidate->head)
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    if (status == STATUS_OK)
        status = whitening_learn(&training.gallery, candidate->head, err);
    if (status == STATUS_OK)
        candidate->head_images = gallery_images(&training.gallery);
    part_gallery_release(&training);
    return status;
}

static enum status open_candidate(struct candidate *candidate, struct error *err) {
    const struct run *run = candidate->run;
    struct card *card = &candidate->version.card;
    *card = run->base.version->card; /* what it owns stays the base's */
    card->embedding.head = false;
    card->embedding_length = card->embedding.network_length;
    card->embedding.normalise |= run->spec->hyperparameters.loss != FINETUNE_CONTRASTIVE;
    enum status status = network_open(card, candidate->weights, &candidate->version.network, err);
    return status == STATUS_OK && run->base.version->card.embedding.head
               ? learn_head(candidate, err)
               : status;
}

static enum status embed_new(struct candidate *candidate, struct error *err) {
    enum status status = open_candidate(candidate, err);
    if (status == STATUS_OK)
        status = embed(candidate, PART_CALIBRATION, &candidate->version,
                       &candidate->calibration[NEW], err);
    if (status == STATUS_OK)
        status = embed(candidate, PART_EVALUATION, &candidate->version, &candidate->evaluation[NEW],
                       err);
    if (status == STATUS_OK && candidate->head)
        status = whitening_apply(candidate->head, &candidate->calibration[NEW].gallery, err);
    if (status == STATUS_OK && candidate->head)
        status = whitening_apply(candidate->head, &candidate->evaluation[NEW].gallery, err);
    network_close(candidate->version.network);
    candidate->version.network = NULL;
    return status;
}

static enum status embed_old(struct candidate *candidate, struct error *err) {
    const struct source *compared = run_compared(candidate->run);
    struct model_version *version = compared->version;
    enum status status = network_open(&version->card, compared->weights, &version->network, err);
    if (status == STATUS_OK)
        status = embed(candidate, PART_CALIBRATION, version, &candidate->calibration[OLD], err);
    if (status == STATUS_OK)
        status = embed(candidate, PART_EVALUATION, version, &candidate->evaluation[OLD], err);
    network_close(version->network);
    version->network = NULL;
    return status;
}

/* ---- figures ---- */

/* Too few people for any threshold is no failure of the training: the version is then published
 * without, and cannot be better. */
static enum status fit(struct candidate *candidate, struct error *err) {
    const struct bootstrap_options bootstrap = {
        BOOTSTRAP_REPLICATES, candidate->run->spec->hyperparameters.seed, run_crew(candidate->run)};
    struct error cause;
    enum status status = gallery_fit_people(&candidate->calibration[NEW].gallery, &bootstrap,
                                            &candidate->fit, &cause);
    candidate->calibrated = status == STATUS_OK;
    if (status == STATUS_INVALID_FIELD) {
        run_log(candidate->run, "the version is not calibrated: %.200s", cause.detail);
        gallery_fit_release(&candidate->fit);
        memset(&candidate->fit, 0, sizeof(candidate->fit));
        return STATUS_OK;
    }
    if (status != STATUS_OK)
        *err = cause;
    return status;
}

static double operating_fmr(const struct candidate *candidate) {
    double fmr = LARGEST_FMR;
    for (size_t i = 0; i < candidate->fit.points_count; i++)
        if (candidate->fit.points[i].fmr > OPERATING_FMR * 0.99)
            fmr = candidate->fit.points[i].fmr;
    return fmr;
}

static enum status compare(struct candidate *candidate, struct error *err) {
    const struct run *run = candidate->run;
    const struct card *old = &run_compared(run)->version->card;
    uint32_t tried = run->hooks->candidates
                         ? run->hooks->candidates(run->hooks->context, candidate->evaluation_sha256)
                         : 1;
    tried = tried > 0 ? tried : 1;
    uint64_t replicates = (uint64_t)COMPARISON_REPLICATES * tried;
    candidate->options = (struct comparison_options){
        .fmr = operating_fmr(candidate),
        .candidates = tried,
        .replicates = replicates < COMPARISON_REPLICATES_MAX ? (uint32_t)replicates
                                                             : COMPARISON_REPLICATES_MAX,
        .seed = run->spec->hyperparameters.seed,
        .crew = run_crew(candidate->run)};
    candidate->sides[OLD] =
        (struct comparison_side){old->name, old->version, &candidate->calibration[OLD].gallery,
                                 &candidate->evaluation[OLD].gallery};
    candidate->sides[NEW] =
        (struct comparison_side){run->spec->name, "", &candidate->calibration[NEW].gallery,
                                 &candidate->evaluation[NEW].gallery};
    enum status status = comparison_measure(&candidate->sides[OLD], &candidate->sides[NEW],
                                            &candidate->options, &candidate->comparison, err);
    candidate->comparison.better &= candidate->calibrated;
    return status;
}

/* The card as it will be, as far as a measurement looks at it. */
static void complete_card(struct candidate *candidate) {
    struct card *card = &candidate->version.card;
    snprintf(card->name, sizeof(card->name), "%s", candidate->run->spec->name);
    card->measured = candidate->fit.measured;
    card->typical = candidate->fit.typical;
    card->thresholds_count = candidate->fit.points_count;
    for (size_t i = 0; i < candidate->fit.points_count; i++) {
        const struct operating_point *point = &candidate->fit.points[i];
        card->thresholds[i] = (struct card_threshold){point->fmr, point->measured.threshold,
                                                      point->measured.fnmr, true};
    }
}

static enum status measure(struct candidate *candidate, struct error *err) {
    enum status status = fit(candidate, err);
    if (status == STATUS_OK)
        status = compare(candidate, err);
    if (status != STATUS_OK)
        return status;
    complete_card(candidate);
    const struct evaluation_gallery_options options = {
        .threshold = fmax(candidate->comparison.candidate.threshold, 1e-9),
        .bootstrap = {BOOTSTRAP_REPLICATES, candidate->options.seed, run_crew(candidate->run)}};
    return evaluation_gallery_measure(&candidate->evaluation[NEW].gallery, &candidate->version.card,
                                      NULL, &options, &candidate->measured, err);
}

/* ---- texts ---- */

static void write_split(struct json_writer *json, const struct candidate *candidate) {
    const struct run *run = candidate->run;
    uint32_t counts[PARTS] = {0};
    for (uint32_t person = 0; person < run->album.people; person++)
        counts[run->parts.of[person]]++;
    json_write_object(json, "people");
    for (enum part part = PART_NOBODY; part < PARTS; part++)
        json_write_integer(json, PART_NAMES[part], counts[part]);
    json_write_end(json);
}

/* The measurement of the candidate alone, and the comparison behind it. */
static char *evaluation_text(void *context, const char *version, const char *weights_sha256,
                             size_t *size) {
    static const char *const NOTHING[] = {NULL};
    struct candidate *candidate = context;
    struct card *card = &candidate->version.card;
    const struct part_gallery *evaluation = &candidate->evaluation[NEW];
    snprintf(card->version, sizeof(card->version), "%s", version);
    snprintf(card->weights_sha256, sizeof(card->weights_sha256), "%s", weights_sha256);
    candidate->sides[NEW].version = card->version;
    const struct evaluation_gallery_report report = {
        .protocol = "fine-tune-evaluation",
        .face = FINETUNE_FACES[candidate->run->spec->face],
        .no_face = "reject",
        .card = card,
        .people_file_sha256 = candidate->evaluation_sha256,
        .people_sha256 = candidate->evaluation_sha256,
        .people_listed = candidate->evaluation_people,
        .images_listed = evaluation->listed,
        .faces_not_found = evaluation->left_out,
        .images_left_out = evaluation->left_out,
        .replicates = BOOTSTRAP_REPLICATES,
        .seed = candidate->options.seed};
    struct json_reader *reader = NULL;
    struct json_writer *json = json_writer_create();
    char *alone = evaluation_gallery_json(&candidate->measured, &report, size), *text = NULL;
    bool whole = false;
    if (json && alone && json_reader_open(alone, *size, &reader, NULL) == STATUS_OK) {
        struct json_node root = json_root(reader);
        json_write_object(json, NULL);
        json_copy_members(json, &root, NOTHING);
        comparison_write(json, &candidate->sides[OLD], &candidate->sides[NEW], &candidate->options,
                         &candidate->comparison);
        write_split(json, candidate);
        json_write_end(json);
        whole = json_reader_close(reader, NULL) == STATUS_OK;
    }
    free(alone);
    if (json)
        text = json_writer_finish(json, size);
    if (whole)
        return text;
    free(text);
    return NULL;
}

/* The card's "training". */
static char *training_record(const struct candidate *candidate) {
    const struct run *run = candidate->run;
    const struct card *base = &run->base.version->card;
    const struct course *course = run->course;
    struct json_writer *json = json_writer_create();
    size_t size;
    if (!json)
        return NULL;
    json_write_object(json, NULL);
    json_write_text(json, "run", run->id);
    json_write_object(json, "base");
    json_write_text(json, "name", base->name);
    json_write_text(json, "version", base->version);
    json_write_text(json, "weights_sha256", base->weights_sha256);
    json_write_end(json);
    json_write_text(json, "dataset", run->spec->dataset);
    json_write_text(json, "face", FINETUNE_FACES[run->spec->face]);
    json_write_text(json, "people_sha256", candidate->training_sha256);
    json_write_integer(json, "photographs", run->learned_images);
    json_write_integer(json, "photographs_without_face", run->left_out);
    finetune_spec_write_hyperparameters(json, &run->spec->hyperparameters);
    json_write_integer(json, "epochs", course->epochs_done);
    json_write_integer(json, "best_epoch", course->best_epoch);
    json_write_real(json, "best_validation_loss", course->best_loss);
    json_write_end(json);
    return json_writer_finish(json, &size);
}

/* ---- publishing ---- */

static enum status publish(struct candidate *candidate, const char *record,
                           struct finetune_result *result, struct error *err) {
    const struct run *run = candidate->run;
    const struct calibrated_training training = {.name = run->spec->name,
                                                 .weights = candidate->weights,
                                                 .record = record,
                                                 .hashes = candidate->training_hashes,
                                                 .evaluation = evaluation_text,
                                                 .context = candidate};
    const struct calibrated_head head = {.matrix = candidate->head,
                                         .file_sha256 = candidate->training_sha256,
                                         .people_sha256 = candidate->training_sha256,
                                         .hashes = candidate->head_hashes,
                                         .people = candidate->head_people,
                                         .images = candidate->head_images};
    const struct gallery *calibration = &candidate->calibration[NEW].gallery;
    struct card card = run->base.version->card;
    card.embedding = candidate->version.card.embedding;
    card.embedding_length = candidate->version.card.embedding_length;
    const struct calibrated calibrated = {
        .data_directory = run->place->data,
        .card = &card,
        .training = &training,
        .embedding_changed = true,
        .head = candidate->head ? &head : NULL,
        .measured = &candidate->fit.measured,
        .typical = &candidate->fit.typical,
        .points = candidate->fit.points,
        .points_count = candidate->fit.points_count,
        .data = {.kind = "people",
                 .file_sha256 = candidate->calibration_sha256,
                 .people_sha256 = candidate->calibration_sha256,
                 .hashes = candidate->calibrated ? candidate->calibration_hashes : NULL,
                 .people = calibration->people,
                 .images = gallery_images(calibration),
                 .genuine_pairs = candidate->fit.histogram.genuine_pairs,
                 .impostor_pairs = candidate->fit.histogram.impostor_pairs,
                 .method = GALLERY_FIT_METHOD}};
    snprintf(result->model, sizeof(result->model), "%s", run->spec->name);
    return calibrated_publish(&calibrated, result->version, err);
}

static void release(struct candidate *candidate) {
    for (int i = NEW; i <= OLD; i++) {
        part_gallery_release(&candidate->calibration[i]);
        part_gallery_release(&candidate->evaluation[i]);
    }
    evaluation_gallery_release(&candidate->measured);
    gallery_fit_release(&candidate->fit);
    free(candidate->head);
    free(candidate->training_hashes);
    free(candidate->head_hashes);
    free(candidate->calibration_hashes);
    free(candidate->evaluation_hashes);
    free(candidate);
}

static enum status read_evaluation(const struct run *run, struct finetune_result *result,
                                   struct error *err) {
    char path[PATH_MAX];
    enum status status = file_path(path, err, "%s/models/%s/%s/evaluation.json", run->place->data,
                                   result->model, result->version);
    return status == STATUS_OK
               ? file_read(path, JSON_BYTES_MAX, &result->evaluation, &result->evaluation_size, err)
               : status;
}

enum status run_publish(struct run *run, const char *weights, struct finetune_result *result,
                        struct error *err) {
    struct candidate *candidate = calloc(1, sizeof(*candidate));
    if (!candidate)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    candidate->run = run;
    candidate->weights = weights;
    enum status status = describe_parts(candidate, err);
    if (status == STATUS_OK)
        status = embed_new(candidate, err);
    if (status == STATUS_OK)
        status = embed_old(candidate, err);
    if (status == STATUS_OK)
        status = measure(candidate, err);
    char *record = status == STATUS_OK ? training_record(candidate) : NULL;
    if (status == STATUS_OK) {
        run_begin_phase(run, FINETUNE_PUBLISHING);
        status = record ? publish(candidate, record, result, err)
                        : error_set(err, STATUS_INTERNAL, "out of memory");
    }
    if (status == STATUS_OK)
        status = read_evaluation(run, result, err);
    result->better = candidate->comparison.better;
    free(record);
    release(candidate);
    return status;
}

/* ---- what was published before ---- */

static bool says_better(const struct finetune_result *result) {
    struct json_reader *reader;
    bool better = false;
    if (json_reader_open(result->evaluation, result->evaluation_size, &reader, NULL) != STATUS_OK)
        return false;
    struct json_node root = json_root(reader), comparison = json_read_object(&root, "comparison");
    json_read_bool(&comparison, "better", &better);
    return json_reader_close(reader, NULL) == STATUS_OK && better;
}

/* Whether the version is what this run has published: its card names the run, and the run's
 * comparison is beside it. A calibration takes over what its card says of the training, but not the
 * evaluation. */
static bool is_of_run(const struct run *run, const char *version) {
    char directory[PATH_MAX], run_member[64];
    struct card card;
    if (catalog_directory(run->place->data, run->spec->name, version, directory, NULL) !=
            STATUS_OK ||
        card_read(directory, &card, NULL) != STATUS_OK)
        return false;
    snprintf(run_member, sizeof(run_member), "\"run\": \"%s\"", run->id);
    bool found = strstr(card.json, run_member) && card.evaluation &&
                 strstr(card.evaluation, "\"comparison\": {");
    card_release(&card);
    return found;
}

enum status run_find_published(const struct run *run, struct finetune_result *result,
                               struct error *err) {
    char path[PATH_MAX];
    struct catalog_versions *versions = calloc(1, sizeof(*versions));
    enum status status =
        versions ? file_path(path, err, "%s/models/%s", run->place->data, run->spec->name)
                 : error_set(err, STATUS_INTERNAL, "out of memory");
    if (status == STATUS_OK && access(path, F_OK) == 0)
        status = catalog_versions(run->place->data, run->spec->name, versions, err);
    for (size_t i = versions ? versions->count : 0; i-- > 0 && status == STATUS_OK;) {
        if (!is_of_run(run, versions->numbers[i]))
            continue;
        snprintf(result->model, sizeof(result->model), "%s", run->spec->name);
        snprintf(result->version, sizeof(result->version), "%s", versions->numbers[i]);
        status = read_evaluation(run, result, err);
        if (status == STATUS_OK)
            result->better = says_better(result);
        result->outcome = FINETUNE_FINISHED;
        break;
    }
    free(versions);
    return status;
}
