#include "model/finetune/source.h"

#include "model/catalog.h"
#include "model/digest.h"
#include "model/file.h"
#include "model/people.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The texts that versions are published with (model/import/calibrated.c). */
static const char *const LEARNED_FILES[SOURCE_LEARNED] = {
    [SOURCE_TRAINING] = "training-people.txt", [SOURCE_HEAD] = "head-people.txt"};

static enum status read_learned(struct source *source, struct error *err) {
    enum status status = STATUS_OK;
    for (int i = 0; i < SOURCE_LEARNED && status == STATUS_OK; i++) {
        char path[PATH_MAX];
        size_t size;
        status = file_path(path, err, "%s/%s", source->directory, LEARNED_FILES[i]);
        if (status == STATUS_OK && access(path, F_OK) == 0)
            status = file_read(path, (size_t)PEOPLE_MAX * PERSON_HASH_SIZE, &source->learned[i],
                               &size, err);
    }
    return status;
}

static enum status check_weights(const struct source *source, struct error *err) {
    char sha256[DIGEST_TEXT_SIZE];
    enum status status = digest_file(source->weights, sha256, err);
    if (status == STATUS_OK && strcmp(sha256, source->version->card.weights_sha256) != 0)
        return error_set(err, STATUS_INTERNAL,
                         "%.170s: its SHA-256 is not the one in model.json: the file was altered",
                         source->weights);
    return status;
}

enum status source_open(const char *data, const char *model, struct source *source,
                        struct error *err) {
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    *source = (struct source){.version = NULL};
    if (!catalog_parse(model, name, version) || !version[0] || !catalog_has(data, name, version))
        return error_set(err, STATUS_UNKNOWN_MODEL, "There is no version %.100s.", model);
    enum status status = catalog_directory(data, name, version, source->directory, err);
    if (status == STATUS_OK)
        status = model_version_read(source->directory, &source->version, err);
    if (status == STATUS_OK)
        status = file_path(source->weights, err, "%s/%s", source->directory,
                           source->version->card.weights_file);
    if (status == STATUS_OK)
        status = check_weights(source, err);
    if (status == STATUS_OK)
        status = read_learned(source, err);
    if (status != STATUS_OK)
        source_close(source);
    return status;
}

void source_close(struct source *source) {
    model_version_close(source->version);
    for (int i = 0; i < SOURCE_LEARNED; i++)
        free(source->learned[i]);
    *source = (struct source){.version = NULL};
}
