#include "model/measure/job.h"

#include "model/catalog.h"
#include "model/cause.h"
#include "model/file.h"
#include "model/measure/calibrate.h"
#include "model/measure/pairs.h"
#include "model/measure/people.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct run {
    const struct measure_job *job;
    const struct measure_spec *spec;
    struct measure_place place;
    struct measure_options options;
    char list[PATH_MAX], head_list[PATH_MAX];
    struct measure_result *result;
};

/* ---- what it is done with ---- */

/* A list of the data set, which the spec names without knowing whether it is there. */
static enum status find_list(const struct run *run, const char *file, char path[PATH_MAX],
                             struct error *err) {
    enum status status = file_path(path, err, "%s/%s", run->job->dataset, file);
    if (status == STATUS_OK && file[0] && access(path, F_OK) != 0)
        return error_set(err, STATUS_INVALID_FIELD, "The data set has no file %s.", file);
    return status;
}

static enum status settle_options(struct run *run, struct error *err) {
    const struct measure_spec *spec = run->spec;
    enum status status = find_list(run, spec->file, run->list, err);
    if (status == STATUS_OK)
        status = find_list(run, spec->head_file, run->head_list, err);
    run->options =
        (struct measure_options){.pairs = spec->source == MEASURE_PAIRS ? run->list : NULL,
                                 .people = spec->source == MEASURE_PEOPLE ? run->list : NULL,
                                 .faces = {run->job->dataset, spec->face, spec->no_face},
                                 .replicates = spec->replicates,
                                 .seed = spec->seed,
                                 .protocol = spec->protocol,
                                 .threshold = spec->threshold,
                                 .view2 = spec->view2};
    return status;
}

/* A head stands after all that a card says, so nothing can be put before it. */
static enum status change_card(const struct measure_spec *spec, struct card *card,
                               struct error *err) {
    if (!spec->mirror && !spec->normalise)
        return STATUS_OK;
    if (card->embedding.head)
        return error_set(err, STATUS_INVALID_FIELD,
                         "%s@%s has a head: change the version that it was learned for", card->name,
                         card->version);
    card->embedding.mirror |= spec->mirror;
    card->embedding.normalise |= spec->normalise;
    return STATUS_OK;
}

static enum status open_version(struct run *run, struct error *err) {
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1], directory[PATH_MAX];
    const char *data = run->job->data, *model = run->spec->base_model;
    if (!catalog_parse(model, name, version) || !catalog_has(data, name, version))
        return error_set(err, STATUS_UNKNOWN_MODEL, "There is no version %s.", model);
    enum status status = catalog_directory(data, name, version, directory, err);
    if (status == STATUS_OK)
        status = model_version_read(directory, &run->place.version, err);
    if (status == STATUS_OK)
        status = change_card(run->spec, &run->place.version->card, err);
    return status == STATUS_OK ? model_version_load(directory, run->place.version, err) : status;
}

/* ---- an evaluation ---- */

static enum status keep(struct run *run, char *evaluation, struct error *err) {
    const struct card *card = &run->place.version->card;
    snprintf(run->result->model, sizeof(run->result->model), "%s", card->name);
    snprintf(run->result->version, sizeof(run->result->version), "%s", card->version);
    run->result->evaluation = evaluation;
    return evaluation ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory");
}

static enum status evaluate_pairs(struct run *run, struct error *err) {
    size_t size;
    struct measure_pairs *pairs = calloc(1, sizeof(*pairs));
    if (!pairs)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = measure_pairs_read(&run->options, pairs, err);
    if (status == STATUS_OK)
        status = open_version(run, err);
    if (status == STATUS_OK)
        status = measure_pairs_compute(&run->place, &run->options, pairs, err);
    if (status == STATUS_OK)
        status = keep(run, measure_pairs_json(&run->place, &run->options, pairs, &size), err);
    measure_pairs_release(pairs);
    free(pairs);
    return status;
}

