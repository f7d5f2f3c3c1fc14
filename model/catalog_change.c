/* The changes to DATA/models. What makes each safe is an order:
 *
 * To activate: the version is there -> `active` is written anew (temporary file, fsync, rename,
 * fsync of the directory). Whoever is killed before the rename has changed nothing, after it
 * everything.
 *
 * To remove: the number is noted as given -> the version is not the active one -> its directory
 * becomes ".gone-VERSION", which no reader looks at -> fsync of the directory above -> the files
 * go. Killed before the rename, the version is there and whole; after it, it is gone, and the next
 * sweep takes the files.
 *
 * Between the look at `active` and the rename nobody else may promote the version: both hold the
 * model's directory.
 */
#include "model/catalog.h"
#include "model/file.h"
#include "model/leftovers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct change {
    char models[PATH_MAX], model[PATH_MAX], version[PATH_MAX];
    int hold; /* of DATA/models, for the temporary names */
    int lock; /* of the model, against other changes; -1: none to be had */
};

static int lock_model(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)flock(fd, LOCK_EX); /* a file system without locks has one writer */
    return fd;
}

static void end(struct change *change) {
    if (change->lock >= 0)
        close(change->lock);
    leftovers_release(change->hold);
}

/* STATUS_OK, or nothing is left to end. */
static enum status begin(struct change *change, const char *data, const char *name,
                         const char *version, struct error *err) {
    enum status status = file_path(change->models, err, "%s/models", data);
    if (status == STATUS_OK)
        status = file_path(change->model, err, "%s/%s", change->models, name);
    if (status == STATUS_OK)
        status = catalog_directory(data, name, version, change->version, err);
    if (status != STATUS_OK)
        return status;
    change->hold = leftovers_hold(change->models);
    change->lock = lock_model(change->model);
    if (catalog_has(data, name, version))
        return STATUS_OK;
    end(change);
    return error_set(err, STATUS_UNKNOWN_MODEL, "There is no version %s of a model %s.", version,
                     name);
}

enum status catalog_activate(const char *data, const char *name, const char *version,
                             struct error *err) {
    struct change change;
    enum status status = begin(&change, data, name, version, err);
    if (status != STATUS_OK)
        return status;
    status = catalog_write_active(change.model, version, err);
    end(&change);
    return status;
}

/* An `active` that cannot be read names nothing. */
static bool is_active(const char *data, const char *name, const char *version) {
    char active[CARD_VERSION_MAX + 1];
    return catalog_active(data, name, active, NULL) == STATUS_OK && strcmp(active, version) == 0;
}

static enum status rename_aside(const struct change *change, const char *version,
                                char gone[PATH_MAX], struct error *err) {
    enum status status = file_path(gone, err, "%s/.gone-%s", change->model, version);
    if (status != STATUS_OK)
        return status;
    if (rename(change->version, gone) != 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", change->version, strerror(errno));
    return file_flush_directory(change->model, err);
}

enum status catalog_remove(const char *data, const char *name, const char *version,
                           struct error *err) {
    struct change change;
    char gone[PATH_MAX];
    enum status status = begin(&change, data, name, version, err);
    if (status != STATUS_OK)
        return status;
    if (is_active(data, name, version))
        status =
            error_set(err, STATUS_ACTIVE_VERSION,
                      "%s@%s is the active version; promote another one first.", name, version);
    if (status == STATUS_OK)
        status = catalog_note_given(change.model, version, err);
    if (status == STATUS_OK)
        status = rename_aside(&change, version, gone, err);
    if (status == STATUS_OK)
        leftovers_remove(gone);
    end(&change);
    return status;
}
