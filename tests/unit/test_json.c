#include "tests/unit/folder.h"

#include "model/json.h"

#include <float.h>
#include <math.h>

static struct json_reader *open_text(const char *text) {
    struct json_reader *reader = NULL;
    assert_int_equal(json_reader_open(text, strlen(text), &reader, NULL), STATUS_OK);
    return reader;
}

static enum status try_open(const char *text, struct error *err) {
    struct json_reader *reader = NULL;
    enum status status = json_reader_open(text, strlen(text), &reader, err);
    json_reader_close(reader, NULL);
    return status;
}

static void reads_members_of_each_type(void **state) {
    (void)state;
    struct json_reader *reader =
        open_text("{\"a\":{\"name\":\"é\",\"n\":7,\"x\":2.5,\"three\":[1,2.5,-3]},\"none\":null}");
    struct json_node root = json_root(reader), a = json_read_object(&root, "a");
    char name[8];
    int64_t n = 0;
    double x = 0;
    float three[3];
    json_read_text(&a, "name", name, sizeof(name));
    json_read_integer(&a, "n", 0, 10, &n);
    json_read_real(&a, "x", 0, 10, &x);
    json_read_floats(&a, "three", -3, 3, 3, three);
    assert_false(json_read_has(&root, "none"));
    assert_false(json_read_has(&root, "other"));
    assert_true(json_read_has(&root, "a"));
    assert_int_equal(json_reader_close(reader, NULL), STATUS_OK);
    assert_string_equal(name, "é");
    assert_int_equal(n, 7);
    assert_true(x == 2.5);
    assert_true(three[0] == 1 && three[1] == 2.5f && three[2] == -3);
}

static void an_integer_is_a_real_and_a_whole_real_an_integer(void **state) {
    (void)state;
    struct json_reader *reader = open_text("{\"n\":7,\"x\":7.0,\"y\":7.5,\"z\":1e300}");
    struct json_node root = json_root(reader);
    char path[JSON_PATH_MAX], sentence[JSON_SENTENCE_MAX];
    double x = 0;
    int64_t n = 0;
    json_read_real(&root, "n", 0, 10, &x);
    json_read_integer(&root, "x", 0, 10, &n);
    assert_true(x == 7);
    assert_int_equal(n, 7);
    json_read_integer(&root, "y", 0, 10, &n);
    assert_true(json_take_fault(reader, path, sentence));
    assert_string_equal(sentence, "is not an integer");
    json_read_integer(&root, "z", INT64_MIN, INT64_MAX, &n);
    assert_true(json_take_fault(reader, path, sentence));
    assert_int_equal(n, 7);
    assert_int_equal(json_reader_close(reader, NULL), STATUS_OK);
}

static void a_fault_names_the_members_path(void **state) {
    (void)state;
    struct json_reader *reader = open_text("{\"a\":{\"list\":[{\"x\":1},{\"x\":\"no\"}]}}");
    struct json_node root = json_root(reader), a = json_read_object(&root, "a");
    struct json_node list = json_read_array(&a, "list");
    assert_int_equal(json_read_length(&list), 2);
    double x = 0;
    for (size_t i = 0; i < 2; i++) {
        struct json_node item = json_read_item(&list, i);
        json_read_real(&item, "x", 0, 10, &x);
    }
    struct error err;
    assert_int_equal(json_reader_close(reader, &err), STATUS_INVALID_FIELD);
    assert_string_equal(err.detail, "a.list[1].x: is not a number");
}

static void the_first_fault_stays(void **state) {
    (void)state;
    struct json_reader *reader = open_text("{\"n\":11}");
    struct json_node root = json_root(reader);
    int64_t n = 5;
    double x = 5;
    json_read_integer(&root, "n", 0, 10, &n);
    json_read_real(&root, "missing", 0, 1, &x);
    struct json_node below = json_read_object(&root, "a");
    struct json_node list = json_read_array(&below, "list");
    assert_int_equal(json_read_length(&list), 0);
    struct error err;
    assert_int_equal(json_reader_close(reader, &err), STATUS_INVALID_FIELD);
    assert_string_equal(err.detail, "n: must lie between 0 and 10");
    assert_int_equal(n, 5);
    assert_true(x == 5);
}

