/* A training, and its state in a file. */
#ifndef FACEPAIR_MODEL_NETWORK_TORCH_TRAIN_STATE_H
#define FACEPAIR_MODEL_NETWORK_TORCH_TRAIN_STATE_H

#include "model/network/torch/adam.h"
#include "model/network/torch/architecture.h"
#include "model/network/torch/shards.h"
#include "model/network/train.h"

struct network_train {
    struct network_train_options options; /* trainable: NULL, since the caller's is gone */
    std::string weights_sha256;           /* of the weights that it began with */
    std::unique_ptr<chain> arch;
    std::vector<parameter> saved;   /* all weights, the very tensors that arch computes with */
    std::vector<parameter> trained; /* of them what is trained; and the columns */
    at::Tensor columns;             /* (identities, network_length); undefined: no softmax */
    adam optimiser;                 /* of `trained`, in that order */
    std::vector<at::Tensor> begun;  /* likewise, as they were; none with a blend of 1 */
    c10::Device device;
    size_t cut; /* the first stage that is trained */
    shard_team team;
};

enum status train_state_save(const struct network_train &train, const char *path,
                             struct error *err);
/* Throws, before anything is changed, when the file does not fit. */
void train_state_load(struct network_train &train, const char *path);

#endif
