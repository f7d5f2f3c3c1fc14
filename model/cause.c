#include "model/cause.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* The functions that name a file cut its path to some length between this and 255. */
enum { PATH_CUT_MIN = 80 };

/* A slash where a word begins; "net/3" and "1/2" are no paths. */
static bool holds_path(const char *text) {
    for (const char *at = strchr(text, '/'); at; at = strchr(at + 1, '/'))
        if (at == text || !isalnum((unsigned char)at[-1]))
            return true;
    return false;
}

static size_t common_length(const char *a, const char *b) {
    size_t length = 0;
    while (a[length] && a[length] == b[length])
        length++;
    return length;
}

/* What follows the directory; NULL: it does not begin with it. */
static const char *behind_directory(const char *detail, const char *directory) {
    size_t same = common_length(detail, directory), whole = strlen(directory);
    if (same == whole && detail[same] == '/')
        return detail + same + 1;
    bool cut = same >= PATH_CUT_MIN && same < whole;
    return (cut || same == whole) && strncmp(detail + same, ": ", 2) == 0 ? detail + same + 2
                                                                          : NULL;
}

void cause_without_path(const char *detail, const char *directory, struct error *err) {
    const char *rest = behind_directory(detail, directory);
    const char *cause = rest ? strstr(rest, ": ") : NULL;
    /* Who passes an error on may have named the file too. */
    const char *again = cause ? behind_directory(cause + 2, directory) : NULL;
    if (again)
        rest = again;
    if (!rest)
        rest = detail;
    if (holds_path(rest))
        rest = "One of its files cannot be used; the log has the cause.";
    error_set(err, STATUS_INTERNAL, "%s", rest);
}

enum status cause_full_disk(enum status status, const struct error *err) {
    bool full = strstr(err->detail, strerror(ENOSPC)) || strstr(err->detail, strerror(EDQUOT));
    return status == STATUS_INTERNAL && full ? STATUS_STORAGE_FULL : status;
}
