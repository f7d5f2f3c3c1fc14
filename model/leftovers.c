#include "model/leftovers.h"

#include "model/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { OPEN_MAX_FILES = 8 };

static int lock(const char *directory, int operation) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && flock(fd, operation) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int leftovers_hold(const char *models) { return lock(models, LOCK_SH); }

void leftovers_release(int hold) {
    if (hold >= 0)
        close(hold);
}

static int remove_entry(const char *path, const struct stat *about, int type, struct FTW *place) {
    (void)about, (void)type, (void)place;
    remove(path);
    return 0;
}

bool leftovers_remove(const char *path) {
    nftw(path, remove_entry, OPEN_MAX_FILES, FTW_DEPTH | FTW_PHYS);
    return access(path, F_OK) != 0;
}

static bool begins_with(const char *text, const char *word) {
    return strncmp(text, word, strlen(word)) == 0;
}

/* A model may be called "active.1", and a data set; nothing of a model may. */
static bool is_unfinished(const char *name, bool of_model) {
    return begins_with(name, ".new-") || begins_with(name, ".gone-") ||
           (of_model && (begins_with(name, "active.") || begins_with(name, "largest.")));
}

enum depth { MODELS, MODEL, FLAT };

/* Of one directory; and, in DATA/models itself, of the models there. */
static void sweep(const char *directory, enum depth depth) {
    DIR *entries = opendir(directory);
    if (!entries)
        return;
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL) {
        char path[PATH_MAX];
        if (file_path(path, NULL, "%s/%s", directory, entry->d_name) != STATUS_OK)
            continue;
        if (is_unfinished(entry->d_name, depth == MODEL))
            leftovers_remove(path);
        else if (depth == MODELS && entry->d_name[0] != '.')
            sweep(path, MODEL);
    }
    closedir(entries);
}

static void sweep_alone(const char *directory, enum depth depth) {
    int alone = lock(directory, LOCK_EX | LOCK_NB);
    if (alone < 0)
        return;
    sweep(directory, depth);
    close(alone);
}

void leftovers_sweep(const char *models) { sweep_alone(models, MODELS); }

void leftovers_sweep_flat(const char *directory) { sweep_alone(directory, FLAT); }
