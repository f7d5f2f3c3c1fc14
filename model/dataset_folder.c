#include "model/dataset_folder.h"

#include "model/file.h"
#include "model/leftovers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status failed(const char *what, int cause, struct error *err) {
    return error_set(err, file_cause(cause), "%.180s: %.60s", what, strerror(cause));
}

enum status dataset_folder_path(const char *data, const char *name, char path[PATH_MAX],
                                struct error *err) {
    return file_path(path, err, "%s/datasets/%s", data, name);
}

enum status dataset_folder_begin(const char *data, struct dataset_folder *folder,
                                 struct error *err) {
    char all[PATH_MAX];
    enum status status = file_path(all, err, "%s/datasets", data);
    if (status == STATUS_OK)
        status = dataset_folder_path(data, ".new-XXXXXX", folder->path, err);
    if (status != STATUS_OK)
        return status;
    if (mkdir(all, 0700) == 0)
        status = file_flush_directory(data, err);
    else if (errno != EEXIST)
        status = failed(all, errno, err);
    if (status != STATUS_OK)
        return status;
    folder->hold = leftovers_hold(all);
    if (mkdtemp(folder->path)) /* its owner's alone, as all that is in it */
        return STATUS_OK;
    status = failed(folder->path, errno, err);
    leftovers_release(folder->hold);
    return status;
}

void dataset_folder_leave(struct dataset_folder *folder) {
    leftovers_release(folder->hold);
    folder->hold = -1;
}

enum status dataset_folder_set_aside(const char *data, const char *name, char gone[PATH_MAX],
                                     struct error *err) {
    char path[PATH_MAX], all[PATH_MAX];
    enum status status = dataset_folder_path(data, name, path, err);
    if (status == STATUS_OK)
        status = dataset_folder_path(data, ".gone-XXXXXX", gone, err);
    if (status == STATUS_OK)
        status = file_path(all, err, "%s/datasets", data);
    if (status != STATUS_OK)
        return status;
    bool there = access(path, F_OK) == 0;
    if (there && (!mkdtemp(gone) || rename(path, gone) != 0)) /* onto an empty folder */
        return failed(path, errno, err);
    if (!there)
        gone[0] = '\0';
    return there ? file_flush_directory(all, err) : STATUS_OK;
}

enum status dataset_folder_publish(const char *data, struct dataset_folder *folder,
                                   const char *name, struct error *err) {
    char path[PATH_MAX], all[PATH_MAX], gone[PATH_MAX];
    enum status status = dataset_folder_set_aside(data, name, gone, err);
    if (status == STATUS_OK)
        status = dataset_folder_path(data, name, path, err);
    if (status == STATUS_OK)
        status = file_path(all, err, "%s/datasets", data);
    if (status != STATUS_OK)
        return status;
    if (rename(folder->path, path) != 0)
        return failed(path, errno, err);
    status = file_flush_directory(all, err);
    dataset_folder_leave(folder);
    return status;
}

void dataset_folder_abandon(struct dataset_folder *folder) {
    leftovers_remove(folder->path);
    dataset_folder_leave(folder);
}

void dataset_folder_sweep(const char *data) {
    char all[PATH_MAX];
    if (file_path(all, NULL, "%s/datasets", data) == STATUS_OK)
        leftovers_sweep_flat(all);
}
