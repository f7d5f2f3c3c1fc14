/* `facepair import torchscript`: a traced or scripted module with a card written by hand, as the
 * next version of a model. The module is copied as it is and not opened: it is a program, and will
 * run only where `facepair serve --allow-torchscript` names its hash. */
#ifndef FACEPAIR_MODEL_IMPORT_TORCHSCRIPT_H
#define FACEPAIR_MODEL_IMPORT_TORCHSCRIPT_H

#include "server/status.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct import_torchscript_options {
    const char *module_path;
    const char *card_path; /* model.json without format, name, version, architecture and weights,
                              which the import fills in; thresholds may be missing too */
    const char *data_directory;
    const char *name;
    FILE *messages; /* what was written, and the module's hash; NULL: none */
};

/* STATUS_INTERNAL; err names the file. */
enum status import_torchscript(const struct import_torchscript_options *options, struct error *err);

#ifdef __cplusplus
}
#endif
#endif
