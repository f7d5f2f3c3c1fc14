#include "cli/data.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_directory(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* The program's directory, without its name. */
static bool program_directory(char path[DATA_PATH_MAX]) {
    ssize_t length = readlink("/proc/self/exe", path, DATA_PATH_MAX - 1);
    if (length <= 0)
        return false;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

/* base/relative when that is a directory. */
static bool beside(const char *base, const char *relative, char path[DATA_PATH_MAX]) {
    char joined[DATA_PATH_MAX], resolved[DATA_PATH_MAX];
    int length = snprintf(joined, sizeof(joined), "%s/%s", base, relative);
    if (length < 0 || (size_t)length >= sizeof(joined) || !is_directory(joined) ||
        !realpath(joined, resolved))
        return false;
    memcpy(path, resolved, strlen(resolved) + 1);
    return true;
}

static enum status users_own(char path[DATA_PATH_MAX], struct error *err) {
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int length;
    if (data && data[0] == '/') /* the specification has relative paths ignored */
        length = snprintf(path, DATA_PATH_MAX, "%s/facepair", data);
    else if (home && *home)
        length = snprintf(path, DATA_PATH_MAX, "%s/.local/share/facepair", home);
    else
        return error_set(err, STATUS_INTERNAL,
                         "no data directory: give --data, or set XDG_DATA_HOME or HOME");
    if (length < 0 || length >= DATA_PATH_MAX)
        return error_set(err, STATUS_INTERNAL, "the data directory's name is too long");
    return STATUS_OK;
}

enum status data_directory_find(const char *given, char path[DATA_PATH_MAX], struct error *err) {
    if (given) {
        int length = snprintf(path, DATA_PATH_MAX, "%s", given);
        if (length < 0 || length >= DATA_PATH_MAX)
            return error_set(err, STATUS_INTERNAL, "the data directory's name is too long");
        return STATUS_OK;
    }
    char program[DATA_PATH_MAX];
    if (program_directory(program) &&
        (beside(program, "../data", path) || beside(program, "../share/facepair", path)))
        return STATUS_OK;
    return users_own(path, err);
}
