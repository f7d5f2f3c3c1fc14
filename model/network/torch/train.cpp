/* train.h's functions over libtorch. */
#include "model/network/train.h"
#include "model/network/engine.h"
#include "model/network/torch/guard.h"
#include "model/network/torch/losses.h"
#include "model/network/torch/runtime.h"
#include "model/network/torch/train_state.h"
#include "model/network/torch/trainable.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <torch/csrc/autograd/autograd.h>

namespace {

/* As guarded; STATUS_DRAINING where the shards were ended. */
template <typename function>
enum status guarded_shards(const char *subject, struct error *err, function &&body) noexcept {
    return guarded(subject, err, [&] {
        try {
            return body();
        } catch (const shards_ended &) {
            return error_set(err, STATUS_DRAINING, "stopped");
        }
    });
}

/* ---- what is refused ---- */

/* A shard is short enough that a thread which waits for the last one waits little, and long enough
 * that its operations are not lost in calls. */
constexpr int64_t SHARD_ROWS = 8, SHARDS_MAX = 16;

constexpr double MARGINS_MAX[] = {1000, 1, 1.5}, SCALE_MAX = 1000; /* by loss */

enum status check_learning_rate(double rate, struct error *err) {
    return rate > 0 && rate <= 1 ? STATUS_OK
                                 : error_set(err, STATUS_INVALID_FIELD,
                                             "learning_rate: must be above 0 and at most 1");
}

enum status check_softmax(const struct network_train_options &options, struct error *err) {
    if (!(options.scale > 0 && options.scale <= SCALE_MAX))
        return error_set(err, STATUS_INVALID_FIELD, "scale: must be above 0 and at most %g",
                         SCALE_MAX);
    if (options.identities < 2 || options.identities > NETWORK_TRAIN_IDENTITIES_MAX)
        return error_set(err, STATUS_INVALID_FIELD, "identities: must be 2 to %d",
                         NETWORK_TRAIN_IDENTITIES_MAX);
    return STATUS_OK;
}

enum status check_options(const struct network_train_options &options, struct error *err) {
    if (static_cast<size_t>(options.loss) >= std::size(MARGINS_MAX))
        return error_set(err, STATUS_INVALID_FIELD, "loss: unknown");
    double margin_max = MARGINS_MAX[options.loss];
    if (!(options.margin > 0 && options.margin <= margin_max))
        return error_set(err, STATUS_INVALID_FIELD, "margin: must be above 0 and at most %g",
                         margin_max);
    for (double beta : {options.beta1, options.beta2})
        if (!(beta >= 0 && beta < 1))
            return error_set(err, STATUS_INVALID_FIELD,
                             "beta1, beta2: must be at least 0 and below 1");
    if (!(options.average >= 0 && options.average < 1))
        return error_set(err, STATUS_INVALID_FIELD, "average: must be at least 0 and below 1");
    if (!(options.blend > 0 && options.blend <= 1))
        return error_set(err, STATUS_INVALID_FIELD, "blend: must be above 0 and at most 1");
    if (!(options.epsilon > 0 && options.epsilon <= 1))
        return error_set(err, STATUS_INVALID_FIELD, "epsilon: must be above 0 and at most 1");
    enum status status = check_learning_rate(options.learning_rate, err);
    if (status == STATUS_OK && options.loss != NETWORK_TRAIN_CONTRASTIVE)
        status = check_softmax(options, err);
    return status;
}

enum status check_people(const struct network_train &train, const struct network_train_batch &batch,
                         struct error *err) {
    if (batch.n == 0 || batch.n > NETWORK_TRAIN_ROWS_MAX)
        return error_set(err, STATUS_INTERNAL, "a batch of %u rows: must be 1 to %d", batch.n,
                         NETWORK_TRAIN_ROWS_MAX);
    for (uint32_t i = 0; train.columns.defined() && i < batch.n; i++)
        if (batch.identity[i] >= train.options.identities)
            return error_set(err, STATUS_INTERNAL, "row %u of a batch: identity must be below %u",
                             i, train.options.identities);
    return STATUS_OK;
}

enum status check_batch(const struct network_train &train, const struct network_train_batch &batch,
                        struct error *err) {
    if (batch.identity)
        return check_people(train, batch, err);
    if (train.columns.defined())
        return error_set(err, STATUS_INTERNAL, "a margin softmax takes people, not pairs");
    if (batch.n == 0 || batch.n > NETWORK_TRAIN_PAIRS_MAX)
        return error_set(err, STATUS_INTERNAL, "a batch of %u pairs: must be 1 to %d", batch.n,
                         NETWORK_TRAIN_PAIRS_MAX);
    for (uint32_t i = 0; i < batch.n; i++)
        if (batch.same[i] > 1)
            return error_set(err, STATUS_INTERNAL, "pair %u of a batch: same must be 0 or 1", i);
    return STATUS_OK;
}

/* ---- from rows to a loss ---- */

/* (n, …) of host memory, borrowed: what stage `index` takes of n faces. */
at::Tensor stage_input(const struct network_train &train, const float *values, int64_t n,
                       size_t index) {
    std::vector<int64_t> shape = train.arch->input_shape(index);
    shape.insert(shape.begin(), n);
    return at::from_blob(const_cast<float *>(values), shape, at::TensorOptions(at::kFloat));
}

int64_t stage_values(const struct network_train &train, size_t index) {
    return c10::multiply_integers(train.arch->input_shape(index));
}

/* Adds the rows, SHARD_ROWS to a tensor, or so many more that SHARDS_MAX do; borrowed. On a GPU,
 * which shares out the work itself, all of them are one. */
void add_shards(const struct network_train &train, const float *rows, int64_t n,
                std::vector<at::Tensor> &shards) {
    int64_t values = stage_values(train, train.cut);
    int64_t each =
        train.device.is_cpu() ? std::max(SHARD_ROWS, (n + SHARDS_MAX - 1) / SHARDS_MAX) : n;
    for (int64_t done = 0; done < n; done += each)
        shards.push_back(
            stage_input(train, rows + done * values, std::min(each, n - done), train.cut));
}

/* A batch's rows in their order; of pairs the first ones, then the second ones. */
std::vector<at::Tensor> shards_of(const struct network_train &train,
                                  const struct network_train_batch &batch) {
    std::vector<at::Tensor> shards;
    add_shards(train, batch.identity ? batch.rows : batch.a, batch.n, shards);
    if (!batch.identity)
        add_shards(train, batch.b, batch.n, shards);
    return shards;
}

/* One tensor of embeddings for each shard. */
std::vector<at::Tensor> embed_shards(struct network_train &train,
                                     const std::vector<at::Tensor> &shards) {
    std::vector<at::Tensor> embeddings(shards.size());
    train.team.run(shards.size(), [&](size_t shard) {
        embeddings[shard] =
            train.arch->run(shards[shard].to(train.device), train.cut, train.arch->stages());
    });
    return embeddings;
}

at::Tensor loss_of_pairs(const struct network_train &train, const struct network_train_batch &batch,
                         const at::Tensor &both) {
    at::Tensor same =
        at::from_blob(const_cast<uint8_t *>(batch.same), {batch.n}, at::TensorOptions(at::kByte));
    return contrastive_loss(both.narrow(0, 0, batch.n), both.narrow(0, batch.n, batch.n),
                            same.to(train.device, at::kFloat), train.options.margin);
}

/* embeddings: of all the batch's rows. */
at::Tensor loss_of(const struct network_train &train, const struct network_train_batch &batch,
                   const at::Tensor &embeddings) {
    if (!batch.identity)
        return loss_of_pairs(train, batch, embeddings);
    if (!train.columns.defined())
        return batch_hard_loss(embeddings, batch.identity, train.options.margin);
    std::vector<int64_t> identity(batch.identity, batch.identity + batch.n);
    return margin_softmax_loss(embeddings, train.columns, at::tensor(identity).to(train.device),
                               train.options);
}

double finite(const at::Tensor &loss) {
    double value = loss.item<double>();
    if (!std::isfinite(value))
        throw std::runtime_error("the loss is not finite");
    return value;
}

/* The trained tensors' gradients, from those of the embeddings: of each shard on its own, since the
 * derivative by a sum's parts is the same. Left where a backward pass would leave them. */
void differentiate(struct network_train &train, std::vector<at::Tensor> &embeddings,
                   const at::Tensor &gradient) {
    std::vector<at::Tensor> parameters;
    for (const parameter &trained : train.trained)
        if (!trained.value.is_same(train.columns))
            parameters.push_back(trained.value);
    std::vector<at::Tensor> gradients;
    for (int64_t row = 0; const at::Tensor &shard : embeddings) {
        gradients.push_back(gradient.narrow(0, row, shard.size(0)));
        row += shard.size(0);
    }
    ordered_sum sum(embeddings.size());
    train.team.run(embeddings.size(), [&](size_t shard) {
        sum.add(shard, torch::autograd::grad({embeddings[shard]}, parameters, {gradients[shard]}));
        embeddings[shard].reset();
    });
    for (size_t i = 0; i < parameters.size(); i++)
        parameters[i].mutable_grad() = sum.sums[i];
}

double step(struct network_train &train, const struct network_train_batch &batch) {
    std::vector<at::Tensor> shards = embed_shards(train, shards_of(train, batch));
    at::Tensor embeddings = at::cat(shards).detach().set_requires_grad(true);
    at::Tensor loss = loss_of(train, batch, embeddings);
    double value = finite(loss);
    train.optimiser.forget_gradients();
    loss.backward();
    differentiate(train, shards, embeddings.grad());
    train.optimiser.step();
    return value;
}

/* While it lives the network has the weights that are shown. */
class with_shown_weights {
  public:
    explicit with_shown_weights(const struct network_train &train) {
        c10::NoGradGuard no_gradient;
        const std::vector<adam_moments> &moments = train.optimiser.moments;
        for (size_t i = 0; i < moments.size(); i++) {
            const adam_moments &of = moments[i];
            if (!of.average.defined() && train.begun.empty())
                continue;
            at::Tensor own = of.parameter.detach().clone();
            const at::Tensor &learned = of.average.defined() ? of.average : own;
            of.parameter.copy_(
                train.begun.empty() ? learned : train.begun[i].lerp(learned, train.options.blend));
            replaced.emplace_back(of.parameter, own);
        }
    }
    ~with_shown_weights() {
        c10::NoGradGuard no_gradient;
        for (const auto &[parameter, own] : replaced)
            parameter.copy_(own);
    }
    with_shown_weights(const with_shown_weights &) = delete;
    with_shown_weights &operator=(const with_shown_weights &) = delete;

