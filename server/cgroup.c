/* In a container with a cgroup namespace /proc/self/cgroup says "0::/" and the mount shows the
 * container's own cgroup as its root. Without that namespace it says a path of the host, which the
 * container's mount does not have: the files on the way are missing, are passed over, and the
 * root's own counts, which again is the container's. Both are covered by one walk upwards. The same
 * holds of v1, where each controller has a hierarchy of its own.
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

/* One of the names between commas. */
static bool lists(const char *list, size_t size, const char *name) {
    size_t length = strlen(name);
    for (const char *end = list + size; list <= end; list += strcspn(list, ",:") + 1)
        if (strncmp(list, name, length) == 0 && (list[length] == ',' || list[length] == ':'))
            return true;
    return false;
}

const char *cgroup_path(const char *line, const char *controller) {
    const char *list = strchr(line, ':');
    const char *path = list ? strchr(list + 1, ':') : NULL;
    if (!path || path[1] != '/')
        return NULL;
    list++;
    bool named = *controller ? lists(list, (size_t)(path - list), controller) : path == list;
    return named ? path + 1 : NULL;
}

/* The path of this process's cgroup, into line; "/" where there is none. */
static const char *own_cgroup(const char *controller, char *line, size_t size) {
    const char *found = NULL;
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (!file)
        return "/";
    while (!found && fgets(line, (int)size, file)) {
        line[strcspn(line, "\n")] = '\0';
        found = cgroup_path(line, controller);
    }
    fclose(file);
    return found ? found : "/";
}

uint64_t cgroup_granted(const char *file, uint64_t (*parse)(const char *line)) {
    char line[LINE_MAX_BYTES];
    return cgroup_least("/sys/fs/cgroup", own_cgroup("", line, sizeof line), file, parse);
}

uint64_t cgroup_granted_v1(const char *controller, const char *file,
                           uint64_t (*parse)(const char *line)) {
    char line[LINE_MAX_BYTES], root[PATH_MAX];
    snprintf(root, sizeof root, "/sys/fs/cgroup/%s", controller);
    return cgroup_least(root, own_cgroup(controller, line, sizeof line), file, parse);
}
