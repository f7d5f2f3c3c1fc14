/* The multipart reader alone: whatever the body says, and however it is cut. */
#include "server/http/disposition.h"
#include "server/http/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const files[] = {"image1", "image2", NULL};
static const struct http_body_limits limits = {.kinds = HTTP_BODY_MULTIPART,
                                               .multipart_bytes_max = 1 << 20,
                                               .file_bytes_max = 1000,
                                               .field_bytes_max = 16,
                                               .parts_max = 4,
                                               .files = files};

struct outcome {
    enum status status;
    char text[512]; /* "name=content;" of each part, when it ended well */
};

/* Feeds the body in pieces of `step` bytes, each from memory of exactly that size, so that a read
 * past its end shows under a sanitizer. */
static struct outcome read_in_steps(const char *body, size_t size, size_t step) {
    struct multipart *multipart = multipart_create("B", &limits, 0, NULL);
    struct outcome outcome = {.status = STATUS_OK};
    struct error err;
    for (size_t at = 0; at < size && outcome.status == STATUS_OK; at += step) {
        size_t piece = size - at < step ? size - at : step;
        uint8_t *copy = malloc(piece);
        memcpy(copy, body + at, piece);
        outcome.status = multipart_feed(multipart, copy, piece, &err);
        free(copy);
    }
    if (outcome.status == STATUS_OK)
        outcome.status = multipart_finish(multipart, &err);
    const struct http_part *parts;
    size_t count = outcome.status == STATUS_OK ? multipart_parts(multipart, &parts) : 0;
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(outcome.text);
        snprintf(outcome.text + used, sizeof outcome.text - used, "%s=%.*s;", parts[i].name,
                 (int)parts[i].size, (const char *)parts[i].data);
    }
    multipart_destroy(multipart);
    return outcome;
}

static void assert_reads(const char *body, const char *expected) {
    for (size_t step = 1; step <= strlen(body); step++) {
        struct outcome outcome = read_in_steps(body, strlen(body), step);
        assert_int_equal(outcome.status, STATUS_OK);
        assert_string_equal(outcome.text, expected);
    }
}

static void assert_refused(const char *body, enum status expected) {
    for (size_t step = 1; step <= strlen(body) + 1; step++)
        assert_int_equal(read_in_steps(body, strlen(body), step).status, expected);
}

#define PART(name) "--B\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"

static void parts_come_in_order_however_the_body_is_cut(void **state) {
    (void)state;
    assert_reads(PART("image1") "abc\r\n" PART("model") "m@1\r\n--B--\r\n",
                 "image1=abc;model=m@1;");
}

static void a_name_that_comes_twice_is_there_twice(void **state) {
    (void)state;
    assert_reads(PART("a") "1\r\n" PART("a") "2\r\n--B--", "a=1;a=2;");
}

static void empty_parts_are_left_out(void **state) {
    (void)state;
    assert_reads(PART("a") "\r\n" PART("b") "1\r\n" PART("c") "--B--\r\n", "b=1;");
}

static void content_that_looks_like_a_boundary_is_content(void **state) {
    (void)state;
    assert_reads(PART("image1") "\r\n--\r\n--A\r\r\n-\r\n\r\r\n--\r\n--B--\r\n",
                 "image1=\r\n--\r\n--A\r\r\n-\r\n\r\r\n--;");
    assert_reads(PART("image1") "-x\r\n--B--\r\n", "image1=-x;");
    assert_reads(PART("image1") "--A\r\n--B--\r\n", "image1=--A;");
}

static void preamble_epilogue_and_padding_are_ignored(void **state) {
    (void)state;
    assert_reads("hello\r\n\r\n--B \t\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
                 "--B--\r\nbye\r\n--B\r\n",
                 "a=1;");
}

static void other_part_headers_do_not_matter(void **state) {
    (void)state;
    assert_reads("--B\r\nContent-Type: image/png\r\ncontent-disposition:form-data;filename=\"x\\\""
                 "; name=no\";name=\"a\"\r\nX: name=\"b\"\r\n\r\n1\r\n--B--\r\n",
                 "a=1;");
}

static void without_a_closing_boundary_it_is_refused(void **state) {
    (void)state;
    assert_refused("", STATUS_INVALID_MULTIPART);
    assert_refused("hello", STATUS_INVALID_MULTIPART);
    assert_refused(PART("a") "1", STATUS_INVALID_MULTIPART);
    assert_refused(PART("a") "1\r\n--B", STATUS_INVALID_MULTIPART);
    assert_refused(PART("a") "1\r\n--B-", STATUS_INVALID_MULTIPART);
    assert_refused("--B--\r\n", STATUS_INVALID_MULTIPART); /* no part at all */
}

