/* dlib_face_recognition_resnet_model_v1.dat -> the tensors of architecture "dlib-resnet", each
 * affine layer folded into the convolution before it. */
#ifndef FACEPAIR_MODEL_IMPORT_DLIB_FILE_H
#define FACEPAIR_MODEL_IMPORT_DLIB_FILE_H

#include "model/safetensors.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dlib_file;

/* The file's hash has been checked: this reader is for the one known file, not for hostile ones.
 * STATUS_INTERNAL; err names the file. */
enum status dlib_file_read(const char *path, struct dlib_file **file, struct error *err);
void dlib_file_release(struct dlib_file *file); /* NULL is allowed */

/* In forward order, borrowed until release: stem.weight (32,3,7,7), stem.bias (32); for I in 0…13
 * blocks.I.conv1.weight (out,in,3,3), .conv1.bias, .conv2.weight, .conv2.bias; head.weight
 * (128,256). */
const struct safetensors_tensor *dlib_file_tensors(const struct dlib_file *file, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
