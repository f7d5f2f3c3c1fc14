/* Both forms of the body of POST /v1/verify. A case in `cases` holds for the form and for JSON
 * alike. */
#include "api/verify_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES_MAX = 1000, PARTS_MAX = 48 };

struct form {
    struct http_part parts[PARTS_MAX];
    size_t count;
};

static void add(struct form *form, const char *name, const char *value) {
    form->parts[form->count++] =
        (struct http_part){.name = name, .data = (const uint8_t *)value, .size = strlen(value)};
}

static struct form form_with_images(void) {
    struct form form = {0};
    add(&form, "image1", "abc");
    add(&form, "image2", "defg");
    return form;
}

static struct faults read_form(const struct form *form, struct verify_body *body) {
    static struct faults faults;
    faults.count = 0;
    verify_body_multipart(form->parts, form->count, body, &faults);
    return faults;
}

static struct faults read_json(const char *json, struct verify_body *body) {
    static struct faults faults;
    faults.count = 0;
    verify_body_json((const uint8_t *)json, strlen(json), BYTES_MAX, body, &faults);
    return faults;
}

static void release(struct verify_body *body) {
    for (int i = 0; i < 2; i++)
        verify_image_release(&body->images[i]);
}

static void assert_fault(const struct faults *faults, size_t index, enum status status,
                         const char *field) {
    assert_true(index < faults->count);
    assert_string_equal(status_code(faults->list[index].status), status_code(status));
    assert_string_equal(faults->list[index].field, field);
    assert_true(faults->list[index].error.detail[0] != '\0');
}

/* One option of a request that is whole otherwise. `text` is a form's value; `json` a member's. */
static const struct {
    const char *name, *text, *json;
    enum status status;
} cases[] = {
    {"model", "dlib-resnet", "\"dlib-resnet\"", STATUS_OK},
    {"model", "dlib-resnet@12", "\"dlib-resnet@12\"", STATUS_OK},
    {"model", "", "\"\"", STATUS_OK},
    {"model", "../etc", "\"../etc\"", STATUS_INVALID_NAME},
    {"model", "Dlib", "\"Dlib\"", STATUS_INVALID_NAME},
    {"model", "a@", "\"a@\"", STATUS_INVALID_NAME},
    {"model", "@1", "\"@1\"", STATUS_INVALID_NAME},
    {"model", "a@01", "\"a@01\"", STATUS_INVALID_NAME},
    {"model", "a@1@2", "\"a@1@2\"", STATUS_INVALID_NAME},
    {"max_fmr", "0.001", "0.001", STATUS_OK},
    {"max_fmr", "1", "1", STATUS_OK},
    {"max_fmr", "0", "0", STATUS_INVALID_FIELD},
    {"max_fmr", "-0.1", "-0.1", STATUS_INVALID_FIELD},
    {"max_fmr", "1.001", "1.001", STATUS_INVALID_FIELD},
    {"threshold", "0.6", "0.6", STATUS_OK},
    {"threshold", "1000", "1000", STATUS_OK},
    {"threshold", "0", "0", STATUS_INVALID_FIELD},
    {"threshold", "1e9", "1e9", STATUS_INVALID_FIELD},
    {"threshold", "123456789012345678901234567890", "123456789012345678901234567890",
     STATUS_INVALID_FIELD},
    {"face", "largest", "\"largest\"", STATUS_OK},
    {"face", "only", "\"only\"", STATUS_OK},
    {"face", "Only", "\"Only\"", STATUS_INVALID_FIELD},
    {"face1", "only", "\"only\"", STATUS_OK},
    {"face2", "first", "\"first\"", STATUS_INVALID_FIELD},
    {"prior", "0", "0", STATUS_OK},
    {"prior", "1", "1.0", STATUS_OK},
    {"prior", "-0.001", "-0.001", STATUS_INVALID_FIELD},
    {"subject", "somebody", "\"somebody\"", STATUS_OK},
    {"max_fnr", "0.1", "0.1", STATUS_UNKNOWN_FIELD},
    {"Face", "only", "\"only\"", STATUS_UNKNOWN_FIELD},
    {"image3", "abc", "\"YWJj\"", STATUS_UNKNOWN_FIELD},
};

