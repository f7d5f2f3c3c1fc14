#include "model/card.h"

#include "model/digest.h"
#include "model/file.h"
#include "model/json.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CROP_PCT_MIN 0.1

enum { CARD_FORMAT = 1 };

bool card_name_valid(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > CARD_NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = name[i];
        bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter_or_digit && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return true;
}

bool card_version_valid(const char *version) {
    size_t length = strlen(version);
    return length > 0 && length <= CARD_VERSION_MAX && version[0] != '0' &&
           strspn(version, "0123456789") == length;
}

static bool is_torchscript(const struct card *card) {
    return strcmp(card->architecture, "torchscript") == 0;
}

/* A word of a closed vocabulary: anything else is a card for a newer program. */
static void expect_word(const struct json_node *object, const char *name, const char *expected,
                        char *text, size_t size) {
    char word[32] = "";
    json_read_text(object, name, word, sizeof(word));
    if (word[0] && strcmp(word, expected) != 0)
        json_fault(object, "%s \"%s\" is not known (only \"%s\")", name, word, expected);
    snprintf(text, size, "%s", word);
}

static enum card_input_kind read_kind(const struct json_node *input) {
    char kind[32] = "";
    json_read_text(input, "kind", kind, sizeof(kind));
    if (kind[0] && strcmp(kind, "chip") != 0 && strcmp(kind, "frame") != 0)
        json_fault(input, "kind \"%s\" is not known (only \"chip\" and \"frame\")", kind);
    return strcmp(kind, "frame") == 0 ? CARD_INPUT_FRAME : CARD_INPUT_CHIP;
}

static void read_input(const struct json_node *root, struct card_input *input) {
    struct json_node node = json_read_object(root, "input");
    input->kind = read_kind(&node);
    int64_t side = 0;
    json_read_integer(&node, "side", CARD_SIDE_MIN, CARD_SIDE_MAX, &side);
    input->side = (uint32_t)side;
    if (input->kind == CARD_INPUT_CHIP) {
        json_read_real(&node, "padding", 0, 4, &input->padding);
    } else {
        char interpolation[32];
        expect_word(&node, "interpolation", "bicubic", interpolation, sizeof(interpolation));
        json_read_real(&node, "crop_pct", CROP_PCT_MIN, 1, &input->crop_pct);
    }
    json_read_floats(&node, "mean", 0, 255, 3, input->mean);
    json_read_floats(&node, "std", 1e-3, 1e6, 3, input->std);
}

static void read_network(const struct json_node *root, struct card *card) {
    if (strcmp(card->architecture, "vit") != 0)
        return;
    struct json_node node = json_read_object(root, "network");
    card_vit_read(&node, card->input.side, &card->vit);
    if (card->vit.width != card->embedding.network_length)
        json_fault(&node, "the width is not the embedding's length before its head");
}

static void read_embedding(const struct json_node *root, struct card *card) {
    struct json_node node = json_read_object(root, "embedding");
    int64_t length = 0;
    json_read_integer(&node, "length", 1, CARD_EMBEDDING_LENGTH_MAX, &length);
    card->embedding_length = (uint32_t)length;
    card_embedding_read(&node, card->embedding_length, &card->embedding);
    if (card->embedding.head && is_torchscript(card))
        json_fault(&node, "a torchscript module has no weights file to hold a head");
    expect_word(&node, "distance", "euclidean", card->distance, sizeof(card->distance));
}

static void read_weights(const struct json_node *root, struct card *card) {
    struct json_node node = json_read_object(root, "weights");
    expect_word(&node, "file", is_torchscript(card) ? "module.pt" : "weights.safetensors",
                card->weights_file, sizeof(card->weights_file));
    json_read_text(&node, "sha256", card->weights_sha256, sizeof(card->weights_sha256));
    size_t length = strlen(card->weights_sha256);
    if (length != DIGEST_TEXT_SIZE - 1 ||
        strspn(card->weights_sha256, "0123456789abcdef") != length)
        json_fault(&node, "sha256 is not 64 lower-case hexadecimal digits");
}

/* By falling fmr, and so by falling threshold: a stricter rate never has a laxer threshold. */
static void read_thresholds(const struct json_node *root, struct card *card) {
    struct json_node node = json_read_object(root, "thresholds");
    struct json_node values = json_read_array(&node, "values");
    size_t count = json_read_length(&values);
    if (count > CARD_THRESHOLDS_MAX) {
        json_fault(&values, "has more than %d operating points", CARD_THRESHOLDS_MAX);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct card_threshold *point = &card->thresholds[i];
        struct json_node item = json_read_item(&values, i);
        json_read_real(&item, "fmr", 1e-9, 1, &point->fmr);
        json_read_real(&item, "threshold", 1e-9, 1e9, &point->threshold);
        point->fnmr_known = json_read_has(&item, "fnmr");
        if (point->fnmr_known)
            json_read_real(&item, "fnmr", 0, 1, &point->fnmr);
        if (i > 0 && (point->fmr >= point[-1].fmr || point->threshold >= point[-1].threshold))
            json_fault(&item, "fmr and threshold must fall from one operating point to the next");
    }
    card->thresholds_count = count;
}

static void read_card(const struct json_node *root, struct card *card) {
    int64_t format;
    json_read_integer(root, "format", CARD_FORMAT, CARD_FORMAT, &format);
    json_read_text(root, "name", card->name, sizeof(card->name));
    json_read_text(root, "version", card->version, sizeof(card->version));
    json_read_text(root, "architecture", card->architecture, sizeof(card->architecture));
    read_input(root, &card->input);
    read_embedding(root, card);
    read_network(root, card);
    read_weights(root, card);
    read_thresholds(root, card);
    card_measured_read(root, &card->measured);
    card_typical_read(root, card->embedding_length, &card->typical);
}

