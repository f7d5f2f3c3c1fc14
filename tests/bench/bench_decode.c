/* Milliseconds of processor time to decode a photograph, for each file and long side.
 *
 *     bench_decode LONG_SIDE_MIN FILE…
 *
 * One line a file: decoded size, original size, best and median of the repetitions. Thread time is
 * taken, not wall time, so that a busy machine disturbs less. */
#include "model/image/image.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPETITIONS_MAX = 200, FILE_BYTES_MAX = 10 << 20 };
static const double SECONDS_A_FILE = 1.0;

static double thread_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static size_t read_file(const char *path, uint8_t *bytes) {
    FILE *stream = fopen(path, "rb");
    if (!stream) {
        fprintf(stderr, "bench_decode: %s: %s\n", path, strerror(errno));
        return 0;
    }
    size_t size = fread(bytes, 1, FILE_BYTES_MAX, stream);
    fclose(stream);
    return size;
}

static int measure(const char *path, const uint8_t *bytes, size_t size, uint32_t long_side_min) {
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    struct image image = {0};
    struct error err;
    double ms[REPETITIONS_MAX], spent = 0;
    int count = 0;
    while (count < REPETITIONS_MAX && (count < 5 || spent < SECONDS_A_FILE * 1e3)) {
        image_release(&image);
        double start = thread_ms();
        if (image_decode(bytes, size, &limits, long_side_min, NULL, &image, &err) != STATUS_OK) {
            fprintf(stderr, "bench_decode: %s: %s\n", path, err.detail);
            return 1;
        }
        ms[count] = thread_ms() - start;
        spent += ms[count++];
    }
    qsort(ms, (size_t)count, sizeof *ms, by_value);
    printf("%-28s %5u x %-5u of %5u x %-5u  best %8.3f ms  median %8.3f ms  (%d)\n",
           strrchr(path, '/') ? strrchr(path, '/') + 1 : path, image.width, image.height,
           image.info.width, image.info.height, ms[0], ms[count / 2], count);
    image_release(&image);
    return 0;
}

int main(int count, char **arguments) {
    char *end = NULL;
    unsigned long long_side_min = count > 2 ? strtoul(arguments[1], &end, 10) : 0;
    if (count < 3 || *end != '\0' || long_side_min > UINT32_MAX) {
        fprintf(stderr, "usage: bench_decode LONG_SIDE_MIN FILE...\n");
        return 2;
    }
    uint8_t *bytes = malloc(FILE_BYTES_MAX);
    if (!bytes)
        return 1;
    int failed = 0;
    for (int i = 2; i < count; i++) {
        size_t size = read_file(arguments[i], bytes);
        failed |= size == 0 || measure(arguments[i], bytes, size, (uint32_t)long_side_min);
    }
    free(bytes);
    return failed;
}
