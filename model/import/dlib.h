/* `facepair import dlib`: the models that a fresh machine verifies with, from dlib's own files.
 *
 * Leaves in DATA/models a version {model.json, weights.safetensors, evaluation.json, …} of
 * dlib-resnet and one of dlib-resnet-plus (dlib_model.h), and
 * DATA/face/shape_predictor_5_face_landmarks.dat. Importing again what is there already changes
 * nothing and succeeds. A version of other content, by a program that had measured something else,
 * stays as it is and stays in use: the import is then the next version.
 */
#ifndef FACEPAIR_MODEL_IMPORT_DLIB_H
#define FACEPAIR_MODEL_IMPORT_DLIB_H

#include "server/status.h"

#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct import_dlib_options {
    const char *weights_path;   /* dlib_face_recognition_resnet_model_v1.dat */
    const char *predictor_path; /* shape_predictor_5_face_landmarks.dat */
    const char *data_directory; /* made when missing */
    FILE *messages;             /* one line for each thing written or found there; NULL: none */
};

/* Both files must have the SHA-256 that this program knows. STATUS_INTERNAL; err names the file. */
enum status import_dlib(const struct import_dlib_options *options, struct error *err);

#ifdef __cplusplus
}
#endif
#endif
