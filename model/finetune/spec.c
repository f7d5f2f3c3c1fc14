/* Reading keeps to one shape: a getter of model/json.h, then whatever fault it noted is moved to
 * the list, so that the next member is read as if nothing had been. */
#include "model/finetune/spec.h"

#include "model/catalog.h"
#include "model/json.h"

#include <stdarg.h>
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
static const int64_t SEED_MAX = ((int64_t)1 << 53) - 1;
static const int64_t BYTES_MIN = 1 << 20, BYTES_MAX = (int64_t)1 << 45;

double finetune_default_margin(enum finetune_loss loss) { return MARGINS[loss]; }

void finetune_spec_default(struct finetune_spec *spec) {
    *spec = (struct finetune_spec){.hyperparameters = {.epochs = 20,
                                                       .batch_size = 32,
                                                       .learning_rate = 1e-3,
                                                       .soup = 1,
                                                       .margin = MARGINS[FINETUNE_CONTRASTIVE],
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

/* ---- faults ---- */

struct reading {
    struct json_reader *json;
    struct finetune_faults *faults;
};

static void __attribute__((format(printf, 4, 5)))
add_fault(struct finetune_faults *faults, enum status status, const char *field, const char *format,
          ...) {
    if (faults->count == FINETUNE_FAULTS_MAX)
        return;
    struct finetune_fault *fault = &faults->list[faults->count++];
    fault->status = status;
    snprintf(fault->field, sizeof(fault->field), "%s", field);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->detail, sizeof(fault->detail), format, arguments);
    va_end(arguments);
}

/* "epochs must lie between 1 and 1000." True: there was none. */
static bool went_well(const struct reading *reading) {
    char path[JSON_PATH_MAX], sentence[JSON_SENTENCE_MAX];
    if (!json_take_fault(reading->json, path, sentence))
        return true;
    add_fault(reading->faults, STATUS_INVALID_FIELD, path, "%.60s %.90s.",
              path[0] ? path : "The body", sentence);
    return false;
}

static void path_of(const struct json_node *object, const char *name, char path[JSON_PATH_MAX]) {
    snprintf(path, JSON_PATH_MAX, "%.60s%s%.34s", object->path, object->path[0] ? "." : "", name);
}

static void __attribute__((format(printf, 5, 6)))
refuse(const struct reading *reading, enum status status, const struct json_node *object,
       const char *name, const char *format, ...) {
    char path[JSON_PATH_MAX], detail[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    path_of(object, name, path);
    add_fault(reading->faults, status, path, "%s", detail);
}

/* ---- members ---- */

/* One that is not there keeps its default. */
static void take_integer(const struct reading *reading, const struct json_node *object,
                         const char *name, int64_t min, int64_t max, int64_t *value) {
    if (json_read_has(object, name))
        json_read_integer(object, name, min, max, value);
    went_well(reading);
}

static void take_count(const struct reading *reading, const struct json_node *object,
                       const char *name, uint32_t min, uint32_t max, uint32_t *value) {
    int64_t read = *value;
    take_integer(reading, object, name, min, max, &read);
    *value = (uint32_t)read;
}

static void take_large(const struct reading *reading, const struct json_node *object,
                       const char *name, int64_t min, int64_t max, uint64_t *value) {
    int64_t read = (int64_t)*value;
    take_integer(reading, object, name, min, max, &read);
    *value = (uint64_t)read;
}

static void take_real(const struct reading *reading, const struct json_node *object,
                      const char *name, double min, double max, double *value) {
    if (json_read_has(object, name))
        json_read_real(object, name, min, max, value);
    went_well(reading);
}

static void take_flag(const struct reading *reading, const struct json_node *object,
                      const char *name, bool *value) {
    if (json_read_has(object, name))
        json_read_bool(object, name, value);
    went_well(reading);
}

/* True: text holds what stands there. */
static bool take_text(const struct reading *reading, const struct json_node *object,
                      const char *name, char *text, size_t size) {
    if (!json_read_has(object, name))
        return false;
    json_read_text(object, name, text, size);
    return went_well(reading);
}

/* Returns the word's index, or `otherwise`. */
static unsigned take_word(const struct reading *reading, const struct json_node *object,
                          const char *name, const char *const *words, unsigned otherwise) {
    char text[32], all[96] = "";
    if (!take_text(reading, object, name, text, sizeof(text)))
        return otherwise;
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0)
            return i;
        size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", words[i]);
    }
    refuse(reading, STATUS_INVALID_FIELD, object, name, "%s is one of %s.", name, all);
    return otherwise;
}

static bool contains(const char *const *names, const char *name) {
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static void refuse_unknown(const struct reading *reading, const struct json_node *object,
                           const char *const *known) {
    const char *name;
    for (size_t i = 0; reading->faults->count < FINETUNE_FAULTS_MAX; i++)
        if (!(name = json_read_name(object, i)))
            return;
        else if (!contains(known, name))
            refuse(reading, STATUS_UNKNOWN_FIELD, object, name, "There is no member of this name.");
}

/* An optional object; false: it is not there, or none. */
static bool take_object(const struct reading *reading, const struct json_node *object,
                        const char *name, const char *const *known, struct json_node *taken) {
    if (!json_read_has(object, name))
        return false;
    *taken = json_read_object(object, name);
    if (!went_well(reading))
        return false;
    refuse_unknown(reading, taken, known);
    return true;
}

/* ---- names ---- */

static void take_model(const struct reading *reading, const struct json_node *root,
                       const char *name, char model[FINETUNE_MODEL_MAX + 1]) {
    char model_name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    if (take_text(reading, root, name, model, FINETUNE_MODEL_MAX + 1) &&
        !catalog_parse(model, model_name, version))
        refuse(reading, STATUS_INVALID_NAME, root, name, "%s", CATALOG_REFERENCE_RULE);
}

static void take_name(const struct reading *reading, const struct json_node *root, const char *name,
                      char taken[CARD_NAME_MAX + 1]) {
    if (take_text(reading, root, name, taken, CARD_NAME_MAX + 1) && !card_name_valid(taken))
        refuse(reading, STATUS_INVALID_NAME, root, name,
               "%s has lower-case letters, digits, '.', '_' and '-', and begins with a letter or "
               "digit.",
               name);
}

static bool has_only(const char *text, const char *others) {
    for (; *text; text++)
        if (!(*text >= 'a' && *text <= 'z') && !(*text >= 'A' && *text <= 'Z') &&
            !(*text >= '0' && *text <= '9') && !strchr(others, *text))
            return false;
    return true;
}

static void take_job(const struct reading *reading, const struct json_node *root,
                     char job[FINETUNE_NAME_MAX + 1]) {
    static const char NAME[] = "resume_from";
    if (take_text(reading, root, NAME, job, FINETUNE_NAME_MAX + 1) &&
        (strncmp(job, "ft_", 3) != 0 || !job[3] || !has_only(job, "_-")))
        refuse(reading, STATUS_INVALID_NAME, root, NAME, "resume_from is the id of a job, ft_….");
}

/* A file beside the photographs: its name cannot leave the folder, and is not a hidden one's. */
static bool file_name_valid(const char *name) {
    size_t length = strlen(name);
    return length > 4 && strcmp(name + length - 4, ".txt") == 0 && name[0] != '.' &&
           has_only(name, "._-");
}

static void take_source(const struct reading *reading, const struct json_node *root,
                        const char *name, struct finetune_source *source) {
    static const char *const KNOWN[] = {"kind", "file", NULL};
    struct json_node object;
    if (!take_object(reading, root, name, KNOWN, &object))
        return;
    source->kind = take_word(reading, &object, "kind", FINETUNE_KINDS, FINETUNE_SAMPLED);
    bool named = take_text(reading, &object, "file", source->file, sizeof(source->file));
    if (named && source->kind == FINETUNE_SAMPLED)
        refuse(reading, STATUS_INVALID_FIELD, &object, "file",
               "file goes with the kind \"pairs\" or \"people\".");
    else if (!json_read_has(&object, "file") && source->kind != FINETUNE_SAMPLED)
        refuse(reading, STATUS_MISSING_FIELD, &object, "file", "file is needed with this kind.");
    else if (named && !file_name_valid(source->file))
        refuse(reading, STATUS_INVALID_NAME, &object, "file",
               "file is the name of a .txt file in the data set's folder.");
}

/* ---- hyperparameters ---- */

/* Which tensors a pattern names, if any, is the network's to say. */
static void take_trainable(const struct reading *reading, const struct json_node *object,
                           char trainable[FINETUNE_TRAINABLE_MAX + 1]) {
    static const char NAME[] = "trainable";
    if (take_text(reading, object, NAME, trainable, FINETUNE_TRAINABLE_MAX + 1) &&
        !has_only(trainable, "._-*?,"))
        refuse(reading, STATUS_INVALID_FIELD, object, NAME,
               "trainable is last_block, last_N, all or patterns of tensor names.");
}

static void take_loss(const struct reading *reading, const struct json_node *object,
                      struct finetune_hyperparameters *p) {
    p->loss = take_word(reading, object, "loss", FINETUNE_LOSSES, FINETUNE_CONTRASTIVE);
    p->mining = take_word(reading, object, "mining", FINETUNE_MININGS, FINETUNE_MINING_NONE);
    if (p->mining == FINETUNE_MINING_BATCH_HARD && p->loss != FINETUNE_CONTRASTIVE)
        refuse(reading, STATUS_INVALID_FIELD, object, "mining",
               "batch_hard goes with the contrastive loss only.");
    if (p->mining == FINETUNE_MINING_BATCH_HARD && p->batch_size < 4)
        refuse(reading, STATUS_INVALID_FIELD, object, "batch_size",
               "batch_hard needs two photographs of two people: at least 4.");
    p->margin = MARGINS[p->loss];
    take_real(reading, object, "margin", SMALLEST, 1000, &p->margin);
    take_real(reading, object, "average", 0, 0.99999, &p->average);
    take_count(reading, object, "soup", 1, FINETUNE_SOUP_MAX, &p->soup);
    take_real(reading, object, "scale", SMALLEST, 1000, &p->scale);
}

static void take_scheduler(const struct reading *reading, const struct json_node *parameters,
                           struct finetune_hyperparameters *p) {
    static const char *const KNOWN[] = {"factor", "patience", NULL};
    struct json_node object;
    if (!take_object(reading, parameters, "scheduler", KNOWN, &object))
        return;
    take_real(reading, &object, "factor", SMALLEST, 1 - SMALLEST, &p->factor);
    take_count(reading, &object, "patience", 0, FINETUNE_EPOCHS_MAX, &p->patience);
}

static void take_augment(const struct reading *reading, const struct json_node *parameters,
                         struct finetune_augment *augment) {
    static const char *const KNOWN[] = {"flip",  "colour", "rotation_degrees", "scale", "shift",
                                        "views", NULL};
    struct json_node object;
    if (!take_object(reading, parameters, "augment", KNOWN, &object))
        return;
    take_flag(reading, &object, "flip", &augment->flip);
    take_real(reading, &object, "colour", 0, 1, &augment->colour);
    take_real(reading, &object, "rotation_degrees", 0, 45, &augment->rotation_degrees);
    take_real(reading, &object, "scale", 0, 0.5, &augment->scale);
    take_real(reading, &object, "shift", 0, 0.5, &augment->shift);
    take_count(reading, &object, "views", 1, FINETUNE_VIEWS_MAX, &augment->views);
}

static void take_hyperparameters(const struct reading *reading, const struct json_node *root,
                                 struct finetune_hyperparameters *p) {
    static const char *const KNOWN[] = {"epochs",
                                        "batch_size",
                                        "learning_rate",
                                        "loss",
                                        "mining",
                                        "margin",
                                        "average",
                                        "soup",
                                        "scale",
                                        "trainable",
                                        "scheduler",
                                        "augment",
                                        "seed",
                                        "cache_bytes_max",
                                        NULL};
    struct json_node object;
    if (!take_object(reading, root, "hyperparameters", KNOWN, &object))
        return;
    take_count(reading, &object, "epochs", 1, FINETUNE_EPOCHS_MAX, &p->epochs);
    take_count(reading, &object, "batch_size", 2, FINETUNE_BATCH_MAX, &p->batch_size);
    take_real(reading, &object, "learning_rate", SMALLEST, 1, &p->learning_rate);
    take_loss(reading, &object, p);
    take_trainable(reading, &object, p->trainable);
    take_scheduler(reading, &object, p);
    take_augment(reading, &object, &p->augment);
    take_large(reading, &object, "seed", 0, SEED_MAX, &p->seed);
    take_large(reading, &object, "cache_bytes_max", 0, BYTES_MAX, &p->cache_bytes_max);
}

/* ---- the whole ---- */

static void need(const struct reading *reading, const struct json_node *root, const char *name) {
    if (!json_read_has(root, name))
        refuse(reading, STATUS_MISSING_FIELD, root, name, "%s is needed.", name);
}

/* The base model's name, where no other was given. */
static void name_default(struct finetune_spec *spec) {
    char version[CARD_VERSION_MAX + 1];
    if (!spec->name[0] && !catalog_parse(spec->base_model, spec->name, version))
        spec->name[0] = '\0';
}

static void take_spec(const struct reading *reading, const struct json_node *root,
                      struct finetune_spec *spec) {
    static const char *const KNOWN[] = {
        "base_model", "dataset", "train",      "validation",     "name",        "compare_to",
        "face",       "promote", "deadline_s", "disk_bytes_max", "resume_from", "hyperparameters",
        NULL};
    refuse_unknown(reading, root, KNOWN);
    need(reading, root, "base_model");
    need(reading, root, "dataset");
    take_model(reading, root, "base_model", spec->base_model);
    take_name(reading, root, "dataset", spec->dataset);
    take_source(reading, root, "train", &spec->train);
    take_source(reading, root, "validation", &spec->validation);
    take_name(reading, root, "name", spec->name);
    take_model(reading, root, "compare_to", spec->compare_to);
    take_hyperparameters(reading, root, &spec->hyperparameters);
    spec->face = take_word(reading, root, "face", FINETUNE_FACES, FINETUNE_FACE_LARGEST);
    spec->promote =
        take_word(reading, root, "promote", FINETUNE_PROMOTIONS, FINETUNE_PROMOTE_NEVER);
    take_job(reading, root, spec->resume_from);
    take_count(reading, root, "deadline_s", 1, 30 * 24 * 60 * 60, &spec->deadline_s);
    take_large(reading, root, "disk_bytes_max", BYTES_MIN, BYTES_MAX, &spec->disk_bytes_max);
    name_default(spec);
}

bool finetune_spec_parse(const char *text, size_t size, struct finetune_spec *spec,
                         struct finetune_faults *faults) {
    struct error err;
    struct reading reading = {.faults = faults};
    faults->count = 0;
    finetune_spec_default(spec);
    if (size > FINETUNE_SPEC_BYTES_MAX) {
        add_fault(faults, STATUS_INVALID_JSON, "", "The body is longer than %d bytes.",
                  FINETUNE_SPEC_BYTES_MAX);
        return false;
    }
    enum status status = json_reader_open(text, size, &reading.json, &err);
    if (status != STATUS_OK) {
        add_fault(faults, status, "", "%.150s", err.detail);
        return false;
    }
    struct json_node root = json_root(reading.json);
    if (went_well(&reading))
        take_spec(&reading, &root, spec);
    json_reader_close(reading.json, NULL);
    return faults->count == 0;
}

/* ---- pinning ---- */

static enum status pin(const char *data, char model[FINETUNE_MODEL_MAX + 1], struct error *err) {
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    struct error cause;
    if (!catalog_parse(model, name, version))
        return error_set(err, STATUS_INVALID_NAME, "%s", CATALOG_REFERENCE_RULE);
    if (!version[0] && catalog_active(data, name, version, &cause) != STATUS_OK)
        return error_set(err, STATUS_UNKNOWN_MODEL, "There is no model %s.", name);
    if (!catalog_has(data, name, version))
        return error_set(err, STATUS_UNKNOWN_MODEL, "There is no version %s@%s.", name, version);
    snprintf(model, FINETUNE_MODEL_MAX + 1, "%s@%s", name, version);
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
    json_write_integer(json, "soup", p->soup);
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
