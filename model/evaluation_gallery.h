/* Everything that an all-pairs measurement of a model on a gallery says, and as evaluation.json. */
#ifndef FACEPAIR_MODEL_EVALUATION_GALLERY_H
#define FACEPAIR_MODEL_EVALUATION_GALLERY_H

#include "model/card.h"
#include "model/error_rates.h"
#include "model/evaluation.h"
#include "model/master_face.h"
#include "model/people.h"

/* The figures of model/evaluation.h from a histogram, both kinds with a total weight of 1 (so
 * accuracy and precision are for as many genuine as impostor pairs). The counts stay 0. */
void evaluation_of_histogram(const struct distance_histogram *histogram, double threshold,
                             struct evaluation *evaluation);

/* One group of people at one threshold. */
struct evaluation_group {
    const char *name; /* borrowed */
    uint32_t people, images;
    bool measured; /* false: not two people, or none with two images */
    struct error_rates_point rates;
};

struct evaluation_gallery {
    struct distance_histogram histogram; /* owned */
    struct evaluation at_threshold;
    struct error_rates_point at_threshold_rates;
    struct error_rates rates;
    size_t points_count;
    struct operating_point points[OPERATING_POINTS_MAX]; /* thresholds from these very people */
    /* What the card's thresholds do with these people. */
    size_t card_points_count;
    struct operating_point card_points[CARD_THRESHOLDS_MAX];
    bool calibrated; /* the card has a log-likelihood ratio */
    struct calibration_quality calibration;
    struct master_faces master_faces; /* the mean embedding alone; the caller may add others */
    size_t groups_count;
    struct evaluation_group groups[PEOPLE_GROUPS_MAX];
    double groups_threshold;
};

struct evaluation_gallery_options {
    double threshold; /* > 0 */
    struct bootstrap_options bootstrap;
};

/* people: whose images stand in the gallery, person by person, for the groups; NULL: no groups. On
 * STATUS_OK the caller releases it. */
enum status evaluation_gallery_measure(const struct gallery *gallery, const struct card *card,
                                       const struct people *people,
                                       const struct evaluation_gallery_options *options,
                                       struct evaluation_gallery *evaluation, struct error *err);
void evaluation_gallery_release(struct evaluation_gallery *evaluation);

struct evaluation_gallery_report {
    const char *protocol, *face, *no_face;
    const struct card *card;
    const char *people_file_sha256;
    const char *people_sha256; /* people_digest */
    const char *part;          /* of a split; NULL: all */
    size_t people_listed, images_listed;
    size_t faces_not_found;
    size_t images_left_out; /* no face: failures to acquire */
    uint32_t replicates;
    uint64_t seed;
};

/* evaluation.json, as card_read() reads it; from malloc. NULL: out of memory. */
char *evaluation_gallery_json(const struct evaluation_gallery *evaluation,
                              const struct evaluation_gallery_report *report, size_t *size);

#endif
