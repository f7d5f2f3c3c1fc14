/* What an evaluation or a calibration is to do: the body of POST /admin/v1/evaluations and
 * …/calibrations. One parser for the server, the store and the trainer.
 *
 *     {"base_model": "dlib-resnet@1", "dataset": "cameras",
 *      "source": {"kind": "people", "file": "people.txt"}, "face": "largest", "no_face": "reject",
 *      "replicates": 1000, "seed": 1, "deadline_s": 86400,
 *      "threshold": 0.6, "view2": false, "protocol": "people"}               of an evaluation
 *      "mirror": false, "normalise": false, "head": {"file": "others.txt"}}  of a calibration
 *
 * base_model and dataset are needed; every other member has a default, which is that of `facepair
 * evaluate` or `calibrate`. source: "all" (the default) is all pairs of everybody in the data set,
 * "people" of those whom a file of it names, "pairs" the pairs that a file lists.
 */
#ifndef FACEPAIR_MODEL_MEASURE_SPEC_H
#define FACEPAIR_MODEL_MEASURE_SPEC_H

#include "model/spec.h"

enum { MEASURE_PROTOCOL_MAX = 63 };

enum measure_kind { MEASURE_EVALUATION, MEASURE_CALIBRATION };
enum measure_source { MEASURE_ALL, MEASURE_PEOPLE, MEASURE_PAIRS };

struct measure_spec {
    enum measure_kind kind; /* the path's, and no member */
    char base_model[SPEC_MODEL_MAX + 1];
    char dataset[CARD_NAME_MAX + 1];
    enum measure_source source;
    char file[SPEC_FILE_MAX + 1]; /* in the data set's folder; "" for MEASURE_ALL */
    unsigned face, no_face;       /* indexes into FACES_WHICH and FACES_WITHOUT */
    uint32_t replicates, deadline_s;
    uint64_t seed;
    /* Of an evaluation: */
    double threshold;
    bool view2;                              /* with MEASURE_PAIRS */
    char protocol[MEASURE_PROTOCOL_MAX + 1]; /* default: the file's name without its ending, or the
                                              * data set's */
    /* Of a calibration: */
    bool mirror, normalise;
    char head_file[SPEC_FILE_MAX + 1]; /* "": no head is learned; not with MEASURE_PAIRS */
};

/* False with faults->count > 0; spec is then not to be used. */
bool measure_spec_parse(enum measure_kind kind, const char *text, size_t size,
                        struct measure_spec *spec, struct spec_faults *faults);
/* The same with every default filled in: on one line, from malloc; NULL: out of memory. What is
 * written is read as the same spec. */
char *measure_spec_write(const struct measure_spec *spec, size_t *size);

#endif
