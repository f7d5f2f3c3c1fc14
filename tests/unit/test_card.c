#include "tests/unit/model_folder.h"

#include "model/card.h"

static const char *place(const struct folder *folder) {
    static char path[128];
    snprintf(path, sizeof(path), "%s/models/net/3", folder->path);
    return path;
}

/* Reads models/net/3 whose model.json has `part` replaced by `text`. */
static enum status read_changed(const char *part, const char *text, struct error *err) {
    struct folder folder = folder_create();
    char json[2048];
    model_card_text(json, sizeof(json), "net", "3", part, text);
    folder_write_text(&folder, "models/net/3/model.json", json);
    struct card card;
    enum status status = card_read(place(&folder), &card, err);
    if (status == STATUS_OK)
        card_release(&card);
    folder_remove(&folder);
    return status;
}

static void reads_everything_a_card_says(void **state) {
    (void)state;
    struct folder folder = folder_create();
    model_folder_add(&folder, "net", "3");
    struct card card;
    assert_int_equal(card_read(place(&folder), &card, NULL), STATUS_OK);
    assert_string_equal(card.name, "net");
    assert_string_equal(card.version, "3");
    assert_string_equal(card.architecture, "dlib-resnet");
    assert_int_equal(card.input.kind, CARD_INPUT_CHIP);
    assert_int_equal(card.input.side, MODEL_SIDE);
    assert_true(card.input.padding == 0.25);
    assert_true(card.input.mean[0] == 122.782f && card.input.mean[2] == 104.298f);
    assert_true(card.input.std[1] == 256);
    assert_int_equal(card.embedding_length, MODEL_LENGTH);
    assert_string_equal(card.distance, "euclidean");
    assert_int_equal(strlen(card.weights_sha256), 64);
    assert_int_equal(card.thresholds_count, 3);
    assert_true(card.thresholds[1].fmr == 0.001 && card.thresholds[1].threshold == 0.544);
    assert_false(card.thresholds[1].fnmr_known);
    assert_true(card.thresholds[2].fnmr_known && card.thresholds[2].fnmr == 0.32);
    assert_false(card.metrics.known);
    assert_non_null(strstr(card.json, "\"CC0-1.0\""));
    card_release(&card);
    folder_remove(&folder);
}

#define FRAME_INPUT "\"kind\":\"frame\",\"interpolation\":\"bicubic\",\"crop_pct\":0.95"
#define VIT                                                                                        \
    "\"architecture\":\"vit\",\"network\":{\"patch\":8,\"width\":4,\"depth\":2,\"heads\":2,"       \
    "\"hidden\":12,\"registers\":3,\"position\":\"patches\",\"pooling\":\"mean\","                 \
    "\"norm\":\"after-pooling\",\"class_token\":false,\"layer_scale\":true,\"qkv_bias\":true}"
#define DLIB "\"architecture\":\"dlib-resnet\""

static void reads_the_input_of_whole_frames(void **state) {
    (void)state;
    struct folder folder = folder_create();
    char json[2048];
    model_card_text(json, sizeof(json), "net", "3", "\"kind\":\"chip\"", FRAME_INPUT);
    folder_write_text(&folder, "models/net/3/model.json", json);
    struct card card;
    assert_int_equal(card_read(place(&folder), &card, NULL), STATUS_OK);
    assert_int_equal(card.input.kind, CARD_INPUT_FRAME);
    assert_true(card.input.crop_pct == 0.95 && card.input.padding == 0);
    card_release(&card);
    folder_remove(&folder);
}

static void reads_the_shape_of_a_vision_transformer(void **state) {
    (void)state;
    struct folder folder = folder_create();
    char json[2048];
    model_card_text(json, sizeof(json), "net", "3", DLIB, VIT);
    folder_write_text(&folder, "models/net/3/model.json", json);
    struct card card;
    assert_int_equal(card_read(place(&folder), &card, NULL), STATUS_OK);
    const struct card_vit *vit = &card.vit;
    assert_true(vit->patch == 8 && vit->width == 4 && vit->depth == 2 && vit->heads == 2);
    assert_true(vit->hidden == 12 && vit->registers == 3 && card_vit_prefix(vit) == 3);
    assert_true(vit->norm_after_pool && vit->layer_scale && vit->qkv_bias);
    assert_false(vit->class_token || vit->pool_class_token || vit->position_on_prefix);
    card_release(&card);
    folder_remove(&folder);
}

