/* What an uploaded archive may be, and that nothing else leaves a trace outside its folder. */
#include "model/dataset_archive.h"
#include "model/dataset_manifest.h"
#include "tests/unit/tar_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct tar_file tar;
static struct archive_limits limits;
static struct archive_content content;
static struct error err;
static char folder[32], canary[128], target[128];

static void make_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/facepair-archive-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(target, sizeof target, "%s/in/.new", folder);
    snprintf(canary, sizeof canary, "%s/in", folder);
    assert_int_equal(mkdir(canary, 0755), 0);
    assert_int_equal(mkdir(target, 0755), 0);
}

static void remove_folder(void) {
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static int start(void **state) {
    (void)state;
    make_folder();
    limits = ARCHIVE_LIMITS_DEFAULT;
    tar = (struct tar_file){0};
    return 0;
}

static int stop(void **state) {
    (void)state;
    tar_release(&tar);
    remove_folder();
    return 0;
}

/* An empty folder for the next archive, and the usual limits. */
static void again(void) {
    remove_folder();
    make_folder();
    limits = ARCHIVE_LIMITS_DEFAULT;
}

/* The archive comes in pieces of 1 to 1,000 bytes. */
struct pieces {
    const struct tar_file *tar;
    size_t at, piece;
    bool cut; /* no end comes */
};

static ssize_t next_piece(void *context, const void **bytes) {
    struct pieces *pieces = context;
    size_t left = pieces->tar->size - pieces->at;
    pieces->piece = pieces->piece * 7 % 1000 + 1;
    size_t size = left < pieces->piece ? left : pieces->piece;
    *bytes = pieces->tar->bytes + pieces->at;
    pieces->at += size;
    return size == 0 && pieces->cut ? -1 : (ssize_t)size;
}

static enum status extract(const struct tar_file *from) {
    struct pieces pieces = {.tar = from};
    const struct archive_source source = {.read = next_piece, .context = &pieces};
    return dataset_archive_extract(&source, target, &limits, &content, &err);
}

static bool is_there(const char *name) {
    char path[256];
    struct stat about;
    snprintf(path, sizeof path, "%s/%s", target, name);
    return lstat(path, &about) == 0;
}

/* Nothing stands beside the target. */
static void assert_nothing_outside(void) {
    char command[512];
    snprintf(command, sizeof command,
             "test \"$(find %s -mindepth 1 -not -path '%s*' | wc -l)\" = 1", folder, target);
    assert_int_equal(system(command), 0);
}

static void assert_refused(enum status status, const char *why) {
    tar_end(&tar);
    assert_int_equal(extract(&tar), status);
    if (!strstr(err.detail, why))
        fail_msg("\"%s\" is not in \"%s\"", why, err.detail);
    assert_nothing_outside();
    tar_release(&tar);
    tar = (struct tar_file){0};
}

static void add_plain_people(const char *top) {
    char name[100];
    static const char *const names[] = {"Ada/Ada_0001.jpg", "Ada/Ada_0002.png",
                                        "Bo_B/Bo_B_0001.webp", "pairs.txt", "peopleDevTrain.txt"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(name, sizeof name, "%s%s", top, names[i]);
        tar_add_text(&tar, name, names[i]);
    }
}

static void photographs_and_lists_are_written(void **state) {
    (void)state;
    add_plain_people("");
    tar_end(&tar);
    assert_int_equal(extract(&tar), STATUS_OK);
    assert_true(is_there("Ada/Ada_0001.jpg") && is_there("Ada/Ada_0002.png") &&
                is_there("Bo_B/Bo_B_0001.webp") && is_there("pairs.txt") &&
                is_there("peopleDevTrain.txt"));
    assert_int_equal(content.files, 5);
    assert_int_equal(content.images, 3);
    assert_int_equal(content.people, 2);
    char command[200];
    snprintf(command, sizeof command, "cd %s && sha256sum --quiet --strict -c files.sha256",
             target);
    assert_int_equal(system(command), 0);
    char sha256[DIGEST_TEXT_SIZE], path[256];
    snprintf(path, sizeof path, "%s/files.sha256", target);
    assert_int_equal(digest_file(path, sha256, &err), STATUS_OK);
    assert_string_equal(sha256, content.sha256);
}

static void nobody_else_may_read_what_is_written(void **state) {
    (void)state;
    mode_t before = umask(0);
    add_plain_people("");
    tar_end(&tar);
    assert_int_equal(extract(&tar), STATUS_OK);
    umask(before);
    char command[512];
    snprintf(command, sizeof command,
             "test -z \"$(find %s -mindepth 1 -not -name files.sha256 -perm /077)\"", target);
    assert_int_equal(system(command), 0);
}

static void order_folders_and_compression_do_not_change_the_digest(void **state) {
    (void)state;
    char first[DIGEST_TEXT_SIZE];
    add_plain_people("");
    tar_end(&tar);
    assert_int_equal(extract(&tar), STATUS_OK);
    memcpy(first, content.sha256, sizeof first);
    static const char *const tops[] = {"./", "top/", "./top/"};
    static const char *const filters[] = {"none", "gzip", "zstd"};
    for (size_t i = 0; i < 3; i++) {
        tar_release(&tar);
        tar = (struct tar_file){0};
        if (i > 0)
            tar_header(&tar, '5', tops[i], "", 0);
        tar_header(&tar, '5', i > 0 ? "top/Ada" : "./Ada", "", 0);
        add_plain_people(tops[i]);
        tar_end(&tar);
        struct tar_file packed = tar_compressed(&tar, filters[i]);
        again();
        assert_int_equal(extract(&packed), STATUS_OK);
        assert_string_equal(content.sha256, first);
        assert_false(is_there("top"));
        tar_release(&packed);
    }
}

static void names_outside_the_form_are_refused(void **state) {
    (void)state;
    static const char *const names[][2] = {
        {"../Ada_0001.jpg", "leads upwards"},
        {"Ada/../../Ada_0001.jpg", "leads upwards"},
        {"/Ada/Ada_0001.jpg", "absolute"},
        {"/etc/passwd", "absolute"},
        {"a/b/Ada/Ada_0001.jpg", "too deep"},
        {"Ada/Bo_0001.jpg", "neither"},
        {"Ada/Ada_1.jpg", "neither"},
        {"Ada/Ada_0000.jpg", "neither"},
        {"Ada/Ada_00011.jpg", "neither"},
        {"Ada/Ada_0001.gif", "neither"},
        {"Ada/Ada_0001.jpg ", "neither"},
        {"Ada_0001.jpg", "neither"},
        {".hidden/.hidden_0001.jpg", "neither"},
        {"A\\da/A\\da_0001.jpg", "neither"},
        {"A\nda/A\nda_0001.jpg", "neither"},
        {"A\xff/A\xff_0001.jpg", "letters"},
        {"A a/A a_0001.jpg", "letters"},
        {"files.sha256", "neither"},
        {"files.sha256/files.sha256_0001.jpg", "neither"},
        {"pairs.txt/pairs.txt_0001.jpg", "neither"},
        {"peopleToday.txt/peopleToday.txt_0001.jpg", "neither"},
        {"notes.txt", "neither"},
        {"", "neither"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        tar_add_text(&tar, names[i][0], "x");
        assert_refused(STATUS_INVALID_FIELD, names[i][1]);
    }
    tar_header(&tar, '5', "../Ada", "", 0);
    assert_refused(STATUS_INVALID_FIELD, "leads upwards");
    tar_header(&tar, '5', "a/b/c", "", 0);
    assert_refused(STATUS_INVALID_FIELD, "no person's folder");
    tar_header(&tar, '5', "files.sha256", "", 0);
    assert_refused(STATUS_INVALID_FIELD, "no person's folder");
}

static void links_and_devices_are_refused(void **state) {
    (void)state;
    static const char types[] = {'1', '2', '3', '4', '6', '1'};
    for (size_t i = 0; i < sizeof types; i++) {
        tar_add_text(&tar, "Ada/Ada_0001.jpg", "x");
        tar_header(&tar, types[i], "Ada/Ada_0002.jpg", i == 5 ? "Ada/Ada_0001.jpg" : "/etc/passwd",
                   0);
        assert_refused(STATUS_INVALID_FIELD, "taken");
        assert_false(is_there("Ada/Ada_0002.jpg"));
        again();
    }
    /* A folder that is a link, to be written through. */
    tar_header(&tar, '2', "Ada", "..", 0);
    tar_add_text(&tar, "Ada/Ada_0001.jpg", "x");
    assert_refused(STATUS_INVALID_FIELD, "links");
}

static void a_folder_with_bytes_of_its_own_is_refused_before_they_are_read(void **state) {
    (void)state;
    enum { BYTES = 64 << 20 };
    char *zeros = calloc(1, BYTES);
    static const char types[] = {'0', 'D'};
    for (size_t i = 0; i < sizeof types; i++) {
        tar_header(&tar, types[i], "Ada/", "", BYTES);
        tar_append(&tar, zeros, BYTES);
        tar_end(&tar);
        struct tar_file packed = tar_compressed(&tar, "zstd");
        assert_int_equal(extract(&packed), STATUS_INVALID_FIELD);
        assert_non_null(strstr(err.detail, "no bytes of its own"));
        tar_release(&packed);
        tar_release(&tar);
        again();
    }
    free(zeros);
}

static void a_name_or_a_number_twice_is_refused(void **state) {
    (void)state;
    tar_add_text(&tar, "Ada/Ada_0001.jpg", "x");
    tar_add_text(&tar, "Ada/Ada_0001.jpg", "y");
    assert_refused(STATUS_INVALID_FIELD, "twice");
    again();
    tar_add_text(&tar, "Ada/Ada_0001.jpg", "x");
    tar_add_text(&tar, "./Ada/Ada_0001.png", "y");
    assert_refused(STATUS_INVALID_FIELD, "twice");
}

static void members_of_two_folders_are_refused(void **state) {
    (void)state;
    tar_add_text(&tar, "top/Ada/Ada_0001.jpg", "x");
    tar_add_text(&tar, "pot/Bo/Bo_0001.jpg", "y");
    assert_refused(STATUS_INVALID_FIELD, "not in the same folder");
    again();
    tar_add_text(&tar, "Ada/Ada_0001.jpg", "x");
    tar_add_text(&tar, "top/pairs.txt", "y");
    assert_refused(STATUS_INVALID_FIELD, "not in the same folder");
}

static void what_is_no_tar_is_415(void **state) {
    (void)state;
    tar_append(&tar, "PK\3\4 this is another thing", 24);
    assert_int_equal(extract(&tar), STATUS_UNSUPPORTED_MEDIA_TYPE);
    tar.size = 0;
    assert_int_equal(extract(&tar), STATUS_UNSUPPORTED_MEDIA_TYPE);
}

static void an_archive_without_files_is_refused(void **state) {
    (void)state;
    tar_header(&tar, '5', "Ada", "", 0);
    assert_refused(STATUS_INVALID_FIELD, "no files");
}

static void every_beginning_of_an_archive_is_refused(void **state) {
    (void)state;
    static const char *const filters[] = {"none", "gzip", "zstd"};
    tar_add_text(&tar, "Ada/Ada_0001.jpg", "x");
    tar_add_text(&tar, "Ada/Ada_0002.jpg", "x");
    size_t end = tar.size; /* tar itself takes the end of the file for the archive's */
    tar_end(&tar);
    for (size_t f = 0; f < 3; f++) {
        struct tar_file packed = tar_compressed(&tar, filters[f]);
        size_t size = f == 0 ? end - 1 : packed.size;
        for (size_t cut = f == 0 ? 600 : 1; cut < size; cut += f == 0 ? 100 : 7) {
            packed.size = cut;
            again();
            if (f == 0 && cut % 1024 == 0)
                continue;
            enum status status = extract(&packed);
            if (status == STATUS_OK) /* its trailer alone is missing */
                assert_int_equal(content.files, 2);
            else
                assert_true(status == STATUS_INVALID_FIELD ||
                            status == STATUS_UNSUPPORTED_MEDIA_TYPE);
        }
        tar_release(&packed);
    }
}

static void damage_in_compression_is_refused(void **state) {
    (void)state;
    static const char *const filters[] = {"gzip", "zstd"};
    static char noise[200000];
    uint32_t number = 1; /* Numerical Recipes' generator */
    for (size_t i = 0; i < sizeof noise; i++) {
        number = number * 1664525u + 1013904223u;
        noise[i] = "0123456789abcdef"[number >> 28];
    }
    tar_add(&tar, "Ada/Ada_0001.jpg", noise, sizeof noise);
    tar_end(&tar);
    for (size_t f = 0; f < 2; f++) {
        struct tar_file packed = tar_compressed(&tar, filters[f]);
        memset(packed.bytes + 10, 0xff, 200);
        again();
        assert_int_equal(extract(&packed), STATUS_INVALID_FIELD);
        assert_non_null(strstr(err.detail, "broken"));
        tar_release(&packed);
    }
}

static void a_sender_that_goes_is_no_end(void **state) {
    (void)state;
    add_plain_people("");
    struct pieces pieces = {.tar = &tar, .cut = true};
    const struct archive_source source = {.read = next_piece, .context = &pieces};
    assert_int_equal(dataset_archive_extract(&source, target, &limits, &content, &err),
                     STATUS_INVALID_FIELD);
    assert_non_null(strstr(err.detail, "the sender has gone"));
}

static void each_quantity_has_its_limit(void **state) {
    (void)state;
    limits.members_max = 3;
    for (int i = 1; i <= 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "Ada/Ada_%04d.jpg", i);
        tar_add_text(&tar, name, "x");
    }
    assert_refused(STATUS_BODY_TOO_LARGE, "3 members");
    again();
    limits.image_bytes_max = 10;
    tar_add_text(&tar, "Ada/Ada_0001.jpg", "0123456789a");
    assert_refused(STATUS_BODY_TOO_LARGE, "10 bytes");
    again();
    limits.list_bytes_max = 9;
    tar_add_text(&tar, "pairs.txt", "0123456789");
    assert_refused(STATUS_BODY_TOO_LARGE, "9 bytes");
    again();
    limits.bytes_max = 15;
    tar_add_text(&tar, "Ada/Ada_0001.jpg", "0123456789");
    tar_add_text(&tar, "Ada/Ada_0002.jpg", "0123456789");
    assert_refused(STATUS_BODY_TOO_LARGE, "15 bytes of files");
    again();
    tar_header(&tar, '0', "Ada/Ada_0001.jpg", "", UINT64_C(0777777777)); /* it never comes */
    assert_refused(STATUS_BODY_TOO_LARGE, "bytes");
    assert_false(is_there("Ada"));
}

static void a_bomb_is_refused_before_it_is_written(void **state) {
    (void)state;
    enum { MEMBERS = 12, BYTES = 8 << 20 };
    char *zeros = calloc(1, BYTES), name[64];
    static const char *const filters[] = {"gzip", "zstd"};
    for (int i = 1; i <= MEMBERS; i++) {
        snprintf(name, sizeof name, "Ada/Ada_%04d.jpg", i);
        tar_add(&tar, name, zeros, BYTES);
    }
    tar_end(&tar);
    for (size_t f = 0; f < 2; f++) {
        struct tar_file packed = tar_compressed(&tar, filters[f]);
        again();
        assert_int_equal(extract(&packed), STATUS_BODY_TOO_LARGE);
        assert_non_null(strstr(err.detail, "20 times"));
        assert_true(content.bytes <= 40 << 20);
        tar_release(&packed);
    }
    free(zeros);
}

static void a_sparse_file_is_refused(void **state) {
    (void)state;
    /* GNU sparse 1.0 in a pax header. */
    static const char pax[] = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
                              "39 GNU.sparse.name=Ada/Ada_0001.jpg\n30 GNU.sparse.realsize=8192\n";
    tar_header(&tar, 'x', "x", "", sizeof pax - 1);
    tar_append(&tar, pax, sizeof pax - 1);
    static const char zeros[TAR_BLOCK], map[TAR_BLOCK] = "1\n4096\n512\n";
    tar_append(&tar, zeros, TAR_BLOCK - (sizeof pax - 1));
    tar_header(&tar, '0', "GNUSparseFile.0/Ada_0001.jpg", "", 1024);
    tar_append(&tar, map, sizeof map);
    tar_append(&tar, zeros, sizeof zeros);
    tar_end(&tar);
    assert_int_equal(extract(&tar), STATUS_INVALID_FIELD);
    assert_false(is_there("Ada/Ada_0001.jpg") && content.files > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(photographs_and_lists_are_written),
        TEST(order_folders_and_compression_do_not_change_the_digest),
        TEST(names_outside_the_form_are_refused),
        TEST(links_and_devices_are_refused),
        TEST(a_folder_with_bytes_of_its_own_is_refused_before_they_are_read),
        TEST(a_name_or_a_number_twice_is_refused),
        TEST(nobody_else_may_read_what_is_written),
        TEST(members_of_two_folders_are_refused),
        TEST(what_is_no_tar_is_415),
        TEST(an_archive_without_files_is_refused),
        TEST(every_beginning_of_an_archive_is_refused),
        TEST(damage_in_compression_is_refused),
        TEST(a_sender_that_goes_is_no_end),
        TEST(each_quantity_has_its_limit),
        TEST(a_bomb_is_refused_before_it_is_written),
        TEST(a_sparse_file_is_refused),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
