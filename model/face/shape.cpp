// The models that are read once, the five landmarks, and the aligned chip.
#include "model/face/dlib_shim.hpp"

#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>

enum status face_shape_open(const char *path, struct face_shape **shape, struct error *err) {
    return shim_guard(err, path, [&] {
        std::ifstream file(path, std::ios::binary);
        if (!file)
            return error_set(err, STATUS_INTERNAL, "cannot read %s", path);
        auto opened = std::make_unique<face_shape>();
        try {
            dlib::deserialize(opened->predictor, file);
        } catch (const dlib::serialization_error &) { // its own words fill several lines
            return error_set(err, STATUS_INTERNAL, "%s: not a shape predictor of dlib's", path);
        }
        if (opened->predictor.num_parts() != FACE_LANDMARKS)
            return error_set(err, STATUS_INTERNAL, "%s: %lu landmarks instead of %d", path,
                             opened->predictor.num_parts(), FACE_LANDMARKS);
        opened->detector = dlib::get_frontal_face_detector();
        assert(opened->detector.num_detectors() == HOG_FILTERS);
        *shape = opened.release();
        return STATUS_OK;
    });
}

void face_shape_close(struct face_shape *shape) { delete shape; }

// A box with edges at whole coordinates -> dlib's rectangle, whose right and bottom pixels belong
// to it.
static dlib::rectangle rectangle_of(const struct face *face) {
    return dlib::rectangle(std::lround(face->x), std::lround(face->y),
                           std::lround(face->x + face->width) - 1,
                           std::lround(face->y + face->height) - 1);
}

enum status shape_fit(const struct face_shape *shape, const struct image *image, struct face *face,
                      struct error *err) noexcept {
    return shim_guard(err, "landmarks", [&] {
        dlib::full_object_detection found = shape->predictor(picture_of(image), rectangle_of(face));
        for (int i = 0; i < FACE_LANDMARKS; i++) {
            face->landmarks[i][0] = static_cast<double>(found.part(i).x());
            face->landmarks[i][1] = static_cast<double>(found.part(i).y());
        }
        return STATUS_OK;
    });
}

enum status face_chip(const struct image *image, const struct face *face, uint32_t size,
                      double padding, uint8_t *rgb, struct error *err) {
    return shim_guard(err, "chip", [&] {
        std::vector<dlib::point> parts;
        for (const auto &landmark : face->landmarks)
            parts.emplace_back(std::lround(landmark[0]), std::lround(landmark[1]));
        dlib::chip_details details = dlib::get_face_chip_details(
            dlib::full_object_detection(rectangle_of(face), parts), size, padding);
        if (!(details.rect.area() > 0))
            return error_set(err, STATUS_NO_FACE, "The face's landmarks fall on one point.");
        dlib::array2d<dlib::rgb_pixel> chip;
        dlib::extract_image_chip(picture_of(image), details, chip);
        const size_t bytes = static_cast<size_t>(size) * size * 3;
        assert(chip.size() * 3 == bytes && chip.width_step() == 3 * static_cast<long>(size));
        std::memcpy(rgb, &chip[0][0], bytes);
        explicit_bzero(&chip[0][0], bytes);
        return STATUS_OK;
    });
}
