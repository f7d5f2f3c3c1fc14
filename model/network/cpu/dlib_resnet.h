/* dlib's face recognition network on a CPU, compiled for two instruction sets (instructions.h).
 * What the network is stands in torch/dlib_resnet.cpp; the weights are the same tensors. */
#ifndef FACEPAIR_MODEL_NETWORK_CPU_DLIB_RESNET_H
#define FACEPAIR_MODEL_NETWORK_CPU_DLIB_RESNET_H

#include "model/card.h"
#include "server/status.h"

enum { DLIB_RESNET_SIDE = 150, DLIB_RESNET_EMBEDDING = 128 };

struct dlib_resnet;

/* For a processor that has the instructions; a network is closed and run by what opened it. */
struct dlib_resnet_code {
    /* threads: with the caller's of embed; at least 1. foreign: tensors in the file that are not
     * this network's. */
    enum status (*open)(const char *weights_path, size_t foreign, unsigned threads,
                        struct dlib_resnet **network, struct error *err);
    void (*close)(struct dlib_resnet *network); /* NULL: nothing to do */
    /* faces (n, 3, 150, 150) normalised; out (n, 128). One caller at a time. Cannot fail: all its
     * memory is there since open, and holds nothing of the faces when it returns. */
    void (*embed)(struct dlib_resnet *network, const float *faces, uint32_t n, float *out);
};

extern const struct dlib_resnet_code dlib_resnet_avx2, dlib_resnet_avx512;

#endif
