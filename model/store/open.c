#include "model/store/inside.h"

#include "model/file.h"
#include "server/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { BUSY_MS = 5000, RETRY_US = 20000 };

/* statfs(2), and linux/magic.h of those that it does not list. FUSE may be local, but nothing tells
 * whether it is. */
static const struct {
    unsigned long type;
    const char *name;
} refused[] = {
    {0x6969, "NFS"},
    {0x517b, "SMB"},
    {0xff534d42, "CIFS"},
    {0xfe534d42, "SMB2"},
    {0x65735546, "FUSE"},
    {0x01021997, "9p"},
    {0x00c36400, "Ceph"},
    {0x0bd00bd0, "Lustre"},
    {0x5346414f, "AFS"},
    {0x6b414653, "AFS"},
    {0x73757245, "Coda"},
    {0x01161970, "GFS2"},
    {0x7461636f, "OCFS2"},
    {0x47504653, "GPFS"},
    {0x19830326, "BeeGFS"},
    {0x20030528, "OrangeFS"},
    {0x786f4256, "VirtualBox"},
    {0x564c, "NCP"},
};

const char *store_refused_file_system(unsigned long f_type) {
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (refused[i].type == (f_type & 0xffffffff))
            return refused[i].name;
    return NULL;
}

static enum status check_file_system(const char *data, const struct schema *schema,
                                     struct error *err) {
    struct statfs about;
    if (statfs(data, &about) != 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", data, strerror(errno));
    const char *name = store_refused_file_system((unsigned long)about.f_type);
    if (name)
        return error_set(err, STATUS_INTERNAL,
                         "%.100s is on a network file system (%s), where the locks of %s do not "
                         "hold; keep it on a local disk",
                         data, name, schema->file);
    return STATUS_OK;
}

/* Readable by its owner alone: it says who was photographed for what. SQLite gives its other files
 * the same mode. */
static enum status create_file(const char *path, const char *data, struct error *err) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST
                   ? STATUS_OK
                   : error_set(err, errno == ENOSPC ? STATUS_STORAGE_FULL : STATUS_INTERNAL,
                               "%.180s: %.60s", path, strerror(errno));
    close(fd);
    return file_flush_directory(data, err);
}

/* To change the journal needs the file alone, and SQLite does not wait for that by itself. */
static enum status use_write_ahead_log(struct store *store, unsigned busy_ms, struct error *err) {
    enum status status;
    for (uint64_t waited_us = 0;; waited_us += RETRY_US) {
        status = store_run(store, "PRAGMA journal_mode = WAL", err);
        if (status != STATUS_OVERLOADED || waited_us >= busy_ms * UINT64_C(1000))
            return status;
        usleep(RETRY_US);
    }
}

static enum status set_up(struct store *store, unsigned busy_ms, struct error *err) {
    sqlite3_extended_result_codes(store->database, 1);
    sqlite3_busy_timeout(store->database, (int)busy_ms);
    enum status status = store_run(store,
                                   "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                                   "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;"
                                   "PRAGMA journal_size_limit = 16777216",
                                   err);
    if (status == STATUS_OK)
        status = use_write_ahead_log(store, busy_ms, err);
    return status == STATUS_OK ? store_migrate(store, err) : status;
}

enum status store_open_file(const struct store_options *options, const struct schema *schema,
                            struct store **opened, struct error *err) {
    char path[PATH_MAX];
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    store->schema = schema;
    store->now_ms = options->now_ms ? options->now_ms : clock_wall_ms;
    enum status status = file_path(store->data, err, "%s", options->data);
    if (status == STATUS_OK)
        status = file_path(path, err, "%s/%s", options->data, schema->file);
    if (status == STATUS_OK)
        status = check_file_system(options->data, schema, err);
    if (status == STATUS_OK)
        status = create_file(path, options->data, err);
    if (status == STATUS_OK) {
        int code = sqlite3_open_v2(path, &store->database,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
        status = code == SQLITE_OK
                     ? set_up(store, options->busy_ms ? options->busy_ms : BUSY_MS, err)
                     : store_failed(store, code, 0, err);
    }
    if (status != STATUS_OK) {
        store_close(store);
        return status;
    }
    *opened = store;
    return STATUS_OK;
}

enum status store_open(const struct store_options *options, struct store **store,
                       struct error *err) {
    return store_open_file(options, &STORE_SCHEMA, store, err);
}

void store_close(struct store *store) {
    if (!store)
        return;
    sqlite3_close(store->database);
    free(store);
}
