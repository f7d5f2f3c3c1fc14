#include "model/finetune/spec.h"

#include "model/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const FINETUNE_FACES[] = {"largest", "only", "centre", NULL};
const char *const FINETUNE_KINDS[] = {"sampled", "pairs", "people", NULL};
const char *const FINETUNE_LOSSES[] = {"contrastive", "cosface", "arcface", NULL};
const char *const FINETUNE_MININGS[] = {"none", "batch_hard", NULL};
const char *const FINETUNE_PROMOTIONS[] = {"never", "if_better", NULL};

static const double MARGINS[] = {1, 0.35, 0.5}; /* by loss */
static const double SMALLEST = 1e-12;           /* what is above 0 */
static const int64_t BYTES_MIN = 1 << 20, BYTES_MAX = (int64_t)1 << 45;

double finetune_default_margin(enum finetune_loss loss) { return MARGINS[loss]; }

void finetune_spec_default(struct finetune_spec *spec) {
    *spec = (struct finetune_spec){.hyperparameters = {.epochs = 20,
                                                       .batch_size = 32,
                                                       .learning_rate = 1e-3,
                                                       .margin = MARGINS[FINETUNE_CONTRASTIVE],
                                                       .blend = 1,
                                                       .scale = 30,
                                                       .trainable = "last_block",
                                                       .factor = 0.1,
                                                       .patience = 5,
                                                       .augment = {.flip = true,
                                                                   .colour = 0.2,
                                                                   .rotation_degrees = 5,
                                                                   .scale = 0.05,
                                                                   .views = 4},
                                                       .seed = 1,
                                                       .cache_bytes_max = (uint64_t)1 << 30},
                                   .deadline_s = 24 * 60 * 60,
                                   .disk_bytes_max = (uint64_t)1 << 34};
}

static void take_job(const struct spec_reading *reading, const struct json_node *root,
                     char job[FINETUNE_NAME_MAX + 1]) {
    static const char NAME[] = "resume_from";
    if (spec_take_text(reading, root, NAME, job, FINETUNE_NAME_MAX + 1) &&
        (strncmp(job, "ft_", 3) != 0 || !job[3] || !spec_has_only(job, "_-")))
        spec_refuse(reading, STATUS_INVALID_NAME, root, NAME,
                    "resume_from is the id of a job, ft_….");
}

static void take_source(const struct spec_reading *reading, const struct json_node *root,
                        const char *name, struct finetune_source *source) {
    unsigned kind = FINETUNE_SAMPLED;
    spec_take_source(reading, root, name, FINETUNE_KINDS, &kind, source->file);
    source->kind = kind;
}

/* ---- hyperparameters ---- */

/* Which tensors a pattern names, if any, is the network's to say. */
static void take_trainable(const struct spec_reading *reading, const struct json_node *object,
                           char trainable[FINETUNE_TRAINABLE_MAX + 1]) {
    static const char NAME[] = "trainable";
    if (spec_take_text(reading, object, NAME, trainable, FINETUNE_TRAINABLE_MAX + 1) &&
        !spec_has_only(trainable, "._-*?,"))
        spec_refuse(reading, STATUS_INVALID_FIELD, object, NAME,
                    "trainable is last_block, last_N, all or patterns of tensor names.");
}

static void take_loss(const struct spec_reading *reading, const struct json_node *object,
                      struct finetune_hyperparameters *p) {
    p->loss = spec_take_word(reading, object, "loss", FINETUNE_LOSSES, FINETUNE_CONTRASTIVE);
    p->mining = spec_take_word(reading, object, "mining", FINETUNE_MININGS, FINETUNE_MINING_NONE);
    if (p->mining == FINETUNE_MINING_BATCH_HARD && p->loss != FINETUNE_CONTRASTIVE)
        spec_refuse(reading, STATUS_INVALID_FIELD, object, "mining",
                    "batch_hard goes with the contrastive loss only.");
    if (p->mining == FINETUNE_MINING_BATCH_HARD && p->batch_size < 4)
        spec_refuse(reading, STATUS_INVALID_FIELD, object, "batch_size",
                    "batch_hard needs two photographs of two people: at least 4.");
    p->margin = MARGINS[p->loss];
    spec_take_real(reading, object, "margin", SMALLEST, 1000, &p->margin);
    spec_take_real(reading, object, "average", 0, 0.99999, &p->average);
    spec_take_real(reading, object, "blend", SMALLEST, 1, &p->blend);
    spec_take_real(reading, object, "scale", SMALLEST, 1000, &p->scale);
}

