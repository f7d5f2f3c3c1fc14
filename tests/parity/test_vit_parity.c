/* `facepair import vit` and the network against timm's own, on the golden files of tests/parity/vit
 * (made by its golden.py): import, card, network. */
#include "tests/unit/folder.h"

#include "model/card.h"
#include "model/import/vit.h"
#include "model/network/network.h"
#include "tests/parity/device.h"
#include "tests/parity/plain_vit.h"

#include <math.h>

#define BAR parity_bar(1e-5f)
#define GOLDEN FACEPAIR_SOURCE_DIR "/tests/parity/vit/"

static const char *const CASES[] = {"notebook", "class-token", "prefix"};
enum { CASES_COUNT = sizeof(CASES) / sizeof(CASES[0]) };

/* A golden network, imported and opened. */
struct subject {
    struct folder data;
    struct card card;
    struct network *network;
    struct safetensors *weights, *expected;
    uint32_t images;
    const float *input, *embedding; /* (images, 3, side, side), (images, width) */
};

static struct subject subject_open(const char *name, const char *weights_file) {
    struct subject s = {.data = folder_create()};
    char weights[256], config[256], expected[256], version[128], copy[192];
    snprintf(weights, sizeof(weights), GOLDEN "%s/%s", name, weights_file);
    snprintf(config, sizeof(config), GOLDEN "%s/config.json", name);
    snprintf(expected, sizeof(expected), GOLDEN "%s/expected.safetensors", name);
    snprintf(version, sizeof(version), "%s/models/vit/1", s.data.path);
    snprintf(copy, sizeof(copy), "%s/weights.safetensors", version);
    const struct import_vit_options options = {.weights_path = weights,
                                               .config_path = config,
                                               .data_directory = s.data.path,
                                               .input = CARD_INPUT_FRAME};
    struct error err;
    if (import_vit(&options, &err) != STATUS_OK || card_read(version, &s.card, &err) != STATUS_OK ||
        network_open(&s.card, copy, &s.network, &err) != STATUS_OK ||
        safetensors_open(copy, &s.weights, &err) != STATUS_OK ||
        safetensors_open(expected, &s.expected, &err) != STATUS_OK)
        fail_msg("%s: %s", name, err.detail);
    const struct safetensors_tensor *input = safetensors_find(s.expected, "input");
    s.images = (uint32_t)input->shape[0];
    s.input = input->data;
    s.embedding = safetensors_find(s.expected, "embedding")->data;
    return s;
}

static void subject_close(struct subject *s) {
    network_close(s->network);
    safetensors_close(s->weights);
    safetensors_close(s->expected);
    card_release(&s->card);
    folder_remove(&s->data);
}

static double difference(const float *a, const float *b, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(isfinite(a[i]) && isfinite(b[i]));
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    }
    return most;
}

