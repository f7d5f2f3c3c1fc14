#include "tests/unit/folder.h"

#include "model/dataset.h"

static enum status read_bytes(const char *text, size_t size, struct dataset_pairs *pairs,
                              struct error *err) {
    struct folder folder = folder_create();
    char path[128];
    folder_write(&folder, "pairs.txt", text, size);
    snprintf(path, sizeof(path), "%s/pairs.txt", folder.path);
    enum status status = dataset_pairs_read(path, pairs, err);
    folder_remove(&folder);
    return status;
}

static enum status read_text(const char *text, struct dataset_pairs *pairs, struct error *err) {
    return read_bytes(text, strlen(text), pairs, err);
}

static void reads_a_development_view(void **state) {
    (void)state;
    struct dataset_pairs pairs;
    assert_int_equal(
        read_text("2\nAnn_Lee\t1\t12\nBo\t2\t3\nAnn_Lee\t1\tBo\t3\nBo\t2\tCy\t1\n", &pairs, NULL),
        STATUS_OK);
    assert_int_equal(pairs.pairs_count, 4);
    assert_int_equal(pairs.images_count, 5);
    assert_string_equal(pairs.images[0], "Ann_Lee/Ann_Lee_0001.jpg");
    assert_string_equal(pairs.images[1], "Ann_Lee/Ann_Lee_0012.jpg");
    assert_true(pairs.pairs[0].same && pairs.pairs[1].same);
    assert_false(pairs.pairs[2].same || pairs.pairs[3].same);
    /* Each image once: the third pair is made of images already named. */
    assert_int_equal(pairs.pairs[2].a, pairs.pairs[0].a);
    assert_int_equal(pairs.pairs[2].b, pairs.pairs[1].b);
    assert_int_equal(pairs.pairs[3].a, pairs.pairs[1].a);
    assert_string_equal(pairs.images[pairs.pairs[3].b], "Cy/Cy_0001.jpg");
    dataset_pairs_release(&pairs);
    assert_null(pairs.images);
}

static void reads_folds(void **state) {
    (void)state;
    struct dataset_pairs pairs;
    assert_int_equal(
        read_text("2\t1\r\na\t1\t2\r\na 1 b 1\r\n\r\nc\t1\t2\nc\t1\td\t1", &pairs, NULL),
        STATUS_OK);
    assert_int_equal(pairs.pairs_count, 4);
    assert_true(pairs.pairs[0].same && pairs.pairs[2].same);
    assert_false(pairs.pairs[1].same || pairs.pairs[3].same);
    dataset_pairs_release(&pairs);
}

/* As some lists are written; dataset_person.c reads the same. */
static void numbers_may_begin_with_zeros_and_lines_be_comments(void **state) {
    (void)state;
    struct dataset_pairs pairs;
    assert_int_equal(read_text("# of today\n01\na\t0001\t02\na 1 b 01\n", &pairs, NULL), STATUS_OK);
    assert_int_equal(pairs.pairs_count, 2);
    assert_string_equal(pairs.images[1], "a/a_0002.jpg");
    dataset_pairs_release(&pairs);
}

