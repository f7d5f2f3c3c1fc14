/* What a training refuses before it begins, and batches that are none. */
#include "tests/unit/folder.h"

#include "model/import/vit.h"
#include "model/network/network.h"
#include "model/network/train.h"

#include <math.h>

#define NOTEBOOK FACEPAIR_SOURCE_DIR "/tests/parity/vit/notebook/"
enum { ROW_VALUES = (4 * 4 + 4) * 32 /* patches and registers */ };

/* An imported network of two blocks. */
struct subject {
    struct folder folder;
    struct card card;
    char weights[128];
};

static int open_subject(void **state) {
    struct subject *s = calloc(1, sizeof(*s));
    struct error err;
    if (!s || network_runtime_open("cpu", 1, &err) != STATUS_OK)
        return -1;
    s->folder = folder_create();
    const struct import_vit_options options = {.weights_path = NOTEBOOK "weights.safetensors",
                                               .config_path = NOTEBOOK "config.json",
                                               .data_directory = s->folder.path,
                                               .input = CARD_INPUT_FRAME};
    char version[96];
    snprintf(version, sizeof(version), "%s/models/vit/1", s->folder.path);
    snprintf(s->weights, sizeof(s->weights), "%s/weights.safetensors", version);
    if (import_vit(&options, &err) != STATUS_OK || card_read(version, &s->card, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    *state = s;
    return 0;
}

static int close_subject(void **state) {
    struct subject *s = *state;
    card_release(&s->card);
    folder_remove(&s->folder);
    free(s);
    return 0;
}

static void assert_refused(const struct card *card, const char *weights,
                           const struct network_train_options *options, enum status status,
                           const char *told) {
    struct network_train *train = NULL;
    struct error err;
    assert_int_equal(network_train_begin(card, weights, options, &train, &err), status);
    assert_null(train);
    if (!strstr(err.detail, told))
        fail_msg("\"%s\" does not tell \"%s\"", err.detail, told);
}

static void an_option_out_of_range_is_named(void **state) {
    const struct subject *s = *state;
    static const double nowhere[] = {-1, NAN, INFINITY, -INFINITY, 1001};
    struct network_train_options options;
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        static const struct {
            size_t offset;
            const char *name;
        } members[] = {{offsetof(struct network_train_options, margin), "margin"},
                       {offsetof(struct network_train_options, learning_rate), "learning_rate"},
                       {offsetof(struct network_train_options, beta1), "beta1"},
                       {offsetof(struct network_train_options, beta2), "beta2"},
                       {offsetof(struct network_train_options, blend), "blend"},
                       {offsetof(struct network_train_options, epsilon), "epsilon"}};
        for (size_t k = 0; k < sizeof(members) / sizeof(members[0]); k++) {
            options = NETWORK_TRAIN_OPTIONS_DEFAULT;
            memcpy((char *)&options + members[k].offset, &nowhere[i], sizeof(nowhere[i]));
            assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, members[k].name);
        }
    }
}

static void the_ends_of_the_ranges_are_where_they_are_said_to_be(void **state) {
    const struct subject *s = *state;
    struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
    struct network_train *train;
    options.margin = 1000, options.learning_rate = 1, options.epsilon = 1;
    options.beta1 = options.beta2 = 0;
    assert_int_equal(network_train_begin(&s->card, s->weights, &options, &train, NULL), STATUS_OK);
    network_train_end(train);
    options.beta2 = 1;
    assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "beta2");
    options.beta2 = 0, options.margin = 0;
    assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "margin");
    options.margin = 1, options.blend = 0;
    assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "blend");
    options.blend = 1, options.epsilon = 0;
    assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "epsilon");
    options.epsilon = 1, options.learning_rate = 0;
    assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "learning_rate");
}

static void what_is_trained_must_be_something(void **state) {
    const struct subject *s = *state;
    char long_one[NETWORK_TRAIN_PATTERN_MAX + 2] = "";
    memset(long_one, '*', sizeof(long_one) - 1);
    const char *const nothing[] = {"last_0",
                                   "last_3",
                                   "last_99999999999999999999",
                                   "last_",
                                   "last_two",
                                   "last_1 ",
                                   "last_-1",
                                   "",
                                   ",",
                                   "ALL",
                                   "blocks",
                                   "blocks.1",
                                   "blocks.2.*",
                                   "?",
                                   "fc_norm.weight?",
                                   "locks.*",
                                   "softmax.columns",
                                   "blocks.1.[mn]*",
                                   "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b",
                                   long_one};
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
        options.trainable = nothing[i];
        assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "trainable: ");
    }
    struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
    struct network_train *train;
    long_one[NETWORK_TRAIN_PATTERN_MAX] = '\0';
    options.trainable = long_one;
    assert_int_equal(network_train_begin(&s->card, s->weights, &options, &train, NULL), STATUS_OK);
    network_train_end(train);
}

