/* Milliseconds of processor time to find the face of a photograph and to cut its chip.
 *
 *     bench_face DATA_DIRECTORY [--face largest|only|centre] FILE…
 *
 * One line a file (decoded size, what was found, median of the repetitions for each stage), and the
 * median over the files of detect and align together as the last. Thread time is taken, not wall
 * time, so that a busy machine disturbs less.
 */
#include "model/face/face.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPETITIONS = 9, FILES_MAX = 10000, CHIP_SIDE = 150 };

struct bench {
    struct face_detector *detector;
    enum face_choice choice;
    struct image image;
    struct face face;
    uint8_t chip[CHIP_SIDE * CHIP_SIDE * 3];
    struct error err;
};

static double thread_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static bool decode(const char *path, struct image *image, struct error *err) {
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(limits.bytes_max);
    bool decoded = false;
    if (file && bytes) {
        size_t size = fread(bytes, 1, limits.bytes_max, file);
        decoded = image_decode(bytes, size, &limits, FACE_LONG_SIDE, NULL, image, err) == STATUS_OK;
    } else {
        error_set(err, STATUS_INTERNAL, "cannot be read");
    }
    free(bytes);
    if (file)
        fclose(file);
    return decoded;
}

static double measure_file(struct bench *bench, const char *path) {
    double detect[REPETITIONS], align[REPETITIONS];
    enum status status = STATUS_OK;
    for (int i = 0; i < REPETITIONS; i++) {
        double begun = thread_ms();
        status =
            face_find(bench->detector, &bench->image, bench->choice, &bench->face, &bench->err);
        double found = thread_ms();
        if (!status)
            face_chip(&bench->image, &bench->face, CHIP_SIDE, 0.25, bench->chip, &bench->err);
        detect[i] = found - begun;
        align[i] = thread_ms() - found;
    }
    double detect_ms = median(detect, REPETITIONS), align_ms = median(align, REPETITIONS);
    printf("%s: %u×%u %s, detect %.2f ms, align %.2f ms\n", path, bench->image.width,
           bench->image.height, status_code(status), detect_ms, align_ms);
    return detect_ms + align_ms;
}

static int measure(struct bench *bench, char **paths, size_t count) {
    static double total[FILES_MAX];
    for (size_t i = 0; i < count; i++) {
        if (!decode(paths[i], &bench->image, &bench->err)) {
            fprintf(stderr, "bench_face: %s: %s\n", paths[i], bench->err.detail);
            return 1;
        }
        total[i] = measure_file(bench, paths[i]);
        image_release(&bench->image);
    }
    printf("detect and align, %zu files: median %.2f ms\n", count, median(total, count));
    return 0;
}

static bool parse_choice(const char *name, enum face_choice *choice) {
    static const char *const names[] = {"largest", "only", "centre"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *choice = (enum face_choice)i;
            return true;
        }
    return false;
}

int main(int count, char **arguments) {
    static struct bench bench;
    int files = 2;
    if (count > 3 && strcmp(arguments[2], "--face") == 0)
        files = parse_choice(arguments[3], &bench.choice) ? 4 : count;
    if (count <= files || count - files > FILES_MAX) {
        fprintf(stderr, "usage: bench_face DATA_DIRECTORY [--face largest|only|centre] FILE…\n");
        return 2;
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/face/shape_predictor_5_face_landmarks.dat", arguments[1]);
    struct face_shape *shape;
    if (face_shape_open(path, &shape, &bench.err)) {
        fprintf(stderr, "bench_face: %s\n", bench.err.detail);
        return 1;
    }
    bench.detector = face_detector_create(shape);
    int failed = bench.detector ? measure(&bench, arguments + files, (size_t)(count - files)) : 1;
    face_detector_destroy(bench.detector);
    face_shape_close(shape);
    return failed;
}
