/* What a fine-tuning job is to do: the body of POST /admin/v1/fine-tunes, and what the command line
 * makes of its options. One parser for both, for the store and for the trainer.
 *
 *     {"base_model": "dlib-resnet@1", "dataset": "cameras",
 *      "train": {"kind": "sampled"}, "validation": {"kind": "sampled"},
 *      "face": "largest", "name": "dlib-resnet", "compare_to": "dlib-resnet@1",
 *      "hyperparameters": {
 *        "epochs": 20, "batch_size": 32, "learning_rate": 0.001, "loss": "contrastive",
 *        "mining": "none", "margin": 1.0, "average": 0, "blend": 1, "scale": 30.0,
 *        "trainable": "last_block",
 *        "scheduler": {"factor": 0.1, "patience": 5},
 *        "augment": {"flip": true, "colour": 0.2, "rotation_degrees": 5.0, "scale": 0.05,
 *                    "shift": 0, "views": 4},
 *        "seed": 1, "cache_bytes_max": 4294967296},
 *      "promote": "never", "resume_from": "ft_…", "deadline_s": 86400, "disk_bytes_max": …}
 *
 * base_model and dataset are needed; every other member has a default, and null is as good as
 * absent. An unknown member, a wrong type and a value out of range are faults, and all of them are
 * told together.
 */
#ifndef FACEPAIR_MODEL_FINETUNE_SPEC_H
#define FACEPAIR_MODEL_FINETUNE_SPEC_H

#include "model/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FINETUNE_NAME_MAX = 63, /* of a data set; of a job */
    FINETUNE_TRAINABLE_MAX = 63,
    FINETUNE_EPOCHS_MAX = 1000,
    FINETUNE_BATCH_MAX = 512,
    FINETUNE_VIEWS_MAX = 32
};

/* Where people and pairs come from. SAMPLED: from the folders. For training: those people that the
 * split by person gives it. For validation: a part of the people left, or, when training names
 * people, a tenth of those. */
enum finetune_source_kind { FINETUNE_SAMPLED, FINETUNE_PAIRS, FINETUNE_PEOPLE };
struct finetune_source {
    enum finetune_source_kind kind;
    char file[SPEC_FILE_MAX + 1]; /* in the data set's folder; "" for SAMPLED */
};

enum finetune_loss { FINETUNE_CONTRASTIVE, FINETUNE_COSFACE, FINETUNE_ARCFACE };
enum finetune_mining { FINETUNE_MINING_NONE, FINETUNE_MINING_BATCH_HARD };
enum finetune_promote { FINETUNE_PROMOTE_NEVER, FINETUNE_PROMOTE_IF_BETTER };
/* Whose face a photograph is of: the largest; the only one, and a photograph of several is none; or
 * the one nearest the centre, as LFW's labels mean it. */
enum finetune_face { FINETUNE_FACE_LARGEST, FINETUNE_FACE_ONLY, FINETUNE_FACE_CENTRE };
extern const char *const FINETUNE_FACES[];      /* largest, only, centre, NULL */
extern const char *const FINETUNE_KINDS[];      /* sampled, pairs, people, NULL */
extern const char *const FINETUNE_LOSSES[];     /* contrastive, cosface, arcface, NULL */
extern const char *const FINETUNE_MININGS[];    /* none, batch_hard, NULL */
extern const char *const FINETUNE_PROMOTIONS[]; /* never, if_better, NULL */

/* Other pictures of each training photograph: view 0 is the photograph itself, the others are drawn
 * once. Nothing of it outside training. */
struct finetune_augment {
    bool flip;     /* half of the views are mirror images */
    double colour; /* brightness, contrast and saturation × 1 ± up to so much; 0 … 1 */
    double rotation_degrees; /* to either side, at most; 0 … 45 */
    double scale;            /* × 1 ± up to so much; 0 … 0.5 */
    double shift;            /* to either side and up or down, of the side, at most; 0 … 0.5 */
    uint32_t views;          /* 1 (none but the photograph) … FINETUNE_VIEWS_MAX */
};

struct finetune_hyperparameters {
    uint32_t epochs;      /* 1 … FINETUNE_EPOCHS_MAX */
    uint32_t batch_size;  /* pairs, or photographs where identities are learned; 2 … BATCH_MAX */
    double learning_rate; /* above 0, at most 1 */
    enum finetune_loss loss;
    enum finetune_mining mining; /* batch_hard: with the contrastive loss only */
    double average;              /* of the weights (network/train.h); 0: none; at most 0.99999 */
    double blend;                /* of what was learned and what was known; above 0, at most 1 */
    double margin; /* default 1 for contrastive, 0.35 for cosface, 0.5 for arcface; at most 1000 */
    double scale;  /* of cosface and arcface; above 0, at most 1000 */
    /* "last_block", "last_N", "all", or patterns of tensor names ("blocks.1?.*,head.*") */
    char trainable[FINETUNE_TRAINABLE_MAX + 1];
    double factor;     /* of the scheduler: above 0, below 1 */
    uint32_t patience; /* epochs; 0 … FINETUNE_EPOCHS_MAX */
    struct finetune_augment augment;
    uint64_t seed;            /* below 2⁵³, so that JSON holds it exactly */
    uint64_t cache_bytes_max; /* of what the frozen part gives, in memory; more goes to disk */
};

struct finetune_spec {
    char base_model[SPEC_MODEL_MAX + 1]; /* NAME or NAME@VERSION */
    char dataset[FINETUNE_NAME_MAX + 1];
    struct finetune_source train, validation;
    enum finetune_face face;
    char name[CARD_NAME_MAX + 1];        /* of the model that receives the version */
    char compare_to[SPEC_MODEL_MAX + 1]; /* "": the base model */
    struct finetune_hyperparameters hyperparameters;
    enum finetune_promote promote;
    char resume_from[FINETUNE_NAME_MAX + 1]; /* a job's id; "": none */
    uint32_t deadline_s;                     /* of computing, from the first attempt's start */
    uint64_t disk_bytes_max;                 /* checkpoints and cache together */
};

/* All defaults, without a base model and a data set. */
void finetune_spec_default(struct finetune_spec *spec);
double finetune_default_margin(enum finetune_loss loss);

/* text: JSON, UTF-8, at most SPEC_BYTES_MAX bytes. False with faults->count > 0; spec is
 * then not to be used. */
bool finetune_spec_parse(const char *text, size_t size, struct finetune_spec *spec,
                         struct spec_faults *faults);

/* Gives base_model and compare_to the version that is in use, where they name none: for whoever
 * keeps a job, so that a promotion meanwhile changes nothing of it. Waits for a disk.
 * STATUS_UNKNOWN_MODEL when one is not there. */
enum status finetune_spec_pin(const char *data, struct finetune_spec *spec, struct error *err);

/* The same with every default filled in: on one line, from malloc; NULL: out of memory. What is
 * written is read as the same spec. */
char *finetune_spec_write(const struct finetune_spec *spec, size_t *size);
/* Its "hyperparameters" alone, as the innermost object's member. */
void finetune_spec_write_hyperparameters(struct json_writer *json,
                                         const struct finetune_hyperparameters *parameters);

#endif