static enum status evaluate_gallery(struct run *run, struct people_gallery *people,
                                    struct error *err) {
    size_t size;
    struct evaluation_gallery *evaluation = calloc(1, sizeof(*evaluation));
    if (!evaluation)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status =
        measure_people_compute(&run->place, &run->options, people, evaluation, err);
    if (status == STATUS_OK) {
        status = keep(
            run, measure_people_json(&run->place, &run->options, people, evaluation, &size), err);
        evaluation_gallery_release(evaluation);
    }
    free(evaluation);
    return status;
}

static enum status evaluate_people(struct run *run, struct error *err) {
    const struct people_gallery_options whose = measure_people_of(&run->options);
    struct people_gallery people;
    enum status status = people_gallery_read(&whose, &people, err);
    if (status != STATUS_OK)
        return status;
    status = open_version(run, err);
    if (status == STATUS_OK)
        status = evaluate_gallery(run, &people, err);
    people_gallery_release(&people);
    return status;
}

/* ---- a calibration ---- */

/* Whether the version's card names this job. */
static bool is_of_job(const struct run *run, const char *name, const char *version) {
    char directory[PATH_MAX], member[128];
    struct card card;
    if (catalog_directory(run->job->data, name, version, directory, NULL) != STATUS_OK ||
        card_read(directory, &card, NULL) != STATUS_OK)
        return false;
    snprintf(member, sizeof(member), "\"job\": \"%s\"", run->job->id);
    bool found = strstr(card.json, member) != NULL;
    card_release(&card);
    return found;
}

/* The version that an earlier attempt published before its process died; "": none. */
static enum status find_published(struct run *run, const char *name, struct error *err) {
    struct catalog_versions *versions = malloc(sizeof(*versions));
    if (!versions)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = catalog_versions(run->job->data, name, versions, err);
    for (size_t i = status == STATUS_OK ? versions->count : 0; i-- > 0;)
        if (is_of_job(run, name, versions->numbers[i])) {
            snprintf(run->result->version, sizeof(run->result->version), "%s",
                     versions->numbers[i]);
            break;
        }
    free(versions);
    return status;
}

static enum status calibrate_anew(struct run *run, struct error *err) {
    const struct measure_spec *spec = run->spec;
    const struct calibrate_options options = {.measured = run->options,
                                              .mirror = spec->mirror,
                                              .normalise = spec->normalise,
                                              .head = spec->head_file[0] != '\0',
                                              .head_people =
                                                  spec->head_file[0] ? run->head_list : NULL,
                                              .job = run->job->id};
    struct calibrate *calibrate;
    enum status status = calibrate_create(&options, &calibrate, err);
    if (status != STATUS_OK)
        return status;
    status = open_version(run, err);
    if (status == STATUS_OK)
        status = calibrate_run(&run->place, calibrate, run->result->version, err);
    calibrate_destroy(calibrate);
    return status;
}

static enum status calibrate(struct run *run, struct error *err) {
    char version[CARD_VERSION_MAX + 1];
    if (!catalog_parse(run->spec->base_model, run->result->model, version))
        return error_set(err, STATUS_INVALID_NAME, "%s", CATALOG_REFERENCE_RULE);
    enum status status = find_published(run, run->result->model, err);
    return status == STATUS_OK && !run->result->version[0] ? calibrate_anew(run, err) : status;
}

/* ---- the whole ---- */

enum status measure_job_run(const struct measure_job *job, const struct measure_spec *spec,
                            struct measure_result *result, struct error *err) {
    struct run run = {.job = job,
                      .spec = spec,
                      .place = {.data = job->data,
                                .threads = job->threads,
                                .progress = job->progress,
                                .context = job->context,
                                .go_on = job->go_on},
                      .result = result};
    struct error cause;
    *result = (struct measure_result){.evaluation = NULL};
    enum status status = settle_options(&run, &cause);
    if (status == STATUS_OK)
        status = spec->kind == MEASURE_CALIBRATION ? calibrate(&run, &cause)
                 : spec->source == MEASURE_PAIRS   ? evaluate_pairs(&run, &cause)
                                                   : evaluate_people(&run, &cause);
    model_version_close(run.place.version);
    if (status == STATUS_OK)
        return STATUS_OK;
    free(result->evaluation);
    result->evaluation = NULL;
    return error_set(err, cause_full_disk(status, &cause), "%s", cause.detail);
}
