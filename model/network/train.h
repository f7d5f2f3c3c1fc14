/* The boundary to training: the fine-tuning of an embedding network. C11, and nothing behind it
 * throws.
 *
 * What is trained is chosen by name, and the network is cut before its first block that holds any
 * of it. What stands before the cut never changes, so that it is computed once for a face:
 * network_train_freeze makes a row of a face, and everything else here takes rows. A row is the
 * network's state at the cut, network_train_row_values() floats; with nothing frozen it is the face
 * itself. Tensors behind the cut that were not chosen stay bit by bit what they were.
 *
 * Losses. e is the embedding of a row, as the network gives it (network_length numbers, neither
 * normalised nor through the card's head).
 *
 * Contrastive (Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant
 * mapping", 2006): the mean over pairs of
 *
 *     d²                  for a pair of one person
 *     max(0, margin − d)² for a pair of two
 *
 * where d is the Euclidean distance of the two embeddings as PyTorch's pairwise_distance has it:
 * 1e-6 is added to every component of the difference, which keeps the root's derivative finite. The
 * pairs are the batch's; or, of a batch of people, those of batch-hard mining (Hermans, Beyer and
 * Leibe, "In defense of the triplet loss for person re-identification", 2017): each row a makes up
 * to two pairs,
 *
 *     (a, p), p the row ≠ a of the same person with the largest d(a, p)
 *     (a, n), n the row of another person with the smallest d(a, n)
 *
 * of which the first in the batch is taken where several are as far, and the mean is over all that
 * there are: with two rows of each person and two people it is ½ mean(d(a,p)²) + ½ mean(max(0,
 * margin − d(a,n))²).
 *
 * Margin softmax, for a batch of people: each person j of `identities` has a column w, and
 * cos θ = e·w / |e||w|. The loss is the mean over rows of the cross entropy
 * −log(exp z / Σ exp z) of the row's own person y, whose z has the margin, where
 *
 *     CosFace  z = scale·(cos θ − margin)                         for y   (Wang et al., 2018)
 *     ArcFace  z = scale·cos(θ + margin)                          for y   (Deng et al., 2019)
 *              z = scale·(cos θ − margin·sin margin)              for y, where θ + margin > π: the
 *                                                                 cosine would grow again
 *              z = scale·cos θ                                    for every other person
 *
 * The columns are drawn (Glorot and Bengio, 2010: uniform in ±√(6 / (identities + network_length)))
 * from random_seeded(seed), column by column, and trained like the network. They are thrown away at
 * the end: they are in the saved state, not in the saved weights.
 *
 * What is trained is moved by Adam (Kingma and Ba, 2015).
 *
 * Nothing else is drawn at random: these networks have no dropout, their norm layers (LayerNorm)
 * compute the same in training as afterwards, and the order of the batches is the caller's. On a
 * CPU the same weights and batches give the same bits, also through a saved state and whatever the
 * number of threads: a batch is computed in shards of eight rows (or as many more as make sixteen
 * shards), each by one thread, and what they give is added up in their order. On CUDA sums whose
 * order is not fixed differ in the last bits. Device and threads are those of
 * network_runtime_open, which comes first. One thread at a time per training.
 */
#ifndef FACEPAIR_MODEL_NETWORK_TRAIN_H
#define FACEPAIR_MODEL_NETWORK_TRAIN_H

#include "model/card.h"
#include "model/go_on.h"
#include "server/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    NETWORK_TRAIN_PAIRS_MAX = 4096,        /* in one batch */
    NETWORK_TRAIN_ROWS_MAX = 8192,         /* in one batch of people */
    NETWORK_TRAIN_IDENTITIES_MAX = 100000, /* columns of a margin softmax */
    NETWORK_TRAIN_PATTERN_MAX = 255,       /* bytes of `trainable` */
    NETWORK_TRAIN_FIXED_BATCH = 16         /* see network_train_freeze */
};

enum network_train_loss {
    NETWORK_TRAIN_CONTRASTIVE,
    NETWORK_TRAIN_COSFACE,
    NETWORK_TRAIN_ARCFACE,
};

struct network_train_options {
    /* "last_block"; "last_N", the last N blocks ("blocks.I.…" among the tensors) and nothing after
     * them; "all"; or names of tensors, separated by commas, in which '*' stands for any text and
     * '?' for any byte: "blocks.1?.*,head.*". */
    const char *trainable;
    enum network_train_loss loss;
    /* Above 0, at most 1000 (contrastive), 1 (CosFace), 1.5 radian (ArcFace). */
    double margin;
    double scale;         /* of a margin softmax: above 0, at most 1000; like the next two */
    uint32_t identities;  /* people in all batches: 2 … NETWORK_TRAIN_IDENTITIES_MAX */
    uint64_t seed;        /* of the columns */
    double learning_rate; /* Adam's four; above 0, at most 1 */
    double beta1, beta2;  /* 0 to below 1 */
    double epsilon;       /* above 0, at most 1 */
    /* How long the running mean of the trained weights looks back: 0, no mean; below 1. See
     * network_train_step. */
    double average;
    /* How much of what was learned is shown: above 0, at most 1. See network_train_step. */
    double blend;
    /* Asked after each batch of NETWORK_TRAIN_FIXED_BATCH and each shard, forward and back. A call
     * that it ends returns STATUS_DRAINING; a step is then not taken. */
    struct go_on go_on;
};
/* The last block, a margin of 1 and the rate 0.001, as the network that this service was asked for
 * was trained; the rest are Adam's own and, for a margin softmax, both papers' scale. */
