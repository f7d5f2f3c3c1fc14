/* dlib's face recognition network on a CPU with AVX2 and FMA. What the network is stands in
 * torch/dlib_resnet.cpp; the weights are the same tensors. */
#ifndef FACEPAIR_MODEL_NETWORK_CPU_DLIB_RESNET_H
#define FACEPAIR_MODEL_NETWORK_CPU_DLIB_RESNET_H

#include "model/card.h"
#include "server/status.h"

enum { DLIB_RESNET_SIDE = 150, DLIB_RESNET_EMBEDDING = 128 };

struct dlib_resnet;

/* threads: with the caller's of dlib_resnet_embed; at least 1. foreign: tensors in the file that
 * are not this network's. */
enum status dlib_resnet_open(const char *weights_path, size_t foreign, unsigned threads,
                             struct dlib_resnet **network, struct error *err);
void dlib_resnet_close(struct dlib_resnet *network);

/* faces (n, 3, 150, 150) normalised; out (n, 128). One caller at a time. Cannot fail: all its
 * memory is there since open, and holds nothing of the faces when it returns. */
void dlib_resnet_embed(struct dlib_resnet *network, const float *faces, uint32_t n, float *out);

#endif
