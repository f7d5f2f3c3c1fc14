/* Both forms of a body, mostly with the shape of POST /v1/verify. A case in `cases` holds for the
 * form and for JSON alike. */
#include "api/body.h"

#include "model/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES_MAX = 1000, PARTS_MAX = 48 };

/* As the endpoints' own are. */
static const struct body_shape PAIR = {
    .options = ~OPTION_BIT(OPTION_RAW), .images_min = 2, .images_max = 2};
static const struct body_shape MANY = {.options = OPTION_BIT(OPTION_MODEL) | OPTION_BIT(OPTION_RAW),
                                       .images_min = 1,
                                       .images_max = BODY_IMAGES_MAX};
static const struct body_shape EMBEDDINGS = {.options = OPTION_BIT(OPTION_PRIOR),
                                             .embeddings = true};

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

static struct faults read_form(const struct form *form, struct body *body) {
    static struct faults faults;
    faults_init(&faults);
    body_read_multipart(form->parts, form->count, &PAIR, body, &faults);
    return faults;
}

static struct faults read_json_of(const struct body_shape *shape, const char *json,
                                  struct body *body) {
    static struct faults faults;
    faults_init(&faults);
    body_read_json((const uint8_t *)json, strlen(json), BYTES_MAX, shape, body, &faults);
    return faults;
}

static struct faults read_json(const char *json, struct body *body) {
    return read_json_of(&PAIR, json, body);
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

/* jansson takes no U+0000, and an operator lifts a lock-out by JSON. */
static void a_subject_that_json_cannot_name_is_refused_in_a_form(void **state) {
    (void)state;
    struct form form = form_with_images();
    struct body body;
    add(&form, "subject", "a");
    form.parts[2].data = (const uint8_t *)"a\0b";
    form.parts[2].size = 3;
    struct faults faults = read_form(&form, &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_INVALID_FIELD, "subject");
}

static void each_option_means_the_same_in_both_forms(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct form form = form_with_images();
        add(&form, cases[i].name, cases[i].text);
        char json[256];
        snprintf(json, sizeof json, "{\"image1\":\"YWJj\",\"image2\":\"ZGVmZw==\",\"%s\":%s}",
                 cases[i].name, cases[i].json);
        struct body bodies[2];
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
        body_release(&bodies[1]);
    }
}

static void numbers_of_a_form_follow_the_grammar_of_json(void **state) {
    (void)state;
    const char *texts[] = {"nan", "inf", "0x1", "+1", ".5", "0,5", "1.", " 1", "1 ", "01"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct form form = form_with_images();
        add(&form, "prior", texts[i]);
        struct body body;
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
        struct body body;
        struct faults faults = read_json(json, &body);
        assert_int_equal(faults.count, 1);
        assert_fault(&faults, 0, STATUS_INVALID_FIELD, members[i][0]);
        body_release(&body);
    }
}

static void the_bytes_of_the_photographs_arrive(void **state) {
    (void)state;
    struct form form = form_with_images();
    struct body body;
    assert_int_equal(read_form(&form, &body).count, 0);
    assert_ptr_equal(body.images[0].bytes, form.parts[0].data);
    assert_int_equal(body.images[1].size, 4);
    assert_int_equal(
        read_json("{\"image2\":\"data:image/png;base64,ZGVm\\nZw\",\"image1\":\"YWJj\"}", &body)
            .count,
        0);
    assert_memory_equal(body.images[0].bytes, "abc", 3);
    assert_memory_equal(body.images[1].bytes, "defg", 4);
    body_release(&body);
}

static void all_faults_are_reported_together(void **state) {
    (void)state;
    struct form form = {0};
    add(&form, "image2", "abc");
    add(&form, "prior", "2");
    add(&form, "max_fmrr", "0.1");
    add(&form, "image2", "abc");
    add(&form, "face", "all");
    struct body body;
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
    struct body body;
    struct faults faults = read_form(&form, &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_MISSING_FIELD, "image1");
    faults = read_json("{\"image1\":\"\",\"image2\":\"YWJj\"}", &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_MISSING_FIELD, "image1");
    body_release(&body);
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
        struct body body;
        struct faults faults = read_form(&form, &body);
        assert_int_equal(faults.count, 1);
        assert_fault(&faults, 0, STATUS_INVALID_FIELD, pairs[i][2]);
    }
}

static void a_member_given_twice_is_named(void **state) {
    (void)state;
    struct body body;
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
        struct body body;
        struct faults faults = read_json(texts[i], &body);
        assert_int_equal(faults.count, 1);
        assert_fault(&faults, 0, STATUS_INVALID_JSON, "");
    }
}