static void a_softmax_has_ranges_of_its_own(void **state) {
    const struct subject *s = *state;
    struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
    struct network_train *train;
    options.loss = NETWORK_TRAIN_COSFACE, options.identities = 2;
    assert_int_equal(network_train_begin(&s->card, s->weights, &options, &train, NULL), STATUS_OK);
    network_train_end(train);
    options.margin = 1.01;
    assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "margin: ");
    options.loss = NETWORK_TRAIN_ARCFACE, options.margin = 1.5;
    assert_int_equal(network_train_begin(&s->card, s->weights, &options, &train, NULL), STATUS_OK);
    network_train_end(train);
    options.margin = 1.51;
    assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "margin: ");
    options.margin = 0.5, options.identities = 1;
    assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "identities: ");
    options.identities = NETWORK_TRAIN_IDENTITIES_MAX + 1;
    assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "identities: ");
    static const double nowhere[] = {0, -1, 1001, NAN, INFINITY};
    options.identities = 2;
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        options.scale = nowhere[i];
        assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "scale: ");
    }
    options.loss = (enum network_train_loss)3;
    assert_refused(&s->card, s->weights, &options, STATUS_INVALID_FIELD, "loss: ");
}

static void weights_that_are_not_the_cards_are_refused(void **state) {
    const struct subject *s = *state;
    const struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
    struct card card = s->card;
    card.vit.width = 64;
    assert_refused(&card, s->weights, &options, STATUS_INTERNAL, "has another shape");
    card = s->card;
    card.input.side = 64;
    assert_refused(&card, s->weights, &options, STATUS_INTERNAL, "pos_embed has another shape");
    card = s->card;
    card.vit.depth = 1;
    assert_refused(&card, s->weights, &options, STATUS_INTERNAL, "no use for");
    card.vit.depth = 3;
    assert_refused(&card, s->weights, &options, STATUS_INTERNAL, "no tensor blocks.2.");
    snprintf(card.architecture, sizeof(card.architecture), "dlib-resnet");
    assert_refused(&card, s->weights, &options, STATUS_INTERNAL, "chips of side 150");
    snprintf(card.architecture, sizeof(card.architecture), "resnet");
    assert_refused(&card, s->weights, &options, STATUS_INTERNAL, "unknown architecture");
}

static void a_torchscript_module_cannot_be_trained(void **state) {
    const struct subject *s = *state;
    const struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
    struct card card = s->card;
    snprintf(card.architecture, sizeof(card.architecture), "torchscript");
    assert_refused(&card, s->weights, &options, STATUS_INVALID_FIELD, "cannot be trained");
}

static void weights_that_cannot_be_read_are_refused(void **state) {
    const struct subject *s = *state;
    const struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
    char path[128];
    folder_write_text(&s->folder, "empty", "");
    folder_write_text(&s->folder, "text", "not a file of tensors, but of words");
    snprintf(path, sizeof(path), "%s/absent", s->folder.path);
    assert_refused(&s->card, path, &options, STATUS_INTERNAL, "absent: No such file");
    snprintf(path, sizeof(path), "%s/empty", s->folder.path);
    assert_refused(&s->card, path, &options, STATUS_INTERNAL, "too short");
    snprintf(path, sizeof(path), "%s/text", s->folder.path);
    assert_refused(&s->card, path, &options, STATUS_INTERNAL, "does not fit");
    assert_refused(&s->card, s->folder.path, &options, STATUS_INTERNAL, "not a regular file");
}

static void assert_batch_refused(struct network_train *train,
                                 const struct network_train_batch *batch, const char *told) {
    struct error err;
    double loss = -1;
    assert_int_equal(network_train_step(train, batch, &loss, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, told));
    assert_int_equal(network_train_evaluate(train, batch, &loss, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, told));
    assert_true(loss == -1);
}

