/* The options of a verification, from form fields or JSON members alike. */
#ifndef FACEPAIR_API_VERIFY_OPTIONS_H
#define FACEPAIR_API_VERIFY_OPTIONS_H

#include "api/faults.h"
#include "model/card.h"
#include "model/face/face.h"

#include <stdbool.h>

enum { SUBJECT_BYTES_MAX = 128 };
/* No network's distances reach this; a larger threshold is a mistake. */
#define THRESHOLD_MAX 1000.0

enum verify_option {
    OPTION_MODEL,
    OPTION_MAX_FMR,
    OPTION_THRESHOLD,
    OPTION_FACE,
    OPTION_FACE1,
    OPTION_FACE2,
    OPTION_PRIOR,
    OPTION_SUBJECT,
    OPTION_COUNT
};

struct verify_options {
    bool given[OPTION_COUNT];
    char model[CARD_NAME_MAX + 1 + CARD_VERSION_MAX + 1]; /* "NAME" or "NAME@VERSION" */
    bool version_named;
    double max_fmr, threshold, prior;
    enum face_choice face[2];
};

/* One value as it arrived. A form's is always text; a JSON member's is text, a number, or neither.
 */
struct option_value {
    const char *text; /* NULL: not text */
    size_t size;
    const double
        *number; /* NULL: not a number; a form's text is read as one when one is asked for */
    bool from_form;
};

void verify_options_init(struct verify_options *options);
/* OPTION_COUNT when there is no option of this name. */
enum verify_option verify_option_find(const char *name);
/* Empty text counts as absent. What is wrong is added to faults. */
void verify_option_set(struct verify_options *options, enum verify_option option,
                       const struct option_value *value, struct faults *faults);
/* What only the whole can tell: threshold with max_fmr, face with face1 or face2. */
void verify_options_check(const struct verify_options *options, struct faults *faults);
/* "NAME" or "NAME@VERSION". */
bool model_reference_valid(const char *text, bool *version_named);

#endif
