/* The boundary to tensors: an embedding network, its weights loaded on one device. C11,
 * and nothing behind it throws.
 *
 * Implementations, chosen by network.c: model/network/cpu (our own, where architecture and
 * processor allow) and model/network/torch (libtorch on CPU or CUDA); and, for tests of everything
 * around it, tests/stub_network.c.
 */
#ifndef FACEPAIR_MODEL_NETWORK_NETWORK_H
#define FACEPAIR_MODEL_NETWORK_NETWORK_H

#include "model/card.h"
#include "server/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct network;

/* Once in a process, before any other call: chooses the device ("cpu", "cuda:N"), sets intra-op
 * threads (0: the measured default for the CPUs granted). STATUS_INTERNAL with one line that says
 * what is missing when the device is not there. */
enum status network_runtime_open(const char *device, unsigned threads, struct error *err);

/* Memory of the CPU's that libtorch frees in this process is overwritten from now on: embeddings,
 * and what leads from a face to them. To be called behind network_runtime_open, by who serves. Our
 * own networks overwrite theirs in any case; memory of a GPU is not. It takes 1 to 3 % of
 * libtorch's time (bench_embed --libtorch --overwrite). */
void network_runtime_overwrite(void);

enum { NETWORK_MODULE_BYTES_MAX = 1 << 30 }; /* of a TorchScript module's file */

/* Before network_open: a card of architecture "torchscript" whose weights have this SHA-256 (64
 * lower-case hexadecimal digits) may be opened. Such a file is a program; without this, it is
 * refused. Not thread-safe. */
enum status network_trust_torchscript(const char *sha256, struct error *err);

/* What an open network of this card takes, its file of weights being so large: to be refused before
 * it is opened. Whoever opens counts on it, so it is rather too much than too little. */
uint64_t network_memory_bytes(const struct card *card, uint64_t weights_bytes);

/* Reads the weights that the card describes. The file's hash has been checked by the caller; that
 * of a TorchScript module is checked again, over the bytes that are run. */
enum status network_open(const struct card *card, const char *weights_path,
                         struct network **network, struct error *err);
void network_close(struct network *network); /* NULL is allowed */

/* faces (n, 3, side, side) float32, normalised as the card says; out (n, embedding_length) float32;
 * both host memory, borrowed for the call. One thread at a time per network. STATUS_OK, or
 * STATUS_INTERNAL with the cause in *err (for the log, not for clients). */
enum status network_embed(struct network *network, const float *faces, uint32_t n, float *out,
                          struct error *err);

#ifdef __cplusplus
}
#endif
#endif
