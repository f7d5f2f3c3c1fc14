#include "model/finetune/checkpoint.h"

#include "model/cause.h"
#include "model/file.h"
#include "model/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COURSE_BYTES_MAX = 1 << 20 };
static const char PREFIX[] = "checkpoint-", UNFINISHED[] = ".checkpoint";

/* ---- finding ---- */

static bool is_checkpoint(const char *name) {
    return strncmp(name, PREFIX, strlen(PREFIX)) == 0 && strlen(name) == strlen(PREFIX) + 17;
}

/* Calls visit for each checkpoint of the directory. */
static enum status each(const char *work, void (*visit)(const char *name, void *context),
                        void *context, struct error *err) {
    DIR *folder = opendir(work);
    if (!folder)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", work, strerror(errno));
    for (struct dirent *entry; (entry = readdir(folder));)
        if (is_checkpoint(entry->d_name))
            visit(entry->d_name, context);
    closedir(folder);
    return STATUS_OK;
}

static void keep_largest(const char *name, void *context) {
    char *largest = context;
    if (strcmp(name, largest) > 0)
        snprintf(largest, NAME_MAX + 1, "%s", name);
}

enum status checkpoint_find(const char *work, char path[PATH_MAX], struct error *err) {
    char largest[NAME_MAX + 1] = "";
    enum status status = file_path(path, err, "%s/%s", work, UNFINISHED);
    if (status != STATUS_OK)
        return status;
    leftovers_remove(path);
    status = each(work, keep_largest, largest, err);
    path[0] = '\0';
    return status == STATUS_OK && largest[0] ? file_path(path, err, "%s/%s", work, largest)
                                             : status;
}

/* ---- writing ---- */

struct others {
    const char *work, *kept; /* a name */
};

static void remove_other(const char *name, void *context) {
    const struct others *others = context;
    char path[PATH_MAX];
    if (strcmp(name, others->kept) != 0 &&
        file_path(path, NULL, "%s/%s", others->work, name) == STATUS_OK)
        leftovers_remove(path);
}

/* DIRECTORY/state as best, or the best of before. */
static enum status place_best(const char *before, const char *directory, bool best,
                              struct error *err) {
    char from[PATH_MAX], to[PATH_MAX];
    enum status status = file_path(to, err, "%s/best.safetensors", directory);
    if (status == STATUS_OK)
        status = best ? file_path(from, err, "%s/state.safetensors", directory)
                      : file_path(from, err, "%s/best.safetensors", before);
    if (status != STATUS_OK || (!best && (!before[0] || access(from, F_OK) != 0)))
        return status;
    return file_share(from, to, err);
}

static enum status fill(const char *directory, const char *before, const struct course *course,
                        const char *key, const struct network_train *train, bool best,
                        struct error *err) {
    char path[PATH_MAX];
    enum status status = file_path(path, err, "%s/state.safetensors", directory);
    if (status == STATUS_OK)
        status = network_train_save_state(train, path, err);
    if (status == STATUS_OK)
        status = place_best(before, directory, best, err);
    if (status == STATUS_OK)
        status = file_path(path, err, "%s/course.json", directory);
    if (status != STATUS_OK)
        return status;
    size_t size;
    char *text = course_write(course, key, &size);
    status =
        text ? file_write(path, text, size, err) : error_set(err, STATUS_INTERNAL, "out of memory");
    free(text);
    return status == STATUS_OK ? file_flush_directory(directory, err) : status;
}

static uint64_t size_of(const char *directory, const char *name) {
    char path[PATH_MAX];
    struct stat about;
    if (file_path(path, NULL, "%s/%s", directory, name) != STATUS_OK || stat(path, &about) != 0)
        return 0;
    return (uint64_t)about.st_size / (about.st_nlink > 0 ? about.st_nlink : 1);
}

/* Files with two names count half under each. */
static uint64_t bytes_of(const char *directory) {
    return size_of(directory, "state.safetensors") + size_of(directory, "best.safetensors") +
           size_of(directory, "course.json");
}

static enum status finish(const char *work, const char *directory, const char *path,
                          struct error *err) {
    if (rename(directory, path) != 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
    return file_flush_directory(work, err);
}

enum status checkpoint_write(const char *work, const struct course *course, const char *key,
                             const struct network_train *train, bool best, uint64_t bytes_max,
                             char path[PATH_MAX], uint64_t *bytes, struct error *err) {
    char before[PATH_MAX], directory[PATH_MAX], name[32];
    memcpy(before, path, strlen(path) + 1);
    snprintf(name, sizeof(name), "%s%08u-%08u", PREFIX, course->epochs_done, course->batches_done);
    enum status status = file_path(path, err, "%s/%s", work, name);
    if (status == STATUS_OK)
        status = file_path(directory, err, "%s/%s", work, UNFINISHED);
    *bytes = 0;
    if (status == STATUS_OK && access(path, F_OK) == 0) { /* nothing has been done since */
        *bytes = bytes_of(path);
        return STATUS_OK;
    }
    if (status != STATUS_OK)
        return status;
    if (mkdir(directory, 0755) != 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", directory, strerror(errno));
    status = fill(directory, before, course, key, train, best, err);
    *bytes = bytes_of(directory);
    if (status == STATUS_OK && *bytes + (before[0] ? bytes_of(before) : 0) > bytes_max)
        status = error_set(err, STATUS_STORAGE_FULL,
                           "two checkpoints are more than disk_bytes_max allows");
    if (status == STATUS_OK)
        status = finish(work, directory, path, err);
    if (status != STATUS_OK) {
        leftovers_remove(directory);
        return cause_full_disk(status, err);
    }
    struct others others = {work, name};
    return each(work, remove_other, &others, err);
}

/* ---- reading ---- */

static enum status load(const char *directory, const char *name, struct network_train *train,
                        struct error *err) {
    char path[PATH_MAX];
    enum status status = file_path(path, err, "%s/%s", directory, name);
    return status == STATUS_OK ? network_train_load_state(train, path, err) : status;
}

enum status checkpoint_read(const char *path, const char *key, struct course *course,
                            struct network_train *train, struct error *err) {
    char file[PATH_MAX], *text;
    size_t size;
    struct error cause;
    enum status status = file_path(file, err, "%s/course.json", path);
    if (status == STATUS_OK)
        status = file_read(file, COURSE_BYTES_MAX, &text, &size, err);
    if (status != STATUS_OK)
        return status;
    status = course_read(text, size, key, course, &cause);
    free(text);
    if (status != STATUS_OK)
        return error_set(err, status, "%.120s: %.120s", file, cause.detail);
    return load(path, "state.safetensors", train, err);
}

enum status checkpoint_load_best(const char *path, struct network_train *train, struct error *err) {
    return load(path, "best.safetensors", train, err);
}
