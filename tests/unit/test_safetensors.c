/* What the reader of weights accepts, and that every lie in a file is noticed. */
#include "model/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/test_safetensors.XXXXXX";
static char path[64];

static int make_directory(void **state) {
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/file", directory);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    unlink(path);
    return rmdir(directory);
}

/* A file of a header and `data_bytes` bytes of value 0x3f, each four of them the float 0.747. */
static void write_file(uint64_t claimed, const char *header, size_t data_bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(&claimed, sizeof(claimed), 1, file);
    fputs(header, file);
    for (size_t i = 0; i < data_bytes; i++)
        fputc(0x3f, file);
    assert_int_equal(fclose(file), 0);
}

static void write_honest(const char *header, size_t data_bytes) {
    write_file(strlen(header), header, data_bytes);
}

static void opens(void) {
    struct safetensors *file;
    struct error err = {""};
    if (safetensors_open(path, &file, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    safetensors_close(file);
}

/* The file is refused, and the sentence has the file's name and `why` in it. */
static void refuses(const char *why) {
    struct safetensors *file = NULL;
    struct error err = {""};
    assert_int_equal(safetensors_open(path, &file, &err), STATUS_INTERNAL);
    assert_null(file);
    assert_non_null(strstr(err.detail, path));
    if (!strstr(err.detail, why))
        fail_msg("\"%s\" does not say \"%s\"", err.detail, why);
}

#define TENSOR(shape, begin, end)                                                                  \
    "{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" #begin "," #end "]}"

static void what_is_written_is_read_back(void **state) {
    (void)state;
    const float weight[6] = {1, -2, 3.5f, 0, 1e-30f, NAN}, scalar[1] = {7};
    const struct safetensors_tensor written[] = {
        {.name = "z.weight", .rank = 2, .shape = {2, 3}, .data = weight},
        {.name = "a", .rank = 0, .data = scalar},
        {.name = "none", .rank = 2, .shape = {0, 5}, .data = weight}};
    struct safetensors *file;
    struct error err;
    unlink(path);
    assert_int_equal(safetensors_write(path, written, 3, &err), STATUS_OK);
    assert_int_equal(safetensors_open(path, &file, &err), STATUS_OK);
    assert_int_equal(safetensors_count(file), 3);
    const struct safetensors_tensor *read = safetensors_find(file, "z.weight");
    assert_non_null(read);
    assert_int_equal(read->rank, 2);
    assert_int_equal(read->shape[0], 2);
    assert_int_equal(read->shape[1], 3);
    assert_memory_equal(read->data, weight, sizeof(weight));
    assert_true(safetensors_find(file, "a")->data[0] == 7);
    assert_int_equal(safetensors_find(file, "a")->rank, 0);
    assert_non_null(safetensors_find(file, "none"));
    assert_null(safetensors_find(file, "weight"));
    safetensors_close(file);
}

static void the_data_begins_on_a_multiple_of_eight(void **state) {
    (void)state;
    const float value[1] = {1};
    for (size_t length = 1; length <= 9; length++) {
        const struct safetensors_tensor tensor = {
            .name = &"abcdefghi"[9 - length], .rank = 1, .shape = {1}, .data = value};
        uint64_t header;
        unlink(path);
        assert_int_equal(safetensors_write(path, &tensor, 1, NULL), STATUS_OK);
        FILE *file = fopen(path, "rb");
        assert_int_equal(fread(&header, sizeof(header), 1, file), 1);
        fclose(file);
        assert_int_equal(header % 8, 0);
    }
}

static void writing_never_overwrites(void **state) {
    (void)state;
    write_honest("{}", 0);
    assert_int_equal(safetensors_write(path, NULL, 0, NULL), STATUS_INTERNAL);
    opens();
}

static void metadata_and_white_space_are_allowed(void **state) {
    (void)state;
    write_honest(" { \"__metadata__\" : { \"format\" : \"p\\\"\\u0041t\" , \"n\":\"\" } ,\n"
                 "\t\"a\" : " TENSOR(" 2 , 1 ", 0, 8) " }  ",
                 8);
    opens();
    write_honest("{\"__metadata__\":{}}", 0);
    opens();
}

static void data_may_follow_a_header_of_any_length(void **state) {
    (void)state;
    struct safetensors *file;
    write_honest("{\"abc\":" TENSOR("1", 0, 4) "}", 4);
    assert_int_equal(safetensors_open(path, &file, NULL), STATUS_OK);
    assert_true(fabsf(safetensors_find(file, "abc")->data[0] - 0.7471f) < 1e-3f);
    safetensors_close(file);
}

static void a_missing_file_is_named(void **state) {
    (void)state;
    unlink(path);
    refuses("No such file");
}

static void what_is_not_a_file_is_refused(void **state) {
    (void)state;
    struct error err;
    struct safetensors *file;
    assert_int_equal(safetensors_open(directory, &file, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "not a regular file"));
}

static void a_truncated_file_is_refused(void **state) {
    (void)state;
    const char *header = "{\"a\":" TENSOR("4", 0, 16) "}";
    write_honest(header, 15);
    refuses("outside the file");
    write_file(strlen(header), "{\"a\":", 0);
    refuses("does not fit");
    FILE *file = fopen(path, "wb");
    fputs("1234567", file);
    fclose(file);
    refuses("too short");
}

static void a_header_longer_than_the_file_is_refused_unread(void **state) {
    (void)state;
    write_file(UINT64_MAX, "{}", 0);
    refuses("does not fit");
    write_file(3, "{}", 0);
    refuses("does not fit");
    write_file(1ull << 40, "{}", 0);
    refuses("does not fit");
}

static void only_float32_is_read(void **state) {
    (void)state;
    write_honest("{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4);
    refuses("not F32");
}

static void a_range_is_as_large_as_its_shape(void **state) {
    (void)state;
    write_honest("{\"a\":" TENSOR("2", 0, 4) "}", 4);
    refuses("size of its shape");
    write_honest("{\"a\":" TENSOR("", 0, 8) "}", 8);
    refuses("size of its shape");
    write_honest("{\"a\":" TENSOR("4", 16, 0) "}", 16);
    refuses("outside the file");
    write_honest("{\"a\":" TENSOR("4294967296,4294967296", 0, 0) "}", 0);
    refuses("past 64 bits");
    write_honest("{\"a\":" TENSOR("99999999999999999999", 0, 0) "}", 0);
    refuses("past 64 bits");
}

static void every_byte_belongs_to_one_tensor(void **state) {
    (void)state;
    write_honest("{\"a\":" TENSOR("2", 0, 8) ",\"b\":" TENSOR("2", 4, 12) "}", 12);
    refuses("overlap");
    write_honest("{\"a\":" TENSOR("1", 0, 4) ",\"b\":" TENSOR("1", 8, 12) "}", 12);
    refuses("hole");
    write_honest("{\"a\":" TENSOR("1", 0, 4) "}", 5);
    refuses("belong to no tensor");
    write_honest("{\"a\":" TENSOR("1", 4, 8) "}", 8);
    refuses("hole");
}

static void a_name_stands_once(void **state) {
    (void)state;
    write_honest("{\"a\":" TENSOR("1", 0, 4) ",\"a\":" TENSOR("1", 4, 8) "}", 8);
    refuses("one name");
    write_honest("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[],"
                 "\"data_offsets\":[0,4]}}",
                 4);
    refuses("twice");
    write_honest("{\"__metadata__\":{},\"__metadata__\":{}}", 0);
    refuses("twice");
}

static void a_tensor_needs_all_its_properties(void **state) {
    (void)state;
    write_honest("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4);
    refuses("without");
    write_honest("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4);
    refuses("two numbers");
    write_honest("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4);
    refuses("unknown property");
    write_honest("{\"a\":" TENSOR("1,1,1,1,1,1,1,1,1", 0, 4) "}", 4);
    refuses("too many numbers");
    write_honest("{\"\":" TENSOR("1", 0, 4) "}", 4);
    refuses("name is empty");
}

static void text_that_is_not_the_formats_json_is_refused(void **state) {
    (void)state;
    static const char *const headers[] = {"",
                                          "{",
                                          "[]",
                                          "{}x",
                                          "{\"a\"}",
                                          "{\"a\":1}",
                                          "{,}",
                                          "{\"a\":{}}",
                                          "{\"__metadata__\":{\"a\":1}}",
                                          "{\"__metadata__\":{\"a\":\"\\",
                                          "{\"__metadata__\":{\"a\":\"b\",}}",
                                          "{\"a\":" TENSOR("-1", 0, 4) "}",
                                          "{\"a\":" TENSOR("1.0", 0, 4) "}",
                                          "{\"a\":" TENSOR("01", 0, 4) "}",
                                          "{\"a\":" TENSOR("1,", 0, 4) "}",
                                          "{\"a\\n\":" TENSOR("1", 0, 4) "}",
                                          "{\"a\":" TENSOR("1", 0, 4) ",}"};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        write_honest(headers[i], 4);
        refuses("safetensors header");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(the_data_begins_on_a_multiple_of_eight),
        cmocka_unit_test(writing_never_overwrites),
        cmocka_unit_test(metadata_and_white_space_are_allowed),
        cmocka_unit_test(data_may_follow_a_header_of_any_length),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(what_is_not_a_file_is_refused),
        cmocka_unit_test(a_truncated_file_is_refused),
        cmocka_unit_test(a_header_longer_than_the_file_is_refused_unread),
        cmocka_unit_test(only_float32_is_read),
        cmocka_unit_test(a_range_is_as_large_as_its_shape),
        cmocka_unit_test(every_byte_belongs_to_one_tensor),
        cmocka_unit_test(a_name_stands_once),
        cmocka_unit_test(a_tensor_needs_all_its_properties),
        cmocka_unit_test(text_that_is_not_the_formats_json_is_refused),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
