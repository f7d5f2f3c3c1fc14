/* What stands on disk in DATA/models, and the two changes that a running service makes to it.
 *
 *     NAME/VERSION/   immutable once it has this name: model.json, the weights, evaluation.json
 *     NAME/active     one line: the version in use
 *     NAME/largest    one line: the largest version number ever given, so that none is given twice
 *
 * Nothing is kept between calls, and every process that shares the directory sees the same. Changes
 * are durable when they return: after a crash a reader finds the old or the new, never half; what
 * a crash leaves besides is model/leftovers.h's. Of two processes that change one model one waits
 * (a lock on NAME/, where the file system knows locks).
 *
 * Every call waits for disks: for the disk thread and the command line, never for the loop. Names
 * and versions given here are well-formed (catalog_parse). STATUS_INTERNAL names the file.
 */
#ifndef FACEPAIR_MODEL_CATALOG_H
#define FACEPAIR_MODEL_CATALOG_H

#include "model/card.h"
#include "server/status.h"

#include <limits.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CATALOG_MODELS_MAX = 64, CATALOG_VERSIONS_MAX = 1000 };

struct catalog_models {
    size_t count;
    char names[CATALOG_MODELS_MAX][CARD_NAME_MAX + 1]; /* by name */
    char odd[CARD_NAME_MAX + 1]; /* a directory that is no model, its name cut; "": none */
};

struct catalog_versions {
    size_t count;
    char numbers[CATALOG_VERSIONS_MAX][CARD_VERSION_MAX + 1]; /* rising */
};

#define CATALOG_REFERENCE_RULE                                                                     \
    "A model is NAME or NAME@VERSION: lower-case letters, digits, '.', '_' and '-', and a "        \
    "decimal "                                                                                     \
    "version."
/* "NAME" or "NAME@VERSION" -> its parts, version empty where none is given. False: neither. */
bool catalog_parse(const char *model, char name[CARD_NAME_MAX + 1],
                   char version[CARD_VERSION_MAX + 1]);
/* As numbers: < 0, 0 or > 0. */
int catalog_compare_versions(const char *a, const char *b);

/* ---- reading ---- */

enum status catalog_models(const char *data, struct catalog_models *models, struct error *err);
/* `wanted`, or without one (NULL) dlib-resnet, or the only one. */
enum status catalog_default(const char *data, const struct catalog_models *models,
                            const char *wanted, char name[CARD_NAME_MAX + 1], struct error *err);
enum status catalog_active(const char *data, const char *name, char version[CARD_VERSION_MAX + 1],
                           struct error *err);
enum status catalog_versions(const char *data, const char *name, struct catalog_versions *versions,
                             struct error *err);
bool catalog_has(const char *data, const char *name, const char *version);
enum status catalog_directory(const char *data, const char *name, const char *version,
                              char path[PATH_MAX], struct error *err);
/* A number that is another one when `active` or a file of the version has changed: what was found
 * broken need not be tried again before. */
uint64_t catalog_fingerprint(const char *data, const char *name, const char *version);

/* ---- changing ---- */

/* STATUS_UNKNOWN_MODEL when the version is not there. */
enum status catalog_activate(const char *data, const char *name, const char *version,
                             struct error *err);
/* STATUS_UNKNOWN_MODEL, STATUS_ACTIVE_VERSION. The version is gone for every reader at once (its
 * name is changed); its files are removed after that. */
enum status catalog_remove(const char *data, const char *name, const char *version,
                           struct error *err);

/* ---- for who builds a model (import/version.h), on its directory under whatever name ---- */

enum status catalog_write_active(const char *directory, const char *version, struct error *err);
/* The largest number that the directory holds or has ever held; 0: none. */
enum status catalog_largest(const char *directory, unsigned long long *largest, struct error *err);
/* Notes that the number has been given. */
enum status catalog_note_given(const char *directory, const char *version, struct error *err);

#ifdef __cplusplus
}
#endif
#endif
