/* The mean embedding of a card: what is written reads back, and what cannot be is refused. */
#include "tests/unit/model_folder.h"

#include "model/card.h"

static enum status read_text(const char *text, uint32_t length, struct card_typical *typical,
                             struct error *err) {
    struct json_reader *reader;
    assert_int_equal(json_reader_open(text, strlen(text), &reader, err), STATUS_OK);
    struct json_node root = json_root(reader);
    *typical = (struct card_typical){0};
    card_typical_read(&root, length, typical);
    return json_reader_close(reader, err);
}

static char *written(const struct card_typical *typical, uint32_t length) {
    struct json_writer *json = json_writer_create();
    json_write_object(json, NULL);
    card_typical_write(json, typical, length, "a test");
    json_write_end(json);
    size_t size;
    char *text = json_writer_finish(json, &size);
    assert_non_null(text);
    return text;
}

static void what_is_written_reads_back(void **state) {
    (void)state;
    float mean[] = {0.1f, -3.25f, 1e-7f, 123456.789f};
    const struct card_typical typical = {.mean = mean, .distance_min = 0.375, .share = 0.001};
    char *text = written(&typical, 4);
    struct card_typical read;
    assert_int_equal(read_text(text, 4, &read, NULL), STATUS_OK);
    assert_memory_equal(read.mean, mean, sizeof(mean));
    assert_true(read.distance_min == 0.375 && read.share == 0.001);
    card_typical_release(&read);
    free(text);
}

static void a_card_may_have_none(void **state) {
    (void)state;
    struct card_typical read;
    assert_int_equal(read_text("{}", 4, &read, NULL), STATUS_OK);
    assert_null(read.mean);
    char *text = written(&read, 4);
    assert_non_null(strstr(text, "\"typical\": null"));
    assert_int_equal(read_text(text, 4, &read, NULL), STATUS_OK);
    assert_null(read.mean);
    free(text);
}

static void faults_are_refused_with_the_place(void **state) {
    (void)state;
    static const struct {
        const char *text, *named;
    } cases[] = {
        {"{\"typical\":7}", "typical"},
        {"{\"typical\":{\"distance_min\":1,\"share\":0.1}}", "typical.mean"},
        {"{\"typical\":{\"mean\":[1],\"distance_min\":1,\"share\":0.1}}", "2 numbers"},
        {"{\"typical\":{\"mean\":[1,2,3],\"distance_min\":1,\"share\":0.1}}", "2 numbers"},
        {"{\"typical\":{\"mean\":[1,\"2\"],\"distance_min\":1,\"share\":0.1}}", "mean[1]"},
        {"{\"typical\":{\"mean\":[1,1e300],\"distance_min\":1,\"share\":0.1}}", "mean[1]"},
        {"{\"typical\":{\"mean\":[1,2],\"distance_min\":-1,\"share\":0.1}}", "distance_min"},
        {"{\"typical\":{\"mean\":[1,2],\"share\":0.1}}", "distance_min"},
        {"{\"typical\":{\"mean\":[1,2],\"distance_min\":1,\"share\":1.5}}", "share"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct card_typical typical;
        struct error err = {""};
        assert_int_equal(read_text(cases[i].text, 2, &typical, &err), STATUS_INVALID_FIELD);
        assert_non_null(strstr(err.detail, cases[i].named));
        card_typical_release(&typical);
    }
}

static void a_card_on_disk_brings_it(void **state) {
    (void)state;
    char json[2048], path[128];
    struct card card;
    struct folder folder = folder_create();
    model_folder_add(&folder, "one", "1");
    model_card_text(json, sizeof(json), "one", "1", "\"probability\":null",
                    "\"probability\":null,\"typical\":{\"mean\":[1,2,3,4],\"distance_min\":0.5,"
                    "\"share\":0.001,\"source\":\"a test\"}");
    folder_write_text(&folder, "models/one/1/model.json", json);
    snprintf(path, sizeof(path), "%s/models/one/1", folder.path);
    assert_int_equal(card_read(path, &card, NULL), STATUS_OK);
    assert_true(card.typical.mean[3] == 4);
    assert_true(card.typical.distance_min == 0.5);
    card_release(&card);
    folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_card_may_have_none),
        cmocka_unit_test(faults_are_refused_with_the_place),
        cmocka_unit_test(a_card_on_disk_brings_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
