/* Files with keys in them. */
#ifndef FACEPAIR_SERVER_SECRET_FILE_H
#define FACEPAIR_SERVER_SECRET_FILE_H

#include "server/status.h"

/* STATUS_INTERNAL with one line that says what to do: it is not there, others than its owner and
 * its group may read it, or others than its owner change it. Waits for a disk. */
enum status secret_file_check(const char *path, struct error *err);

#endif
