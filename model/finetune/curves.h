/* The losses of a training and its learning rate, as SVG. */
#ifndef FACEPAIR_MODEL_FINETUNE_CURVES_H
#define FACEPAIR_MODEL_FINETUNE_CURVES_H

#include "model/finetune/finetune.h"

/* epochs[0…count), count ≥ 1. title: any text. STATUS_INTERNAL; err names the file. */
enum status curves_write(const char *path, const char *title, const struct finetune_epoch *epochs,
                         uint32_t count, struct error *err);

#endif
