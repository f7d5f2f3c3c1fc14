/* What is measured, and how: the same for an evaluation and a calibration. */
#ifndef FACEPAIR_MODEL_MEASURE_OPTIONS_H
#define FACEPAIR_MODEL_MEASURE_OPTIONS_H

#include "model/measure/faces.h"

struct measure_options {
    const char *pairs;  /* a list of pairs (model/dataset.h); or NULL and all pairs … */
    const char *people; /* … of a list of people; NULL: of everybody in the folder */
    const char *split, *part, *groups; /* of people (people_gallery.h) */
    struct faces_options faces;
    uint32_t replicates; /* resamples for the intervals of all pairs */
    uint64_t seed;       /* of those */
    /* Of evaluations: */
    const char *protocol; /* what the figures are to be called */
    double threshold;     /* above 0: accept below this distance */
    bool view2;           /* of pairs: accuracy by folds */
};

#endif
