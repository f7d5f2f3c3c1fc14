/* The card of a model version (model.json): everything needed to use its weights and to say how
 * often a decision is wrong. Read once at load, immutable after. */
#ifndef FACEPAIR_MODEL_CARD_H
#define FACEPAIR_MODEL_CARD_H

#include "model/card_embedding.h"
#include "model/card_measured.h"
#include "model/card_typical.h"
#include "model/card_vit.h"
#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { CARD_NAME_MAX = 63, CARD_VERSION_MAX = 20, CARD_THRESHOLDS_MAX = 16 };
enum { CARD_SIDE_MIN = 16, CARD_SIDE_MAX = 1024, CARD_PROTOCOL_SIZE = 64 };
enum card_input_kind { CARD_INPUT_CHIP, CARD_INPUT_FRAME };

/* chip: the aligned face. frame: the whole upright photograph, resized so that its short side is
 * floor(side / crop_pct), and of that the centre (model/image/resize.h); a face must still be
 * found. */
struct card_input {
    enum card_input_kind kind;
    uint32_t side;   /* the input is (3, side, side) */
    double padding;  /* of the aligned chip, as dlib's; 0 for a frame */
    double crop_pct; /* of a frame, as timm's; 0 for a chip */
    float mean[3];   /* value = (pixel − mean) / std, pixel in 0…255, channels R, G, B */
    float std[3];
};

/* One measured operating point: at `threshold` impostor pairs are accepted at rate fmr and genuine
 * pairs refused at rate fnmr. */
struct card_threshold {
    double fmr, threshold, fnmr;
    bool fnmr_known;
};

/* Measured with `facepair evaluate` (evaluation.json); what /verify repeats as model.metrics. */
struct card_metrics {
    bool known;
    char protocol[CARD_PROTOCOL_SIZE];
    uint64_t pairs;
    double accuracy, precision, recall, f1, roc_auc, eer, threshold;
};

struct card {
    char name[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    char architecture[32]; /* "dlib-resnet", "vit", "torchscript" */
    struct card_input input;
    uint32_t embedding_length;
    struct card_embedding embedding; /* what is done to the network's numbers first */
    char distance[16];               /* "euclidean" */
    struct card_vit vit;             /* zero unless the architecture is "vit" */
    char weights_file[32]; /* in the version's directory: "weights.safetensors"; "module.pt" */
    char weights_sha256[65];
    size_t thresholds_count; /* by falling fmr */
    struct card_threshold thresholds[CARD_THRESHOLDS_MAX];
    struct card_measured measured; /* counts 0: not calibrated */
    struct card_typical typical;   /* mean NULL: not measured */
    struct card_metrics metrics;
    char *json;       /* the card as it stands on disk, for GET /v1/models/NAME; owned */
    char *evaluation; /* evaluation.json likewise; NULL: there is none */
};

/* Reads and checks DIR/model.json and DIR/evaluation.json (which may be absent). Errors name the
 * file. */
enum status card_read(const char *directory, struct card *card, struct error *err);
/* A model.json alone, wherever it stands. */
enum status card_read_file(const char *path, struct card *card, struct error *err);
void card_release(struct card *card);
/* An evaluation.json alone. */
enum status card_metrics_read(const char *path, struct card_metrics *metrics, struct error *err);
/* One that is to become a file: whoever writes what is not read here leaves a version that nobody
 * can load. STATUS_INTERNAL. */
enum status card_metrics_check(const char *json, size_t size, struct error *err);

/* [a-z0-9][a-z0-9._-]{0,62}, and a decimal string without a leading zero. */
bool card_name_valid(const char *name);
bool card_version_valid(const char *version);

#ifdef __cplusplus
}
#endif
#endif
