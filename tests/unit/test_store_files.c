/* The file under the store: older and newer ones, foreign ones, a full disk. */
#include "store_fixture.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/mount.h>

enum { VERSION_NOW = 2 };

static enum status try_open(const struct folder *folder, struct error *err) {
    struct store *store = NULL;
    const struct store_options options = {.data = folder->path};
    enum status status = store_open(&options, &store, err);
    store_close(store);
    return status;
}

/* One number out of, or one change to, the file. */
static int64_t run_sql(const struct folder *folder, const char *sql) {
    char path[PATH_MAX];
    sqlite3 *database;
    sqlite3_stmt *statement;
    snprintf(path, sizeof path, "%s/store.sqlite", folder->path);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    int code = sqlite3_step(statement);
    assert_true(code == SQLITE_ROW || code == SQLITE_DONE);
    int64_t number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    return number;
}

static void a_new_file_is_of_the_newest_version_and_its_owners_alone(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct error err;
    assert_ok(try_open(&folder, &err), &err);
    assert_int_equal(run_sql(&folder, "PRAGMA user_version"), VERSION_NOW);
    char path[PATH_MAX];
    struct stat about;
    snprintf(path, sizeof path, "%s/store.sqlite", folder.path);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    folder_remove(&folder);
}

static void copy_version(const struct folder *folder, int version) {
    char path[PATH_MAX], bytes[256 * 1024];
    snprintf(path, sizeof path, FACEPAIR_SOURCE_DIR "/tests/store/version-%d.sqlite", version);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    assert_true(feof(file) && size > 0);
    fclose(file);
    folder_write(folder, "store.sqlite", bytes, size);
}

/* What tests/store/make_version_1.py has put into it. */
static void a_file_of_version_1_is_brought_forward_with_all_that_is_in_it(void **state) {
    (void)state;
    struct folder folder = folder_create();
    copy_version(&folder, 1);
    struct store *store = fixture_open(&folder);
    struct store_job job = fixture_get(store, "ft_01890a5d-ac96-774b-bcce-b302099a8057");
    assert_int_equal(job.state, JOB_SUCCEEDED);
    assert_int_equal(job.attempt, 2);
    assert_string_equal(job.base_model, "dlib-resnet");
    assert_string_equal(job.result.version, "2");
    assert_int_equal(job.epochs, 2);
    assert_true(job.train_loss[1] == 0.25 && job.validation_loss[1] == 0.125);
    assert_int_equal(job.promotion, PROMOTION_NONE);
    store_job_release(&job);
    struct store_event *events;
    size_t count;
    bool ended;
    struct error err;
    assert_ok(store_events(store, "ft_01890a5d-ac96-774b-bcce-b302099a8057", 0, 10, &events, &count,
                           &ended, &err),
              &err);
    assert_int_equal(count, 2);
    store_events_release(events, count);
    struct store_dataset dataset;
    assert_ok(store_dataset_get(store, "cameras", &dataset, &err), &err);
    assert_int_equal(dataset.people, 12);
    assert_string_equal(fixture_claim(store).id, "ft_01890a5d-ac97-774b-bcce-b302099a8057");
    store_close(store);
    assert_int_equal(run_sql(&folder, "PRAGMA user_version"), VERSION_NOW);
    folder_remove(&folder);
}