static void what_follows_a_boundary_must_be_a_line_end(void **state) {
    (void)state;
    assert_refused(PART("a") "1\r\n--Bx\r\n", STATUS_INVALID_MULTIPART);
    assert_refused(PART("a") "1\r\n--B\rx", STATUS_INVALID_MULTIPART);
    assert_refused(PART("a") "1\r\n--B-\r\n", STATUS_INVALID_MULTIPART);
    assert_refused("--B\nContent-Disposition: form-data; name=\"a\"\n\n1\n--B--\n",
                   STATUS_INVALID_MULTIPART);
}

static void a_part_needs_one_quoted_name(void **state) {
    (void)state;
    static const char *const lines[] = {
        "Content-Type: text/plain",
        "Content-Disposition: form-data",
        "Content-Disposition: form-data; name=a",
        "Content-Disposition: form-data; name=\"\"",
        "Content-Disposition: form-data; name=\"a",
        "Content-Disposition: form-data; name=\"a\"; name=\"b\"",
        "Content-Disposition: form-data; filename=\"a\"",
        "Content-Disposition: form-data; name=\"a\tb\"",
        "Content-Disposition: form-data name=\"a\"",
        "Content-Disposition: attachment; name=\"a\"",
        "Content-Disposition: form-datax; name=\"a\"",
        "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char body[512];
        snprintf(body, sizeof body, "--B\r\n%s\r\n\r\n1\r\n--B--\r\n", lines[i]);
        assert_refused(body, STATUS_INVALID_MULTIPART);
    }
}

static void a_name_or_header_past_its_limit_is_refused(void **state) {
    (void)state;
    char name[MULTIPART_NAME_MAX + 2], body[8192];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(body, sizeof body, PART("%s") "1\r\n--B--\r\n", name);
    assert_int_equal(read_in_steps(body, strlen(body), 100).status, STATUS_INVALID_MULTIPART);
    snprintf(body, sizeof body, PART("%s") "1\r\n--B--\r\n", name + 1);
    assert_int_equal(read_in_steps(body, strlen(body), 100).status, STATUS_OK);
    int begun = snprintf(body, sizeof body, "--B\r\nX: ");
    memset(body + begun, 'x', MULTIPART_PART_HEADER_MAX);
    static const char rest[] = "\r\n\r\n1\r\n--B--\r\n";
    memcpy(body + begun + MULTIPART_PART_HEADER_MAX, rest, sizeof rest);
    assert_int_equal(read_in_steps(body, strlen(body), 100).status, STATUS_INVALID_MULTIPART);
}

static void parts_are_bounded_in_number(void **state) {
    (void)state;
    assert_reads(PART("a") "1\r\n" PART("b") "2\r\n" PART("c") "3\r\n" PART("d") "4\r\n--B--\r\n",
                 "a=1;b=2;c=3;d=4;");
    assert_refused(PART("a") "1\r\n" PART("b") "2\r\n" PART("c") "3\r\n" PART("d") "4\r\n" PART(
                       "e") "5\r\n--B--\r\n",
                   STATUS_INVALID_MULTIPART);
}

static void files_and_fields_have_their_own_limits(void **state) {
    (void)state;
    assert_reads(PART("model") "0123456789abcdef\r\n--B--\r\n", "model=0123456789abcdef;");
    assert_refused(PART("model") "0123456789abcdef0\r\n--B--\r\n", STATUS_INVALID_FIELD);
    char body[2048];
    for (size_t size = 1000; size <= 1001; size++) {
        int begun = snprintf(body, sizeof body, PART("image2"));
        memset(body + begun, 'x', size);
        memcpy(body + begun + size, "\r\n--B--\r\n", sizeof "\r\n--B--\r\n");
        assert_int_equal(read_in_steps(body, strlen(body), 64).status,
                         size == 1000 ? STATUS_OK : STATUS_BODY_TOO_LARGE);
    }
}

/* Blocks that were taken from a spare stay in it: what it has at the end is what was reserved. */
static void parts_reserve_no_more_than_the_body_declared(void **state) {
    (void)state;
    enum { PARTS = 64, DECLARED = 5 * 1024 * 1024, GIB = 1 << 30, PAGES = 65536 };
    static const struct http_body_limits many = {.kinds = HTTP_BODY_MULTIPART,
                                                 .multipart_bytes_max = DECLARED,
                                                 .file_bytes_max = DECLARED,
                                                 .field_bytes_max = 16,
                                                 .parts_max = PARTS,
                                                 .files = files};
    static const char part[] = PART("image1") "x\r\n";
    struct spare *spare = spare_create(GIB);
    struct multipart *multipart = multipart_create("B", &many, DECLARED, spare);
    struct error err;
    for (int i = 0; i < PARTS; i++)
        assert_int_equal(multipart_feed(multipart, (const uint8_t *)part, sizeof part - 1, &err),
                         STATUS_OK);
    multipart_destroy(multipart);
    assert_in_range(spare_bytes(spare), DECLARED, DECLARED + PAGES);
    spare_destroy(spare);
}

