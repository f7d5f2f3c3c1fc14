/* facepair's dlib-resnet against dlib's own network, on chips cut by dlib.
 *
 *   test_dlib_parity PHOTOS DATA_DIRECTORY WEIGHTS.dat ENGINE
 *
 * What is compared: import (our reader, folding) + network (by ENGINE: avx2, avx512 or torch) +
 * normalisation on one side, dlib's deserialiser and layers on a BLAS on the other. */
#include "model/card.h"
#include "model/network/engine.h"
#include "model/network/network.h"
#include "model/network/normalise.h"
#include "tests/parity/device.h"
#include "tests/parity/plain_network.h"
#include "tests/parity/reference.h"

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
extern "C" {
#include <cmocka.h>
}

namespace {

constexpr int SKIPPED = 77;
constexpr float BAR = 1e-4f;
const float BATCH_BAR = parity_bar(1e-5f);
constexpr size_t CHIPS_MIN = 20, INPUT = 3 * CHIP_SIDE * CHIP_SIDE;

struct fixture {
    const char *photos, *data, *weights;
    const struct network_engine *engine;
    struct card card;
    struct network *network;
    struct safetensors *tensors;
    std::vector<chip> chips;
    std::vector<float> wanted; /* (chips, 128) by dlib */
    std::vector<float> inputs; /* (chips, 3, 150, 150) */
} fixture;

std::vector<float> normalised(const std::vector<chip> &chips, const float mean[3],
                              const float std[3]) {
    std::vector<float> out(chips.size() * INPUT);
    for (size_t i = 0; i < chips.size(); i++)
        normalise_chips(chips[i].rgb.data(), 1, CHIP_SIDE, mean, std, &out[i * INPUT]);
    return out;
}

std::vector<float> embed(const std::vector<float> &inputs, size_t batch) {
    size_t count = inputs.size() / INPUT;
    std::vector<float> out(count * EMBEDDING);
    struct error err = {};
    for (size_t i = 0; i < count; i += batch) {
        auto n = static_cast<uint32_t>(std::min(batch, count - i));
        if (network_embed(fixture.network, &inputs[i * INPUT], n, &out[i * EMBEDDING], &err) !=
            STATUS_OK)
            fail_msg("%s", err.detail);
    }
    return out;
}

float difference(const std::vector<float> &a, const std::vector<float> &b) {
    float most = 0;
    assert_int_equal(a.size(), b.size());
    for (size_t i = 0; i < a.size(); i++) {
        assert_true(std::isfinite(a[i]) && std::isfinite(b[i]));
        most = std::max(most, std::fabs(a[i] - b[i]));
    }
    return most;
}

int open_all(void **) try {
    std::string directory = std::string(fixture.data) + "/models/dlib-resnet/1";
    std::string weights = directory + "/weights.safetensors";
    struct error err = {};
    if (network_runtime_open(parity_device(), 0, &err) != STATUS_OK ||
        card_read(directory.c_str(), &fixture.card, &err) != STATUS_OK ||
        network_open_by(fixture.engine, &fixture.card, weights.c_str(), &fixture.network, &err) !=
            STATUS_OK ||
        safetensors_open(weights.c_str(), &fixture.tensors, &err) != STATUS_OK) {
        print_error("%s\n", err.detail);
        return -1;
    }
    fixture.chips = reference_chips(
        fixture.photos, std::string(fixture.data) + "/face/shape_predictor_5_face_landmarks.dat");
    fixture.wanted = reference_embeddings(fixture.weights, fixture.chips);
    fixture.inputs = normalised(fixture.chips, fixture.card.input.mean, fixture.card.input.std);
    return 0;
} catch (const std::exception &cause) {
    print_error("%s\n", cause.what());
    return -1;
}

int close_all(void **) {
    network_close(fixture.network);
    safetensors_close(fixture.tensors);
    card_release(&fixture.card);
    return 0;
}

void every_component_is_within_a_ten_thousandth_of_dlibs(void **) {
    assert_true(fixture.chips.size() >= CHIPS_MIN);
    for (size_t batch : {1, 2, 8, 32}) {
        float most = difference(embed(fixture.inputs, batch), fixture.wanted);
        print_message("%zu chips, batch %zu: largest difference %.2e\n", fixture.chips.size(),
                      batch, most);
        assert_true(most <= BAR);
    }
}

void an_embedding_does_not_depend_on_its_batch(void **) {
    auto one = embed(fixture.inputs, 1);
    for (size_t batch : {2, 3, 8, 32}) {
        float most = difference(embed(fixture.inputs, batch), one);
        print_message("batch 1 against %zu: largest difference %.2e\n", batch, most);
        assert_true(most <= BATCH_BAR);
    }
}

void the_same_input_twice_gives_the_same_bits(void **) {
    assert_true(embed(fixture.inputs, 2) == embed(fixture.inputs, 2));
}

void sixteen_lanes_give_the_same_bits_as_eight(void **) {
    if (fixture.engine != &network_engine_avx512)
        skip();
    std::vector<float> wide = embed(fixture.inputs, 2);
    std::string weights = std::string(fixture.data) + "/models/dlib-resnet/1/weights.safetensors";
    struct network *network = fixture.network;
    struct error err = {};
    assert_int_equal(network_open_by(&network_engine_avx2, &fixture.card, weights.c_str(),
                                     &fixture.network, &err),
                     STATUS_OK);
    std::vector<float> narrow = embed(fixture.inputs, 2);
    network_close(fixture.network);
    fixture.network = network;
    assert_true(wide == narrow);
}

void faces_far_apart_stay_so(void **) /* or a network that answers a constant would pass */
{
    float most = 0;
    for (size_t i = 1; i < fixture.chips.size(); i++)
        for (int k = 0; k < EMBEDDING; k++)
            most = std::max(most, std::fabs(fixture.wanted[i * EMBEDDING + k] - fixture.wanted[k]));
    assert_true(most > 0.1f);
}

/* dlib's embedding of the first chip. */
std::vector<float> first_wanted() {
    return {fixture.wanted.begin(), fixture.wanted.begin() + EMBEDDING};
}

void a_mistaken_input_is_noticed(void **) {
    const float *mean = fixture.card.input.mean, *std = fixture.card.input.std;
    const float turned[3] = {mean[2], mean[1], mean[0]}, none[3] = {0, 0, 0};
    const float other_std[3] = {255, 255, 255};
    std::vector<chip> first = {fixture.chips[0]}, bgr = first;
    for (size_t i = 0; i < bgr[0].rgb.size(); i += 3)
        std::swap(bgr[0].rgb[i], bgr[0].rgb[i + 2]);
    auto off = [&](const std::vector<chip> &chips, const float *m, const float *s) {
        return difference(embed(normalised(chips, m, s), 1), first_wanted());
    };
    assert_true(off(first, mean, std) <= BAR);
    assert_true(off(bgr, mean, std) > BAR);
    assert_true(off(first, turned, std) > BAR);
    assert_true(off(first, none, std) > BAR);
    assert_true(off(first, mean, other_std) > BAR);
}

void a_mistaken_network_is_noticed(void **) {
    auto off = [&](const mistakes &wrong) {
        return difference(plain_embedding(fixture.tensors, fixture.inputs.data(), wrong),
                          first_wanted());
    };
    assert_true(off({}) <= BAR);
    for (bool mistakes::*mistake :
         {&mistakes::maximum_in_skip, &mistakes::crop_to_smaller, &mistakes::repeat_channels,
          &mistakes::relu_before_sum, &mistakes::padded_max_pool, &mistakes::flipped_kernels,
          &mistakes::blocks_swapped}) {
        mistakes wrong;
        wrong.*mistake = true;
        float most = off(wrong);
        print_message("a mistake: largest difference %.2e\n", most);
        assert_true(most > BAR);
    }
}

/* ---- dlib-resnet-plus: the same network, and what its card wants done with its numbers ---- */

enum finish_mistake { NONE, WITHOUT_MIRROR, WITHOUT_LENGTH_1, HEAD_TRANSPOSED, LENGTH_1_LAST };

std::vector<float> mirrored(std::vector<float> inputs) {
    for (size_t row = 0; row < inputs.size(); row += CHIP_SIDE)
        std::reverse(&inputs[row], &inputs[row] + CHIP_SIDE);
    return inputs;
}

void to_length_1(double *vector) {
    double sum = 0;
    for (int k = 0; k < EMBEDDING; k++)
        sum += vector[k] * vector[k];
    for (int k = 0; k < EMBEDDING; k++)
        vector[k] /= std::sqrt(sum);
}

/* faces, images (n, 128), head (128, 128). */
std::vector<float> finished(const std::vector<float> &faces, const std::vector<float> &images,
                            const float *head, finish_mistake mistake) {
    std::vector<float> out(faces.size());
    for (size_t face = 0; face < faces.size(); face += EMBEDDING) {
        double mean[EMBEDDING], told[EMBEDDING] = {};
        for (int k = 0; k < EMBEDDING; k++)
            mean[k] = mistake == WITHOUT_MIRROR ? faces[face + k]
                                                : (faces[face + k] + double{images[face + k]}) / 2;
        if (mistake != WITHOUT_LENGTH_1 && mistake != LENGTH_1_LAST)
            to_length_1(mean);
        for (int i = 0; i < EMBEDDING; i++)
            for (int k = 0; k < EMBEDDING; k++)
                told[i] += mean[k] * (mistake == HEAD_TRANSPOSED ? head[k * EMBEDDING + i]
                                                                 : head[i * EMBEDDING + k]);
        if (mistake == LENGTH_1_LAST)
            to_length_1(told);
        std::copy(told, told + EMBEDDING, &out[face]);
    }
    return out;
}

void dlib_resnet_plus_is_the_mean_with_the_mirror_image_of_length_1_through_the_head(void **) {
    std::string directory = std::string(fixture.data) + "/models/dlib-resnet-plus/1";
    std::string weights = directory + "/weights.safetensors";
    struct error err = {};
    struct card card = {};
    struct network *network = nullptr;
    struct safetensors *tensors = nullptr;
    if (card_read(directory.c_str(), &card, &err) != STATUS_OK ||
        network_open_by(fixture.engine, &card, weights.c_str(), &network, &err) != STATUS_OK ||
        safetensors_open(weights.c_str(), &tensors, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    const struct safetensors_tensor *head = safetensors_find(tensors, CARD_HEAD_TENSOR);
    assert_non_null(head);
    std::vector<float> faces = embed(fixture.inputs, 8),
                       images = embed(mirrored(fixture.inputs), 8);
    std::vector<float> plus(faces.size());
    auto count = static_cast<uint32_t>(fixture.chips.size());
    assert_int_equal(network_embed(network, fixture.inputs.data(), count, plus.data(), &err),
                     STATUS_OK);
    float most = difference(plus, finished(faces, images, head->data, NONE));
    print_message("dlib-resnet-plus: largest difference %.2e\n", most);
    assert_true(most <= BATCH_BAR);
    for (finish_mistake mistake :
         {WITHOUT_MIRROR, WITHOUT_LENGTH_1, HEAD_TRANSPOSED, LENGTH_1_LAST}) {
        most = difference(plus, finished(faces, images, head->data, mistake));
        print_message("a mistake: largest difference %.2e\n", most);
        assert_true(most > 100 * BATCH_BAR);
    }
    safetensors_close(tensors);
    network_close(network);
    card_release(&card);
}

/* The weights with a head of two components, which are the first and the last of each embedding. */
std::string with_short_head(const char *directory) {
    std::vector<struct safetensors_tensor> tensors(safetensors_all(fixture.tensors),
                                                   safetensors_all(fixture.tensors) +
                                                       safetensors_count(fixture.tensors));
    std::vector<float> head(size_t{2} * EMBEDDING);
    head[0] = head[2 * EMBEDDING - 1] = 1;
    tensors.push_back({CARD_HEAD_TENSOR, 2, {2, EMBEDDING}, head.data()});
    std::string path = std::string(directory) + "/weights.safetensors";
    struct error err = {};
    if (safetensors_write(path.c_str(), tensors.data(), tensors.size(), &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return path;
}

void a_head_may_give_fewer_components_than_the_network(void **) {
    char directory[] = "/tmp/facepair-test-XXXXXX";
    assert_non_null(mkdtemp(directory));
    std::string weights = with_short_head(directory);
    struct card card = fixture.card; /* what it owns stays the fixture's */
    card.embedding_length = 2;
    card.embedding.head = true;
    struct network *network = nullptr;
    struct error err = {};
    if (network_open_by(fixture.engine, &card, weights.c_str(), &network, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    auto count = static_cast<uint32_t>(fixture.chips.size());
    std::vector<float> out(size_t{2} * count), whole = embed(fixture.inputs, 8), expected;
    if (network_embed(network, fixture.inputs.data(), count, out.data(), &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    for (size_t face = 0; face < whole.size(); face += EMBEDDING) {
        expected.push_back(whole[face]);
        expected.push_back(whole[face + EMBEDDING - 1]);
    }
    assert_true(difference(out, expected) <= BATCH_BAR);
    network_close(network);
    unlink(weights.c_str());
    rmdir(directory);
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: test_dlib_parity PHOTOS DATA_DIRECTORY WEIGHTS.dat ENGINE\n");
        return 2;
    }
    fixture.photos = argv[1];
    fixture.data = argv[2];
    fixture.weights = argv[3];
    fixture.engine = std::strcmp(argv[4], "avx512") == 0 ? &network_engine_avx512
                     : std::strcmp(argv[4], "avx2") == 0 ? &network_engine_avx2
                                                         : &network_engine_torch;
    if (fixture.engine == &network_engine_avx512 && !__builtin_cpu_supports("avx512vl"))
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_component_is_within_a_ten_thousandth_of_dlibs),
        cmocka_unit_test(an_embedding_does_not_depend_on_its_batch),
        cmocka_unit_test(the_same_input_twice_gives_the_same_bits),
        cmocka_unit_test(sixteen_lanes_give_the_same_bits_as_eight),
        cmocka_unit_test(faces_far_apart_stay_so),
        cmocka_unit_test(a_mistaken_input_is_noticed),
        cmocka_unit_test(a_mistaken_network_is_noticed),
        cmocka_unit_test(
            dlib_resnet_plus_is_the_mean_with_the_mirror_image_of_length_1_through_the_head),
        cmocka_unit_test(a_head_may_give_fewer_components_than_the_network),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