static void each_option_means_the_same_in_both_forms(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct form form = form_with_images();
        add(&form, cases[i].name, cases[i].text);
        char json[256];
        snprintf(json, sizeof json, "{\"image1\":\"YWJj\",\"image2\":\"ZGVmZw==\",\"%s\":%s}",
                 cases[i].name, cases[i].json);
        struct verify_body bodies[2];
        for (int kind = 0; kind < 2; kind++) {
            struct faults faults =
                kind ? read_json(json, &bodies[kind]) : read_form(&form, &bodies[kind]);
            assert_int_equal(faults.count, cases[i].status == STATUS_OK ? 0 : 1);
            if (faults.count)
                assert_fault(&faults, 0, cases[i].status, cases[i].name);
        }
        assert_memory_equal(&bodies[0].options.given, &bodies[1].options.given,
                            sizeof bodies[0].options.given);
        assert_true(bodies[0].options.max_fmr == bodies[1].options.max_fmr);
        assert_true(bodies[0].options.threshold == bodies[1].options.threshold);
        assert_true(bodies[0].options.prior == bodies[1].options.prior);
        assert_int_equal(bodies[0].options.face[0], bodies[1].options.face[0]);
        assert_int_equal(bodies[0].options.face[1], bodies[1].options.face[1]);
        release(&bodies[1]);
    }
}

static void numbers_of_a_form_follow_the_grammar_of_json(void **state) {
    (void)state;
    const char *texts[] = {"nan", "inf", "0x1", "+1", ".5", "0,5", "1.", " 1", "1 ", "01"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct form form = form_with_images();
        add(&form, "prior", texts[i]);
        struct verify_body body;
        struct faults faults = read_form(&form, &body);
        assert_fault(&faults, 0, STATUS_INVALID_FIELD, "prior");
    }
}

static void a_member_of_the_wrong_type_is_refused(void **state) {
    (void)state;
    const char *members[][2] = {{"prior", "\"0.5\""}, {"prior", "null"},   {"prior", "[]"},
                                {"prior", "true"},    {"face", "1"},       {"face", "{}"},
                                {"subject", "7"},     {"image1", "null"},  {"image1", "[1]"},
                                {"image2", "5"},      {"threshold", "{}"}, {"face1", "false"}};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char json[200];
        bool first = strcmp(members[i][0], "image1") == 0;
        bool second = strcmp(members[i][0], "image2") == 0;
        snprintf(json, sizeof json, "{%s%s\"%s\":%s}", first ? "" : "\"image1\":\"YWJj\",",
                 second ? "" : "\"image2\":\"YWJj\",", members[i][0], members[i][1]);
        struct verify_body body;
        struct faults faults = read_json(json, &body);
        assert_int_equal(faults.count, 1);
        assert_fault(&faults, 0, STATUS_INVALID_FIELD, members[i][0]);
        release(&body);
    }
}

static void the_bytes_of_the_photographs_arrive(void **state) {
    (void)state;
    struct form form = form_with_images();
    struct verify_body body;
    assert_int_equal(read_form(&form, &body).count, 0);
    assert_ptr_equal(body.images[0].bytes, form.parts[0].data);
    assert_int_equal(body.images[1].size, 4);
    assert_int_equal(
        read_json("{\"image2\":\"data:image/png;base64,ZGVm\\nZw\",\"image1\":\"YWJj\"}", &body)
            .count,
        0);
    assert_memory_equal(body.images[0].bytes, "abc", 3);
    assert_memory_equal(body.images[1].bytes, "defg", 4);
    release(&body);
}

static void all_faults_are_reported_together(void **state) {
    (void)state;
    struct form form = {0};
    add(&form, "image2", "abc");
    add(&form, "prior", "2");
    add(&form, "max_fmrr", "0.1");
    add(&form, "image2", "abc");
    add(&form, "face", "all");
    struct verify_body body;
    struct faults faults = read_form(&form, &body);
    assert_int_equal(faults.count, 5);
    assert_fault(&faults, 0, STATUS_INVALID_FIELD, "prior");
    assert_fault(&faults, 1, STATUS_UNKNOWN_FIELD, "max_fmrr");
    assert_fault(&faults, 2, STATUS_DUPLICATE_FIELD, "image2");
    assert_fault(&faults, 3, STATUS_INVALID_FIELD, "face");
    assert_fault(&faults, 4, STATUS_MISSING_FIELD, "image1");
}

