/* What network.c does around an engine: mirror images, normalising, the head, and the steps in
 * which a large batch goes. The engine here is a made-up one that can be computed by hand. */
#include "tests/unit/folder.h"

#include "model/network/engine.h"
#include "model/network/finish.h"
#include "model/network/network.h"
#include "model/safetensors.h"

#include <math.h>

enum { SIDE = 16, VALUES = 3 * SIDE * SIDE, RAW = 5, LENGTH = 3 };

/* ---- an engine: component k of a face is Σ value × (position × (k + 1) mod 7) ---- */

static unsigned calls, largest;
static bool fails;

static double component(const float *face, int k, bool mirrored) {
    double sum = 0;
    for (int i = 0; i < VALUES; i++) {
        int x = i % SIDE, from = mirrored ? i - x + SIDE - 1 - x : i;
        sum += (double)face[from] * (i * (k + 1) % 7);
    }
    return sum;
}

static bool takes(const struct card *card) {
    (void)card;
    return true;
}

static enum status open_engine(const struct card *card, const char *weights_path, void **state,
                               struct error *err) {
    (void)card, (void)weights_path, (void)err;
    *state = &calls;
    return STATUS_OK;
}

static uint64_t memory_bytes(const struct card *card, uint64_t weights_bytes) {
    (void)card;
    return weights_bytes;
}

static void close_engine(void *state) { assert_ptr_equal(state, &calls); }

static enum status embed(void *state, const float *faces, uint32_t n, float *out,
                         struct error *err) {
    (void)state;
    calls++;
    largest = n > largest ? n : largest;
    if (fails)
        return error_set(err, STATUS_INTERNAL, "told to fail");
    for (uint32_t i = 0; i < n; i++)
        for (int k = 0; k < RAW; k++)
            out[i * RAW + k] = (float)component(faces + (size_t)i * VALUES, k, false);
    return STATUS_OK;
}

static const struct network_engine ENGINE = {"made-up",   takes,        memory_bytes,
                                             open_engine, close_engine, embed};
/* network.c's table wants these; nothing here comes to them. */
const struct network_engine network_engine_avx512 = {"avx512",    takes,        memory_bytes,
                                                     open_engine, close_engine, embed};
const struct network_engine network_engine_avx2 = {"avx2",      takes,        memory_bytes,
                                                   open_engine, close_engine, embed};
const struct network_engine network_engine_torch = {"torch",     takes,        memory_bytes,
                                                    open_engine, close_engine, embed};

/* ---- cards, heads and faces ---- */

static const float HEAD[LENGTH * RAW] = {0.5f, -1, 2, 0, 0.25f, 1, 1, 1, 1, 1, -3, 2, 0.125f, 0, 4};

static struct card card_of(bool mirror, bool normalise, bool head) {
    return (struct card){
        .architecture = "dlib-resnet",
        .input = {.side = SIDE},
        .embedding_length = head ? LENGTH : RAW,
        .embedding = {
            .network_length = RAW, .mirror = mirror, .normalise = normalise, .head = head}};
}

static void write_head(const struct folder *folder, const char *name, uint64_t rows,
                       uint64_t columns, const float *values, char path[PATH_MAX]) {
    const struct safetensors_tensor tensor = {
        .name = name, .rank = 2, .shape = {rows, columns}, .data = values};
    snprintf(path, PATH_MAX, "%s/weights.safetensors", folder->path);
    unlink(path);
    assert_int_equal(safetensors_write(path, &tensor, 1, NULL), STATUS_OK);
}

static float *made_up_faces(uint32_t n) {
    float *faces = calloc(n, VALUES * sizeof(float));
    uint32_t state = 7;
    assert_non_null(faces);
    for (size_t i = 0; i < (size_t)n * VALUES; i++) {
        state = state * 1664525u + 1013904223u;
        faces[i] = (float)(state >> 8) / (float)(1u << 24) - 0.5f;
    }
    return faces;
}

/* The embedding written down again, with a mistake when asked for one. */
enum mistake { NONE, NO_MIRROR, UPSIDE_DOWN, NO_L2, NO_HEAD_TRANSPOSE, L2_LAST, SUM };

static double mirrored_component(const float *face, int k, enum mistake mistake) {
    if (mistake != UPSIDE_DOWN)
        return component(face, k, true);
    double sum = 0;
    for (int i = 0; i < VALUES; i++) {
        int plane = i / (SIDE * SIDE), y = i / SIDE % SIDE, x = i % SIDE;
        sum += (double)face[plane * SIDE * SIDE + (SIDE - 1 - y) * SIDE + x] * (i * (k + 1) % 7);
    }
    return sum;
}