static void a_batch_of_no_pairs_of_too_many_or_with_a_third_label_is_refused(void **state) {
    const struct subject *s = *state;
    struct network_train *train;
    assert_int_equal(
        network_train_begin(&s->card, s->weights, &NETWORK_TRAIN_OPTIONS_DEFAULT, &train, NULL),
        STATUS_OK);
    static const float rows[2 * ROW_VALUES];
    uint8_t same[2] = {1, 0};
    struct network_train_batch batch = {.n = 0, .a = rows, .b = rows, .same = same};
    assert_batch_refused(train, &batch, "0 pairs");
    batch.n = NETWORK_TRAIN_PAIRS_MAX + 1;
    assert_batch_refused(train, &batch, "4097 pairs");
    batch.n = UINT32_MAX;
    assert_batch_refused(train, &batch, "4294967295 pairs");
    batch.n = 2;
    same[1] = 2;
    assert_batch_refused(train, &batch, "pair 1");
    same[1] = 255;
    assert_batch_refused(train, &batch, "pair 1");
    same[1] = 0;
    double loss;
    /* Equal rows are at a distance of almost 0: the pair of two people lacks the whole margin. */
    assert_int_equal(network_train_evaluate(train, &batch, &loss, NULL), STATUS_OK);
    assert_true(fabs(loss - 0.5) < 1e-4);
    network_train_end(train);
}

static void a_batch_of_no_people_of_too_many_or_with_a_stranger_is_refused(void **state) {
    const struct subject *s = *state;
    struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
    struct network_train *train;
    options.loss = NETWORK_TRAIN_COSFACE, options.identities = 10;
    assert_int_equal(network_train_begin(&s->card, s->weights, &options, &train, NULL), STATUS_OK);
    static const float rows[2 * ROW_VALUES];
    static const uint8_t same[2];
    uint32_t identity[2] = {0, 10};
    struct network_train_batch batch = {.n = 0, .rows = rows, .identity = identity};
    assert_batch_refused(train, &batch, "0 rows");
    batch.n = NETWORK_TRAIN_ROWS_MAX + 1;
    assert_batch_refused(train, &batch, "8193 rows");
    batch.n = 2;
    assert_batch_refused(train, &batch, "row 1");
    identity[1] = UINT32_MAX;
    assert_batch_refused(train, &batch, "row 1");
    const struct network_train_batch pairs = {.n = 2, .a = rows, .b = rows, .same = same};
    assert_batch_refused(train, &pairs, "takes people, not pairs");
    double loss;
    identity[1] = 9;
    assert_int_equal(network_train_evaluate(train, &batch, &loss, NULL), STATUS_OK);
    assert_true(loss > 0);
    network_train_end(train);
}

static void a_learning_rate_out_of_range_is_refused_later_too(void **state) {
    const struct subject *s = *state;
    struct network_train *train;
    struct error err;
    assert_int_equal(
        network_train_begin(&s->card, s->weights, &NETWORK_TRAIN_OPTIONS_DEFAULT, &train, NULL),
        STATUS_OK);
    assert_int_equal(network_train_set_learning_rate(train, NAN, &err), STATUS_INVALID_FIELD);
    assert_non_null(strstr(err.detail, "learning_rate"));
    assert_int_equal(network_train_set_learning_rate(train, 0, NULL), STATUS_INVALID_FIELD);
    assert_int_equal(network_train_set_learning_rate(train, 1e-4, NULL), STATUS_OK);
    network_train_end(train);
}

static void a_place_that_cannot_be_written_is_an_error(void **state) {
    const struct subject *s = *state;
    struct network_train *train;
    struct error err;
    char path[128];
    assert_int_equal(
        network_train_begin(&s->card, s->weights, &NETWORK_TRAIN_OPTIONS_DEFAULT, &train, NULL),
        STATUS_OK);
    snprintf(path, sizeof(path), "%s/no-such-folder/weights.safetensors", s->folder.path);
    assert_int_equal(network_train_save(train, path, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "No such file"));
    network_train_end(train);
    network_train_end(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_option_out_of_range_is_named),
        cmocka_unit_test(the_ends_of_the_ranges_are_where_they_are_said_to_be),
        cmocka_unit_test(what_is_trained_must_be_something),
        cmocka_unit_test(a_softmax_has_ranges_of_its_own),
        cmocka_unit_test(weights_that_are_not_the_cards_are_refused),
        cmocka_unit_test(a_torchscript_module_cannot_be_trained),
        cmocka_unit_test(weights_that_cannot_be_read_are_refused),
        cmocka_unit_test(a_batch_of_no_pairs_of_too_many_or_with_a_third_label_is_refused),
        cmocka_unit_test(a_batch_of_no_people_of_too_many_or_with_a_stranger_is_refused),
        cmocka_unit_test(a_learning_rate_out_of_range_is_refused_later_too),
        cmocka_unit_test(a_place_that_cannot_be_written_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_subject, close_subject);
}
