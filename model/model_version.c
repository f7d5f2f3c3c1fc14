#include "model/model_version.h"

#include "model/digest.h"
#include "model/file.h"
#include "server/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WARM_UP_FACES = 16, PAIR_FACES = 2 };

void model_version_close(struct model_version *version) {
    if (!version)
        return;
    network_close(version->network);
    card_release(&version->card);
    free(version);
}

static enum status weights_path(const char *directory, const struct card *card, char path[PATH_MAX],
                                struct error *err) {
    return file_path(path, err, "%s/%s", directory, card->weights_file);
}

static enum status declare_cost(const char *directory, struct model_version *version,
                                struct error *err) {
    char path[PATH_MAX];
    struct stat about;
    enum status status = weights_path(directory, &version->card, path, err);
    if (status != STATUS_OK)
        return status;
    if (stat(path, &about) != 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
    version->bytes = network_memory_bytes(&version->card, (uint64_t)about.st_size);
    return STATUS_OK;
}

enum status model_version_read(const char *directory, struct model_version **version,
                               struct error *err) {
    struct model_version *read = calloc(1, sizeof(*read));
    if (!read)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = card_read(directory, &read->card, err);
    if (status == STATUS_OK)
        status = declare_cost(directory, read, err);
    if (status == STATUS_OK)
        *version = read;
    else
        model_version_close(read);
    return status;
}

static enum status check_weights(const char *path, const struct card *card, struct error *err) {
    char digest[DIGEST_TEXT_SIZE];
    enum status status = digest_file(path, digest, err);
    if (status != STATUS_OK)
        return status;
    if (strcmp(digest, card->weights_sha256) != 0)
        return error_set(err, STATUS_INTERNAL,
                         "%.170s: its SHA-256 is not the one in model.json: the file was altered",
                         path);
    return STATUS_OK;
}

/* The first batch of a size makes the tensor library choose and compile its kernels; the second
 * batch of two tells what a face costs. */
static enum status warm_up(struct model_version *version, struct error *err) {
    static const uint32_t batches[] = {PAIR_FACES, WARM_UP_FACES, PAIR_FACES};
    const struct card *card = &version->card;
    size_t face = (size_t)3 * card->input.side * card->input.side;
    float *faces = calloc(WARM_UP_FACES * face, sizeof(*faces));
    float *out = calloc((size_t)WARM_UP_FACES * card->embedding_length, sizeof(*out));
    enum status status = STATUS_OK;
    if (!faces || !out)
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]) && status == STATUS_OK; i++) {
        uint64_t started = clock_monotonic_us();
        status = network_embed(version->network, faces, batches[i], out, err);
        uint64_t face_us = (clock_monotonic_us() - started) / batches[i];
        version->face_us = face_us > 0 ? (unsigned)face_us : 1;
    }
    free(faces);
    free(out);
    return status;
}

enum status model_version_load(const char *directory, struct model_version *version,
                               struct error *err) {
    char path[PATH_MAX];
    enum status status = weights_path(directory, &version->card, path, err);
    if (status == STATUS_OK)
        status = check_weights(path, &version->card, err);
    if (status == STATUS_OK)
        status = network_open(&version->card, path, &version->network, err);
    if (status == STATUS_OK)
        status = warm_up(version, err);
    return status;
}
