/* In a container with a cgroup namespace /proc/self/cgroup says "0::/" and the mount shows the
 * container's own cgroup as its root. Without that namespace it says a path of the host, which the
 * container's mount does not have: the files on the way are missing, are passed over, and the
 * root's own counts, which again is the container's. Both are covered by one walk upwards.
 */
#include "server/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4096 };

static bool read_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool got = fgets(line, (int)size, file) != NULL;
    fclose(file);
    return got;
}

uint64_t cgroup_least(const char *root, const char *path, const char *file,
                      uint64_t (*parse)(const char *line)) {
    uint64_t least = CGROUP_UNLIMITED;
    size_t length = strlen(path);
    /* A path through ".." leads out of our namespace, where no file can be read by it. */
    if (strstr(path, ".."))
        length = 0;
    for (;;) {
        char name[PATH_MAX], line[LINE_MAX_BYTES];
        int written = snprintf(name, sizeof name, "%s%.*s/%s", root, (int)length, path, file);
        if (written > 0 && (size_t)written < sizeof name && read_line(name, line, sizeof line)) {
            uint64_t limit = parse(line);
            least = limit < least ? limit : least;
        }
        if (length == 0)
            return least;
        do
            length--;
        while (length > 0 && path[length] != '/');
    }
}

/* The third field of the line "0::/path", into line; "/" where there is none. */
static const char *own_cgroup(char *line, size_t size) {
    const char *found = "/";
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return found;
    while (fgets(line, (int)size, file))
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = '\0';
            found = line + 3;
            break;
        }
    fclose(file);
    return found;
}

uint64_t cgroup_granted(const char *file, uint64_t (*parse)(const char *line)) {
    char line[LINE_MAX_BYTES];
    return cgroup_least("/sys/fs/cgroup", own_cgroup(line, sizeof line), file, parse);
}
