/* How often does asking the frontal filter first change the face that is chosen? Each photograph is
 * searched twice: as `largest` does it (model/face/face.c), and with all five filters at the same
 * size. Two boxes are the same face when what they share is at least a third of their union: around
 * one point and two steps of the pyramid apart it is 0.48.
 *
 *     frontal_first DATA_DIRECTORY FILE…
 *
 * Prints each photograph that differs, then the counts. */
#include "model/face/grey.h"
#include "model/face/shim.h"
#include "model/file.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* As face.c's: another box counts as a face from this score on, and a photograph is looked at with
 * this long side first. */
static const double SCORE_SURE = 0.5;
static const double COARSE_LONG_SIDE = 480, SAME_FACE_OVERLAP = 1.0 / 3;

struct search {
    struct face_shape *shape;
    struct face_detector *detector;
    struct hog *hog;
    struct grey grey;
};

struct counts {
    unsigned photographs, found, moved, changed, lost;
};

static double overlap(const struct hog_box *a, const struct hog_box *b) {
    double width = fmin(a->x + a->width, b->x + b->width) - fmax(a->x, b->x);
    double height = fmin(a->y + a->height, b->y + b->height) - fmax(a->y, b->y);
    if (width <= 0 || height <= 0)
        return 0;
    double common = width * height;
    return common / (a->width * a->height + b->width * b->height - common);
}

/* The largest of what all five filters see. False: nothing. */
static enum status by_all_filters(struct search *search, const struct image *image, bool *found,
                                  struct hog_box *chosen, struct error *err) {
    uint32_t side = image->width > image->height ? image->width : image->height;
    double scale = fmin(1, COARSE_LONG_SIDE / side);
    uint32_t width = (uint32_t)round(image->width * scale);
    uint32_t height = (uint32_t)round(image->height * scale);
    struct hog_boxes boxes;
    if (!grey_load(&search->grey, image, width, height))
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = hog_load(search->hog, search->grey.pixels, width, height, err);
    if (status == STATUS_OK)
        status = hog_search(search->hog, HOG_FRONTAL, HOG_FILTERS, &boxes, err);
    if (status != STATUS_OK)
        return status;
    *found = boxes.count > 0;
    for (unsigned i = 0; i < boxes.count; i++)
        if (i == 0 || (boxes.box[i].score >= SCORE_SURE &&
                       boxes.box[i].width * boxes.box[i].height > chosen->width * chosen->height))
            *chosen = boxes.box[i];
    if (*found)
        *chosen = (struct hog_box){chosen->x / scale, chosen->y / scale, chosen->width / scale,
                                   chosen->height / scale, chosen->score};
    return STATUS_OK;
}

static void compare(const char *path, const struct hog_box *all, const struct hog_box *first,
                    struct counts *counts) {
    double common = first ? overlap(all, first) : 0;
    counts->found++;
    counts->lost += !first;
    counts->moved += common < 1 && common >= SAME_FACE_OVERLAP;
    counts->changed += first && common < SAME_FACE_OVERLAP;
    if (!first)
        printf("%s: all five filters see a face, frontal first none\n", path);
    else if (common < SAME_FACE_OVERLAP)
        printf(
            "%s: all five filters see %.0f pixels at (%.0f, %.0f) by %.2f, frontal first %.0f at "
            "(%.0f, %.0f) by %.2f, overlap %.2f\n",
            path, all->width, all->x, all->y, all->score, first->width, first->x, first->y,
            first->score, common);
}

static enum status look(struct search *search, const char *path, struct counts *counts,
                        struct error *err) {
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    struct image image = {0};
    struct face face;
    struct hog_box all;
    char *bytes;
    size_t size;
    bool found = false;
    enum status status = file_read(path, limits.bytes_max, &bytes, &size, err);
    if (status != STATUS_OK)
        return status;
    status = image_decode((const uint8_t *)bytes, size, &limits, FACE_LONG_SIDE, NULL, &image, err);
    free(bytes);
    if (status == STATUS_OK)
        status = by_all_filters(search, &image, &found, &all, err);
    counts->photographs++;
    if (status == STATUS_OK && found) {
        struct error none;
        bool first = face_find(search->detector, &image, FACE_LARGEST, &face, &none) == STATUS_OK;
        struct hog_box box = {face.x, face.y, face.width, face.height, face.score};
        compare(path, &all, first ? &box : NULL, counts);
    }
    image_release(&image);
    return status;
}

static enum status open_search(struct search *search, const char *data, struct error *err) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/face/shape_predictor_5_face_landmarks.dat", data);
    if (length < 0 || (size_t)length >= sizeof path)
        return error_set(err, STATUS_INTERNAL, "the directory's name is too long");
    enum status status = face_shape_open(path, &search->shape, err);
    if (status != STATUS_OK)
        return status;
    search->detector = face_detector_create(search->shape);
    search->hog = hog_create(search->shape);
    return search->detector && search->hog ? STATUS_OK
                                           : error_set(err, STATUS_INTERNAL, "out of memory");
}

int main(int argc, char **argv) {
    struct search search = {0};
    struct counts counts = {0};
    struct error err;
    if (argc < 3) {
        fputs("usage: frontal_first DATA_DIRECTORY FILE...\n", stderr);
        return 2;
    }
    enum status status = open_search(&search, argv[1], &err);
    for (int i = 2; i < argc && status == STATUS_OK; i++)
        status = look(&search, argv[i], &counts, &err);
    if (status != STATUS_OK)
        fprintf(stderr, "frontal_first: %s\n", err.detail);
    else
        printf("%u photographs, a face in %u; frontal first: the same face by another box %u, "
               "another face %u, none %u\n",
               counts.photographs, counts.found, counts.moved, counts.changed, counts.lost);
    grey_release(&search.grey);
    hog_destroy(search.hog);
    face_detector_destroy(search.detector);
    face_shape_close(search.shape);
    return status == STATUS_OK ? 0 : 1;
}
