/* The rows that are trained and validated on: every photograph goes once through preparation, its
 * views once through the frozen part of the network. Photographs without a face are left out. */
#ifndef FACEPAIR_MODEL_FINETUNE_VIEWS_H
#define FACEPAIR_MODEL_FINETUNE_VIEWS_H

#include "model/finetune/parts.h"
#include "model/finetune/rows.h"
#include "model/network/train.h"
#include "model/photographs.h"

#define VIEWS_NONE UINT32_MAX

struct views {
    struct rows rows;
    uint32_t *first;     /* (images) the row of view 0; VIEWS_NONE: of no use here, or no face */
    bool *usable;        /* (images) the same as a truth */
    uint32_t per_image;  /* rows of a training photograph, one after the other */
    uint32_t validation; /* rows of validation people, one a photograph: the first ones */
    uint32_t left_out;   /* photographs without a face */
};

struct views_options {
    const struct album *album;
    const struct parts *parts;
    const struct finetune_hyperparameters *parameters;
    const struct card_input *input;
    struct rows_limits limits;
    /* directory and threads, and how to go on: model/photographs.h. */
    struct photographs_options photographs;
};

/* Training and validation people alone. STATUS_INVALID_FIELD when a photograph cannot be decoded,
 * or too few of a part have a face (parts_check); STATUS_STORAGE_FULL (rows_create);
 * STATUS_DRAINING (model/photographs.h). On STATUS_OK the caller releases it. */
enum status views_fill(const struct views_options *options, struct network_train *train,
                       struct views *views, struct error *err);
void views_release(struct views *views); /* a zeroed one is allowed */

/* What of photographs cannot be passed over: one that cannot be read makes every number worthless.
 * *left_out: how many have no face. */
enum status views_check_photographs(const struct photograph *photographs, size_t count,
                                    uint32_t *left_out, struct error *err);

#endif