static void what_is_brought_forward_has_the_tables_of_a_new_file(void **state) {
    (void)state;
    struct folder old = folder_create(), fresh = folder_create();
    copy_version(&old, 1);
    struct error err;
    assert_ok(try_open(&old, &err), &err);
    assert_ok(try_open(&fresh, &err), &err);
    char attach[PATH_MAX + 256];
    snprintf(attach, sizeof attach, "%s/store.sqlite", old.path);
    static const char *const SCHEMA = "SELECT group_concat(sql, ';') FROM (SELECT sql FROM "
                                      "sqlite_schema WHERE sql IS NOT NULL ORDER BY name)";
    char *schemas[2];
    const struct folder *const folders[] = {&old, &fresh};
    for (int i = 0; i < 2; i++) {
        char path[PATH_MAX];
        sqlite3 *database;
        sqlite3_stmt *statement;
        snprintf(path, sizeof path, "%s/store.sqlite", folders[i]->path);
        assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(database, SCHEMA, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        schemas[i] = strdup((const char *)sqlite3_column_text(statement, 0));
        sqlite3_finalize(statement);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
    }
    assert_string_equal(schemas[0], schemas[1]);
    free(schemas[0]);
    free(schemas[1]);
    folder_remove(&old);
    folder_remove(&fresh);
}

static void a_newer_version_is_refused_and_left_alone(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct error err;
    assert_ok(try_open(&folder, &err), &err);
    run_sql(&folder, "PRAGMA user_version = 99");
    assert_int_equal(try_open(&folder, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "version 99"));
    assert_int_equal(run_sql(&folder, "PRAGMA user_version"), 99);
    folder_remove(&folder);
}

static void another_programs_database_is_refused(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct error err;
    run_sql(&folder, "CREATE TABLE addresses (name TEXT)");
    assert_int_equal(try_open(&folder, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "no store"));
    folder_remove(&folder);
}

static void a_file_that_is_no_database_is_refused(void **state) {
    (void)state;
    struct folder folder = folder_create();
    struct error err;
    folder_write_text(&folder, "store.sqlite",
                      "This is a text, and long enough to have had room for a database's header; "
                      "but it has none, and never had.");
    assert_int_equal(try_open(&folder, &err), STATUS_INTERNAL);
    folder_remove(&folder);
}

static void a_data_directory_that_is_not_there_is_named(void **state) {
    (void)state;
    struct store *store;
    struct error err;
    const struct store_options options = {.data = "/nowhere/at/all"};
    assert_int_equal(store_open(&options, &store, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "/nowhere/at/all"));
}

static void network_file_systems_are_refused_by_their_type(void **state) {
    (void)state;
    assert_string_equal(store_refused_file_system(0x6969), "NFS");
    assert_string_equal(store_refused_file_system(0xff534d42), "CIFS");
    assert_string_equal(store_refused_file_system(0x01021997), "9p");
    assert_string_equal(store_refused_file_system(0x65735546), "FUSE");
    /* As a signed number of 32 bits arrives. */
    assert_string_equal(store_refused_file_system((unsigned long)(int)0xfe534d42), "SMB2");
    static const unsigned long local[] = {0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        assert_null(store_refused_file_system(local[i]));
}

/* ---- a full disk ---- */

static void fill(const struct folder *folder) {
    char path[PATH_MAX];
    static const char zeros[4096];
    snprintf(path, sizeof path, "%s/ballast", folder->path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    setvbuf(file, NULL, _IONBF, 0);
    while (fwrite(zeros, 1, sizeof zeros, file) == sizeof zeros) {
    }
    fclose(file);
}

static void empty(const struct folder *folder) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/ballast", folder->path);
    assert_int_equal(unlink(path), 0);
}

static void a_full_disk_is_told_and_the_store_goes_on_once_there_is_room(void **state) {
    (void)state;
    struct folder folder = folder_create();
    if (mount("tmpfs", folder.path, "tmpfs", 0, "size=1m") != 0) {
        print_message("skipped: no right to mount a tmpfs (%s)\n", strerror(errno));
        folder_remove(&folder);
        skip();
    }
    struct store *store = fixture_open(&folder);
    char before[UID_SIZE], id[UID_SIZE];
    struct error err;
    fixture_create(store, before);
    struct store_claim claim = fixture_claim(store);
    fill(&folder);
    enum status status = STATUS_OK;
    size_t written = 0;
    while (status == STATUS_OK && written < 10000) {
        status = store_claim_log(store, &claim, "a line that takes its room on the disk", &err);
        written += status == STATUS_OK;
    }
    assert_int_equal(status, STATUS_STORAGE_FULL);
    assert_int_equal(fixture_try_create(store, NULL, id, &err), STATUS_STORAGE_FULL);
    assert_state(store, before, JOB_RUNNING);
    empty(&folder);
    assert_ok(store_claim_log(store, &claim, "there is room again", &err), &err);
    fixture_create(store, id);
    struct store_event *events;
    size_t count;
    bool ended;
    assert_ok(store_events(store, before, 2 + written, 10, &events, &count, &ended, &err), &err);
    assert_int_equal(count, 1);
    assert_string_equal(events[0].data, "{\"text\":\"there is room again\"}");
    store_events_release(events, count);
    store_close(store);
    assert_int_equal(run_sql(&folder, "SELECT count(*) FROM pragma_integrity_check"
                                      " WHERE integrity_check = 'ok'"),
                     1);
    assert_int_equal(umount(folder.path), 0);
    folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_file_is_of_the_newest_version_and_its_owners_alone),
        cmocka_unit_test(a_file_of_version_1_is_brought_forward_with_all_that_is_in_it),
        cmocka_unit_test(what_is_brought_forward_has_the_tables_of_a_new_file),
        cmocka_unit_test(a_newer_version_is_refused_and_left_alone),
        cmocka_unit_test(another_programs_database_is_refused),
        cmocka_unit_test(a_file_that_is_no_database_is_refused),
        cmocka_unit_test(a_data_directory_that_is_not_there_is_named),
        cmocka_unit_test(network_file_systems_are_refused_by_their_type),
        cmocka_unit_test(a_full_disk_is_told_and_the_store_goes_on_once_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
