#include "server/secret_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum status secret_file_check(const char *path, struct error *err) {
    struct stat about;
    if (stat(path, &about) != 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
    if (about.st_mode & (S_IRWXO | S_IWGRP))
        return error_set(err, STATUS_INTERNAL,
                         "%.140s: holds secrets and others may read or change it; chmod 600 (or "
                         "440) it",
                         path);
    return STATUS_OK;
}
