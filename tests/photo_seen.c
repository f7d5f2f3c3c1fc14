/* What the server makes of a photograph, for tests that search memory for it:
 *
 *     photo_seen DATA PHOTO     stdout: three blocks, each with its size as 8 bytes before it:
 *         the decoded pixels, the aligned chip, and the network's input, of dlib-resnet
 */
#include "model/face/face.h"
#include "model/image/image.h"
#include "model/network/normalise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 150, CHIP_BYTES = SIDE * SIDE * 3, FILE_BYTES_MAX = 10 << 20 };

static void check(enum status status, const struct error *err) {
    if (status == STATUS_OK)
        return;
    fprintf(stderr, "photo_seen: %s\n", err->detail);
    exit(1);
}

static void put(const void *bytes, uint64_t size) {
    fwrite(&size, sizeof size, 1, stdout);
    fwrite(bytes, 1, size, stdout);
}

static void decode(const char *path, struct image *image) {
    static uint8_t bytes[FILE_BYTES_MAX];
    struct error err = {"the photograph cannot be read"};
    FILE *file = fopen(path, "rb");
    check(file ? STATUS_OK : STATUS_INTERNAL, &err);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    check(image_decode(bytes, size, &IMAGE_LIMITS_DEFAULT, FACE_LONG_SIDE, NULL, image, &err),
          &err);
}

int main(int argc, char **argv) {
    static const float mean[3] = {122.782f, 117.001f, 104.298f}, std[3] = {256, 256, 256};
    static uint8_t chip[CHIP_BYTES];
    static float input[CHIP_BYTES];
    struct image image = {0};
    struct face_shape *shape;
    struct face face;
    struct error err;
    char path[4096];
    if (argc != 3)
        return 2;
    snprintf(path, sizeof path, "%s/face/shape_predictor_5_face_landmarks.dat", argv[1]);
    check(face_shape_open(path, &shape, &err), &err);
    struct face_detector *detector = face_detector_create(shape);
    decode(argv[2], &image);
    check(face_find(detector, &image, FACE_LARGEST, &face, &err), &err);
    check(face_chip(&image, &face, SIDE, 0.25, chip, &err), &err);
    normalise_chips(chip, 1, SIDE, mean, std, input);
    put(image.rgb, (uint64_t)image.width * image.height * 3);
    put(chip, sizeof chip);
    put(input, sizeof input);
    image_release(&image);
    face_detector_destroy(detector);
    face_shape_close(shape);
    return 0;
}