static void take_scheduler(const struct spec_reading *reading, const struct json_node *parameters,
                           struct finetune_hyperparameters *p) {
    static const char *const KNOWN[] = {"factor", "patience", NULL};
    struct json_node object;
    if (!spec_take_object(reading, parameters, "scheduler", KNOWN, &object))
        return;
    spec_take_real(reading, &object, "factor", SMALLEST, 1 - SMALLEST, &p->factor);
    spec_take_count(reading, &object, "patience", 0, FINETUNE_EPOCHS_MAX, &p->patience);
}

static void take_augment(const struct spec_reading *reading, const struct json_node *parameters,
                         struct finetune_augment *augment) {
    static const char *const KNOWN[] = {"flip",  "colour", "rotation_degrees", "scale", "shift",
                                        "views", NULL};
    struct json_node object;
    if (!spec_take_object(reading, parameters, "augment", KNOWN, &object))
        return;
    spec_take_flag(reading, &object, "flip", &augment->flip);
    spec_take_real(reading, &object, "colour", 0, 1, &augment->colour);
    spec_take_real(reading, &object, "rotation_degrees", 0, 45, &augment->rotation_degrees);
    spec_take_real(reading, &object, "scale", 0, 0.5, &augment->scale);
    spec_take_real(reading, &object, "shift", 0, 0.5, &augment->shift);
    spec_take_count(reading, &object, "views", 1, FINETUNE_VIEWS_MAX, &augment->views);
}

static void take_hyperparameters(const struct spec_reading *reading, const struct json_node *root,
                                 struct finetune_hyperparameters *p) {
    static const char *const KNOWN[] = {"epochs",    "batch_size",      "learning_rate",
                                        "loss",      "mining",          "margin",
                                        "average",   "blend",           "scale",
                                        "trainable", "scheduler",       "augment",
                                        "seed",      "cache_bytes_max", NULL};
    struct json_node object;
    if (!spec_take_object(reading, root, "hyperparameters", KNOWN, &object))
        return;
    spec_take_count(reading, &object, "epochs", 1, FINETUNE_EPOCHS_MAX, &p->epochs);
    spec_take_count(reading, &object, "batch_size", 2, FINETUNE_BATCH_MAX, &p->batch_size);
    spec_take_real(reading, &object, "learning_rate", SMALLEST, 1, &p->learning_rate);
    take_loss(reading, &object, p);
    take_trainable(reading, &object, p->trainable);
    take_scheduler(reading, &object, p);
    take_augment(reading, &object, &p->augment);
    spec_take_seed(reading, &object, &p->seed);
    spec_take_large(reading, &object, "cache_bytes_max", 0, BYTES_MAX, &p->cache_bytes_max);
}

/* ---- the whole ---- */

/* The base model's name, where no other was given. */
static void name_default(struct finetune_spec *spec) {
    char version[CARD_VERSION_MAX + 1];
    if (!spec->name[0] && !catalog_parse(spec->base_model, spec->name, version))
        spec->name[0] = '\0';
}

static void take_spec(const struct spec_reading *reading, const struct json_node *root,
                      struct finetune_spec *spec) {
    static const char *const KNOWN[] = {
        "base_model", "dataset", "train",      "validation",     "name",        "compare_to",
        "face",       "promote", "deadline_s", "disk_bytes_max", "resume_from", "hyperparameters",
        NULL};
    spec_refuse_unknown(reading, root, KNOWN);
    spec_need(reading, root, "base_model");
    spec_need(reading, root, "dataset");
    spec_take_model(reading, root, "base_model", spec->base_model);
    spec_take_name(reading, root, "dataset", spec->dataset);
    take_source(reading, root, "train", &spec->train);
    take_source(reading, root, "validation", &spec->validation);
    spec_take_name(reading, root, "name", spec->name);
    spec_take_model(reading, root, "compare_to", spec->compare_to);
    take_hyperparameters(reading, root, &spec->hyperparameters);
    spec->face = spec_take_word(reading, root, "face", FINETUNE_FACES, FINETUNE_FACE_LARGEST);
    spec->promote =
        spec_take_word(reading, root, "promote", FINETUNE_PROMOTIONS, FINETUNE_PROMOTE_NEVER);
    take_job(reading, root, spec->resume_from);
    spec_take_count(reading, root, "deadline_s", 1, 30 * 24 * 60 * 60, &spec->deadline_s);
    spec_take_large(reading, root, "disk_bytes_max", BYTES_MIN, BYTES_MAX, &spec->disk_bytes_max);
    name_default(spec);
}

