/* What a job is to do, as it is sent, kept and read again: the members of a JSON object, with every
 * fault of them told together. For model/finetune/spec.h and model/measure/spec.h.
 *
 * Reading keeps to one shape: a getter of model/json.h, then whatever fault it noted is moved to
 * the list, so that the next member is read as if nothing had been. A member that is not there, or
 * null, keeps its default.
 */
#ifndef FACEPAIR_MODEL_SPEC_H
#define FACEPAIR_MODEL_SPEC_H

#include "model/card.h"
#include "model/json.h"

enum {
    SPEC_MODEL_MAX = CARD_NAME_MAX + 1 + CARD_VERSION_MAX, /* NAME@VERSION */
    SPEC_FILE_MAX = 100,                                   /* of a pairs or people file */
    SPEC_FAULTS_MAX = 16,
    SPEC_BYTES_MAX = 64 * 1024
};

struct spec_fault {
    enum status status; /* STATUS_INVALID_JSON, MISSING_FIELD, INVALID_FIELD, UNKNOWN_FIELD,
                         * INVALID_NAME */
    char field[96];     /* "hyperparameters.epochs"; "" for the whole text */
    char detail[160];   /* one sentence */
};
struct spec_faults {
    size_t count;
    struct spec_fault list[SPEC_FAULTS_MAX]; /* more than these are not told */
};

struct spec_reading {
    struct json_reader *json;
    struct spec_faults *faults;
};

/* text: JSON, UTF-8, at most SPEC_BYTES_MAX bytes. False, with a fault: it is no object. */
bool spec_reading_open(const char *text, size_t size, struct spec_faults *faults,
                       struct spec_reading *reading, struct json_node *root);
/* After an open that went well. True: there was no fault. */
bool spec_reading_close(struct spec_reading *reading);

/* ---- faults ---- */

void spec_refuse(const struct spec_reading *reading, enum status status,
                 const struct json_node *object, const char *name, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* The members of other names than these, NULL at the end. */
void spec_refuse_unknown(const struct spec_reading *reading, const struct json_node *object,
                         const char *const *known);
void spec_need(const struct spec_reading *reading, const struct json_node *object,
               const char *name);

/* ---- members ---- */

void spec_take_count(const struct spec_reading *reading, const struct json_node *object,
                     const char *name, uint32_t min, uint32_t max, uint32_t *value);
void spec_take_large(const struct spec_reading *reading, const struct json_node *object,
                     const char *name, int64_t min, int64_t max, uint64_t *value);
/* Below 2⁵³, so that JSON holds it exactly. */
void spec_take_seed(const struct spec_reading *reading, const struct json_node *object,
                    uint64_t *seed);
void spec_take_real(const struct spec_reading *reading, const struct json_node *object,
                    const char *name, double min, double max, double *value);
void spec_take_flag(const struct spec_reading *reading, const struct json_node *object,
                    const char *name, bool *value);
/* True: text holds what stands there. */
bool spec_take_text(const struct spec_reading *reading, const struct json_node *object,
                    const char *name, char *text, size_t size);
/* Returns the word's index, or `otherwise`. */
unsigned spec_take_word(const struct spec_reading *reading, const struct json_node *object,
                        const char *name, const char *const *words, unsigned otherwise);
/* False: it is not there, or none. */
bool spec_take_object(const struct spec_reading *reading, const struct json_node *object,
                      const char *name, const char *const *known, struct json_node *taken);
/* NAME or NAME@VERSION. */
void spec_take_model(const struct spec_reading *reading, const struct json_node *object,
                     const char *name, char model[SPEC_MODEL_MAX + 1]);
void spec_take_name(const struct spec_reading *reading, const struct json_node *object,
                    const char *name, char taken[CARD_NAME_MAX + 1]);
/* {"kind": one of `kinds`, "file": a list in the data set's folder}; the first kind has no file,
 * the others need one. */
void spec_take_source(const struct spec_reading *reading, const struct json_node *object,
                      const char *name, const char *const *kinds, unsigned *kind,
                      char file[SPEC_FILE_MAX + 1]);
/* The name of a .txt file beside the photographs: it cannot leave the folder, and is not a hidden
 * one's. True: file holds it. */
bool spec_take_file(const struct spec_reading *reading, const struct json_node *object,
                    const char *name, char file[SPEC_FILE_MAX + 1]);

/* Letters, digits, and `others`. */
bool spec_has_only(const char *text, const char *others);

#endif