static void an_empty_photograph_is_missing(void **state) {
    (void)state;
    struct form form = {0};
    add(&form, "image1", "");
    add(&form, "image2", "abc");
    struct verify_body body;
    struct faults faults = read_form(&form, &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_MISSING_FIELD, "image1");
    faults = read_json("{\"image1\":\"\",\"image2\":\"YWJj\"}", &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_MISSING_FIELD, "image1");
    release(&body);
}

static void rules_and_faces_exclude_each_other(void **state) {
    (void)state;
    const char *pairs[][3] = {{"max_fmr", "threshold", "threshold"},
                              {"face", "face1", "face"},
                              {"face2", "face", "face"}};
    for (size_t i = 0; i < 3; i++) {
        struct form form = form_with_images();
        for (int k = 0; k < 2; k++)
            add(&form, pairs[i][k], strncmp(pairs[i][k], "face", 4) == 0 ? "only" : "0.5");
        struct verify_body body;
        struct faults faults = read_form(&form, &body);
        assert_int_equal(faults.count, 1);
        assert_fault(&faults, 0, STATUS_INVALID_FIELD, pairs[i][2]);
    }
}

static void a_member_given_twice_is_named(void **state) {
    (void)state;
    struct verify_body body;
    struct faults faults = read_json("{\"prior\":0.5,\"image1\":\"YWJj\",\"prior\":0.5}", &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_DUPLICATE_FIELD, "prior");
    faults = read_json("{\"prior\":0.5,\"pr\\u0069or\":0.5}", &body);
    assert_fault(&faults, 0, STATUS_DUPLICATE_FIELD, "");
}

static void what_is_no_json_object_is_refused(void **state) {
    (void)state;
    const char *texts[] = {"",
                           " ",
                           "{",
                           "[]",
                           "null",
                           "\"x\"",
                           "{} {}",
                           "{}x",
                           "{a:1}",
                           "nul",
                           "{\"a\":NaN}",
                           "{\"a\":1,}",
                           "{\"\xff\":1}",
                           "{\"a\":\"\\u0000\"}",
                           "{\"prior\":1e999}",
                           "{\"a\":01}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct verify_body body;
        struct faults faults = read_json(texts[i], &body);
        assert_int_equal(faults.count, 1);
        assert_fault(&faults, 0, STATUS_INVALID_JSON, "");
    }
}

static void a_photograph_over_the_limit_is_too_large(void **state) {
    (void)state;
    char json[2048] = "{\"image2\":\"YWJj\",\"image1\":\"";
    size_t size = strlen(json);
    memset(json + size, 'A', (BYTES_MAX / 3 + 1) * 4);
    strncat(json, "\"}", 3);
    struct verify_body body;
    struct faults faults = read_json(json, &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_BODY_TOO_LARGE, "image1");
    release(&body);
}

static void more_faults_than_there_is_room_for_are_dropped(void **state) {
    (void)state;
    struct form form = form_with_images();
    while (form.count < PARTS_MAX)
        add(&form, "again", "x");
    struct verify_body body;
    assert_int_equal(read_form(&form, &body).count, FAULTS_MAX);
}

int main(void) {
    verify_body_wipe_json();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_option_means_the_same_in_both_forms),
        cmocka_unit_test(numbers_of_a_form_follow_the_grammar_of_json),
        cmocka_unit_test(a_member_of_the_wrong_type_is_refused),
        cmocka_unit_test(the_bytes_of_the_photographs_arrive),
        cmocka_unit_test(all_faults_are_reported_together),
        cmocka_unit_test(an_empty_photograph_is_missing),
        cmocka_unit_test(rules_and_faces_exclude_each_other),
        cmocka_unit_test(a_member_given_twice_is_named),
        cmocka_unit_test(what_is_no_json_object_is_refused),
        cmocka_unit_test(a_photograph_over_the_limit_is_too_large),
        cmocka_unit_test(more_faults_than_there_is_room_for_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
