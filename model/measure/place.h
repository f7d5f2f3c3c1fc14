/* What a measurement is given by whoever asks for it, the command line or the trainer. */
#ifndef FACEPAIR_MODEL_MEASURE_PLACE_H
#define FACEPAIR_MODEL_MEASURE_PLACE_H

#include "model/crew.h"
#include "model/model_version.h"

struct measure_place {
    const char *data;              /* the data directory: models/, face/ */
    unsigned threads;              /* that prepare photographs and resample; ≥ 1 */
    struct model_version *version; /* loaded, and nobody else's meanwhile */
    /* As in photographs.h: told as photographs are done. NULL: nobody. */
    void (*progress)(void *context, size_t done, size_t total);
    void *context;
    struct go_on go_on;
};

static inline struct crew measure_crew(const struct measure_place *place) {
    return (struct crew){place->threads, place->go_on};
}

#endif