/* RFC 8259 allows it, so whoever sends it must not be told that it is no JSON. */
static void a_text_with_u_0000_is_named(void **state) {
    (void)state;
    const char *texts[] = {"{\"subject\":\"a\\u0000\"}", "{\"a\\u0000\":1}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct body body;
        struct faults faults = read_json(texts[i], &body);
        assert_fault(&faults, 0, STATUS_INVALID_JSON, "");
        assert_non_null(strstr(faults.list[0].error.detail, "U+0000"));
    }
}

static void a_photograph_over_the_limit_is_too_large(void **state) {
    (void)state;
    char json[2048] = "{\"image2\":\"YWJj\",\"image1\":\"";
    size_t size = strlen(json);
    memset(json + size, 'A', (BYTES_MAX / 3 + 1) * 4);
    strncat(json, "\"}", 3);
    struct body body;
    struct faults faults = read_json(json, &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_BODY_TOO_LARGE, "image1");
    body_release(&body);
}

static void more_faults_than_there_is_room_for_are_dropped(void **state) {
    (void)state;
    struct form form = form_with_images();
    while (form.count < PARTS_MAX)
        add(&form, "again", "x");
    struct body body;
    assert_int_equal(read_form(&form, &body).count, FAULTS_MAX);
}

/* ---- photographs in any number ---- */

static struct faults read_form_of(const struct body_shape *shape, const struct form *form,
                                  struct body *body) {
    static struct faults faults;
    faults_init(&faults);
    body_read_multipart(form->parts, form->count, shape, body, &faults);
    return faults;
}

static void photographs_come_in_any_number_without_gaps(void **state) {
    (void)state;
    struct body body;
    assert_int_equal(read_json_of(&MANY, "{\"image1\":\"YWJj\"}", &body).count, 0);
    assert_int_equal(body.images_count, 1);
    body_release(&body);
    struct form form = {0};
    for (int i = 0; i < BODY_IMAGES_MAX; i++)
        add(&form, BODY_IMAGE_FIELDS[i], "abc");
    assert_int_equal(read_form_of(&MANY, &form, &body).count, 0);
    assert_int_equal(body.images_count, BODY_IMAGES_MAX);
    struct faults faults = read_json_of(&MANY, "{\"image4\":\"YWJj\",\"image2\":\"YWJj\"}", &body);
    assert_int_equal(faults.count, 2);
    assert_fault(&faults, 0, STATUS_MISSING_FIELD, "image1");
    assert_fault(&faults, 1, STATUS_MISSING_FIELD, "image3");
    body_release(&body);
    faults = read_json_of(&MANY, "{}", &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_MISSING_FIELD, "image1");
}

static void a_photograph_too_many_is_unknown(void **state) {
    (void)state;
    struct body body;
    struct form form = {0};
    for (int i = 0; i <= BODY_IMAGES_MAX; i++)
        add(&form, BODY_IMAGE_FIELDS[i], "abc");
    struct faults faults = read_form_of(&MANY, &form, &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_UNKNOWN_FIELD, "image33");
}

static void an_option_of_another_endpoint_is_unknown(void **state) {
    (void)state;
    struct body body;
    struct faults faults = read_json_of(&MANY, "{\"image1\":\"YWJj\",\"prior\":0.5}", &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_UNKNOWN_FIELD, "prior");
    body_release(&body);
    faults = read_json("{\"image1\":\"YWJj\",\"image2\":\"YWJj\",\"raw\":true}", &body);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults, 0, STATUS_UNKNOWN_FIELD, "raw");
    body_release(&body);
}

static void raw_is_true_or_false(void **state) {
    (void)state;
    static const struct {
        const char *text, *json;
        bool valid, raw;
    } values[] = {{"true", "true", true, true},
                  {"false", "false", true, false},
                  {"1", "1", false, false},
                  {"True", "\"true\"", false, false}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct form form = {0};
        struct body body;
        char json[64];
        add(&form, "image1", "abc");
        add(&form, "raw", values[i].text);
        snprintf(json, sizeof json, "{\"image1\":\"YWJj\",\"raw\":%s}", values[i].json);
        assert_int_equal(read_form_of(&MANY, &form, &body).count, !values[i].valid);
        assert_int_equal(body.options.raw, values[i].raw);
        assert_int_equal(read_json_of(&MANY, json, &body).count, !values[i].valid);
        assert_int_equal(body.options.raw, values[i].raw);
        body_release(&body);
    }
}

