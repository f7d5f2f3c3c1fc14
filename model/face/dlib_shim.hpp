// What the C++ files of this room share: dlib's headers without LAPACK and BLAS, and our pictures
// as images of dlib's without copying them.
#ifndef FACEPAIR_MODEL_FACE_DLIB_SHIM_HPP
#define FACEPAIR_MODEL_FACE_DLIB_SHIM_HPP

#include "model/face/shim.h"

#include <dlib/image_processing/frontal_face_detector.h>
#include <dlib/image_processing/shape_predictor.h>
#include <dlib/image_transforms/interpolation.h>

#include <cassert>
#include <exception>

struct face_shape {
    dlib::shape_predictor predictor;
    dlib::frontal_face_detector detector; // its filters; never run itself, since running writes
};

// dlib's generic image interface over rows of pixels that somebody else owns.
template <typename pixel> struct picture {
    const pixel *data = nullptr;
    long rows = 0, columns = 0;
};
using rgb_picture = picture<dlib::rgb_pixel>;
using grey_picture = picture<unsigned char>;

template <typename pixel> long num_rows(const picture<pixel> &image) { return image.rows; }
template <typename pixel> long num_columns(const picture<pixel> &image) { return image.columns; }
template <typename pixel> const void *image_data(const picture<pixel> &image) { return image.data; }
template <typename pixel> long width_step(const picture<pixel> &image) {
    return image.columns * static_cast<long>(sizeof(pixel));
}
namespace dlib {
template <typename pixel> struct image_traits<picture<pixel>> { using pixel_type = pixel; };
} // namespace dlib

inline rgb_picture picture_of(const struct image *image) {
    static_assert(sizeof(dlib::rgb_pixel) == 3);
    return {reinterpret_cast<const dlib::rgb_pixel *>(image->rgb), static_cast<long>(image->height),
            static_cast<long>(image->width)};
}

// Runs work and turns what it throws into a status.
template <typename function>
enum status shim_guard(struct error *err, const char *what, function work) noexcept {
    try {
        return work();
    } catch (const std::exception &cause) {
        return error_set(err, STATUS_INTERNAL, "%s: %s", what, cause.what());
    } catch (...) {
        return error_set(err, STATUS_INTERNAL, "%s: unknown exception", what);
    }
}

#endif
