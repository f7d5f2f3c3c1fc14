#include "model/spec.h"

#include "model/catalog.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const int64_t SEED_MAX = ((int64_t)1 << 53) - 1;

/* ---- faults ---- */

static void __attribute__((format(printf, 4, 5)))
add_fault(struct spec_faults *faults, enum status status, const char *field, const char *format,
          ...) {
    if (faults->count == SPEC_FAULTS_MAX)
        return;
    struct spec_fault *fault = &faults->list[faults->count++];
    fault->status = status;
    snprintf(fault->field, sizeof(fault->field), "%s", field);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->detail, sizeof(fault->detail), format, arguments);
    va_end(arguments);
}

/* "epochs must lie between 1 and 1000." True: there was none. */
static bool went_well(const struct spec_reading *reading) {
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

void spec_refuse(const struct spec_reading *reading, enum status status,
                 const struct json_node *object, const char *name, const char *format, ...) {
    char path[JSON_PATH_MAX], detail[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    path_of(object, name, path);
    add_fault(reading->faults, status, path, "%s", detail);
}

/* ---- members ---- */

static void take_integer(const struct spec_reading *reading, const struct json_node *object,
                         const char *name, int64_t min, int64_t max, int64_t *value) {
    if (json_read_has(object, name))
        json_read_integer(object, name, min, max, value);
    went_well(reading);
}

void spec_take_count(const struct spec_reading *reading, const struct json_node *object,
                     const char *name, uint32_t min, uint32_t max, uint32_t *value) {
    int64_t read = *value;
    take_integer(reading, object, name, min, max, &read);
    *value = (uint32_t)read;
}

void spec_take_large(const struct spec_reading *reading, const struct json_node *object,
                     const char *name, int64_t min, int64_t max, uint64_t *value) {
    int64_t read = (int64_t)*value;
    take_integer(reading, object, name, min, max, &read);
    *value = (uint64_t)read;
}

void spec_take_seed(const struct spec_reading *reading, const struct json_node *object,
                    uint64_t *seed) {
    spec_take_large(reading, object, "seed", 0, SEED_MAX, seed);
}

void spec_take_real(const struct spec_reading *reading, const struct json_node *object,
                    const char *name, double min, double max, double *value) {
    if (json_read_has(object, name))
        json_read_real(object, name, min, max, value);
    went_well(reading);
}

void spec_take_flag(const struct spec_reading *reading, const struct json_node *object,
                    const char *name, bool *value) {
    if (json_read_has(object, name))
        json_read_bool(object, name, value);
    went_well(reading);
}

bool spec_take_text(const struct spec_reading *reading, const struct json_node *object,
                    const char *name, char *text, size_t size) {
    if (!json_read_has(object, name))
        return false;
    json_read_text(object, name, text, size);
    return went_well(reading);
}

unsigned spec_take_word(const struct spec_reading *reading, const struct json_node *object,
                        const char *name, const char *const *words, unsigned otherwise) {
    char text[32], all[96] = "";
    if (!spec_take_text(reading, object, name, text, sizeof(text)))
        return otherwise;
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0)
            return i;
        size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%s", i ? ", " : "", words[i]);
    }
    spec_refuse(reading, STATUS_INVALID_FIELD, object, name, "%s is one of %s.", name, all);
    return otherwise;
}