static void normalise(double *vector, int length) {
    double sum = 0;
    for (int k = 0; k < length; k++)
        sum += vector[k] * vector[k];
    for (int k = 0; k < length; k++)
        vector[k] /= sqrt(sum);
}

static void plain(const float *face, enum mistake mistake, double out[LENGTH]) {
    double vector[RAW];
    for (int k = 0; k < RAW; k++) {
        double own = (double)(float)component(face, k, false);
        double other = (double)(float)mirrored_component(face, k, mistake);
        vector[k] = mistake == NO_MIRROR ? own : mistake == SUM ? own + other : (own + other) / 2;
    }
    if (mistake != NO_L2 && mistake != L2_LAST)
        normalise(vector, RAW);
    for (int i = 0; i < LENGTH; i++) {
        out[i] = 0;
        for (int k = 0; k < RAW; k++)
            out[i] += vector[k] * (double)(mistake == NO_HEAD_TRANSPOSE ? HEAD[k * LENGTH + i]
                                                                        : HEAD[i * RAW + k]);
    }
    if (mistake == L2_LAST)
        normalise(out, LENGTH);
}

static double off(const float *faces, uint32_t n, const float *embeddings, enum mistake mistake) {
    double most = 0;
    for (uint32_t i = 0; i < n; i++) {
        double wanted[LENGTH];
        plain(faces + (size_t)i * VALUES, mistake, wanted);
        for (int k = 0; k < LENGTH; k++)
            most = fmax(most, fabs(wanted[k] - (double)embeddings[i * LENGTH + k]));
    }
    return most;
}

/* ---- the tests ---- */

static void mirror_then_l2_then_head(void **state) {
    (void)state;
    enum { FACES = 75 }; /* more than two steps of 32 */
    struct folder folder = folder_create();
    char path[PATH_MAX];
    struct network *network;
    float *faces = made_up_faces(FACES), out[FACES * LENGTH];
    const struct card card = card_of(true, true, true);
    write_head(&folder, CARD_HEAD_TENSOR, LENGTH, RAW, HEAD, path);
    assert_int_equal(network_open_by(&ENGINE, &card, path, &network, NULL), STATUS_OK);
    assert_int_equal(network_embed(network, faces, FACES, out, NULL), STATUS_OK);
    assert_true(off(faces, FACES, out, NONE) <= 1e-6);
    /* Its sum instead of its mean is normalised away. */
    assert_true(off(faces, FACES, out, SUM) <= 1e-6);
    for (enum mistake mistake = NO_MIRROR; mistake < SUM; mistake++)
        assert_true(off(faces, FACES, out, mistake) > 1e-3);
    network_close(network);
    free(faces);
    folder_remove(&folder);
}

static void mirroring_alone_is_the_mean(void **state) {
    (void)state;
    struct network *network;
    float *faces = made_up_faces(2), out[2 * RAW];
    const struct card card = card_of(true, false, false);
    assert_int_equal(network_open_by(&ENGINE, &card, "none", &network, NULL), STATUS_OK);
    assert_int_equal(network_embed(network, faces, 2, out, NULL), STATUS_OK);
    for (int i = 0; i < 2 * RAW; i++) {
        const float *face = faces + (size_t)(i / RAW) * VALUES;
        double wanted = (component(face, i % RAW, false) + component(face, i % RAW, true)) / 2;
        assert_true(fabs((double)out[i] - wanted) <= 1e-5 * fabs(wanted) + 1e-5);
    }
    network_close(network);
    free(faces);
}

static void normalising_alone_gives_length_1_and_leaves_zeros(void **state) {
    (void)state;
    struct network *network;
    float *faces = made_up_faces(2), out[2 * RAW];
    const struct card card = card_of(false, true, false);
    memset(faces + VALUES, 0, VALUES * sizeof(float));
    assert_int_equal(network_open_by(&ENGINE, &card, "none", &network, NULL), STATUS_OK);
    assert_int_equal(network_embed(network, faces, 2, out, NULL), STATUS_OK);
    double sum = 0;
    for (int k = 0; k < RAW; k++) {
        sum += (double)out[k] * (double)out[k];
        assert_true(out[RAW + k] == 0);
    }
    assert_true(fabs(sum - 1) <= 1e-6);
    network_close(network);
    free(faces);
}