static void a_fault_tells_its_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *line;
    } faults[] = {
        {"", "line 0"},
        {"x\n", "line 1"},
        {"0\n", "line 1"},
        {"-1\na\t1\t2\n", "line 1"},
        {"1 2 3\n", "line 1"},
        {"1000001\n", "line 1"},
        {"1000\t1000\n", "line 1"},
        {"99999999999999999999\n", "line 1"},
        {"1\na\t1\t2\n", "line 2"},
        {"1\na\t1\n", "line 2"},
        {"1\na\t1\tb\t2\na\t1\t2\n", "line 2"},
        {"1\n\na\t1\t2\n\na\t1\t2\n", "line 5"},
        {"1\na\t0\t2\na\t1\tb\t1\n", "line 2"},
        {"1\na\t1\t10000\na\t1\tb\t1\n", "line 2"},
        {"1\na\t1\t+2\na\t1\tb\t1\n", "line 2"},
        {"1\na\t1\t1\na\t1\tb\t1\n", "line 2"},
        {"1\na\t1\t2\na\t1\ta\t2\n", "line 3"},
        {"1\na\t1\t2\na\t1\tb\t1\tx\n", "line 3"},
        {"1\na\t1\t2\na\t1\tb\t1\nc\t1\td\t1\n", "line 4"},
        {"1\n../a\t1\t2\na\t1\tb\t1\n", "line 2"},
        {"1\n..\t1\t2\na\t1\tb\t1\n", "line 2"},
        {"1\na/b\t1\t2\na\t1\tb\t1\n", "line 2"},
        {"1\na\\b\t1\t2\na\t1\tb\t1\n", "line 2"},
        {"1\na\x01\t1\t2\na\t1\tb\t1\n", "line 2"},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct dataset_pairs pairs;
        struct error err;
        assert_int_equal(read_text(faults[i].text, &pairs, &err), STATUS_INVALID_FIELD);
        if (strncmp(err.detail, faults[i].line, strlen(faults[i].line)) != 0)
            fail_msg("fault %zu: \"%s\", expected %s", i, err.detail, faults[i].line);
    }
}

static void a_name_too_long_is_refused(void **state) {
    (void)state;
    char text[512];
    struct dataset_pairs pairs;
    snprintf(text, sizeof(text), "1\n%0101d\t1\t2\na\t1\tb\t1\n", 0);
    assert_int_equal(read_text(text, &pairs, NULL), STATUS_INVALID_FIELD);
    snprintf(text, sizeof(text), "1\n%0100d\t1\t2\na\t1\tb\t1\n", 0);
    assert_int_equal(read_text(text, &pairs, NULL), STATUS_OK);
    dataset_pairs_release(&pairs);
}

static void bytes_that_are_not_text_are_refused(void **state) {
    (void)state;
    struct dataset_pairs pairs;
    const char text[] = "1\na\t1\t2\0\na\t1\tb\t1\n";
    assert_int_equal(read_bytes(text, sizeof(text) - 1, &pairs, NULL), STATUS_INVALID_FIELD);
}

static void many_pairs_keep_their_images_apart(void **state) {
    (void)state;
    enum { HALF = 5000 };
    char *text;
    size_t size;
    FILE *pairs_file = open_memstream(&text, &size);
    fprintf(pairs_file, "%d\n", HALF);
    for (int i = 0; i < HALF; i++)
        fprintf(pairs_file, "p%d\t1\t2\n", i);
    for (int i = 0; i < HALF; i++)
        fprintf(pairs_file, "p%d\t1\tp%d\t2\n", i, (i + 1) % HALF);
    fclose(pairs_file);
    struct dataset_pairs pairs;
    assert_int_equal(read_bytes(text, size, &pairs, NULL), STATUS_OK);
    free(text);
    assert_int_equal(pairs.images_count, 2 * HALF);
    for (int i = 0; i < HALF; i++) {
        assert_int_equal(pairs.pairs[HALF + i].a, pairs.pairs[i].a);
        assert_int_equal(pairs.pairs[HALF + i].b, pairs.pairs[(i + 1) % HALF].b);
    }
    dataset_pairs_release(&pairs);
}

static void a_missing_file_is_named(void **state) {
    (void)state;
    struct dataset_pairs pairs;
    struct error err;
    assert_int_equal(dataset_pairs_read("/tmp/no-such-pairs", &pairs, &err), STATUS_INTERNAL);
    assert_string_equal(err.detail, "/tmp/no-such-pairs: No such file or directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_development_view),
        cmocka_unit_test(reads_folds),
        cmocka_unit_test(numbers_may_begin_with_zeros_and_lines_be_comments),
        cmocka_unit_test(a_fault_tells_its_line),
        cmocka_unit_test(a_name_too_long_is_refused),
        cmocka_unit_test(bytes_that_are_not_text_are_refused),
        cmocka_unit_test(many_pairs_keep_their_images_apart),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
