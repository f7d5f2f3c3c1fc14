// dlib's frontal face detector, taken apart: one feature pyramid, over which any of its five
// filters can be run. (dlib's own object_detector computes the pyramid and runs all five in one
// call, and is not safe to share. Here the filters are shared and read-only; the pyramid is the
// thread's.)
#include "model/face/dlib_shim.hpp"

#include <algorithm>
#include <memory>
#include <vector>

using scanner = dlib::frontal_face_detector::image_scanner_type;

struct hog {
    const dlib::frontal_face_detector *detector;
    scanner pyramid;
};

struct hog *hog_create(const struct face_shape *shape) noexcept {
    try {
        auto created = std::make_unique<hog>();
        created->detector = &shape->detector;
        created->pyramid.copy_configuration(shape->detector.get_scanner());
        return created.release();
    } catch (...) {
        return nullptr;
    }
}

void hog_destroy(struct hog *hog) noexcept { delete hog; }

enum status hog_load(struct hog *hog, const uint8_t *grey, uint32_t width, uint32_t height,
                     struct error *err) noexcept {
    return shim_guard(err, "feature pyramid", [&] {
        hog->pyramid.load(grey_picture{grey, static_cast<long>(height), static_cast<long>(width)});
        return STATUS_OK;
    });
}

// Sorts by falling score and drops every box that overlaps a better one.
static std::vector<dlib::rect_detection> keep_best(const dlib::frontal_face_detector &detector,
                                                   std::vector<dlib::rect_detection> found) {
    std::sort(found.rbegin(), found.rend());
    std::vector<dlib::rect_detection> kept;
    for (const auto &candidate : found) {
        const bool covered = std::any_of(kept.begin(), kept.end(), [&](const auto &better) {
            return detector.get_overlap_tester()(better.rect, candidate.rect);
        });
        if (!covered && kept.size() < HOG_BOXES_MAX)
            kept.push_back(candidate);
    }
    return kept;
}

enum status hog_search(const struct hog *hog, unsigned first, unsigned last,
                       struct hog_boxes *boxes, struct error *err) noexcept {
    assert(first < last && last <= HOG_FILTERS);
    return shim_guard(err, "detector", [&] {
        const dlib::frontal_face_detector &detector = *hog->detector;
        std::vector<dlib::rect_detection> found;
        std::vector<std::pair<double, dlib::rectangle>> hits;
        for (unsigned filter = first; filter < last; filter++) {
            // The last component of a filter's weights is its threshold.
            const double threshold = detector.get_w(filter)(hog->pyramid.get_num_dimensions());
            hog->pyramid.detect(detector.get_processed_w(filter).get_detect_argument(), hits,
                                threshold);
            for (const auto &hit : hits)
                found.push_back({hit.first - threshold, filter, hit.second});
        }
        const auto kept = keep_best(detector, std::move(found));
        boxes->count = static_cast<unsigned>(kept.size());
        for (unsigned i = 0; i < boxes->count; i++) {
            const dlib::rectangle &rect = kept[i].rect;
            boxes->box[i] = {static_cast<double>(rect.left()), static_cast<double>(rect.top()),
                             static_cast<double>(rect.width()), static_cast<double>(rect.height()),
                             kept[i].detection_confidence};
        }
        return STATUS_OK;
    });
}
