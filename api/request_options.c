#include "api/request_options.h"

#include "api/number.h"
#include "model/catalog.h"
#include "server/utf8.h"

#include <stdio.h>
#include <string.h>

typedef void option_setter(struct request_options *options, const struct option_value *value,
                           const char *name, struct faults *faults);
static option_setter set_model, set_max_fmr, set_threshold, set_face, set_face1, set_face2,
    set_prior, set_subject, set_raw;

static const struct {
    const char *name;
    option_setter *set;
} OPTIONS[OPTION_COUNT] = {
    [OPTION_MODEL] = {"model", set_model},
    [OPTION_MAX_FMR] = {"max_fmr", set_max_fmr},
    [OPTION_THRESHOLD] = {"threshold", set_threshold},
    [OPTION_FACE] = {"face", set_face},
    [OPTION_FACE1] = {"face1", set_face1},
    [OPTION_FACE2] = {"face2", set_face2},
    [OPTION_PRIOR] = {"prior", set_prior},
    [OPTION_SUBJECT] = {"subject", set_subject},
    [OPTION_RAW] = {"raw", set_raw},
};

void request_options_init(struct request_options *options) {
    *options = (struct request_options){.prior = 0.5, .face = {FACE_LARGEST, FACE_LARGEST}};
}

enum request_option request_option_find(const char *name, unsigned known) {
    for (int i = 0; i < OPTION_COUNT; i++)
        if ((known & OPTION_BIT(i)) && strcmp(OPTIONS[i].name, name) == 0)
            return (enum request_option)i;
    return OPTION_COUNT;
}

void request_option_set(struct request_options *options, enum request_option option,
                        const struct option_value *value, struct faults *faults) {
    if (value->text && value->size == 0)
        return;
    options->given[option] = true;
    OPTIONS[option].set(options, value, OPTIONS[option].name, faults);
}

static void set_model(struct request_options *options, const struct option_value *value,
                      const char *name, struct faults *faults) {
    bool valid = value->text && value->size < sizeof options->model &&
                 !memchr(value->text, '\0', value->size);
    if (valid) {
        memcpy(options->model, value->text, value->size);
        options->model[value->size] = '\0';
        char model[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
        valid = catalog_parse(options->model, model, version);
        options->version_named = valid && version[0];
    }
    if (!valid)
        faults_add(faults, STATUS_INVALID_NAME, name,
                   "A model is NAME or NAME@VERSION: NAME of a-z, 0-9, '.', '_' and '-', at most "
                   "%d characters; VERSION a decimal number.",
                   CARD_NAME_MAX);
}

static bool number_of(const struct option_value *value, double *number) {
    if (value->from_form)
        return number_parse(value->text, value->size, number);
    if (value->number)
        *number = *value->number;
    return value->number != NULL;
}

static void set_max_fmr(struct request_options *options, const struct option_value *value,
                        const char *name, struct faults *faults) {
    if (!number_of(value, &options->max_fmr) || options->max_fmr <= 0 || options->max_fmr > 1)
        faults_add(faults, STATUS_INVALID_FIELD, name,
                   "max_fmr must be a JSON number above 0 and at most 1.");
}

static void set_threshold(struct request_options *options, const struct option_value *value,
                          const char *name, struct faults *faults) {
    if (!number_of(value, &options->threshold) || options->threshold <= 0 ||
        options->threshold > THRESHOLD_MAX)
        faults_add(faults, STATUS_INVALID_FIELD, name,
                   "threshold must be a JSON number above 0 and at most %.0f.", THRESHOLD_MAX);
}

static void set_prior(struct request_options *options, const struct option_value *value,
                      const char *name, struct faults *faults) {
    if (!number_of(value, &options->prior) || options->prior < 0 || options->prior > 1)
        faults_add(faults, STATUS_INVALID_FIELD, name, "prior must be a JSON number from 0 to 1.");
}

static bool text_is(const struct option_value *value, const char *text) {
    return value->text && value->size == strlen(text) &&
           memcmp(value->text, text, value->size) == 0;
}

static void set_choice(enum face_choice *choice, const struct option_value *value, const char *name,
                       struct faults *faults) {
    if (text_is(value, "only"))
        *choice = FACE_ONLY;
    else if (text_is(value, "largest"))
        *choice = FACE_LARGEST;
    else
        faults_add(faults, STATUS_INVALID_FIELD, name, "%s must be \"largest\" or \"only\".", name);
}

static void set_face(struct request_options *options, const struct option_value *value,
                     const char *name, struct faults *faults) {
    set_choice(&options->face[0], value, name, faults);
    options->face[1] = options->face[0];
}

static void set_face1(struct request_options *options, const struct option_value *value,
                      const char *name, struct faults *faults) {
    set_choice(&options->face[0], value, name, faults);
}

static void set_face2(struct request_options *options, const struct option_value *value,
                      const char *name, struct faults *faults) {
    set_choice(&options->face[1], value, name, faults);
}

static bool is_utf8(const char *text, size_t size) {
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t code_point;
        length = utf8_next(text + at, size - at, &code_point);
        if (length == 0)
            return false;
    }
    return true;
}

/* Text without U+0000, so that an operator can name in JSON whoever was named in a form. */
static void set_subject(struct request_options *options, const struct option_value *value,
                        const char *name, struct faults *faults) {
    if (value->text && value->size <= SUBJECT_BYTES_MAX && is_utf8(value->text, value->size) &&
        !memchr(value->text, '\0', value->size)) {
        memcpy(options->subject, value->text, value->size);
        options->subject_size = value->size;
    } else {
        faults_add(faults, STATUS_INVALID_FIELD, name,
                   "subject must be text of 1 to %d bytes, in UTF-8.", SUBJECT_BYTES_MAX);
    }
}

static void set_raw(struct request_options *options, const struct option_value *value,
                    const char *name, struct faults *faults) {
    if (value->from_form && text_is(value, "true"))
        options->raw = true;
    else if (value->from_form && text_is(value, "false"))
        options->raw = false;
    else if (value->boolean)
        options->raw = *value->boolean;
    else
        faults_add(faults, STATUS_INVALID_FIELD, name, "raw must be true or false.");
}

void request_options_check(const struct request_options *options, struct faults *faults) {
    if (options->given[OPTION_MAX_FMR] && options->given[OPTION_THRESHOLD])
        faults_add(faults, STATUS_INVALID_FIELD, "threshold",
                   "Give max_fmr or threshold, not both.");
    if (options->given[OPTION_FACE] &&
        (options->given[OPTION_FACE1] || options->given[OPTION_FACE2]))
        faults_add(faults, STATUS_INVALID_FIELD, "face",
                   "Give face for both images, or face1 and face2, not both.");
}