/* VIT with `text` in the place of `part`. */
static enum status read_changed_vit(const char *part, const char *text, struct error *err) {
    char network[1024];
    const char *at = strstr(VIT, part);
    assert_non_null(at);
    snprintf(network, sizeof(network), "%.*s%s%s", (int)(at - VIT), VIT, text, at + strlen(part));
    return read_changed(DLIB, network, err);
}

static void refuses_a_vision_transformer_that_cannot_be(void **state) {
    (void)state;
    static const struct {
        const char *part, *text, *told;
    } faults[] = {
        {"\"patch\":8", "\"patch\":5", "not a multiple of the patch"},
        {"\"patch\":8", "\"patch\":0", "network.patch"},
        {"\"heads\":2", "\"heads\":3", "not a multiple of the heads"},
        {"\"width\":4", "\"width\":6", "embedding's length"},
        {"\"depth\":2", "\"depth\":65", "network.depth"},
        {"\"hidden\":12", "\"hidden\":-1", "network.hidden"},
        {"\"registers\":3", "\"registers\":1000", "network.registers"},
        {"\"mean\"", "\"class-token\"", "needs a class token"},
        {"\"mean\"", "\"max\"", "pooling"},
        {"after-pooling", "never", "norm"},
        {"\"patches\"", "\"none\"", "position"},
        {"\"qkv_bias\":true", "\"qkv_bias\":1", "network.qkv_bias"},
        {"\"network\":", "\"other\":", "network: is missing"},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct error err;
        assert_int_equal(read_changed_vit(faults[i].part, faults[i].text, &err), STATUS_INTERNAL);
        if (!strstr(err.detail, faults[i].told))
            fail_msg("\"%s\" does not tell %s", err.detail, faults[i].told);
    }
}

#define EMBEDDING "\"embedding\":{\"length\":4,\"distance\":\"euclidean\"}"
#define FINISHED                                                                                   \
    "\"embedding\":{\"length\":4,\"distance\":\"euclidean\",\"mirror\":true,"                      \
    "\"normalise\":\"l2\",\"head\":{\"input_length\":6,\"method\":\"a test's\"}}"

static enum status read_text(const char *part, const char *text, struct card *card) {
    struct folder folder = folder_create();
    char json[2048];
    model_card_text(json, sizeof(json), "net", "3", part, text);
    folder_write_text(&folder, "models/net/3/model.json", json);
    enum status status = card_read(place(&folder), card, NULL);
    folder_remove(&folder);
    return status;
}

static void reads_what_is_done_to_the_networks_numbers(void **state) {
    (void)state;
    struct card card;
    assert_int_equal(read_text(EMBEDDING, FINISHED, &card), STATUS_OK);
    assert_int_equal(card.embedding_length, 4);
    assert_int_equal(card.embedding.network_length, 6);
    assert_true(card.embedding.mirror && card.embedding.normalise && card.embedding.head);
    card_release(&card);
}

static void a_card_that_says_nothing_of_it_is_as_before(void **state) {
    (void)state;
    struct card card;
    assert_int_equal(read_text(NULL, NULL, &card), STATUS_OK);
    assert_int_equal(card.embedding.network_length, card.embedding_length);
    assert_false(card.embedding.mirror || card.embedding.normalise || card.embedding.head);
    card_release(&card);
}

