/* A job leaves the store first, its directory afterwards, since the store is not held while many
 * gigabytes are unlinked. If that is cut short, the directory belongs to nobody, and the next
 * store_jobs_expire removes it. */
#include "model/store/inside.h"

#include "model/file.h"
#include "model/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum status store_job_directory(const struct store *store, const char *id, char path[PATH_MAX],
                                struct error *err) {
    return file_path(path, err, "%s/jobs/%s", store->data, id);
}

static enum status remove_directory(const struct store *store, const char *id, struct error *err) {
    char path[PATH_MAX], parent[PATH_MAX];
    enum status status = store_job_directory(store, id, path, err);
    if (status == STATUS_OK)
        status = file_path(parent, err, "%s/jobs", store->data);
    if (status != STATUS_OK || access(path, F_OK) != 0)
        return status;
    if (!leftovers_remove(path))
        return error_set(err, STATUS_INTERNAL, "%.180s: it cannot be removed", path);
    return file_flush_directory(parent, err);
}

static enum status check_unused(struct store *store, const char *id, struct error *err) {
    struct query query =
        query_open(store, "SELECT 1 FROM jobs WHERE resume_from = ?"
                          " AND state NOT IN ('succeeded', 'failed', 'cancelled') LIMIT 1");
    query_bind_text(&query, id);
    bool used = query_row(&query);
    enum status status = query_close(&query, err);
    if (status == STATUS_OK && used)
        return error_set(err, STATUS_IN_USE, "A job that has not ended resumes from this one.");
    return status;
}

static enum status remove_row(struct store *store, const char *id, struct error *err) {
    struct job_row row;
    enum status status = job_find(store, id, &row, err);
    if (status == STATUS_OK && !job_state_is_final(row.state))
        return error_set(err, STATUS_WRONG_STATE, "The job is %s; cancel it first.",
                         job_state_word(row.state));
    if (status == STATUS_OK)
        status = check_unused(store, id, err);
    if (status != STATUS_OK)
        return status;
    struct query query = query_open(store, "DELETE FROM jobs WHERE sequence = ?");
    query_bind_integer(&query, row.sequence);
    return query_run(&query, NULL, err);
}

enum status store_job_delete(struct store *store, const char *id, struct error *err) {
    enum status status = store_begin(store, err);
    if (status == STATUS_OK)
        status = store_end(store, remove_row(store, id, err), err);
    return status == STATUS_OK ? remove_directory(store, id, err) : status;
}

/* ---- retention ---- */

/* One whose end is that long ago and that no waiting job resumes from; *id: "" for none. */
static enum status find_old(struct store *store, uint64_t ended_ms, char id[UID_SIZE],
                            struct error *err) {
    struct query query =
        query_open(store, "SELECT id FROM jobs AS old WHERE finished_ms > 0 AND finished_ms <= ?"
                          " AND promotion <> 'wished' AND NOT EXISTS (SELECT 1 FROM jobs"
                          " WHERE resume_from = old.id"
                          " AND state NOT IN ('succeeded', 'failed', 'cancelled'))"
                          " ORDER BY finished_ms LIMIT 1");
    query_bind_integer(&query, (int64_t)ended_ms);
    id[0] = '\0';
    if (query_row(&query))
        query_text(&query, id, UID_SIZE);
    return query_close(&query, err);
}

static enum status forget_answers(struct store *store, uint64_t now_ms, struct error *err) {
    struct query query = query_open(store, "DELETE FROM answers WHERE created_ms <= ?");
    query_bind_integer(&query, now_ms > STORE_ONCE_MS ? (int64_t)(now_ms - STORE_ONCE_MS) : 0);
    return query_run(&query, NULL, err);
}

static bool is_job(const char *name) {
    for (unsigned kind = 0; kind < JOB_KINDS_COUNT; kind++)
        if (uid_valid(job_kind_prefix((enum job_kind)kind), name))
            return true;
    return false;
}

/* Directories whose job is gone. */
static enum status remove_strays(struct store *store, struct error *err) {
    char path[PATH_MAX];
    enum status status = file_path(path, err, "%s/jobs", store->data);
    DIR *entries = status == STATUS_OK ? opendir(path) : NULL;
    if (!entries)
        return status; /* no job has run yet */
    struct dirent *entry;
    while (status == STATUS_OK && (entry = readdir(entries)) != NULL) {
        struct job_row row;
        if (!is_job(entry->d_name))
            continue;
        status = job_find(store, entry->d_name, &row, err);
        if (status == STATUS_NOT_FOUND)
            status = remove_directory(store, entry->d_name, err);
    }
    closedir(entries);
    return status;
}

enum status store_jobs_expire(struct store *store, uint64_t keep_ms, size_t most, size_t *deleted,
                              struct error *err) {
    uint64_t now_ms = store->now_ms();
    enum status status = forget_answers(store, now_ms, err);
    *deleted = 0;
    while (status == STATUS_OK && *deleted < most) {
        char id[UID_SIZE];
        status = find_old(store, now_ms > keep_ms ? now_ms - keep_ms : 0, id, err);
        if (status != STATUS_OK || !id[0])
            break;
        status = store_job_delete(store, id, err);
        *deleted += status == STATUS_OK;
    }
    return status == STATUS_OK ? remove_strays(store, err) : status;
}