static bool contains(const char *const *names, const char *name) {
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

void spec_refuse_unknown(const struct spec_reading *reading, const struct json_node *object,
                         const char *const *known) {
    const char *name;
    for (size_t i = 0; reading->faults->count < SPEC_FAULTS_MAX; i++)
        if (!(name = json_read_name(object, i)))
            return;
        else if (!contains(known, name))
            spec_refuse(reading, STATUS_UNKNOWN_FIELD, object, name,
                        "There is no member of this name.");
}

bool spec_take_object(const struct spec_reading *reading, const struct json_node *object,
                      const char *name, const char *const *known, struct json_node *taken) {
    if (!json_read_has(object, name))
        return false;
    *taken = json_read_object(object, name);
    if (!went_well(reading))
        return false;
    spec_refuse_unknown(reading, taken, known);
    return true;
}

/* ---- names ---- */

void spec_take_model(const struct spec_reading *reading, const struct json_node *object,
                     const char *name, char model[SPEC_MODEL_MAX + 1]) {
    char model_name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    if (spec_take_text(reading, object, name, model, SPEC_MODEL_MAX + 1) &&
        !catalog_parse(model, model_name, version))
        spec_refuse(reading, STATUS_INVALID_NAME, object, name, "%s", CATALOG_REFERENCE_RULE);
}

void spec_take_name(const struct spec_reading *reading, const struct json_node *object,
                    const char *name, char taken[CARD_NAME_MAX + 1]) {
    if (spec_take_text(reading, object, name, taken, CARD_NAME_MAX + 1) && !card_name_valid(taken))
        spec_refuse(
            reading, STATUS_INVALID_NAME, object, name,
            "%s has lower-case letters, digits, '.', '_' and '-', and begins with a letter or "
            "digit.",
            name);
}

bool spec_has_only(const char *text, const char *others) {
    for (; *text; text++)
        if (!(*text >= 'a' && *text <= 'z') && !(*text >= 'A' && *text <= 'Z') &&
            !(*text >= '0' && *text <= '9') && !strchr(others, *text))
            return false;
    return true;
}

static bool file_name_valid(const char *name) {
    size_t length = strlen(name);
    return length > 4 && strcmp(name + length - 4, ".txt") == 0 && name[0] != '.' &&
           spec_has_only(name, "._-");
}

void spec_need(const struct spec_reading *reading, const struct json_node *object,
               const char *name) {
    if (!json_read_has(object, name))
        spec_refuse(reading, STATUS_MISSING_FIELD, object, name, "%s is needed.", name);
}

bool spec_take_file(const struct spec_reading *reading, const struct json_node *object,
                    const char *name, char file[SPEC_FILE_MAX + 1]) {
    if (!spec_take_text(reading, object, name, file, SPEC_FILE_MAX + 1))
        return false;
    if (file_name_valid(file))
        return true;
    spec_refuse(reading, STATUS_INVALID_NAME, object, name,
                "%s is the name of a .txt file in the data set's folder.", name);
    return false;
}

void spec_take_source(const struct spec_reading *reading, const struct json_node *object,
                      const char *name, const char *const *kinds, unsigned *kind,
                      char file[SPEC_FILE_MAX + 1]) {
    static const char *const KNOWN[] = {"kind", "file", NULL};
    struct json_node source;
    if (!spec_take_object(reading, object, name, KNOWN, &source))
        return;
    *kind = spec_take_word(reading, &source, "kind", kinds, 0);
    if (*kind == 0 && json_read_has(&source, "file"))
        spec_refuse(reading, STATUS_INVALID_FIELD, &source, "file",
                    "file goes with the kind \"pairs\" or \"people\".");
    else if (*kind != 0 && !json_read_has(&source, "file"))
        spec_refuse(reading, STATUS_MISSING_FIELD, &source, "file",
                    "file is needed with this kind.");
    else
        (void)spec_take_file(reading, &source, "file", file);
}

/* ---- the whole ---- */

bool spec_reading_open(const char *text, size_t size, struct spec_faults *faults,
                       struct spec_reading *reading, struct json_node *root) {
    struct error err;
    *reading = (struct spec_reading){.faults = faults};
    faults->count = 0;
    if (size > SPEC_BYTES_MAX) {
        add_fault(faults, STATUS_INVALID_JSON, "", "The body is longer than %d bytes.",
                  SPEC_BYTES_MAX);
        return false;
    }
    enum status status = json_reader_open(text, size, &reading->json, &err);
    if (status != STATUS_OK) {
        add_fault(faults, status, "", "%.150s", err.detail);
        return false;
    }
    *root = json_root(reading->json);
    if (went_well(reading))
        return true;
    return spec_reading_close(reading);
}

bool spec_reading_close(struct spec_reading *reading) {
    json_reader_close(reading->json, NULL);
    return reading->faults->count == 0;
}
