#include "cli/serve_sandbox.h"

#include "server/log.h"
#include "server/privileges.h"
#include "server/sandbox.h"

#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum status serve_give_up(const struct serve_settings *s, struct error *err) {
    enum status status = s->user ? privileges_drop(s->user, err) : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    privileges_keep_down();
    privileges_settle_dumps(s->core_dumps);
    if (geteuid() == 0)
        log_event(LOG_WARN, "runs_as_root",
                  LOG_STR("meaning", "--user NAME becomes another user once the ports are bound"));
    return STATUS_OK;
}

/* ---- paths ---- */

/* What does not fit, or for want of memory, is not granted. */
enum { PATHS_MAX = 127 };
struct paths {
    char *list[PATHS_MAX + 1];
    size_t count;
};

static void add(struct paths *paths, const char *path) {
    if (paths->count < PATHS_MAX && (paths->list[paths->count] = strdup(path)))
        paths->count++;
}

static void release(struct paths *paths) {
    for (size_t i = 0; i < paths->count; i++)
        free(paths->list[i]);
}

static void add_directory(struct paths *paths, const char *file) {
    char *copy = strdup(file);
    if (copy)
        add(paths, dirname(copy));
    free(copy);
}

/* Files are replaced by others of their name: it is their directory that must be readable, and the
 * one of what the name links to. */
static void add_directories(struct paths *paths, const char *file) {
    char target[PATH_MAX];
    if (!file)
        return;
    add_directory(paths, file);
    if (realpath(file, target))
        add_directory(paths, target);
}

/* Any of its folders may be a link to another disk. */
static void add_data(struct paths *paths, const char *data) {
    static const char *const folders[] = {"", "/models", "/face", "/datasets", "/jobs"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (snprintf(path, sizeof path, "%s%s", data, folders[i]) < (int)sizeof path)
            add(paths, path);
}

static void add_library_path(struct paths *paths) {
    const char *value = getenv("LD_LIBRARY_PATH");
    char *copy = value ? strdup(value) : NULL, *rest = copy, *folder;
    while (copy && (folder = strsep(&rest, ":")))
        if (*folder)
            add(paths, folder);
    free(copy);
}

static void add_cuda(struct paths *devices, struct paths *readable) {
    glob_t found = {0};
    glob("/dev/nvidia*", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++)
        add(devices, found.gl_pathv[i]);
    globfree(&found);
    add(devices, "/dev/shm");
    add(readable, "/etc/nvidia");
    add(readable, "/run/nvidia-persistenced");
}

/* ---- confining ---- */

static struct sandbox_held confine(const struct serve_settings *s, const char *data,
                                   bool changes_data, bool starts_trainer) {
    struct paths readable = {0}, writable = {0}, devices = {0};
    add_data(changes_data ? &writable : &readable, data);
    add_directories(&readable, s->keys_file);
    add_directories(&readable, s->token_key_file);
    add_directories(&readable, s->tls_certificate);
    add_directories(&readable, s->tls_key);
    add_directories(&readable, s->admin_client_ca);
    add_library_path(&readable);
    if (s->audit && strcmp(s->audit, "-") != 0)
        add_directory(&writable, s->audit);
    if (s->lockout_data)
        add(&writable, s->lockout_data);
    if (strncmp(s->device, "cuda", 4) == 0)
        add_cuda(&devices, &readable);
    const struct sandbox sandbox = {.readable = (const char *const *)readable.list,
                                    .writable = (const char *const *)writable.list,
                                    .devices = (const char *const *)devices.list,
                                    .starts_itself = starts_trainer};
    struct sandbox_held held = sandbox_enter(&sandbox);
    release(&readable);
    release(&writable);
    release(&devices);
    return held;
}

void serve_confine(const struct serve_settings *s, const char *data, bool changes_data,
                   bool starts_trainer) {
    struct sandbox_held held = {0};
    if (!s->no_sandbox)
        held = confine(s, data, changes_data, starts_trainer);
    bool whole = held.landlock_abi > 0 && held.calls;
    log_event(LOG_INFO, "sandbox", LOG_STR("user", s->user),
              LOG_INT("landlock_abi", held.landlock_abi), LOG_BOOL("calls", held.calls),
              LOG_STR("meaning", whole           ? "all that it has holds"
                                 : s->no_sandbox ? "--no-sandbox"
                                                 : "this kernel, or who started the program, "
                                                   "does not allow all of it"));
}