  private:
    std::vector<std::pair<at::Tensor, at::Tensor>> replaced;
};

/* Stages first … end − 1 of the faces from `start` on, at most one batch's; the rest is zeros. */
void run_batch(const struct network_train &train, const float *in, size_t start, size_t n,
               size_t first, size_t end, float *out) {
    size_t in_values = static_cast<size_t>(stage_values(train, first));
    size_t out_values = static_cast<size_t>(stage_values(train, end));
    size_t count = std::min<size_t>(NETWORK_TRAIN_FIXED_BATCH, n - start);
    std::vector<float> batch(NETWORK_TRAIN_FIXED_BATCH * in_values);
    std::copy_n(in + start * in_values, count * in_values, batch.begin());
    at::Tensor x = stage_input(train, batch.data(), NETWORK_TRAIN_FIXED_BATCH, first);
    at::Tensor y = train.arch->run(x.to(train.device), first, end).to(at::kCPU).contiguous();
    std::memcpy(out + start * out_values, y.const_data_ptr<float>(),
                count * out_values * sizeof(*out));
}

/* Stages first … end − 1 of n faces, in batches of one size. */
void run_fixed(struct network_train &train, const float *in, size_t n, size_t first, size_t end,
               float *out) {
    size_t batches = (n + NETWORK_TRAIN_FIXED_BATCH - 1) / NETWORK_TRAIN_FIXED_BATCH;
    train.team.run(batches, [&](size_t batch) {
        run_batch(train, in, batch * NETWORK_TRAIN_FIXED_BATCH, n, first, end, out);
    });
}

enum status run_frozen(const char *subject, struct network_train &train, const float *in, size_t n,
                       size_t first, size_t end, float *out, struct error *err) {
    return guarded_shards(subject, err, [&] {
        c10::InferenceMode inference;
        runtime_enter_thread();
        with_shown_weights shown(train);
        run_fixed(train, in, n, first, end, out);
        return STATUS_OK;
    });
}

/* ---- beginning ---- */

size_t cut_before(const chain &arch, const std::vector<parameter> &trained) {
    size_t cut = arch.stages();
    for (const parameter &parameter : trained)
        cut = std::min(cut, arch.stage_of(parameter.name));
    return cut;
}

enum status begin(const struct card &card, const char *weights_path,
                  const struct network_train_options &options, struct network_train **train,
                  struct error *err) {
    c10::Device device = runtime_device();
    weights loaded(weights_path, device, card.embedding.head ? 1 : 0);
    std::unique_ptr<chain> arch = architecture_create(card, loaded);
    std::vector<parameter> trained;
    enum status status =
        trainable_choose(options.trainable, *arch, loaded.parameters(), trained, err);
    if (status != STATUS_OK)
        return status;
    size_t cut = cut_before(*arch, trained);
    int64_t length = card.embedding.network_length;
    at::Tensor columns;
    if (options.loss != NETWORK_TRAIN_CONTRASTIVE) {
        columns = draw_columns(options.seed, options.identities, length).to(device);
        columns.set_requires_grad(true);
        trained.push_back({"softmax.columns", columns});
    }
    std::vector<at::Tensor> moved, begun;
    for (const parameter &parameter : trained) {
        moved.push_back(parameter.value);
        if (options.blend < 1)
            begun.push_back(parameter.value.detach().clone());
    }
    adam optimiser(moved, {.learning_rate = options.learning_rate,
                           .beta1 = options.beta1,
                           .beta2 = options.beta2,
                           .epsilon = options.epsilon,
                           .average = options.average});
    *train = new network_train{
        options,
        card.weights_sha256,
        std::move(arch),
        loaded.parameters(),
        trained,
        std::move(columns),
        std::move(optimiser),
        std::move(begun),
        device,
        cut,
        shard_team(device.is_cpu() ? network_runtime_threads() : 1, options.go_on)};
    (*train)->options.trainable = nullptr;
    return STATUS_OK;
}

} // namespace

