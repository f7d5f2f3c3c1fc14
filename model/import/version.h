/* The next version of a model, filled and then published whole (publish.h). A new model is
 * published whole too, with its first version and the name of the active one: a process that dies
 * on the way leaves no directory of a model that no version of is in use. */
#ifndef FACEPAIR_MODEL_IMPORT_VERSION_H
#define FACEPAIR_MODEL_IMPORT_VERSION_H

#include "model/card.h"
#include "model/import/publish.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct version_work {
    char place[PUBLISH_PATH_MAX]; /* DATA/models/NAME */
    char model[PUBLISH_PATH_MAX]; /* the same, or what will get its name */
    char built[PUBLISH_PATH_MAX]; /* the directory to fill, inside model */
    char number[CARD_VERSION_MAX + 1];
    int hold; /* of DATA/models, while there is something unfinished in it */
};

/* One more than the largest number that the model's directory holds or has ever held. */
enum status version_next(const char *model_directory, char number[CARD_VERSION_MAX + 1],
                         struct error *err);

/* Sweeps what dead writers left, makes what is missing of DATA/models and a directory to fill.
 * After STATUS_OK the work ends with version_finish or version_abandon. STATUS_INTERNAL. */
enum status version_begin(const char *data_directory, const char *name, struct version_work *work,
                          struct error *err);
/* A small file in the directory to fill. */
enum status version_write(const struct version_work *work, const char *file, const char *bytes,
                          size_t size, struct error *err);
/* Publishes it, unless its card or evaluation.json cannot be read (STATUS_INTERNAL), and makes it
 * the active one where there was none. messages: one line for each thing
 * written; NULL: none. On failure it is abandoned. */
enum status version_finish(struct version_work *work, FILE *messages, struct error *err);
void version_abandon(struct version_work *work);

#ifdef __cplusplus
}
#endif
#endif
