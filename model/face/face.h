/* Upright RGB -> the face asked for: its box, five landmarks and the aligned chip that the network
 * takes.
 *
 * The detector is dlib's frontal HOG detector (five linear sub-detectors over one feature pyramid,
 * 80-pixel window), on grey; the landmarks are dlib's five-point shape predictor; the chip is
 * dlib's get_face_chip_details(shape, size, padding).
 */
#ifndef FACEPAIR_MODEL_FACE_FACE_H
#define FACEPAIR_MODEL_FACE_FACE_H

#include "model/image/image.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which face of a photograph: the largest (coarse to fine, frontal first), the only one (full
 * search; several are MANY_FACES), or the one nearest the image's centre (for benchmark protocols
 * such as LFW's: one look at the image as it is, no last resort, any size accepted). face.c's essay
 * has the steps and what they cost. */
enum face_choice { FACE_LARGEST, FACE_ONLY, FACE_CENTRE };

/* dlib5: the eye corners and the point under the nose; left and right are the person's own. */
enum face_landmark {
    FACE_LEFT_EYE_OUTER,
    FACE_LEFT_EYE_INNER,
    FACE_RIGHT_EYE_OUTER,
    FACE_RIGHT_EYE_INNER,
    FACE_NOSE_BASE,
    FACE_LANDMARKS
};

/* Coordinates in pixels of the image it was found in (struct image's width and height, not info's);
 * a box may leave the frame. */
struct face {
    double x, y, width, height;
    double score; /* the detector's confidence, > 0; 0 for a box that was not detected */
    double landmarks[FACE_LANDMARKS][2]; /* x, y */
    unsigned count; /* faces in the photograph; 0: not counted (the full search did not run) */
};

/* A face whose box is narrower than this in full-resolution pixels is STATUS_FACE_TOO_SMALL. */
enum { FACE_SIDE_MIN = 40 };
/* Decode at least this long side where the photograph has it: a face of 1/12 of it is then as wide
 * as the detector's window. */
enum { FACE_LONG_SIDE = 960 };

struct face_shape;    /* the five-point predictor and the detector's filters: read-only once opened,
                       * shared by threads */
struct face_detector; /* one per thread: its working memory */

/* Takes about 0.4 s, most of it to unpack the filters compiled into the program. err names path. */
enum status face_shape_open(const char *path, struct face_shape **shape, struct error *err);
void face_shape_close(struct face_shape *shape);
/* Borrows shape. NULL: out of memory. */
struct face_detector *face_detector_create(const struct face_shape *shape);
void face_detector_destroy(struct face_detector *detector);

/* STATUS_NO_FACE, _MANY_FACES, _FACE_TOO_SMALL; err says what to do about it. At most a square
 * picture of FACE_LONG_SIDE and its last resorts are searched, about 110 ms of one 2020s core; an
 * ordinary photograph takes a tenth of it. The detector's grey copy is overwritten before return
 * (what dlib allocated on the way is freed as it is). */
enum status face_find(struct face_detector *detector, const struct image *image,
                      enum face_choice choice, struct face *face, struct error *err);
/* The face of an image in which none was found, for protocols that must answer: the centred box
 * that LFW's own alignment puts the face in, and the landmarks the predictor finds in it.
 * STATUS_INTERNAL: out of memory. */
enum status face_centre(struct face_detector *detector, const struct image *image,
                        struct face *face, struct error *err);

/* Cuts the aligned chip from the image's own pixels: rgb (size, size, 3). padding as dlib's (0.25).
 */
enum status face_chip(const struct image *image, const struct face *face, uint32_t size,
                      double padding, uint8_t *rgb, struct error *err);

/* False on a processor without the instructions this build's detector was compiled for. */
bool face_cpu_supported(void);

#ifdef __cplusplus
}
#endif
#endif