static void the_width_of_a_transformer_is_the_length_before_the_head(void **state) {
    (void)state;
    struct folder folder = folder_create();
    char json[2048], other[2048];
    struct card card;
    struct error err;
    model_card_text(json, sizeof(json), "net", "3", DLIB, VIT);
    char *at = strstr(json, EMBEDDING);
    assert_non_null(at);
    snprintf(other, sizeof(other), "%.*s%s%s", (int)(at - json), json, FINISHED,
             at + strlen(EMBEDDING));
    folder_write_text(&folder, "models/net/3/model.json", other);
    assert_int_equal(card_read(place(&folder), &card, &err), STATUS_INTERNAL); /* 6, not 4 */
    assert_non_null(strstr(err.detail, "embedding's length before its head"));
    memcpy(strstr(other, "\"input_length\":6"), "\"input_length\":4", 16);
    folder_write_text(&folder, "models/net/3/model.json", other);
    assert_int_equal(card_read(place(&folder), &card, &err), STATUS_OK);
    card_release(&card);
    folder_remove(&folder);
}

static void refuses_an_embedding_that_cannot_be(void **state) {
    (void)state;
    static const struct {
        const char *members, *told;
    } faults[] = {
        {"\"mirror\":1", "embedding.mirror"},
        {"\"normalise\":\"l1\"", "normalise \"l1\""},
        {"\"normalise\":true", "embedding.normalise"},
        {"\"head\":true", "embedding.head"},
        {"\"head\":{}", "embedding.head.input_length"},
        {"\"head\":{\"input_length\":0}", "embedding.head.input_length"},
        {"\"head\":{\"input_length\":1000000}", "embedding.head.input_length"},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct error err;
        char text[256];
        snprintf(text, sizeof(text), "\"embedding\":{\"length\":4,%s,\"distance\":\"euclidean\"}",
                 faults[i].members);
        assert_int_equal(read_changed(EMBEDDING, text, &err), STATUS_INTERNAL);
        if (!strstr(err.detail, faults[i].told))
            fail_msg("\"%s\" does not tell %s", err.detail, faults[i].told);
    }
}

static void reads_the_evaluation_when_there_is_one(void **state) {
    (void)state;
    struct folder folder = folder_create();
    model_folder_add(&folder, "net", "3");
    folder_write_text(&folder, "models/net/3/evaluation.json",
                      "{\"protocol\":\"p\",\"pairs\":2200,\"threshold\":0.6,\"accuracy\":0.98,"
                      "\"precision\":0.97,\"recall\":0.96,\"f1\":0.95,\"roc_auc\":0.94,"
                      "\"eer\":0.03,\"more\":[]}");
    struct card card;
    assert_int_equal(card_read(place(&folder), &card, NULL), STATUS_OK);
    assert_true(card.metrics.known);
    assert_string_equal(card.metrics.protocol, "p");
    assert_int_equal(card.metrics.pairs, 2200);
    assert_true(card.metrics.threshold == 0.6 && card.metrics.accuracy == 0.98);
    assert_true(card.metrics.precision == 0.97 && card.metrics.recall == 0.96);
    assert_true(card.metrics.f1 == 0.95 && card.metrics.roc_auc == 0.94 &&
                card.metrics.eer == 0.03);
    card_release(&card);

    folder_write_text(&folder, "models/net/3/evaluation.json", "{\"protocol\":\"p\"}");
    struct error err;
    assert_int_equal(card_read(place(&folder), &card, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "evaluation.json: pairs: is missing"));
    folder_remove(&folder);
}

