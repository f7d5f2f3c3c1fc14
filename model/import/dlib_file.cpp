/* How dlib writes a network, and how it is read here.
 *
 * A dlib network is a nest of layer types, the outermost (the loss) last in forward order. Each
 * layer writes a version number, then the layer under it, then its own details and a trailer. So
 * in the file all version numbers stand first, outermost layer first, and after them come the
 * details, innermost (the input) first, that is in forward order. This file reads exactly that
 * sequence for the one known network, with dlib's own readers for numbers, strings and tensors.
 *
 * Instantiating dlib's network type and calling its deserialiser would do the same, but takes half
 * a minute to compile and draws a BLAS into the program for a forward pass that nobody runs. The
 * parity test does instantiate it, as the reference that this reader and the network are held
 * against.
 *
 * Layers, outermost first: loss, fc, global average, then the residual blocks from the last to the
 * first, max-pool, relu, affine, conv, input. A block, outermost first:
 *   kept:  relu add_prev1                     affine conv relu affine conv tag1
 *   down:  relu add_prev2 avg_pool skip1 tag2 affine conv relu affine conv tag1
 *
 * Folding: affine(conv(x)) = γ (W x + b) + β = (γ W) x + (γ b + β), by output channel.
 */
#include "model/import/dlib_file.h"

#include <dlib/cuda/tensor.h>
#include <dlib/serialize.h>

#include <array>
#include <cmath>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int BLOCKS = 14;
/* Output channels of each block, and whether it halves its input's size. */
struct block_shape {
    long channels;
    bool down;
};
constexpr std::array<block_shape, BLOCKS> BLOCK_SHAPES = {{{32, false},
                                                           {32, false},
                                                           {32, false},
                                                           {64, true},
                                                           {64, false},
                                                           {64, false},
                                                           {64, false},
                                                           {128, true},
                                                           {128, false},
                                                           {128, false},
                                                           {256, true},
                                                           {256, false},
                                                           {256, false},
                                                           {256, true}}};
constexpr long EMBEDDING = 128;

[[noreturn]] void refuse(const std::string &what) { throw std::runtime_error(what); }

template <typename T> T read(std::istream &in) {
    T value;
    dlib::deserialize(value, in);
    return value;
}

std::vector<float> read_tensor(std::istream &in) {
    dlib::resizable_tensor tensor;
    dlib::deserialize(tensor, in);
    return {tensor.begin(), tensor.end()};
}

template <typename T> void expect(std::istream &in, T wanted, const char *what) {
    if (read<T>(in) != wanted)
        refuse(std::string("unexpected ") + what);
}

std::string expect_one_of(std::istream &in, const char *a, const char *b) {
    auto name = read<std::string>(in);
    if (name != a && name != b)
        refuse("unexpected layer '" + name + "'");
    return name;
}

struct convolution {
    std::vector<float> weight, bias;
};

class reader {
  public:
    explicit reader(std::istream &stream) : in(stream) {}

    /* The version numbers; the outermost layer's details stand behind its own. */
    void headers() {
        expect(in, 1, "version of the loss");
        if (expect_one_of(in, "loss_metric_", "loss_metric_2") == "loss_metric_2") {
            read<float>(in);
            read<float>(in);
        }
        layers(2); /* fc, average */
        for (int i = BLOCKS; i-- > 0;) {
            layers(BLOCK_SHAPES[i].down ? 3 : 2);
            wrappers(BLOCK_SHAPES[i].down ? 2 : 0); /* skip1, tag2 */
            layers(5);
            wrappers(1); /* tag1 */
        }
        layers(4); /* max-pool, relu, affine, conv */
    }

    void input() {
        expect<std::string>(in, "input_rgb_image_sized", "input layer");
        for (float mean : {122.782f, 117.001f, 104.298f})
            expect(in, mean, "channel mean");
        expect<size_t>(in, 150, "input height");
        expect<size_t>(in, 150, "input width");
    }