/* The common request: neither photograph is copied, also the second that is the larger one. */
static void a_declared_body_is_kept_in_one_block(void **state) {
    (void)state;
    enum { FIRST = 300 * 1000, SECOND = 500 * 1000 };
    static const struct http_body_limits two = {.kinds = HTTP_BODY_MULTIPART,
                                                .multipart_bytes_max = 1 << 20,
                                                .file_bytes_max = 1 << 20,
                                                .parts_max = 2,
                                                .files = files};
    static uint8_t content[SECOND];
    struct spare *spare = spare_create(1 << 24);
    struct multipart *multipart = multipart_create("B", &two, FIRST + SECOND + 200, spare);
    struct error err;
    const struct http_part *parts;
    const struct {
        const void *bytes;
        size_t size;
    } pieces[] = {{PART("image1"), sizeof PART("image1") - 1},
                  {content, FIRST},
                  {"\r\n" PART("image2"), sizeof "\r\n" PART("image2") - 1},
                  {content, SECOND},
                  {"\r\n--B--\r\n", sizeof "\r\n--B--\r\n" - 1}};
    memset(content, 'x', sizeof content);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        assert_int_equal(multipart_feed(multipart, pieces[i].bytes, pieces[i].size, &err),
                         STATUS_OK);
    assert_int_equal(multipart_finish(multipart, &err), STATUS_OK);
    assert_int_equal(multipart_parts(multipart, &parts), 2);
    assert_int_equal(parts[0].size, FIRST);
    assert_int_equal(parts[1].size, SECOND);
    assert_memory_equal(parts[0].data, content, FIRST);
    assert_memory_equal(parts[1].data, content, SECOND);
    assert_int_equal(spare_bytes(spare), 0); /* nothing was outgrown and given back */
    multipart_destroy(multipart);
    assert_in_range(spare_bytes(spare), FIRST + SECOND, FIRST + SECOND + 65536);
    spare_destroy(spare);
}

static void a_nul_is_a_byte_like_others(void **state) {
    (void)state;
    static const char body[] = PART("image1") "a\0b\r\n--B--\r\n";
    struct multipart *multipart = multipart_create("B", &limits, sizeof body - 1, NULL);
    struct error err;
    assert_int_equal(multipart_feed(multipart, (const uint8_t *)body, sizeof body - 1, &err),
                     STATUS_OK);
    assert_int_equal(multipart_finish(multipart, &err), STATUS_OK);
    const struct http_part *parts;
    assert_int_equal(multipart_parts(multipart, &parts), 1);
    assert_int_equal(parts[0].size, 3);
    assert_memory_equal(parts[0].data, "a\0b", 3);
    multipart_destroy(multipart);
}

static void boundaries_are_read_from_the_content_type(void **state) {
    (void)state;
    char boundary[MULTIPART_BOUNDARY_MAX + 1];
    const size_t size = sizeof boundary;
    assert_true(media_type_is("Multipart/Form-Data ; boundary=x", "multipart/form-data"));
    assert_true(media_type_parameter("multipart/form-data; charset=a; Boundary=\"a b:c\"",
                                     "boundary", boundary, size));
    assert_string_equal(boundary, "a b:c");
    assert_false(media_type_parameter("multipart/form-data; boundary", "boundary", boundary, size));
    assert_false(
        media_type_parameter("multipart/form-data; xboundary=a", "boundary", boundary, size));
    assert_false(media_type_parameter(
        "multipart/form-data; "
        "boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
        "boundary", boundary, size));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_in_order_however_the_body_is_cut),
        cmocka_unit_test(a_name_that_comes_twice_is_there_twice),
        cmocka_unit_test(empty_parts_are_left_out),
        cmocka_unit_test(content_that_looks_like_a_boundary_is_content),
        cmocka_unit_test(preamble_epilogue_and_padding_are_ignored),
        cmocka_unit_test(other_part_headers_do_not_matter),
        cmocka_unit_test(without_a_closing_boundary_it_is_refused),
        cmocka_unit_test(what_follows_a_boundary_must_be_a_line_end),
        cmocka_unit_test(a_part_needs_one_quoted_name),
        cmocka_unit_test(a_name_or_header_past_its_limit_is_refused),
        cmocka_unit_test(parts_are_bounded_in_number),
        cmocka_unit_test(files_and_fields_have_their_own_limits),
        cmocka_unit_test(parts_reserve_no_more_than_the_body_declared),
        cmocka_unit_test(a_declared_body_is_kept_in_one_block),
        cmocka_unit_test(a_nul_is_a_byte_like_others),
        cmocka_unit_test(boundaries_are_read_from_the_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