static void a_fault_that_is_taken_out_lets_reading_go_on(void **state) {
    (void)state;
    struct json_reader *reader = open_text("{\"a\":\"x\",\"b\":7}");
    struct json_node root = json_root(reader);
    char path[JSON_PATH_MAX], sentence[JSON_SENTENCE_MAX];
    int64_t n = 0;
    json_read_integer(&root, "a", 0, 10, &n);
    assert_true(json_take_fault(reader, path, sentence));
    assert_string_equal(path, "a");
    assert_string_equal(sentence, "is not an integer");
    json_read_integer(&root, "b", 0, 10, &n);
    assert_int_equal(n, 7);
    assert_false(json_take_fault(reader, path, sentence));
    assert_int_equal(json_reader_close(reader, NULL), STATUS_OK);
}

static void names_the_members_in_their_order(void **state) {
    (void)state;
    struct json_reader *reader = open_text("{\"b\":1,\"a\":null}");
    struct json_node root = json_root(reader);
    assert_string_equal(json_read_name(&root, 0), "b");
    assert_string_equal(json_read_name(&root, 1), "a");
    assert_null(json_read_name(&root, 2));
    json_reader_close(reader, NULL);
}

static void refuses_what_is_not_one_document(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "{} {}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1e999}",
        "{\"a\":NaN}",
        "{'a':1}",
        "{\"a\":\"\xff\"}",
        "\"text\"x",
        "{\"a\":\"\\u0000\"}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(try_open(texts[i], NULL), STATUS_INVALID_JSON);
}

static void refuses_nesting_beyond_the_limit(void **state) {
    (void)state;
    char text[4096], open[JSON_DEPTH_MAX] = "", shut[JSON_DEPTH_MAX] = "";
    memset(open, '[', JSON_DEPTH_MAX - 1);
    memset(shut, ']', JSON_DEPTH_MAX - 1);
    snprintf(text, sizeof(text), "{\"a\":%s%s,\"b\":\"[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[\"}", open,
             shut);
    assert_int_equal(try_open(text, NULL), STATUS_OK);
    memset(text, '[', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct error err;
    assert_int_equal(try_open(text, &err), STATUS_INVALID_JSON);
    assert_non_null(strstr(err.detail, "nested"));
}

static void a_text_must_fit_and_not_be_empty(void **state) {
    (void)state;
    static const struct {
        const char *json;
        bool fits;
    } cases[] = {{"{\"t\":\"\"}", false}, {"{\"t\":\"abc\"}", true}, {"{\"t\":\"abcd\"}", false}};
    for (size_t i = 0; i < 3; i++) {
        struct json_reader *reader = open_text(cases[i].json);
        struct json_node root = json_root(reader);
        char text[4] = "";
        json_read_text(&root, "t", text, sizeof(text));
        assert_int_equal(json_reader_close(reader, NULL) == STATUS_OK, cases[i].fits);
    }
}

/* Or nobody could read the document. */
static void writes_bytes_that_are_no_text_as_such(void **state) {
    (void)state;
    struct json_writer *writer = json_writer_create_compact();
    json_write_object(writer, NULL);
    json_write_text(writer, "a",
                    "gr\xFC\xDF"
                    "e \xC3\xA4");
    json_write_text(writer, "b", "\xF0\x9F\x98\x80\xED\xA0\x80\xE2\x82");
    json_write_end(writer);
    size_t size;
    char *text = json_writer_finish(writer, &size);
#define NONE "\xEF\xBF\xBD"
    assert_string_equal(text, "{\"a\":\"gr" NONE NONE "e \xC3\xA4\","
                              "\"b\":\"\xF0\x9F\x98\x80" NONE NONE NONE NONE NONE "\"}");
#undef NONE
    free(text);
}

static void writes_an_indented_document(void **state) {
    (void)state;
    struct json_writer *writer = json_writer_create();
    json_write_object(writer, NULL);
    json_write_text(writer, "text", "a\"\\\n\x7f é");
    json_write_array(writer, "list");
    json_write_integer(writer, NULL, -3);
    json_write_bool(writer, NULL, true);
    json_write_null(writer, NULL);
    json_write_end(writer);
    json_write_object(writer, "empty");
    json_write_end(writer);
    json_write_real(writer, "nan", NAN);
    json_write_end(writer);
    size_t size;
    char *text = json_writer_finish(writer, &size);
    assert_string_equal(text, "{\n"
                              "  \"text\": \"a\\\"\\\\\\u000a\\u007f é\",\n"
                              "  \"list\": [\n"
                              "    -3,\n"
                              "    true,\n"
                              "    null\n"
                              "  ],\n"
                              "  \"empty\": {},\n"
                              "  \"nan\": null\n"
                              "}\n");
    assert_int_equal(size, strlen(text));
    free(text);
}

static char *written_real(double value, bool as_float) {
    struct json_writer *writer = json_writer_create();
    if (as_float)
        json_write_float(writer, NULL, (float)value);
    else
        json_write_real(writer, NULL, value);
    size_t size;
    return json_writer_finish(writer, &size);
}

static void a_double_is_written_shortest_and_reads_back(void **state) {
    (void)state;
    static const double values[] = {0,     0.1,      1.0 / 3, 1e-4,   0.98545454545454547,
                                    -2.5,  DBL_MAX,  DBL_MIN, 5e-324, 123456789012345680.0,
                                    1e300, 0.1 + 0.2};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char *text = written_real(values[i], false);
        assert_true(strtod(text, NULL) == values[i]);
        free(text);
    }
    char *text = written_real(0.1, false);
    assert_string_equal(text, "0.1\n");
    free(text);
}

