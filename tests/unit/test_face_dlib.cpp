// Boxes, landmarks and chips against dlib called directly, as its own documentation calls it, on
// the same pixels.
extern "C" {
#include "face_photos.h"
}

#include <dlib/image_processing.h>
#include <dlib/image_processing/frontal_face_detector.h>
#include <dlib/image_transforms.h>

#include <new>
#include <vector>

namespace {

long allocations_left = -1; // until one fails, once; -1: none does

} // namespace

// Not inlined: the compiler would take malloc and delete, or new and free, for pairs.
[[gnu::noinline]] void *operator new(std::size_t size) {
    if (allocations_left >= 0 && allocations_left-- == 0)
        throw std::bad_alloc();
    void *memory = std::malloc(size ? size : 1);
    if (!memory)
        throw std::bad_alloc();
    return memory;
}
[[gnu::noinline]] void operator delete(void *memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }

namespace {

struct models {
    dlib::frontal_face_detector detector = dlib::get_frontal_face_detector();
    dlib::shape_predictor predictor;
    struct face_shape *shape = open_shape();
    struct face_detector *ours = face_detector_create(shape);
};
models *loaded;

int open_models(void **) {
    loaded = new models;
    dlib::deserialize(std::string(test_data_directory()) +
                      "/face/shape_predictor_5_face_landmarks.dat") >>
        loaded->predictor;
    return 0;
}

int close_models(void **) {
    if (!loaded)
        return 0;
    face_detector_destroy(loaded->ours);
    face_shape_close(loaded->shape);
    delete loaded;
    return 0;
}

dlib::array2d<dlib::rgb_pixel> rgb_of(const struct image &image) {
    dlib::array2d<dlib::rgb_pixel> rgb(image.height, image.width);
    std::memcpy(&rgb[0][0], image.rgb, size_t(image.width) * image.height * 3);
    return rgb;
}

// Every photograph at 640 pixels at most, upright and mirrored, so that no scaling comes between.
template <typename function> void for_each_picture(function compare) {
    for (const char *name : {"obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "astronaut.png"})
        for (int mirrored = 0; mirrored < 2; mirrored++) {
            struct image photo = decode_photo(name, 0);
            const uint32_t longer = photo.width > photo.height ? photo.width : photo.height;
            const uint32_t width = photo.width * 640u / longer,
                           height = photo.height * 640u / longer;
            struct image small = blank_image(width, height, 0);
            paste(&small, 0, 0, width, height, &photo, 0, 0, photo.width, photo.height);
            for (uint32_t y = 0; mirrored && y < height; y++)
                for (uint32_t x = 0; x < width / 2; x++)
                    for (int c = 0; c < 3; c++)
                        std::swap(small.rgb[(size_t(y) * width + x) * 3 + c],
                                  small.rgb[(size_t(y) * width + width - 1 - x) * 3 + c]);
            compare(small, name);
            image_release(&photo);
            image_release(&small);
        }
}

void the_box_is_the_one_of_dlibs_own_detector(void **) {
    for_each_picture([](const struct image &image, const char *name) {
        dlib::array2d<unsigned char> grey;
        dlib::assign_image(grey, rgb_of(image));
        std::vector<std::pair<double, dlib::rectangle>> found;
        loaded->detector(grey, found);
        assert_true(!found.empty());
        struct face face;
        struct error err;
        assert_int_equal(face_find(loaded->ours, &image, FACE_CENTRE, &face, &err), STATUS_OK);
        bool same = false;
        for (const auto &one : found)
            same =
                same || (one.second.left() == face.x && one.second.top() == face.y &&
                         one.second.width() == face.width && one.second.height() == face.height &&
                         std::abs(one.first - face.score) < 1e-4);
        if (!same)
            fail_msg("%s: (%.0f, %.0f) %.0f, score %.4f is none of dlib's %zu", name, face.x,
                     face.y, face.width, face.score, found.size());
    });
}

void landmarks_and_chip_are_dlibs_own(void **) {
    for_each_picture([](const struct image &image, const char *name) {
        for (face_choice choice : {FACE_LARGEST, FACE_CENTRE}) {
            struct face face;
            struct error err;
            assert_int_equal(face_find(loaded->ours, &image, choice, &face, &err), STATUS_OK);
            const auto rgb = rgb_of(image);
            const dlib::rectangle box(std::lround(face.x), std::lround(face.y),
                                      std::lround(face.x + face.width) - 1,
                                      std::lround(face.y + face.height) - 1);
            const auto shape = loaded->predictor(rgb, box);
            for (int i = 0; i < FACE_LANDMARKS; i++)
                assert_true(shape.part(i).x() == face.landmarks[i][0] &&
                            shape.part(i).y() == face.landmarks[i][1]);
            dlib::array2d<dlib::rgb_pixel> chip;
            dlib::extract_image_chip(rgb, dlib::get_face_chip_details(shape, 150, 0.25), chip);
            std::vector<uint8_t> ours(150 * 150 * 3);
            assert_int_equal(face_chip(&image, &face, 150, 0.25, ours.data(), &err), STATUS_OK);
            if (std::memcmp(ours.data(), &chip[0][0], ours.size()) != 0)
                fail_msg("%s, choice %d: another chip than dlib's", name, choice);
        }
    });
}

// Each allocation of the first ones fails, then some of the many others.
template <typename function> void fail_allocations(function attempt) {
    for (long k = 0;; k += 1 + k / 16) {
        allocations_left = k;
        struct error err = {};
        const enum status status = attempt(&err);
        const bool failed = allocations_left < 0;
        allocations_left = -1;
        assert_int_equal(status == STATUS_INTERNAL, failed);
        if (!failed)
            return;
        assert_true(err.detail[0]);
    }
}

void memory_that_runs_out_is_told(void **) {
    struct image image = blank_image(100, 80, 128);
    struct face face;
    fail_allocations([&](struct error *err) {
        return face_find(loaded->ours, &image, FACE_LARGEST, &face, err);
    });
    fail_allocations(
        [&](struct error *err) { return face_centre(loaded->ours, &image, &face, err); });
    image_release(&image);
}

} // namespace

int main() {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_box_is_the_one_of_dlibs_own_detector),
        cmocka_unit_test(landmarks_and_chip_are_dlibs_own),
        cmocka_unit_test(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests(tests, open_models, close_models);
}