#define NETWORK_TRAIN_OPTIONS_DEFAULT                                                              \
    ((struct network_train_options){.trainable = "last_block",                                     \
                                    .loss = NETWORK_TRAIN_CONTRASTIVE,                             \
                                    .margin = 1,                                                   \
                                    .scale = 64,                                                   \
                                    .learning_rate = 1e-3,                                         \
                                    .beta1 = 0.9,                                                  \
                                    .beta2 = 0.999,                                                \
                                    .epsilon = 1e-8,                                               \
                                    .blend = 1})

/* Pairs (a, b, same), for the contrastive loss; or rows with their people (rows, identity), for
 * every loss. Host memory, borrowed for the call. */
struct network_train_batch {
    uint32_t n; /* pairs, 1 … NETWORK_TRAIN_PAIRS_MAX; or rows, 1 … NETWORK_TRAIN_ROWS_MAX */
    const float *a, *b;       /* (n, row_values) each */
    const uint8_t *same;      /* (n): 1, one person; 0, two. NULL: a batch of people */
    const float *rows;        /* (n, row_values) */
    const uint32_t *identity; /* (n): below options.identities for a margin softmax, else any
                                 number. NULL: a batch of pairs */
};

struct network_train;

/* With `average` a, every step moves a running mean of each trained tensor,
 *
 *     mean ← aₜ·mean + (1 − aₜ)·tensor,     aₜ = min(a, (1 + t)/(10 + t)) at step t = 1, 2, …
 *
 * (Polyak and Juditsky, 1992; the smaller aₜ of the first steps is TensorFlow's): it lies nearer to
 * the middle of where a small data set pulls the weights than any step does.
 *
 * With `blend` b below 1 only a part of the way from where training began counts,
 *
 *     shown = begun + b·(mean − begun)                 (without `average`: tensor for mean)
 *
 * (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022): what the network knew of other
 * photographs comes back sooner than what it has learned goes.
 *
 * Embedding, evaluation and the saved weights are those shown; steps go on from the tensors
 * themselves, as if there were neither. */

/* Reads the weights of a card of architecture "vit" or "dlib-resnet"; the file's hash has been
 * checked by the caller. All arguments are borrowed for the call. STATUS_INVALID_FIELD when an
 * option is out of its range or no tensor is meant by `trainable`, with the option's name;
 * STATUS_INTERNAL with the cause otherwise. */
enum status network_train_begin(const struct card *card, const char *weights_path,
                                const struct network_train_options *options,
                                struct network_train **train, struct error *err);
void network_train_end(struct network_train *train); /* NULL is allowed */

/* Floats of a row, at least 1. */
size_t network_train_row_values(const struct network_train *train);

/* faces (n, 3, side, side) float32, normalised as the card says -> rows (n, row_values) float32,
 * which are good for as long as the same weights are trained by the same `trainable`. Computed in
 * batches of NETWORK_TRAIN_FIXED_BATCH in the order given, the last one filled up, since a sum may
 * be rounded otherwise in a batch of another size. Host memory, borrowed for the call.
 * STATUS_INTERNAL with the cause. */
enum status network_train_freeze(struct network_train *train, const float *faces, size_t n,
                                 float *rows, struct error *err);

/* rows (n, row_values) -> embeddings (n, network_length) float32 by the weights as they are now;
 * otherwise as network_train_freeze. */
enum status network_train_embed(struct network_train *train, const float *rows, size_t n,
                                float *embeddings, struct error *err);

/* One step of Adam down the batch's loss. *loss: as it was before the step. STATUS_INTERNAL with
 * the cause; one is a batch whose loss is not finite, which leaves everything as it was. */
enum status network_train_step(struct network_train *train, const struct network_train_batch *batch,
                               double *loss, struct error *err);

/* The batch's loss alone. */
enum status network_train_evaluate(struct network_train *train,
                                   const struct network_train_batch *batch, double *loss,
                                   struct error *err);

/* From the next step on; for a schedule. STATUS_INVALID_FIELD as in network_train_begin. */
enum status network_train_set_learning_rate(struct network_train *train, double learning_rate,
                                            struct error *err);

/* The columns of a margin softmax instead of what was drawn: columns (identities, network_length),
 * host memory, borrowed for the call. Whoever begins with the mean direction of each person's
 * embeddings trains the network from where it stands, instead of tearing it towards directions that
 * mean nothing. STATUS_INTERNAL: there are none. */
enum status network_train_set_columns(struct network_train *train, const float *columns,
                                      struct error *err);

/* Writes the network's weights as they are now, under the names they had, to path, which must not
 * exist. A card's head is left out: it was learned for the weights as they were. They are on disk
 * when this returns STATUS_OK, and on failure nothing is left at path. A name that outlives a power
 * failure needs the folder flushed as well: the caller writes aside, renames and flushes
 * (file_flush_directory). */
enum status network_train_save(const struct network_train *train, const char *path,
                               struct error *err);

/* What a training needs to go on as if nothing had happened: the trained tensors, Adam's moments
 * and count of steps, the learning rate, the columns. Written like network_train_save. */
enum status network_train_save_state(const struct network_train *train, const char *path,
                                     struct error *err);

/* Into a training that was begun with the same weights and options and has made any steps or none.
 * STATUS_INTERNAL with the cause when the file is none of this training's, or damaged: then
 * everything is as it was. */
enum status network_train_load_state(struct network_train *train, const char *path,
                                     struct error *err);

#ifdef __cplusplus
}
#endif
#endif
