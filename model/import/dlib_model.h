/* The models that `facepair import dlib` makes of one weights file, and what was measured for them
 * when this program was built. */
#ifndef FACEPAIR_MODEL_IMPORT_DLIB_MODEL_H
#define FACEPAIR_MODEL_IMPORT_DLIB_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DLIB_MODELS = 2, DLIB_EMBEDDING_LENGTH = 128 };

/* A file of the tree, embedded; size 0: the tree has none. */
struct dlib_bytes {
    const char *bytes;
    size_t size;
};

struct dlib_model {
    const char *name, *description;
    /* The members that `facepair calibrate` put into the card of a version with these weights, as
     * one object (setup/measured-of-card takes them out). */
    struct dlib_bytes measured;
    struct dlib_bytes evaluation; /* evaluation.json, as `facepair evaluate` wrote it */
    /* Hashes of the people that it was calibrated on, and that the head was learned from. */
    struct dlib_bytes calibration_people, head_people;
    bool has_head;
    struct dlib_bytes head; /* (128, 128) float32, little-endian, row-major */
};

/* dlib-resnet, dlib-resnet-plus. */
extern const struct dlib_model dlib_models[DLIB_MODELS];

/* False for a model with a head before the tree has one: nothing can be imported then. */
bool dlib_model_complete(const struct dlib_model *model);

/* model.json's text, from malloc; NULL: out of memory. */
char *dlib_card_format(const struct dlib_model *model, const char *version,
                       const char *weights_sha256, size_t *size);

#ifdef __cplusplus
}
#endif
#endif
