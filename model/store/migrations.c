/* The versions of store.sqlite, each as the step from the one before. A step that has been released
 * never changes; the next version is one more entry. tests/store/ keeps a file of each older
 * version.
 *
 * All that is missing is done in one transaction, so a file is of the old version or the new.
 */
#include "model/store/inside.h"

#include <stdio.h>

static const char *const STEPS[] = {
    /* 1 */
    "CREATE TABLE jobs ("
    " sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE,"
    " kind TEXT NOT NULL,"
    " state TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " started_ms INTEGER NOT NULL DEFAULT 0,"
    " finished_ms INTEGER NOT NULL DEFAULT 0,"
    " attempt INTEGER NOT NULL DEFAULT 1,"
    " claim INTEGER NOT NULL DEFAULT 0,"
    " runner TEXT NOT NULL DEFAULT '',"
    " lease_ms INTEGER NOT NULL DEFAULT 0,"
    " claimed_ms INTEGER NOT NULL DEFAULT 0,"
    " computed_ms INTEGER NOT NULL DEFAULT 0,"
    " pause_wished INTEGER NOT NULL DEFAULT 0,"
    " base_model TEXT NOT NULL,"
    " base_version TEXT NOT NULL,"
    " dataset TEXT NOT NULL DEFAULT '',"
    " dataset_sha256 TEXT NOT NULL DEFAULT '',"
    " resume_from TEXT NOT NULL DEFAULT '',"
    " spec TEXT NOT NULL,"
    " epoch INTEGER NOT NULL DEFAULT 0,"
    " step INTEGER NOT NULL DEFAULT 0,"
    " steps INTEGER NOT NULL DEFAULT 0,"
    " eta_s REAL,"
    " best_epoch INTEGER NOT NULL DEFAULT 0,"
    " best_validation_loss REAL,"
    " result_model TEXT NOT NULL DEFAULT '',"
    " result_version TEXT NOT NULL DEFAULT '',"
    " result_evaluation TEXT,"
    " error_code TEXT NOT NULL DEFAULT '',"
    " error_message TEXT NOT NULL DEFAULT '',"
    " events INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "CREATE INDEX jobs_by_state ON jobs (state, sequence);"
    "CREATE INDEX jobs_by_dataset ON jobs (dataset);"
    "CREATE TABLE losses ("
    " job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,"
    " epoch INTEGER NOT NULL,"
    " train REAL,"
    " validation REAL,"
    " PRIMARY KEY (job, epoch)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE events ("
    " job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,"
    " number INTEGER NOT NULL,"
    " at_ms INTEGER NOT NULL,"
    " type TEXT NOT NULL,"
    " data TEXT NOT NULL,"
    " PRIMARY KEY (job, number)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE checkpoints ("
    " number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,"
    " epoch INTEGER NOT NULL,"
    " step INTEGER NOT NULL,"
    " file TEXT NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " validation_loss REAL"
    ") STRICT;"
    "CREATE INDEX checkpoints_by_job ON checkpoints (job, number);"
    "CREATE TABLE answers ("
    " caller TEXT NOT NULL,"
    " route TEXT NOT NULL,"
    " key TEXT NOT NULL,"
    " body_sha256 TEXT NOT NULL,"
    " answer TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " PRIMARY KEY (caller, route, key)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE datasets ("
    " sequence INTEGER PRIMARY KEY AUTOINCREMENT,"
    " id TEXT NOT NULL UNIQUE,"
    " name TEXT NOT NULL UNIQUE,"
    " state TEXT NOT NULL,"
    " sha256 TEXT NOT NULL,"
    " purpose TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL,"
    " checked_ms INTEGER NOT NULL DEFAULT 0,"
    " retain_until_ms INTEGER NOT NULL DEFAULT 0,"
    " bytes INTEGER NOT NULL,"
    " files INTEGER NOT NULL,"
    " people INTEGER NOT NULL DEFAULT 0,"
    " images INTEGER NOT NULL DEFAULT 0,"
    " undecodable INTEGER NOT NULL DEFAULT 0,"
    " error_code TEXT NOT NULL DEFAULT '',"
    " error_message TEXT NOT NULL DEFAULT '',"
    " attempt INTEGER NOT NULL DEFAULT 1,"
    " claim INTEGER NOT NULL DEFAULT 0,"
    " runner TEXT NOT NULL DEFAULT '',"
    " lease_ms INTEGER NOT NULL DEFAULT 0"
    ") STRICT;",

    /* 2: what becomes of versions */
    "ALTER TABLE jobs ADD COLUMN better INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE jobs ADD COLUMN promotion TEXT NOT NULL DEFAULT 'none';"
    "ALTER TABLE jobs ADD COLUMN promotion_reason TEXT NOT NULL DEFAULT '';"
    "CREATE INDEX jobs_by_promotion ON jobs (promotion) WHERE promotion = 'wished';"
    "CREATE TABLE promotions ("
    " number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at_ms INTEGER NOT NULL,"
    " model TEXT NOT NULL,"
    " from_version TEXT NOT NULL,"
    " to_version TEXT NOT NULL,"
    " job TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE evaluation_uses ("
    " evaluation TEXT NOT NULL,"
    " candidate TEXT NOT NULL,"
    " at_ms INTEGER NOT NULL,"
    " PRIMARY KEY (evaluation, candidate)"
    ") STRICT, WITHOUT ROWID;",
};

const struct schema STORE_SCHEMA = {.file = "store.sqlite",
                                    .application = 0x46507374, /* "FPst" */
                                    .steps = STEPS,
                                    .version = sizeof STEPS / sizeof STEPS[0]};

static enum status read_number(struct store *store, const char *sql, int64_t *number,
                               struct error *err) {
    struct query query = query_open(store, sql);
    *number = query_row(&query) ? query_integer(&query) : 0;
    return query_close(&query, err);
}

/* An empty file is a store of version 0; another program's file is none. */
static enum status read_version(struct store *store, int64_t *version, struct error *err) {
    int64_t application = 0, tables = 0;
    enum status status = read_number(store, "PRAGMA user_version", version, err);
    if (status == STATUS_OK)
        status = read_number(store, "PRAGMA application_id", &application, err);
    if (status == STATUS_OK)
        status = read_number(store, "SELECT count(*) FROM sqlite_schema", &tables, err);
    if (status != STATUS_OK)
        return status;
    const struct schema *schema = store->schema;
    bool is_new = *version == 0 && application == 0 && tables == 0;
    if (!is_new && application != schema->application)
        return error_set(err, STATUS_INTERNAL, "%.180s/%s: this is no store of facepair",
                         store->data, schema->file);
    if (*version > schema->version)
        return error_set(err, STATUS_INTERNAL,
                         "%.150s/%s is of version %lld, which a newer facepair has "
                         "written; this one knows up to %d",
                         store->data, schema->file, (long long)*version, schema->version);
    return STATUS_OK;
}

static enum status take_steps(struct store *store, struct error *err) {
    const struct schema *schema = store->schema;
    int64_t version;
    enum status status = read_version(store, &version, err);
    for (; status == STATUS_OK && version < schema->version; version++)
        status = store_run(store, schema->steps[version], err);
    char numbers[96];
    snprintf(numbers, sizeof numbers, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             schema->application, schema->version);
    return status == STATUS_OK ? store_run(store, numbers, err) : status;
}

enum status store_migrate(struct store *store, struct error *err) {
    int64_t version;
    enum status status = read_version(store, &version, err);
    if (status != STATUS_OK || version == store->schema->version)
        return status;
    /* Another process may have done it before the lock was ours: the version is read again. */
    status = store_begin(store, err);
    return status == STATUS_OK ? store_end(store, take_steps(store, err), err) : status;
}