static void refuses_every_member_out_of_range(void **state) {
    (void)state;
    static const struct {
        const char *part, *text, *told;
    } faults[] = {
        {"\"format\":1", "\"format\":2", "format"},
        {"\"kind\":\"chip\"", "\"kind\":\"crop\"", "kind"},
        {"\"side\":16", "\"side\":0", "input.side"},
        {"\"side\":16", "\"side\":100000", "input.side"},
        {"\"padding\":0.25", "\"padding\":-1", "input.padding"},
        {"[122.782,", "[1e300,", "input.mean[0]"},
        {"[122.782,117.001,104.298]", "[122.782,117.001]", "input.mean"},
        {"[256,256,256]", "[256,0,256]", "input.std[1]"},
        {"\"length\":4", "\"length\":4.5", "embedding.length"},
        {"\"euclidean\"", "\"cosine\"", "distance"},
        {"weights.safetensors", "../weights", "file"},
        {"\"sha256\":\"", "\"sha256\":\"x", "sha256"},
        {"0.618", "0.5", "thresholds.values[1]"},
        {"\"fmr\":0.001", "\"fmr\":0.01", "thresholds.values[1]"},
        {"\"fmr\":0.01,", "\"fmr\":2,", "thresholds.values[0].fmr"},
        {"\"fnmr\":0.32", "\"fnmr\":1.32", "thresholds.values[2].fnmr"},
        {"\"thresholds\":", "\"other\":", "thresholds"},
        {"{\"format\"", "{\"format", "line 1"},
        {"{\"format\"", "{\"name\":\"net\",\"format\"", "duplicate"},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct error err;
        assert_int_equal(read_changed(faults[i].part, faults[i].text, &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, "/models/net/3/model.json"));
        if (!strstr(err.detail, faults[i].told))
            fail_msg("\"%s\" does not tell %s", err.detail, faults[i].told);
    }
}

static void refuses_a_card_that_stands_elsewhere(void **state) {
    (void)state;
    struct error err;
    assert_int_equal(read_changed("\"name\":\"net\"", "\"name\":\"ten\"", &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "ten/3"));
    assert_int_equal(read_changed("\"version\":\"3\"", "\"version\":\"13\"", &err),
                     STATUS_INTERNAL);
    assert_int_equal(read_changed("\"name\":\"net\"", "\"name\":\"et\"", &err), STATUS_INTERNAL);
    assert_int_equal(read_changed("\"name\":\"net\"", "\"name\":\"N\"", &err), STATUS_INTERNAL);
}

static void a_missing_card_is_named(void **state) {
    (void)state;
    struct card card;
    struct error err;
    assert_int_equal(card_read("/tmp/nowhere/net/3", &card, &err), STATUS_INTERNAL);
    assert_string_equal(err.detail, "/tmp/nowhere/net/3/model.json: No such file or directory");
}

static void names_and_versions_follow_their_patterns(void **state) {
    (void)state;
    char longest[] = "a23456789012345678901234567890123456789012345678901234567890123";
    assert_int_equal(strlen(longest), CARD_NAME_MAX);
    assert_true(card_name_valid(longest));
    assert_true(card_name_valid("0"));
    assert_true(card_name_valid("dlib-resnet_2.1"));
    static const char *const bad_names[] = {"",
                                            ".a",
                                            "-a",
                                            "A",
                                            "a/b",
                                            "a b",
                                            "é",
                                            "a\n",
                                            ("a2345678901234567890123456789012345678901234567890"
                                             "12345678901234")};
    for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++)
        assert_false(card_name_valid(bad_names[i]));
    assert_true(card_version_valid("1"));
    assert_true(card_version_valid("10"));
    static const char *const bad_versions[] = {
        "", "0", "01", "1a", "-1", "1.0", " 1", "1\n", "123456789012345678901"};
    for (size_t i = 0; i < sizeof(bad_versions) / sizeof(bad_versions[0]); i++)
        assert_false(card_version_valid(bad_versions[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_everything_a_card_says),
        cmocka_unit_test(reads_the_input_of_whole_frames),
        cmocka_unit_test(reads_the_shape_of_a_vision_transformer),
        cmocka_unit_test(refuses_a_vision_transformer_that_cannot_be),
        cmocka_unit_test(reads_what_is_done_to_the_networks_numbers),
        cmocka_unit_test(a_card_that_says_nothing_of_it_is_as_before),
        cmocka_unit_test(the_width_of_a_transformer_is_the_length_before_the_head),
        cmocka_unit_test(refuses_an_embedding_that_cannot_be),
        cmocka_unit_test(reads_the_evaluation_when_there_is_one),
        cmocka_unit_test(refuses_every_member_out_of_range),
        cmocka_unit_test(refuses_a_card_that_stands_elsewhere),
        cmocka_unit_test(a_missing_card_is_named),
        cmocka_unit_test(names_and_versions_follow_their_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
