/* The epochs: from rows to the best weights, with checkpoints on the way. */
#ifndef FACEPAIR_MODEL_FINETUNE_TRAINING_H
#define FACEPAIR_MODEL_FINETUNE_TRAINING_H

#include "model/finetune/checkpoint.h"
#include "model/finetune/validation.h"

struct training_options {
    const struct finetune_spec *spec;
    const struct finetune_hooks *hooks;
    const char *work;
    const char
        *resume; /* a work directory to begin from when `work` has no checkpoint; NULL: none */
    const struct album *album;
    const struct parts *parts;
    const struct views *views;
    uint32_t length;     /* of what the network gives */
    uint32_t identities; /* as the training was begun with */
    const char *key;     /* model/finetune/course.h */
};

/* Begins where the work directory's checkpoint is, or at the beginning. FINISHED: the training
 * holds the weights of the best epoch; PAUSED: a checkpoint is written; STOPPED: at once. */
enum status training_run(const struct training_options *options, struct network_train *train,
                         struct course *course, enum finetune_outcome *outcome, struct error *err);

#endif
