#include "model/import/vit.h"

#include "model/digest.h"
#include "model/import/pth.h"
#include "model/import/version.h"
#include "model/import/vit_card.h"
#include "model/import/vit_config.h"
#include "model/import/vit_tensors.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_NAME "vit"

/* The file of weights, in either format. */
struct weights_file {
    struct pth *pth;
    struct safetensors *safetensors;
    const struct safetensors_tensor *tensors; /* (count) */
    size_t count;
};

/* A ZIP archive begins with its first entry's header; safetensors with a length, never that one:
 * it would be a header of 64 MiB. */
static enum status is_zip(const char *path, bool *zip, struct error *err) {
    char magic[4] = "";
    FILE *file = fopen(path, "rbe");
    if (!file)
        return error_set(err, STATUS_INTERNAL, "%.150s: %.60s", path, strerror(errno));
    *zip = fread(magic, 1, sizeof(magic), file) == sizeof(magic) && memcmp(magic, "PK\3\4", 4) == 0;
    fclose(file);
    return STATUS_OK;
}

static enum status open_weights(const char *path, struct weights_file *file, struct error *err) {
    bool zip = false;
    memset(file, 0, sizeof(*file));
    enum status status = is_zip(path, &zip, err);
    if (status != STATUS_OK)
        return status;
    if (zip) {
        status = pth_open(path, &file->pth, err);
        if (status == STATUS_OK)
            file->tensors = pth_tensors(file->pth, &file->count);
        return status;
    }
    status = safetensors_open(path, &file->safetensors, err);
    if (status == STATUS_OK) {
        file->tensors = safetensors_all(file->safetensors);
        file->count = safetensors_count(file->safetensors);
    }
    return status;
}

static void close_weights(struct weights_file *file) {
    pth_close(file->pth);
    safetensors_close(file->safetensors);
}

static enum status write_weights(const struct version_work *work, const struct vit_tensors *chosen,
                                 char sha256[DIGEST_TEXT_SIZE], struct error *err) {
    char path[PUBLISH_PATH_MAX];
    enum status status = publish_path(path, err, "%s/weights.safetensors", work->built);
    if (status == STATUS_OK)
        status = safetensors_write(path, chosen->tensors, chosen->count, err);
    return status == STATUS_OK ? digest_file(path, sha256, err) : status;
}

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static enum status fill(const struct import_vit_options *options, const struct vit_config *config,
                        const struct vit_tensors *chosen, const struct version_work *work,
                        struct error *err) {
    char sha256[DIGEST_TEXT_SIZE], source_sha256[DIGEST_TEXT_SIZE];
    enum status status = write_weights(work, chosen, sha256, err);
    if (status == STATUS_OK)
        status = digest_file(options->weights_path, source_sha256, err);
    if (status != STATUS_OK)
        return status;
    const struct vit_card card = {
        .name = options->name ? options->name : DEFAULT_NAME,
        .version = work->number,
        .input = options->input,
        .config = config,
        .vit = &chosen->vit,
        .weights_sha256 = sha256,
        .source_file = name_of(options->weights_path),
        .source_sha256 = source_sha256,
    };
    size_t size;
    char *json = vit_card_format(&card, &size);
    if (!json)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    status = version_write(work, "model.json", json, size, err);
    free(json);
    return status;
}

static enum status publish(const struct import_vit_options *options,
                           const struct vit_config *config, const struct vit_tensors *chosen,
                           struct error *err) {
    struct version_work work;
    const char *name = options->name ? options->name : DEFAULT_NAME;
    enum status status = version_begin(options->data_directory, name, &work, err);
    if (status != STATUS_OK)
        return status;
    status = fill(options, config, chosen, &work, err);
    if (status == STATUS_OK)
        return version_finish(&work, options->messages, err);
    version_abandon(&work);
    return status;
}

static enum status import_weights(const struct import_vit_options *options,
                                  const struct vit_config *config, struct error *err) {
    struct weights_file file;
    struct vit_tensors chosen;
    struct error cause;
    enum status status = open_weights(options->weights_path, &file, err);
    if (status != STATUS_OK)
        return status;
    if (vit_tensors_choose(file.tensors, file.count, config, &chosen, &cause) == STATUS_OK) {
        status = publish(options, config, &chosen, err);
        free(chosen.tensors);
    } else {
        status =
            error_set(err, STATUS_INTERNAL, "%.120s: %.130s", options->weights_path, cause.detail);
    }
    close_weights(&file);
    return status;
}

enum status import_vit(const struct import_vit_options *options, struct error *err) {
    struct vit_config config = vit_config_notebook();
    if (options->name && !card_name_valid(options->name))
        return error_set(err, STATUS_INTERNAL,
                         "\"%.80s\" cannot be a model's name: lower-case letters, digits, '.', "
                         "'_' and '-'",
                         options->name);
    enum status status = STATUS_OK;
    if (options->config_path)
        status = vit_config_read(options->config_path, &config, err);
    return status == STATUS_OK ? import_weights(options, &config, err) : status;
}