static void a_card_without_any_of_it_gives_the_engines_bits(void **state) {
    (void)state;
    struct network *network;
    float *faces = made_up_faces(70), out[70 * RAW], wanted[70 * RAW];
    const struct card card = card_of(false, false, false);
    assert_int_equal(network_open_by(&ENGINE, &card, "none", &network, NULL), STATUS_OK);
    calls = 0;
    assert_int_equal(network_embed(network, faces, 70, out, NULL), STATUS_OK);
    assert_int_equal(calls, 1);
    assert_int_equal(embed(NULL, faces, 70, wanted, NULL), STATUS_OK);
    assert_memory_equal(out, wanted, sizeof(out));
    network_close(network);
    free(faces);
}

static void a_large_batch_goes_in_steps(void **state) {
    (void)state;
    enum { FACES = 500 };
    struct network *network;
    float *faces = made_up_faces(FACES), *out = calloc(FACES, RAW * sizeof(float)), one[RAW];
    const struct card card = card_of(true, false, false);
    assert_int_equal(network_open_by(&ENGINE, &card, "none", &network, NULL), STATUS_OK);
    calls = largest = 0;
    assert_int_equal(network_embed(network, faces, FACES, out, NULL), STATUS_OK);
    assert_true(largest <= 64 && calls >= FACES / 32);
    for (uint32_t i = 0; i < FACES; i++) {
        assert_int_equal(network_embed(network, faces + (size_t)i * VALUES, 1, one, NULL),
                         STATUS_OK);
        assert_memory_equal(one, out + (size_t)i * RAW, sizeof(one));
    }
    network_close(network);
    free(faces);
    free(out);
}

static void an_engines_failure_is_passed_on(void **state) {
    (void)state;
    struct network *network;
    struct error err;
    float *faces = made_up_faces(1), out[RAW];
    const struct card card = card_of(true, true, false);
    assert_int_equal(network_open_by(&ENGINE, &card, "none", &network, NULL), STATUS_OK);
    fails = true;
    assert_int_equal(network_embed(network, faces, 1, out, &err), STATUS_INTERNAL);
    fails = false;
    assert_string_equal(err.detail, "told to fail");
    network_close(network);
    free(faces);
}

static void a_head_that_does_not_fit_is_refused(void **state) {
    (void)state;
    static const float infinite[LENGTH * RAW] = {[7] = INFINITY};
    static const struct {
        const char *name;
        uint64_t rows, columns;
        const float *values;
        const char *told;
    } cases[] = {
        {"head.weight", LENGTH, RAW, HEAD, "is missing"},
        {CARD_HEAD_TENSOR, RAW, LENGTH, HEAD, "another shape"},
        {CARD_HEAD_TENSOR, LENGTH * RAW, 1, HEAD, "another shape"},
        {CARD_HEAD_TENSOR, LENGTH, RAW - 1, HEAD, "another shape"},
        {CARD_HEAD_TENSOR, LENGTH, RAW, infinite, "not finite"},
    };
    struct folder folder = folder_create();
    const struct card card = card_of(false, false, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[PATH_MAX];
        struct network *network;
        struct error err;
        write_head(&folder, cases[i].name, cases[i].rows, cases[i].columns, cases[i].values, path);
        assert_int_equal(network_open_by(&ENGINE, &card, path, &network, &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, CARD_HEAD_TENSOR));
        if (!strstr(err.detail, cases[i].told))
            fail_msg("\"%s\" does not tell %s", err.detail, cases[i].told);
    }
    folder_remove(&folder);
}

static void mirror_images_are_declared_as_memory(void **state) {
    (void)state;
    struct card plain = card_of(false, true, false), mirrored = card_of(true, true, false);
    assert_int_equal(network_memory_bytes(&plain, 1000), 1000); /* the engine's own, here */
    uint64_t faces = 64;                                        /* 32 and their mirror images */
    assert_int_equal(network_memory_bytes(&mirrored, 1000), 1000 + faces * VALUES * sizeof(float));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mirror_images_are_declared_as_memory),
        cmocka_unit_test(mirror_then_l2_then_head),
        cmocka_unit_test(mirroring_alone_is_the_mean),
        cmocka_unit_test(normalising_alone_gives_length_1_and_leaves_zeros),
        cmocka_unit_test(a_card_without_any_of_it_gives_the_engines_bits),
        cmocka_unit_test(a_large_batch_goes_in_steps),
        cmocka_unit_test(an_engines_failure_is_passed_on),
        cmocka_unit_test(a_head_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
