/* dlib's network as dlib states it: a type. Its deserialiser, its layers, its matrix product. */
#include "tests/parity/reference.h"

#include <dlib/dnn.h>

namespace {

template <long N, long K, int S, typename SUB>
using conv_affine = dlib::affine<dlib::con<N, K, K, S, S, SUB>>;
template <long N, int S, typename SUB>
using two_convs = conv_affine<N, 3, 1, dlib::relu<conv_affine<N, 3, S, SUB>>>;
template <long N, typename SUB>
using keep = dlib::relu<dlib::add_prev1<two_convs<N, 1, dlib::tag1<SUB>>>>;
template <long N, typename SUB>
using down = dlib::relu<dlib::add_prev2<
    dlib::avg_pool<2, 2, 2, 2, dlib::skip1<dlib::tag2<two_convs<N, 2, dlib::tag1<SUB>>>>>>>;

template <typename SUB>
using stem = dlib::max_pool<3, 3, 2, 2, dlib::relu<conv_affine<32, 7, 2, SUB>>>;
template <typename SUB> using at_32 = keep<32, keep<32, keep<32, SUB>>>;
template <typename SUB> using at_64 = keep<64, keep<64, keep<64, down<64, SUB>>>>;
template <typename SUB> using at_128 = keep<128, keep<128, down<128, SUB>>>;
template <typename SUB> using at_256 = down<256, keep<256, keep<256, down<256, SUB>>>>;

using network = dlib::loss_metric<dlib::fc_no_bias<
    EMBEDDING, dlib::avg_pool_everything<
                   at_256<at_128<at_64<at_32<stem<dlib::input_rgb_image_sized<CHIP_SIDE>>>>>>>>>;

} // namespace

std::vector<float> reference_embeddings(const std::string &weights,
                                        const std::vector<chip> &chips) {
    network net;
    dlib::deserialize(weights) >> net;
    std::vector<dlib::matrix<dlib::rgb_pixel>> inputs;
    for (const chip &chip : chips) {
        dlib::matrix<dlib::rgb_pixel> image(CHIP_SIDE, CHIP_SIDE);
        for (long i = 0; i < image.size(); i++)
            image(i / CHIP_SIDE, i % CHIP_SIDE) =
                dlib::rgb_pixel(chip.rgb[3 * i], chip.rgb[3 * i + 1], chip.rgb[3 * i + 2]);
        inputs.push_back(std::move(image));
    }
    std::vector<float> embeddings;
    for (const auto &embedding : net(inputs, 8))
        embeddings.insert(embeddings.end(), embedding.begin(), embedding.end());
    return embeddings;
}