    /* conv and affine, folded. */
    convolution folded(long out, long inputs, long side, int stride) {
        convolution result = plain(out, inputs, side, stride);
        trailer();
        auto [gamma, beta] = affine(out);
        trailer();
        size_t per_output = result.weight.size() / out;
        for (long o = 0; o < out; o++) {
            for (size_t i = 0; i < per_output; i++) {
                float &w = result.weight[o * per_output + i];
                w = static_cast<float>(static_cast<double>(gamma[o]) * w);
            }
            result.bias[o] = static_cast<float>(static_cast<double>(gamma[o]) * result.bias[o] +
                                                static_cast<double>(beta[o]));
        }
        return result;
    }

    void relu() { named("relu_"); }
    void add() { named("add_prev_"); }

    void pool(const char *name, long rows, long columns, int stride) {
        expect<std::string>(in, name, "layer where a pooling layer belongs");
        window(rows, columns, stride, 0);
        trailer();
    }

    /* (outputs, inputs), where dlib keeps (inputs, outputs). */
    std::vector<float> fully_connected(long inputs, long outputs) {
        auto version = expect_one_of(in, "fc_2", "fc_3");
        expect<unsigned long>(in, outputs, "number of outputs");
        expect<unsigned long>(in, inputs, "number of inputs");
        auto values = read_tensor(in);
        read<dlib::alias_tensor>(in);
        read<dlib::alias_tensor>(in);
        expect(in, 1, "bias in the last layer"); /* dlib's FC_NO_BIAS */
        multipliers();
        if (version == "fc_3")
            read<bool>(in);
        if (values.size() != static_cast<size_t>(inputs * outputs))
            refuse("unexpected size of the last layer");
        std::vector<float> weight(values.size());
        for (long o = 0; o < outputs; o++)
            for (long i = 0; i < inputs; i++)
                weight[o * inputs + i] = values[i * outputs + o];
        trailer();
        return weight;
    }

    void end() {
        if (in.peek() != std::char_traits<char>::eof())
            refuse("unexpected bytes at the end");
    }

  private:
    void layers(int count) {
        while (count-- > 0)
            versions.push_back(read<int>(in));
    }

    void wrappers(int count) {
        while (count-- > 0)
            expect(in, 1, "version of a tag or skip layer");
    }

    void named(const char *name) {
        expect<std::string>(in, name, "layer");
        trailer();
    }

    convolution plain(long out, long inputs, long side, int stride) {
        auto version = expect_one_of(in, "con_4", "con_5");
        auto values = read_tensor(in);
        expect<long>(in, out, "number of filters");
        window(side, side, stride, stride == 1 ? static_cast<int>(side / 2) : 0);
        read<dlib::alias_tensor>(in);
        read<dlib::alias_tensor>(in);
        multipliers();
        if (version == "con_5")
            expect(in, true, "convolution without bias");
        size_t weights = static_cast<size_t>(out * inputs * side * side);
        if (values.size() != weights + out)
            refuse("unexpected size of a convolution");
        return {{values.begin(), values.begin() + weights},
                {values.begin() + weights, values.end()}};
    }

    std::pair<std::vector<float>, std::vector<float>> affine(long channels) {
        auto version = expect_one_of(in, "affine_", "affine_2");
        auto values = read_tensor(in);
        read<dlib::alias_tensor>(in);
        read<dlib::alias_tensor>(in);
        expect(in, 0, "mode of an affine layer"); /* dlib's CONV_MODE */
        if (version == "affine_2")
            expect(in, false, "disabled affine layer");
        if (values.size() != static_cast<size_t>(2 * channels))
            refuse("unexpected size of an affine layer");
        return {{values.begin(), values.begin() + channels},
                {values.begin() + channels, values.end()}};
    }

    void window(long rows, long columns, int stride, int padding) {
        expect<long>(in, rows, "height of a window");
        expect<long>(in, columns, "width of a window");
        expect(in, stride, "vertical stride");
        expect(in, stride, "horizontal stride");
        expect(in, padding, "vertical padding");
        expect(in, padding, "horizontal padding");
    }

    void multipliers() /* of the learning rate and the weight decay, for weights and biases */
    {
        for (int i = 0; i < 4; i++)
            read<double>(in);
    }

