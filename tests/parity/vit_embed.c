/* For tests/parity/vit/full.py, raw values out:
 *
 *   vit_embed VERSION_DIRECTORY EXPECTED.safetensors OUT    the embeddings of its tensor "input"
 *   vit_embed --transform PHOTO SIDE CROP_PCT OUT           the frame's levels (side, side, 3) */
#include "model/card.h"
#include "model/file.h"
#include "model/image/resize.h"
#include "model/network/network.h"
#include "model/safetensors.h"
#include "tests/parity/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096, PHOTO_BYTES_MAX = 64 << 20 };

static int failed(const char *detail) {
    fprintf(stderr, "vit_embed: %s\n", detail);
    return 1;
}

static int write_all(const char *path, const void *bytes, size_t size) {
    struct error err;
    return file_write(path, bytes, size, &err) == STATUS_OK ? 0 : failed(err.detail);
}

static int embed(const char *version, const char *expected, const char *out_path) {
    char weights[PATH_BYTES];
    struct error err;
    struct card card;
    struct network *network = NULL;
    struct safetensors *file = NULL;
    snprintf(weights, sizeof(weights), "%s/weights.safetensors", version);
    if (network_runtime_open(parity_device(), 0, &err) != STATUS_OK ||
        card_read(version, &card, &err) != STATUS_OK ||
        network_open(&card, weights, &network, &err) != STATUS_OK ||
        safetensors_open(expected, &file, &err) != STATUS_OK)
        return failed(err.detail);
    const struct safetensors_tensor *input = safetensors_find(file, "input");
    size_t count = input ? (size_t)input->shape[0] * card.embedding_length : 0;
    float *out = calloc(count + 1, sizeof(*out));
    int code;
    if (!input || !out)
        code = failed("no tensor \"input\", or no memory");
    else if (network_embed(network, input->data, (uint32_t)input->shape[0], out, &err) != STATUS_OK)
        code = failed(err.detail);
    else
        code = write_all(out_path, out, count * sizeof(*out));
    free(out);
    safetensors_close(file);
    network_close(network);
    card_release(&card);
    return code;
}

static int transform(const char *photo, uint32_t side, double crop_pct, const char *out_path) {
    struct image_limits limits = IMAGE_LIMITS_DEFAULT;
    struct image image = {0};
    struct error err;
    char *bytes;
    size_t size, levels = (size_t)side * side * 3;
    uint8_t *rgb = malloc(levels + 1);
    if (!rgb || file_read(photo, PHOTO_BYTES_MAX, &bytes, &size, &err) != STATUS_OK)
        return failed(rgb ? err.detail : "out of memory");
    if (image_decode((const uint8_t *)bytes, size, &limits, 0, NULL, &image, &err) != STATUS_OK ||
        image_resize_crop(&image, (uint32_t)floor(side / crop_pct), side, rgb, &err) != STATUS_OK)
        return failed(err.detail);
    int code = write_all(out_path, rgb, levels);
    image_release(&image);
    free(bytes);
    free(rgb);
    return code;
}

int main(int argc, char **argv) {
    if (argc == 6 && strcmp(argv[1], "--transform") == 0)
        return transform(argv[2], (uint32_t)strtoul(argv[3], NULL, 10), strtod(argv[4], NULL),
                         argv[5]);
    if (argc == 4)
        return embed(argv[1], argv[2], argv[3]);
    return failed("usage: see the top of vit_embed.c");
}
