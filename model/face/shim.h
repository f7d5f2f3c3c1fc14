/* What the search needs of dlib, as C: the read-only models that threads share, one scanner per
 * thread, the landmarks. Behind it stand the only C++ files of this room.
 *
 * Every function is noexcept: an exception (in practice bad_alloc) becomes STATUS_INTERNAL with
 * its message.
 */
#ifndef FACEPAIR_MODEL_FACE_SHIM_H
#define FACEPAIR_MODEL_FACE_SHIM_H

#include "model/face/face.h"

#ifdef __cplusplus
#define SHIM_NOEXCEPT noexcept
extern "C" {
#else
#define SHIM_NOEXCEPT
#endif

/* The detector's five linear filters, in its own order. */
enum { HOG_FRONTAL = 0, HOG_FILTERS = 5, HOG_BOXES_MAX = 64 };

/* In pixels of the loaded picture, edges at whole coordinates: pixel i covers [i, i + 1). */
struct hog_box {
    double x, y, width, height, score;
};
struct hog_boxes {
    unsigned count;
    struct hog_box box[HOG_BOXES_MAX]; /* by falling score */
};

struct hog; /* the feature pyramid of one picture; one per thread */

struct hog *hog_create(const struct face_shape *shape) SHIM_NOEXCEPT; /* NULL: out of memory */
void hog_destroy(struct hog *hog) SHIM_NOEXCEPT;
/* Computes the feature pyramid of grey (height, width). Copies nothing of it and keeps no pointer.
 */
enum status hog_load(struct hog *hog, const uint8_t *grey, uint32_t width, uint32_t height,
                     struct error *err) SHIM_NOEXCEPT;
/* Runs the filters first … last − 1 over the loaded pyramid; of boxes that overlap, the best is
 * kept (dlib's own rule). boxes is written on STATUS_OK alone. */
enum status hog_search(const struct hog *hog, unsigned first, unsigned last,
                       struct hog_boxes *boxes, struct error *err) SHIM_NOEXCEPT;

/* Fills face->landmarks from face's box. */
enum status shape_fit(const struct face_shape *shape, const struct image *image, struct face *face,
                      struct error *err) SHIM_NOEXCEPT;

#ifdef __cplusplus
}
#endif
#endif
