/* The options that requests have in common, from form fields or JSON members alike. */
#ifndef FACEPAIR_API_REQUEST_OPTIONS_H
#define FACEPAIR_API_REQUEST_OPTIONS_H

#include "api/faults.h"
#include "model/card.h"
#include "model/face/face.h"

#include <stdbool.h>

enum { SUBJECT_BYTES_MAX = 128 };
/* No network's distances reach this; a larger threshold is a mistake. */
#define THRESHOLD_MAX 1000.0

enum request_option {
    OPTION_MODEL,
    OPTION_MAX_FMR,
    OPTION_THRESHOLD,
    OPTION_FACE,
    OPTION_FACE1,
    OPTION_FACE2,
    OPTION_PRIOR,
    OPTION_SUBJECT,
    OPTION_RAW,
    OPTION_COUNT
};

struct request_options {
    bool given[OPTION_COUNT];
    char model[CARD_NAME_MAX + 1 + CARD_VERSION_MAX + 1]; /* "NAME" or "NAME@VERSION" */
    bool version_named;
    double max_fmr, threshold, prior;
    enum face_choice face[2]; /* of the first and of every other photograph */
    bool raw;                 /* tell the embeddings' components */
    char subject[SUBJECT_BYTES_MAX];
    size_t subject_size;
};

/* The options that an endpoint has: a sum of these. */
#define OPTION_BIT(option) (1u << (option))

/* One value as it arrived. A form's is always text, and read as what is asked for; a JSON member's
 * is text, a number, true or false, or neither. */
struct option_value {
    const char *text; /* NULL: not text */
    size_t size;
    const double *number; /* NULL: not a number */
    const bool *boolean;  /* NULL: neither true nor false */
    bool from_form;
};

void request_options_init(struct request_options *options);
/* `known`: the endpoint's. OPTION_COUNT when it has no option of this name. */
enum request_option request_option_find(const char *name, unsigned known);
/* Empty text counts as absent. What is wrong is added to faults. */
void request_option_set(struct request_options *options, enum request_option option,
                        const struct option_value *value, struct faults *faults);
/* What only the whole can tell: threshold with max_fmr, face with face1 or face2. */
void request_options_check(const struct request_options *options, struct faults *faults);

#endif
