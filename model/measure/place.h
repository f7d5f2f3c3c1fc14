/* What a measurement is given by whoever asks for it, the command line or the trainer. */
#ifndef FACEPAIR_MODEL_MEASURE_PLACE_H
#define FACEPAIR_MODEL_MEASURE_PLACE_H

#include "model/model_version.h"

struct measure_place {
    const char *data;              /* the data directory: models/, face/ */
    unsigned threads;              /* that prepare photographs and resample; ≥ 1 */
    struct model_version *version; /* loaded, and nobody else's meanwhile */
    /* As in photographs.h: called as photographs are done; false ends it with STATUS_DRAINING.
     * NULL: not called. */
    bool (*progress)(void *context, size_t done, size_t total);
    void *context;
};

#endif
