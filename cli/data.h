/* Where models and the face landmarks stand on disk. */
#ifndef FACEPAIR_CLI_DATA_H
#define FACEPAIR_CLI_DATA_H

#include "server/status.h"

enum { DATA_PATH_MAX = 4096 };

/* The data directory, in this order: `given` (--data; not looked at) -> data/ beside the directory
 * of the program, when it exists (a program run from the tree) -> PREFIX/share/facepair, when it
 * exists (an installed one) -> $XDG_DATA_HOME/facepair, that is ~/.local/share/facepair. The last
 * one need not exist: `facepair import` makes it. */
enum status data_directory_find(const char *given, char path[DATA_PATH_MAX], struct error *err);

#endif