static void embed(const struct subject *s, uint32_t first, uint32_t count, float *out) {
    size_t face = (size_t)3 * s->card.input.side * s->card.input.side;
    struct error err;
    if (network_embed(s->network, s->input + first * face, count, out, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
}

static void every_component_is_within_a_hundred_thousandth_of_timms(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES_COUNT; i++) {
        struct subject s = subject_open(CASES[i], "weights.safetensors");
        size_t width = s.card.embedding_length;
        float *out = calloc(s.images * width, sizeof(*out));
        embed(&s, 0, s.images, out);
        double most = difference(out, s.embedding, s.images * width);
        print_message("%s: largest difference %.2e\n", CASES[i], most);
        assert_true(most <= BAR);
        for (uint32_t k = 0; k < s.images; k++)
            embed(&s, k, 1, out + k * width);
        assert_true(difference(out, s.embedding, s.images * width) <= BAR);
        /* Or a network that answers a constant would pass. */
        assert_true(difference(s.embedding, s.embedding + width, width) > 1e-2);
        free(out);
        subject_close(&s);
    }
}

static void the_cards_say_what_the_networks_are(void **state) {
    (void)state;
    struct subject s = subject_open("notebook", "weights.safetensors");
    const struct card_vit *vit = &s.card.vit;
    assert_string_equal(s.card.architecture, "vit");
    assert_true(vit->patch == 8 && vit->width == 32 && vit->depth == 2 && vit->heads == 2);
    assert_true(vit->hidden == 96 && vit->registers == 4 && !vit->class_token);
    assert_true(vit->layer_scale && vit->qkv_bias && vit->norm_after_pool);
    assert_false(vit->position_on_prefix || vit->pool_class_token);
    assert_true(s.card.input.kind == CARD_INPUT_FRAME && s.card.input.side == 32);
    assert_true(s.card.input.crop_pct == 0.95 && s.card.input.mean[0] == 127.5f);
    assert_int_equal(s.card.thresholds_count, 0);
    subject_close(&s);

    s = subject_open("class-token", "weights.safetensors");
    assert_true(vit->class_token && vit->pool_class_token && vit->position_on_prefix);
    assert_true(!vit->layer_scale && !vit->norm_after_pool && vit->registers == 0);
    subject_close(&s);

    s = subject_open("prefix", "weights.safetensors");
    assert_true(vit->class_token && !vit->pool_class_token && vit->position_on_prefix);
    assert_true(vit->layer_scale && !vit->qkv_bias && !vit->norm_after_pool);
    assert_true(vit->registers == 2 && card_vit_prefix(vit) == 3);
    subject_close(&s);
}

static void a_state_dict_of_the_notebooks_class_is_the_same_network(void **state) {
    (void)state;
    struct subject from_pth = subject_open("notebook", "weights.pth");
    struct subject from_safetensors = subject_open("notebook", "weights.safetensors");
    size_t count = safetensors_count(from_pth.weights);
    assert_int_equal(count, 34);
    assert_int_equal(safetensors_count(from_safetensors.weights), count);
    assert_string_equal(from_pth.card.weights_sha256, from_safetensors.card.weights_sha256);
    subject_close(&from_pth);
    subject_close(&from_safetensors);
}

/* The largest component off timm's, over all images. */
static double off(const struct subject *s, enum vit_mistake mistake) {
    size_t width = s->card.embedding_length, side = s->card.input.side;
    double *plain = calloc(width, sizeof(*plain)), most = 0;
    for (uint32_t i = 0; i < s->images; i++) {
        plain_vit(&s->card.vit, (uint32_t)side, s->weights, s->input + (size_t)i * 3 * side * side,
                  mistake, plain);
        for (size_t k = 0; k < width; k++)
            most = fmax(most, fabs(plain[k] - (double)s->embedding[i * width + k]));
    }
    free(plain);
    return most;
}

/* Whether the network has what the mistake is about. */
static bool matters(enum vit_mistake mistake, const struct card_vit *vit) {
    if (mistake == VIT_NO_LAYER_SCALE)
        return vit->layer_scale;
    if (mistake == VIT_NO_QKV_BIAS)
        return vit->qkv_bias;
    if (mistake == VIT_NORM_ELSEWHERE)
        return !vit->pool_class_token;
    return true;
}

static void a_mistaken_network_is_noticed(void **state) {
    (void)state;
    for (size_t i = 0; i < CASES_COUNT; i++) {
        struct subject s = subject_open(CASES[i], "weights.safetensors");
        assert_true(off(&s, VIT_NO_MISTAKE) <= BAR);
        for (enum vit_mistake mistake = 1; mistake < VIT_MISTAKES; mistake++) {
            double most = off(&s, mistake);
            if (!matters(mistake, &s.card.vit))
                continue;
            print_message("%s, %s: largest difference %.2e\n", CASES[i], VIT_MISTAKE_NAMES[mistake],
                          most);
            assert_true(most > BAR);
        }
        subject_close(&s);
    }
}

static int open_runtime(void **state) {
    (void)state;
    struct error err;
    return network_runtime_open(parity_device(), 1, &err) == STATUS_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_component_is_within_a_hundred_thousandth_of_timms),
        cmocka_unit_test(the_cards_say_what_the_networks_are),
        cmocka_unit_test(a_state_dict_of_the_notebooks_class_is_the_same_network),
        cmocka_unit_test(a_mistaken_network_is_noticed),
    };
    return cmocka_run_group_tests(tests, open_runtime, NULL);
}