bool finetune_spec_parse(const char *text, size_t size, struct finetune_spec *spec,
                         struct spec_faults *faults) {
    struct spec_reading reading;
    struct json_node root;
    finetune_spec_default(spec);
    if (!spec_reading_open(text, size, faults, &reading, &root))
        return false;
    take_spec(&reading, &root, spec);
    return spec_reading_close(&reading);
}

/* ---- pinning ---- */

static enum status pin(const char *data, char model[SPEC_MODEL_MAX + 1], struct error *err) {
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    struct error cause;
    if (!catalog_parse(model, name, version))
        return error_set(err, STATUS_INVALID_NAME, "%s", CATALOG_REFERENCE_RULE);
    if (!version[0] && catalog_active(data, name, version, &cause) != STATUS_OK)
        return error_set(err, STATUS_UNKNOWN_MODEL, "There is no model %s.", name);
    if (!catalog_has(data, name, version))
        return error_set(err, STATUS_UNKNOWN_MODEL, "There is no version %s@%s.", name, version);
    snprintf(model, SPEC_MODEL_MAX + 1, "%s@%s", name, version);
    return STATUS_OK;
}

enum status finetune_spec_pin(const char *data, struct finetune_spec *spec, struct error *err) {
    enum status status = pin(data, spec->base_model, err);
    return status == STATUS_OK && spec->compare_to[0] ? pin(data, spec->compare_to, err) : status;
}

/* ---- writing ---- */

static void write_source(struct json_writer *json, const char *name,
                         const struct finetune_source *source) {
    json_write_object(json, name);
    json_write_text(json, "kind", FINETUNE_KINDS[source->kind]);
    if (source->kind != FINETUNE_SAMPLED)
        json_write_text(json, "file", source->file);
    json_write_end(json);
}

void finetune_spec_write_hyperparameters(struct json_writer *json,
                                         const struct finetune_hyperparameters *p) {
    json_write_object(json, "hyperparameters");
    json_write_integer(json, "epochs", p->epochs);
    json_write_integer(json, "batch_size", p->batch_size);
    json_write_real(json, "learning_rate", p->learning_rate);
    json_write_text(json, "loss", FINETUNE_LOSSES[p->loss]);
    json_write_text(json, "mining", FINETUNE_MININGS[p->mining]);
    json_write_real(json, "margin", p->margin);
    json_write_real(json, "average", p->average);
    json_write_real(json, "blend", p->blend);
    json_write_real(json, "scale", p->scale);
    json_write_text(json, "trainable", p->trainable);
    json_write_object(json, "scheduler");
    json_write_real(json, "factor", p->factor);
    json_write_integer(json, "patience", p->patience);
    json_write_end(json);
    json_write_object(json, "augment");
    json_write_bool(json, "flip", p->augment.flip);
    json_write_real(json, "colour", p->augment.colour);
    json_write_real(json, "rotation_degrees", p->augment.rotation_degrees);
    json_write_real(json, "scale", p->augment.scale);
    json_write_real(json, "shift", p->augment.shift);
    json_write_integer(json, "views", p->augment.views);
    json_write_end(json);
    json_write_integer(json, "seed", (int64_t)p->seed);
    json_write_integer(json, "cache_bytes_max", (int64_t)p->cache_bytes_max);
    json_write_end(json);
}

static void write_given(struct json_writer *json, const char *name, const char *text) {
    if (text[0])
        json_write_text(json, name, text);
}

char *finetune_spec_write(const struct finetune_spec *spec, size_t *size) {
    struct json_writer *json = json_writer_create_compact();
    if (!json)
        return NULL;
    json_write_object(json, NULL);
    json_write_text(json, "base_model", spec->base_model);
    json_write_text(json, "dataset", spec->dataset);
    write_source(json, "train", &spec->train);
    write_source(json, "validation", &spec->validation);
    write_given(json, "name", spec->name);
    write_given(json, "compare_to", spec->compare_to);
    finetune_spec_write_hyperparameters(json, &spec->hyperparameters);
    json_write_text(json, "face", FINETUNE_FACES[spec->face]);
    json_write_text(json, "promote", FINETUNE_PROMOTIONS[spec->promote]);
    write_given(json, "resume_from", spec->resume_from);
    json_write_integer(json, "deadline_s", spec->deadline_s);
    json_write_integer(json, "disk_bytes_max", (int64_t)spec->disk_bytes_max);
    json_write_end(json);
    return json_writer_finish(json, size);
}