/* ---- embeddings ---- */

static void an_embedding_is_a_token_or_numbers(void **state) {
    (void)state;
    struct body body;
    const char *json = "{\"embedding1\":\"dG9r\",\"embedding2\":[1,-0.5,1e-3]}";
    assert_int_equal(read_json_of(&EMBEDDINGS, json, &body).count, 0);
    assert_int_equal(body.embeddings[0].token_size, 4);
    assert_memory_equal(body.embeddings[0].token, "dG9r", 4);
    assert_null(body.embeddings[0].values);
    assert_int_equal(body.embeddings[1].length, 3);
    assert_null(body.embeddings[1].token);
    assert_true(body.embeddings[1].values[0] == 1 && body.embeddings[1].values[1] == -0.5f &&
                body.embeddings[1].values[2] == 1e-3f);
    body_release(&body);
    assert_null(body.embeddings[0].token);
    assert_null(body.embeddings[1].values);
}

static void what_is_no_embedding_is_refused(void **state) {
    (void)state;
    static const char *const values[] = {"1",       "null",       "true",      "{}",
                                         "[]",      "[1,\"2\"]",  "[1,null]",  "[[1]]",
                                         "[1e300]", "[1,-1.1e9]", "[1,[2],3]", "[true]"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char json[128];
        struct body body;
        snprintf(json, sizeof json, "{\"embedding1\":%s,\"embedding2\":\"x\"}", values[i]);
        struct faults faults = read_json_of(&EMBEDDINGS, json, &body);
        assert_int_equal(faults.count, 1);
        assert_fault(&faults, 0, STATUS_INVALID_FIELD, "embedding1");
        body_release(&body);
    }
}

static void embeddings_are_as_long_as_any_networks(void **state) {
    (void)state;
    enum { ROOM = 2 * CARD_EMBEDDING_LENGTH_MAX + 64 };
    for (int extra = 0; extra < 2; extra++) {
        char json[ROOM] = "{\"embedding2\":\"x\",\"embedding1\":[0";
        size_t at = strlen(json);
        for (int i = 1; i < CARD_EMBEDDING_LENGTH_MAX + extra; i++, at += 2)
            memcpy(json + at, ",0", 2);
        memcpy(json + at, "]}", 3);
        struct body body;
        struct faults faults = read_json_of(&EMBEDDINGS, json, &body);
        assert_int_equal(faults.count, extra);
        if (extra)
            assert_fault(&faults, 0, STATUS_INVALID_FIELD, "embedding1");
        body_release(&body);
    }
}

static void both_embeddings_are_needed(void **state) {
    (void)state;
    struct body body;
    struct faults faults = read_json_of(&EMBEDDINGS, "{\"embedding1\":\"\"}", &body);
    assert_int_equal(faults.count, 2);
    assert_fault(&faults, 0, STATUS_MISSING_FIELD, "embedding1");
    assert_fault(&faults, 1, STATUS_MISSING_FIELD, "embedding2");
}

int main(void) {
    json_use_our_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_option_means_the_same_in_both_forms),
        cmocka_unit_test(a_subject_that_json_cannot_name_is_refused_in_a_form),
        cmocka_unit_test(numbers_of_a_form_follow_the_grammar_of_json),
        cmocka_unit_test(a_member_of_the_wrong_type_is_refused),
        cmocka_unit_test(the_bytes_of_the_photographs_arrive),
        cmocka_unit_test(all_faults_are_reported_together),
        cmocka_unit_test(an_empty_photograph_is_missing),
        cmocka_unit_test(rules_and_faces_exclude_each_other),
        cmocka_unit_test(a_member_given_twice_is_named),
        cmocka_unit_test(what_is_no_json_object_is_refused),
        cmocka_unit_test(a_text_with_u_0000_is_named),
        cmocka_unit_test(a_photograph_over_the_limit_is_too_large),
        cmocka_unit_test(more_faults_than_there_is_room_for_are_dropped),
        cmocka_unit_test(photographs_come_in_any_number_without_gaps),
        cmocka_unit_test(a_photograph_too_many_is_unknown),
        cmocka_unit_test(an_option_of_another_endpoint_is_unknown),
        cmocka_unit_test(raw_is_true_or_false),
        cmocka_unit_test(an_embedding_is_a_token_or_numbers),
        cmocka_unit_test(what_is_no_embedding_is_refused),
        cmocka_unit_test(embeddings_are_as_long_as_any_networks),
        cmocka_unit_test(both_embeddings_are_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
