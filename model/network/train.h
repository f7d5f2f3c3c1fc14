/* The boundary to training: the siamese fine-tuning of an embedding network. C11, and nothing
 * behind it throws.
 *
 * A batch is n pairs of faces. Both faces of a pair go through the same network, and the loss is
 * the contrastive one (Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an
 * invariant mapping", 2006), the mean over the batch of
 *
 *     d²                  for a pair of one person
 *     max(0, margin − d)² for a pair of two
 *
 * where d is the Euclidean distance of the two embeddings as PyTorch's pairwise_distance has it:
 * 1e-6 is added to every component of the difference, which keeps the root's derivative finite.
 * What is to be trained is moved by Adam (Kingma and Ba, 2015); all other tensors stay bit by bit
 * what they were.
 *
 * Nothing here is drawn at random: these networks have no dropout, their norm layers (LayerNorm)
 * compute the same in training as afterwards, and the order of the pairs is the caller's. With one
 * thread the same weights and batches give the same bits. Device and threads are those of
 * network_runtime_open, which comes first. One thread at a time per training.
 */
#ifndef FACEPAIR_MODEL_NETWORK_TRAIN_H
#define FACEPAIR_MODEL_NETWORK_TRAIN_H

#include "model/card.h"
#include "server/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { NETWORK_TRAIN_PAIRS_MAX = 4096 };    /* in one batch */
#define NETWORK_TRAIN_EVERYTHING UINT32_MAX /* for last_blocks */

struct network_train_options {
    /* The last so many of the network's blocks ("blocks.N.…" among its tensors) are trained, and
     * nothing else: neither what comes before them nor the norm or product after them. */
    uint32_t last_blocks;
    double margin;        /* of the loss; above 0, at most 1000 */
    double learning_rate; /* Adam's four; above 0, at most 1 */
    double beta1, beta2;  /* 0 to below 1 */
    double epsilon;       /* above 0, at most 1 */
};
/* The last block, a margin of 1 and the rate 0.001, as the network that this service was asked for
 * was trained; the rest are Adam's own. */
#define NETWORK_TRAIN_OPTIONS_DEFAULT                                                              \
    ((struct network_train_options){.last_blocks = 1,                                              \
                                    .margin = 1,                                                   \
                                    .learning_rate = 1e-3,                                         \
                                    .beta1 = 0.9,                                                  \
                                    .beta2 = 0.999,                                                \
                                    .epsilon = 1e-8})

/* Host memory, borrowed for the call. */
struct network_train_batch {
    uint32_t n;          /* pairs, 1 … NETWORK_TRAIN_PAIRS_MAX */
    const float *a, *b;  /* (n, 3, side, side) each, float32, normalised as the card says */
    const uint8_t *same; /* (n): 1, one person; 0, two */
};

struct network_train;

/* Reads the weights of a card of architecture "vit" or "dlib-resnet"; the file's hash has been
 * checked by the caller. All arguments are borrowed for the call. STATUS_INVALID_FIELD when an
 * option is out of its range, with its name; STATUS_INTERNAL with the cause otherwise. */
enum status network_train_begin(const struct card *card, const char *weights_path,
                                const struct network_train_options *options,
                                struct network_train **train, struct error *err);
void network_train_end(struct network_train *train); /* NULL is allowed */

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

/* Writes all weights as they are now, under the names they had, to path, which must not exist; they
 * are on disk when this returns STATUS_OK, and on failure nothing is left at path. */
enum status network_train_save(const struct network_train *train, const char *path,
                               struct error *err);

#ifdef __cplusplus
}
#endif
#endif