static void a_float_is_written_with_nine_digits(void **state) {
    (void)state;
    char *text = written_real(0.387100011f, true);
    assert_string_equal(text, "0.387100011\n");
    free(text);
    float third = 1.0f / 3;
    text = written_real(third, true);
    assert_true(strtof(text, NULL) == third);
    free(text);
}

static void assert_short(double value) {
    char expected[40];
    snprintf(expected, sizeof expected, "%.9g", value);
    struct json_writer *writer = json_writer_create_compact();
    json_write_short(writer, NULL, value);
    size_t size;
    char *text = json_writer_finish(writer, &size);
    assert_string_equal(text, expected);
    assert_int_equal(size, strlen(expected));
    free(text);
}

/* By printf, at the borders of what is printed without it, and over what comes. */
static void a_measurement_is_written_as_printf_would_with_nine_digits(void **state) {
    (void)state;
    const double borders[] = {0,      -0.0,         1e-4,       9.9999e-5, 1e-5,        0.00012,
                              0.5,    -0.25,        10,         100,       99999.9999,  99999.99991,
                              100000, 123456.5,     1e9,        1e300,     -1e-300,     1.0 / 3,
                              0.4755, 0.1234000001, 0.12340001, -7.0001,   4294967296.0};
    for (size_t i = 0; i < sizeof borders / sizeof borders[0]; i++) {
        assert_short(borders[i]);
        assert_short(nextafter(borders[i], INFINITY));
        assert_short(nextafter(borders[i], -INFINITY));
    }
    for (int i = -200000; i < 2000000; i += 7) {
        assert_short(i / 1000.0);
        assert_short(i / 10000.0);
        assert_short(i / 100000.0);
    }
}

static void a_compact_document_has_no_blanks(void **state) {
    (void)state;
    struct json_writer *writer = json_writer_create_compact();
    json_write_object(writer, NULL);
    json_write_array(writer, "list");
    json_write_short(writer, NULL, 1.5);
    json_write_object(writer, NULL);
    json_write_end(writer);
    json_write_end(writer);
    json_write_short(writer, "infinite", INFINITY);
    json_write_end(writer);
    size_t size;
    char *text = json_writer_finish(writer, &size);
    assert_string_equal(text, "{\"list\":[1.5,{}],\"infinite\":null}");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_members_of_each_type),
        cmocka_unit_test(an_integer_is_a_real_and_a_whole_real_an_integer),
        cmocka_unit_test(a_fault_names_the_members_path),
        cmocka_unit_test(the_first_fault_stays),
        cmocka_unit_test(a_fault_that_is_taken_out_lets_reading_go_on),
        cmocka_unit_test(names_the_members_in_their_order),
        cmocka_unit_test(refuses_what_is_not_one_document),
        cmocka_unit_test(refuses_nesting_beyond_the_limit),
        cmocka_unit_test(a_text_must_fit_and_not_be_empty),
        cmocka_unit_test(writes_bytes_that_are_no_text_as_such),
        cmocka_unit_test(writes_an_indented_document),
        cmocka_unit_test(a_double_is_written_shortest_and_reads_back),
        cmocka_unit_test(a_float_is_written_with_nine_digits),
        cmocka_unit_test(a_measurement_is_written_as_printf_would_with_nine_digits),
        cmocka_unit_test(a_compact_document_has_no_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
