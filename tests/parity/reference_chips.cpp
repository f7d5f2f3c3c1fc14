#include "tests/parity/reference.h"

#include <algorithm>
#include <dlib/image_io.h>
#include <dlib/image_processing.h>
#include <dlib/image_processing/frontal_face_detector.h>
#include <dlib/image_transforms.h>
#include <filesystem>
#include <stdexcept>

namespace {

using image = dlib::array2d<dlib::rgb_pixel>;
constexpr double LONG_SIDE = 800, ROTATION = 0.17 /* radians */;

dlib::full_object_detection find_face(const image &photo, const dlib::shape_predictor &predictor) {
    auto faces = dlib::get_frontal_face_detector()(photo);
    if (faces.empty())
        throw std::runtime_error("no face in a photograph of examples/photos");
    auto largest = *std::max_element(faces.begin(), faces.end(), [](const auto &a, const auto &b) {
        return a.area() < b.area();
    });
    return predictor(photo, largest);
}

chip cut(const image &photo, const dlib::chip_details &where, bool mirrored, std::string name) {
    image cut, out;
    dlib::extract_image_chip(photo, where, cut);
    if (mirrored)
        dlib::flip_image_left_right(cut, out);
    else
        out.swap(cut);
    chip result{std::move(name), {}};
    for (const auto &pixel : out)
        result.rgb.insert(result.rgb.end(), {pixel.red, pixel.green, pixel.blue});
    return result;
}

void add_chips(std::vector<chip> &chips, const image &photo, const dlib::shape_predictor &predictor,
               const std::string &name) {
    auto straight = dlib::get_face_chip_details(find_face(photo, predictor), CHIP_SIDE, 0.25);
    auto with = [&](double turn, double scale) {
        auto where = straight;
        where.rect = dlib::centered_drect(where.rect, where.rect.width() * scale,
                                          where.rect.height() * scale);
        where.angle += turn;
        return where;
    };
    chips.push_back(cut(photo, straight, false, name));
    chips.push_back(cut(photo, straight, true, name + ", mirrored"));
    chips.push_back(cut(photo, with(ROTATION, 1), false, name + ", rotated left"));
    chips.push_back(cut(photo, with(-ROTATION, 1), true, name + ", rotated right, mirrored"));
    chips.push_back(cut(photo, with(0, 1.3), false, name + ", smaller"));
    chips.push_back(cut(photo, with(0, 0.8), false, name + ", larger"));
}

} // namespace

std::vector<chip> reference_chips(const std::string &photos, const std::string &predictor_path) {
    dlib::shape_predictor predictor;
    dlib::deserialize(predictor_path) >> predictor;
    std::vector<std::filesystem::path> paths;
    for (const auto &entry : std::filesystem::directory_iterator(photos))
        if (entry.path().extension() == ".jpg" || entry.path().extension() == ".png")
            paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    std::vector<chip> chips;
    for (const auto &path : paths) {
        image photo;
        dlib::load_image(photo, path.string());
        double shrink = LONG_SIDE / std::max(photo.nr(), photo.nc());
        if (shrink < 1) {
            image smaller(static_cast<long>(photo.nr() * shrink),
                          static_cast<long>(photo.nc() * shrink));
            dlib::resize_image(photo, smaller);
            photo.swap(smaller);
        }
        add_chips(chips, photo, predictor, path.filename().string());
    }
    return chips;
}
