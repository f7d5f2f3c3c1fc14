#include "api/job_body.h"

#include "model/catalog.h"
#include "model/cause.h"

#include <stdio.h>
#include <string.h>

/* ---- what was sent ---- */

void job_body_take(enum job_kind kind, const void *bytes, size_t size, struct job_body *body,
                   struct faults *faults) {
    struct spec_faults wrong = {0};
    const struct finetune_spec *finetune = &body->finetune;
    const char *text = bytes ? bytes : "";
    body->kind = kind;
    if (kind == JOB_FINE_TUNE) {
        (void)finetune_spec_parse(text, size, &body->finetune, &wrong);
        body->dataset = finetune->dataset;
        body->resume_from = finetune->resume_from[0] ? finetune->resume_from : NULL;
        body->promote = finetune->promote == FINETUNE_PROMOTE_IF_BETTER;
    } else {
        (void)measure_spec_parse(kind == JOB_EVALUATION ? MEASURE_EVALUATION : MEASURE_CALIBRATION,
                                 text, size, &body->measure, &wrong);
        body->dataset = body->measure.dataset;
    }
    for (size_t i = 0; i < wrong.count; i++)
        faults_add(faults, wrong.list[i].status,
                   wrong.list[i].field[0] ? wrong.list[i].field : NULL, "%s", wrong.list[i].detail);
}

/* ---- models ---- */

/* "NAME" becomes "NAME@VERSION" by its active version. *card: the version's; the caller's. */
static enum status settle_model(const char *data, char reference[SPEC_MODEL_MAX + 1],
                                struct card *card, struct error *err) {
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1], directory[PATH_MAX];
    struct error why;
    if (!catalog_parse(reference, name, version))
        return error_set(err, STATUS_INVALID_NAME, "%s", CATALOG_REFERENCE_RULE);
    if (!version[0] && catalog_active(data, name, version, NULL) != STATUS_OK)
        return error_set(err, STATUS_UNKNOWN_MODEL, "There is no model %s.", name);
    if (!catalog_has(data, name, version))
        return error_set(err, STATUS_UNKNOWN_MODEL, "There is no version %s of a model %s.",
                         version, name);
    enum status status = catalog_directory(data, name, version, directory, err);
    if (status != STATUS_OK)
        return status;
    if (card_read(directory, card, &why) != STATUS_OK) {
        cause_without_path(why.detail, directory, err);
        return STATUS_NOT_TRAINABLE;
    }
    snprintf(reference, SPEC_MODEL_MAX + 1, "%s@%s", name, version);
    return STATUS_OK;
}

static char *base_of(struct job_body *body) {
    return body->kind == JOB_FINE_TUNE ? body->finetune.base_model : body->measure.base_model;
}

/* Only learning asks more of a version than that it is there. */
static enum status settle_base(struct job_body *body, const char *data, struct error *err) {
    struct card card;
    bool learns = body->kind == JOB_FINE_TUNE;
    enum status status = settle_model(data, base_of(body), &card, err);
    if (status != STATUS_OK)
        return status == STATUS_NOT_TRAINABLE && !learns ? STATUS_NOT_LOADABLE : status;
    if (learns && strcmp(card.architecture, "torchscript") == 0)
        status = error_set(err, STATUS_NOT_TRAINABLE,
                           "%s is a program (torchscript): it runs as it is and learns nothing.",
                           base_of(body));
    snprintf(body->base_model, sizeof body->base_model, "%s", card.name);
    snprintf(body->base_version, sizeof body->base_version, "%s", card.version);
    card_release(&card);
    return status;
}

static enum status settle_compared(struct finetune_spec *spec, const char *data,
                                   struct error *err) {
    struct card card;
    if (!spec->compare_to[0]) {
        memcpy(spec->compare_to, spec->base_model, sizeof spec->compare_to);
        return STATUS_OK;
    }
    enum status status = settle_model(data, spec->compare_to, &card, err);
    if (status == STATUS_OK)
        card_release(&card);
    return status == STATUS_NOT_TRAINABLE ? STATUS_NOT_LOADABLE : status;
}

enum status job_body_settle(struct job_body *body, const char *data, struct error *err) {
    enum status status = settle_base(body, data, err);
    return status == STATUS_OK && body->kind == JOB_FINE_TUNE
               ? settle_compared(&body->finetune, data, err)
               : status;
}

/* ---- telling ---- */

char *job_body_write(const struct job_body *body) {
    size_t size;
    return body->kind == JOB_FINE_TUNE ? finetune_spec_write(&body->finetune, &size)
                                       : measure_spec_write(&body->measure, &size);
}

const char *job_body_model(const struct job_body *body) {
    return body->kind == JOB_FINE_TUNE ? body->finetune.base_model : body->measure.base_model;
}