    /* What dlib writes behind each layer's details: three flags and the tensors it kept. The
     * innermost layer, whose header stood last, has its own form. */
    void trailer() {
        bool innermost = !innermost_done;
        int version = versions.at(versions.size() - 1);
        versions.pop_back();
        innermost_done = true;
        for (int i = 0; i < 3; i++)
            read<bool>(in);
        read_tensor(in);
        read_tensor(in);
        if (innermost || version == 2)
            read_tensor(in);
        if (innermost && version == 3)
            read<unsigned int>(in);
        if (version < 1 + innermost || version > 2 + innermost)
            refuse("unexpected version of a layer");
    }

    std::istream &in;
    std::vector<int> versions; /* outermost first; taken from the back */
    bool innermost_done = false;
};

} // namespace

struct dlib_file {
    std::vector<std::unique_ptr<std::string>> names;
    std::vector<std::unique_ptr<std::vector<float>>> values;
    std::vector<safetensors_tensor> tensors;

    void add(std::string name, std::vector<uint64_t> shape, std::vector<float> data) {
        for (float value : data)
            if (!std::isfinite(value))
                refuse("a weight that is not a number");
        names.push_back(std::make_unique<std::string>(std::move(name)));
        values.push_back(std::make_unique<std::vector<float>>(std::move(data)));
        safetensors_tensor tensor = {};
        tensor.name = names.back()->c_str();
        tensor.data = values.back()->data();
        tensor.rank = static_cast<uint32_t>(shape.size());
        std::copy(shape.begin(), shape.end(), tensor.shape);
        tensors.push_back(tensor);
    }

    void add(const std::string &name, long out, long inputs, long side, convolution conv) {
        auto o = static_cast<uint64_t>(out), i = static_cast<uint64_t>(inputs),
             s = static_cast<uint64_t>(side);
        add(name + ".weight", {o, i, s, s}, std::move(conv.weight));
        add(name + ".bias", {o}, std::move(conv.bias));
    }
};

namespace {

void read_network(std::istream &in, dlib_file &file) {
    reader dlib(in);
    long channels = 32;
    dlib.headers();
    dlib.input();
    file.add("stem", 32, 3, 7, dlib.folded(32, 3, 7, 2));
    dlib.relu();
    dlib.pool("max_pool_2", 3, 3, 2);
    for (int i = 0; i < BLOCKS; i++) {
        auto [out, down] = BLOCK_SHAPES[i];
        std::string name = "blocks." + std::to_string(i);
        file.add(name + ".conv1", out, channels, 3, dlib.folded(out, channels, 3, down ? 2 : 1));
        dlib.relu();
        file.add(name + ".conv2", out, out, 3, dlib.folded(out, out, 3, 1));
        if (down)
            dlib.pool("avg_pool_2", 2, 2, 2);
        dlib.add();
        dlib.relu();
        channels = out;
    }
    dlib.pool("avg_pool_2", 0, 0, 1); /* over everything */
    auto weight = dlib.fully_connected(channels, EMBEDDING);
    file.add("head.weight", {static_cast<uint64_t>(EMBEDDING), static_cast<uint64_t>(channels)},
             std::move(weight));
    dlib.end();
}

} // namespace

extern "C" enum status dlib_file_read(const char *path, struct dlib_file **result,
                                      struct error *err) try {
    std::ifstream in(path, std::ios::binary);
    if (!in)
        return error_set(err, STATUS_INTERNAL, "%.150s: cannot be opened", path);
    auto file = std::make_unique<dlib_file>();
    read_network(in, *file);
    *result = file.release();
    return STATUS_OK;
} catch (const std::exception &cause) {
    return error_set(err, STATUS_INTERNAL, "%.150s: %s", path, cause.what());
} catch (...) {
    return error_set(err, STATUS_INTERNAL, "%.150s: unknown failure", path);
}

extern "C" void dlib_file_release(struct dlib_file *file) { delete file; }

extern "C" const struct safetensors_tensor *dlib_file_tensors(const struct dlib_file *file,
                                                              size_t *count) {
    *count = file->tensors.size();
    return file->tensors.data();
}
