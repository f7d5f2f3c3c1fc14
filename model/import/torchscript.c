#include "model/import/torchscript.h"

#include "model/digest.h"
#include "model/file.h"
#include "model/import/version.h"
#include "model/json.h"
#include "model/network/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MODULE_FILE "module.pt"

static void write_thresholds(struct json_writer *json) {
    json_write_object(json, "thresholds");
    json_write_text(json, "source", "not measured: see `facepair calibrate`");
    json_write_array(json, "values");
    json_write_end(json);
    json_write_end(json);
}

/* What the import knows, then what was written by hand. */
static char *format_card(const struct json_node *by_hand, const char *name, const char *version,
                         const char *sha256, size_t *size) {
    static const char *const FILLED_IN[] = {"format",       "name",    "version",
                                            "architecture", "weights", NULL};
    struct json_writer *json = json_writer_create();
    if (!json)
        return NULL;
    json_write_object(json, NULL);
    json_write_integer(json, "format", 1);
    json_write_text(json, "name", name);
    json_write_text(json, "version", version);
    json_write_text(json, "architecture", "torchscript");
    json_write_object(json, "weights");
    json_write_text(json, "file", MODULE_FILE);
    json_write_text(json, "sha256", sha256);
    json_write_end(json);
    json_copy_members(json, by_hand, FILLED_IN);
    if (!json_read_has(by_hand, "thresholds"))
        write_thresholds(json);
    json_write_end(json);
    return json_writer_finish(json, size);
}

static enum status write_card(const struct import_torchscript_options *options,
                              const struct version_work *work, const char *sha256,
                              struct error *err) {
    char *text, *card = NULL;
    size_t size;
    struct json_reader *reader;
    struct error cause;
    enum status status = file_read(options->card_path, JSON_BYTES_MAX, &text, &size, err);
    if (status != STATUS_OK)
        return status;
    status = json_reader_open(text, size, &reader, &cause);
    if (status == STATUS_OK) {
        struct json_node root = json_root(reader);
        card = format_card(&root, options->name, work->number, sha256, &size);
        status = json_reader_close(reader, &cause);
    }
    free(text);
    if (status != STATUS_OK)
        status =
            error_set(err, STATUS_INTERNAL, "%.120s: %.130s", options->card_path, cause.detail);
    else if (!card)
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    else
        status = version_write(work, "model.json", card, size, err);
    free(card);
    return status;
}

/* The card as the registry will read it; a mistake in it is the hand's. */
static enum status check_card(const struct import_torchscript_options *options,
                              const struct version_work *work, struct error *err) {
    char path[PUBLISH_PATH_MAX];
    struct card card;
    struct error cause;
    enum status status = publish_path(path, err, "%s/model.json", work->built);
    if (status != STATUS_OK)
        return status;
    status = card_read_file(path, &card, &cause);
    if (status == STATUS_OK) {
        card_release(&card);
        return STATUS_OK;
    }
    const char *what = strstr(cause.detail, "model.json: ");
    return error_set(err, status, "%.120s: %.130s", options->card_path,
                     what ? what + strlen("model.json: ") : cause.detail);
}

static enum status fill(const struct import_torchscript_options *options,
                        const struct version_work *work, char sha256[DIGEST_TEXT_SIZE],
                        struct error *err) {
    char *module;
    size_t size;
    enum status status =
        file_read(options->module_path, NETWORK_MODULE_BYTES_MAX, &module, &size, err);
    if (status != STATUS_OK)
        return status;
    digest_bytes(module, size, sha256);
    status = version_write(work, MODULE_FILE, module, size, err);
    free(module);
    if (status == STATUS_OK)
        status = write_card(options, work, sha256, err);
    return status == STATUS_OK ? check_card(options, work, err) : status;
}

enum status import_torchscript(const struct import_torchscript_options *options,
                               struct error *err) {
    struct version_work work;
    char sha256[DIGEST_TEXT_SIZE];
    if (!card_name_valid(options->name))
        return error_set(err, STATUS_INTERNAL,
                         "\"%.80s\" cannot be a model's name: lower-case letters, digits, '.', "
                         "'_' and '-'",
                         options->name);
    enum status status = version_begin(options->data_directory, options->name, &work, err);
    if (status != STATUS_OK)
        return status;
    status = fill(options, &work, sha256, err);
    if (status != STATUS_OK) {
        version_abandon(&work);
        return status;
    }
    status = version_finish(&work, options->messages, err);
    if (status == STATUS_OK && options->messages)
        fprintf(options->messages, "`facepair serve --allow-torchscript %s` runs it\n", sha256);
    return status;
}