static void read_metrics(const struct json_node *root, struct card_metrics *metrics) {
    int64_t pairs = 0;
    json_read_text(root, "protocol", metrics->protocol, sizeof(metrics->protocol));
    json_read_integer(root, "pairs", 1, INT64_MAX, &pairs);
    metrics->pairs = (uint64_t)pairs;
    json_read_real(root, "threshold", 0, 1e9, &metrics->threshold);
    json_read_real(root, "accuracy", 0, 1, &metrics->accuracy);
    json_read_real(root, "precision", 0, 1, &metrics->precision);
    json_read_real(root, "recall", 0, 1, &metrics->recall);
    json_read_real(root, "f1", 0, 1, &metrics->f1);
    json_read_real(root, "roc_auc", 0, 1, &metrics->roc_auc);
    json_read_real(root, "eer", 0, 1, &metrics->eer);
    metrics->known = true;
}

/* Every fault of a document on disk is the operator's to repair, whatever its kind: internal, with
 * the file's name. */
static enum status name_file(const char *path, const struct error *cause, struct error *err) {
    return error_set(err, STATUS_INTERNAL, "%.140s: %.110s", path, cause->detail);
}

static enum status read_model_json(const char *path, struct card *card, struct error *err) {
    size_t size;
    enum status status = file_read(path, JSON_BYTES_MAX, &card->json, &size, err);
    if (status != STATUS_OK)
        return status;
    struct error cause;
    struct json_reader *reader;
    if (json_reader_open(card->json, size, &reader, &cause) != STATUS_OK)
        return name_file(path, &cause, err);
    struct json_node root = json_root(reader);
    read_card(&root, card);
    if (json_reader_close(reader, &cause) != STATUS_OK)
        return name_file(path, &cause, err);
    return STATUS_OK;
}

static enum status read_metrics_text(const char *text, size_t size, struct card_metrics *metrics,
                                     struct error *err) {
    struct json_reader *reader;
    enum status status = json_reader_open(text, size, &reader, err);
    if (status != STATUS_OK)
        return status;
    struct json_node root = json_root(reader);
    read_metrics(&root, metrics);
    return json_reader_close(reader, err);
}

enum status card_metrics_check(const char *json, size_t size, struct error *err) {
    struct card_metrics metrics = {.known = false};
    struct error cause;
    if (read_metrics_text(json, size, &metrics, &cause) == STATUS_OK)
        return STATUS_OK;
    return error_set(err, STATUS_INTERNAL, "the evaluation could not be read again: %.190s",
                     cause.detail);
}

enum status card_metrics_read(const char *path, struct card_metrics *metrics, struct error *err) {
    memset(metrics, 0, sizeof(*metrics));
    char *text;
    size_t size;
    enum status status = file_read(path, JSON_BYTES_MAX, &text, &size, err);
    if (status != STATUS_OK)
        return status;
    struct error cause;
    status = read_metrics_text(text, size, metrics, &cause);
    free(text);
    return status == STATUS_OK ? STATUS_OK : name_file(path, &cause, err);
}

static enum status read_evaluation(const char *path, struct card *card, struct error *err) {
    size_t size;
    enum status status = card_metrics_read(path, &card->metrics, err);
    return status == STATUS_OK ? file_read(path, JSON_BYTES_MAX, &card->evaluation, &size, err)
                               : status;
}

/* The last two segments of the directory are the model's name and version: a version directory that
 * was copied or renamed would otherwise answer under another's name. */
static enum status check_place(const char *directory, const char *path, const struct card *card,
                               struct error *err) {
    struct error cause;
    if (!card_name_valid(card->name) || !card_version_valid(card->version)) {
        error_set(&cause, STATUS_INTERNAL, "the name or the version is malformed");
        return name_file(path, &cause, err);
    }
    char expected[CARD_NAME_MAX + CARD_VERSION_MAX + 3];
    int length = snprintf(expected, sizeof(expected), "%s/%s", card->name, card->version);
    size_t end = strlen(directory);
    while (end > 0 && directory[end - 1] == '/')
        end--;
    bool equal = end >= (size_t)length &&
                 memcmp(directory + end - length, expected, (size_t)length) == 0 &&
                 (end == (size_t)length || directory[end - length - 1] == '/');
    if (equal)
        return STATUS_OK;
    error_set(&cause, STATUS_INTERNAL, "calls itself %s, which is not where it stands", expected);
    return name_file(path, &cause, err);
}

enum status card_read_file(const char *path, struct card *card, struct error *err) {
    memset(card, 0, sizeof(*card));
    enum status status = read_model_json(path, card, err);
    if (status != STATUS_OK)
        card_release(card);
    return status;
}

enum status card_read(const char *directory, struct card *card, struct error *err) {
    memset(card, 0, sizeof(*card));
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/model.json", directory);
    if (length < 0 || (size_t)length >= sizeof(path) - 16)
        return error_set(err, STATUS_INTERNAL, "%.180s: the name is too long", directory);
    enum status status = read_model_json(path, card, err);
    if (status == STATUS_OK)
        status = check_place(directory, path, card, err);
    snprintf(path, sizeof(path), "%s/evaluation.json", directory);
    if (status == STATUS_OK && access(path, F_OK) == 0)
        status = read_evaluation(path, card, err);
    if (status != STATUS_OK)
        card_release(card);
    return status;
}

void card_release(struct card *card) {
    free(card->json);
    free(card->evaluation);
    card_typical_release(&card->typical);
    memset(card, 0, sizeof(*card));
}