extern "C" enum status network_train_begin(const struct card *card, const char *weights_path,
                                           const struct network_train_options *options,
                                           struct network_train **train, struct error *err) {
    if (std::strcmp(card->architecture, "torchscript") == 0)
        return error_set(err, STATUS_INVALID_FIELD, "a torchscript module cannot be trained");
    enum status status = check_options(*options, err);
    if (status != STATUS_OK)
        return status;
    return guarded(weights_path, err, [&] {
        runtime_enter_thread();
        return begin(*card, weights_path, *options, train, err);
    });
}

extern "C" void network_train_end(struct network_train *train) { delete train; }

extern "C" size_t network_train_row_values(const struct network_train *train) {
    return static_cast<size_t>(stage_values(*train, train->cut));
}

extern "C" enum status network_train_freeze(struct network_train *train, const float *faces,
                                            size_t n, float *rows, struct error *err) {
    return run_frozen("freezing", *train, faces, n, 0, train->cut, rows, err);
}

extern "C" enum status network_train_embed(struct network_train *train, const float *rows, size_t n,
                                           float *embeddings, struct error *err) {
    return run_frozen("embedding", *train, rows, n, train->cut, train->arch->stages(), embeddings,
                      err);
}

extern "C" enum status network_train_step(struct network_train *train,
                                          const struct network_train_batch *batch, double *loss,
                                          struct error *err) {
    enum status status = check_batch(*train, *batch, err);
    if (status != STATUS_OK)
        return status;
    return guarded_shards("training", err, [&] {
        runtime_enter_thread();
        *loss = step(*train, *batch);
        return STATUS_OK;
    });
}

