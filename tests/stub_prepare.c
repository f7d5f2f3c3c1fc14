/* model/prepare.c's symbols without decoding or detecting: for tests and measurements of what
 * stands around it. Linked in place of facepair_prepare.
 *
 * Any bytes are a 640×480 JPEG with one face in the middle; the network's input is drawn from a
 * generator seeded with a hash of the bytes, so equal photographs give equal inputs and others do
 * not. Bytes that begin with one of these words fail as named:
 *   STUB:invalid_image STUB:unsupported_image_format STUB:image_too_large STUB:no_face
 *   STUB:many_faces (with FACE_ONLY) STUB:face_too_small STUB:internal
 * STUB:slow takes 50 ms and STUB:hang three seconds; with STUB:network_hang the network hangs, and
 * with STUB:network_fails it fails.
 */
#include "model/prepare.h"

#include "tests/stub_network.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct prepare_shared {
    int unused;
};
struct preparer {
    int unused;
};

enum status prepare_shared_open(const char *data_directory, struct prepare_shared **shared,
                                struct error *err) {
    (void)data_directory;
    *shared = calloc(1, sizeof **shared);
    return *shared ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory");
}

void prepare_shared_close(struct prepare_shared *shared) { free(shared); }

struct preparer *preparer_create(const struct prepare_shared *shared) {
    (void)shared;
    return calloc(1, sizeof(struct preparer));
}

void preparer_destroy(struct preparer *preparer) { free(preparer); }

static bool begins_with(const uint8_t *bytes, size_t size, const char *word) {
    return size >= strlen(word) && memcmp(bytes, word, strlen(word)) == 0;
}

static enum status asked_failure(const uint8_t *bytes, size_t size, enum face_choice choice) {
    if (begins_with(bytes, size, "STUB:invalid_image"))
        return STATUS_INVALID_IMAGE;
    if (begins_with(bytes, size, "STUB:unsupported_image_format"))
        return STATUS_UNSUPPORTED_IMAGE_FORMAT;
    if (begins_with(bytes, size, "STUB:image_too_large"))
        return STATUS_IMAGE_TOO_LARGE;
    if (begins_with(bytes, size, "STUB:no_face"))
        return STATUS_NO_FACE;
    if (begins_with(bytes, size, "STUB:many_faces") && choice == FACE_ONLY)
        return STATUS_MANY_FACES;
    if (begins_with(bytes, size, "STUB:face_too_small"))
        return STATUS_FACE_TOO_SMALL;
    if (begins_with(bytes, size, "STUB:internal"))
        return STATUS_INTERNAL;
    return STATUS_OK;
}

/* FNV-1a over eight bytes at a time, so that 40 KB cost microseconds. */
static uint64_t hash(const uint8_t *bytes, size_t size) {
    uint64_t state = 14695981039346656037u;
    for (; size >= 8; bytes += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        state = (state ^ word) * 1099511628211u;
        state ^= state >> 32;
    }
    for (; size; bytes++, size--)
        state = (state ^ *bytes) * 1099511628211u;
    return state | 1;
}

static void fill(float *out, size_t count, uint64_t seed) {
    for (size_t i = 0; i < count; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17; /* Marsaglia's xorshift64 */
        out[i] = (float)((double)(seed >> 11) / (double)(1ull << 53) - 0.5);
    }
}

enum status prepare_face(struct preparer *preparer, const struct card_input *input,
                         const struct image_limits *limits, const uint8_t *bytes, size_t size,
                         enum face_choice choice, enum prepare_no_face no_face, float *out,
                         struct prepared *prepared, struct error *err) {
    (void)preparer, (void)limits;
    *prepared = (struct prepared){0};
    enum status status = asked_failure(bytes, size, choice);
    if (status == STATUS_NO_FACE && no_face == PREPARE_CENTRE)
        status = STATUS_OK;
    if (status != STATUS_INVALID_IMAGE && status != STATUS_UNSUPPORTED_IMAGE_FORMAT)
        prepared->info = (struct image_info){.format = IMAGE_JPEG, .width = 640, .height = 480};
    if (status)
        return error_set(err, status, "The stub was asked for %s.", status_code(status));
    if (begins_with(bytes, size, "STUB:slow"))
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    if (begins_with(bytes, size, "STUB:hang"))
        nanosleep(&(struct timespec){.tv_sec = 3}, NULL);
    prepared->face = (struct face){
        .x = 220,
        .y = 140,
        .width = 200,
        .height = 200,
        .score = 1.5,
        .landmarks = {{385, 195}, {345, 198}, {245, 195}, {285, 198}, {318, 275}},
        .count = choice == FACE_ONLY ? 1 : 0,
    };
    prepared->decode_us = prepared->detect_us = prepared->align_us = 1;
    fill(out, (size_t)input->side * input->side * 3, hash(bytes, size));
    if (begins_with(bytes, size, "STUB:network_hang"))
        out[0] = STUB_FACE_HANGS;
    if (begins_with(bytes, size, "STUB:network_fails"))
        out[0] = STUB_FACE_FAILS;
    return STATUS_OK;
}
