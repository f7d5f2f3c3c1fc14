/* Where a training is: all that it needs to go on, besides the tensors. */
#ifndef FACEPAIR_MODEL_FINETUNE_COURSE_H
#define FACEPAIR_MODEL_FINETUNE_COURSE_H

#include "model/finetune/finetune.h"
#include "model/finetune/plateau.h"
#include "model/random.h"

struct course {
    uint32_t epochs_done;
    uint32_t batches_done;             /* of the epoch under way */
    double loss_sum;                   /* of those batches */
    struct random_generator generator; /* at the beginning of the epoch under way */
    struct plateau plateau;
    uint32_t best_epoch;                                /* from 1; 0: none yet */
    double best_loss;                                   /* INFINITY: none yet */
    struct finetune_epoch history[FINETUNE_EPOCHS_MAX]; /* of those done */
};

void course_begin(const struct finetune_hyperparameters *parameters, struct course *course);

/* key: what the training is of; a course is read by the same one alone. From malloc; NULL: out of
 * memory. */
char *course_write(const struct course *course, const char *key, size_t *size);
/* STATUS_INTERNAL: it is none, or of another training. */
enum status course_read(const char *text, size_t size, const char *key, struct course *course,
                        struct error *err);

#endif
