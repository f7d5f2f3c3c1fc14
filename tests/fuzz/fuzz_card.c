/* What stands beside weights as JSON: a card, an evaluation, timm's config.json; the first byte
 * says which. What is accepted is within the limits of its header. */
#include "model/card.h"
#include "model/import/vit_config.h"
#include "tests/fuzz/file.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_card(const char *path) {
    struct card card;
    struct error err = {""};
    if (card_read_file(path, &card, &err) != STATUS_OK) {
        assert(err.detail[0]);
        return;
    }
    assert(card.embedding_length > 0 && card.embedding_length <= CARD_EMBEDDING_LENGTH_MAX);
    assert(card.input.side > 0 && strlen(card.weights_sha256) == 64);
    assert(!strchr(card.weights_file, '/') && card.weights_file[0] != '.');
    assert(card.thresholds_count <= CARD_THRESHOLDS_MAX);
    for (size_t i = 0; i < card.thresholds_count; i++)
        assert(isfinite(card.thresholds[i].fmr) && isfinite(card.thresholds[i].threshold));
    for (int c = 0; c < 3; c++)
        assert(isfinite(card.input.mean[c]) && card.input.std[c] > 0);
    card_release(&card);
}

static void read_evaluation(const char *path) {
    struct card_metrics metrics;
    struct error err = {""};
    if (card_metrics_read(path, &metrics, &err) != STATUS_OK)
        assert(err.detail[0]);
    else
        assert(metrics.accuracy >= 0 && metrics.accuracy <= 1);
}

static void read_config(const char *path) {
    struct vit_config config;
    struct error err = {""};
    if (vit_config_read(path, &config, &err) != STATUS_OK)
        assert(err.detail[0]);
    else
        assert(config.side > 0 && config.heads > 0 && config.crop_pct > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static void (*const readers[])(const char *path) = {read_card, read_evaluation, read_config};
    if (size == 0)
        return 0;
    struct fuzz_file file;
    fuzz_file_open(&file, bytes + 1, size - 1);
    readers[bytes[0] % (sizeof readers / sizeof readers[0])](file.path);
    fuzz_file_close(&file);
    return 0;
}