extern "C" enum status network_train_evaluate(struct network_train *train,
                                              const struct network_train_batch *batch, double *loss,
                                              struct error *err) {
    enum status status = check_batch(*train, *batch, err);
    if (status != STATUS_OK)
        return status;
    return guarded_shards("evaluation", err, [&] {
        c10::InferenceMode inference;
        runtime_enter_thread();
        with_shown_weights shown(*train);
        at::Tensor embeddings = at::cat(embed_shards(*train, shards_of(*train, *batch)));
        *loss = finite(loss_of(*train, *batch, embeddings));
        return STATUS_OK;
    });
}

extern "C" enum status network_train_set_learning_rate(struct network_train *train,
                                                       double learning_rate, struct error *err) {
    enum status status = check_learning_rate(learning_rate, err);
    if (status == STATUS_OK)
        train->optimiser.rates.learning_rate = learning_rate;
    return status;
}

extern "C" enum status network_train_set_columns(struct network_train *train, const float *columns,
                                                 struct error *err) {
    if (!train->columns.defined())
        return error_set(err, STATUS_INTERNAL, "only a margin softmax has columns");
    return guarded("columns", err, [&] {
        c10::NoGradGuard no_gradient;
        runtime_enter_thread();
        train->columns.copy_(at::from_blob(const_cast<float *>(columns), train->columns.sizes(),
                                           at::TensorOptions(at::kFloat)));
        return STATUS_OK;
    });
}

extern "C" enum status network_train_save(const struct network_train *train, const char *path,
                                          struct error *err) {
    return guarded(path, err, [&] {
        with_shown_weights shown(*train);
        return parameters_write(path, train->saved, err);
    });
}

extern "C" enum status network_train_save_state(const struct network_train *train, const char *path,
                                                struct error *err) {
    return guarded(path, err, [&] { return train_state_save(*train, path, err); });
}

extern "C" enum status network_train_load_state(struct network_train *train, const char *path,
                                                struct error *err) {
    return guarded(path, err, [&] {
        runtime_enter_thread();
        train_state_load(*train, path);
        return STATUS_OK;
    });
}
