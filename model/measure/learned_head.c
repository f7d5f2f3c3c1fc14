#include "model/measure/learned_head.h"

#include "model/whitening.h"

#include <stdlib.h>
#include <string.h>

enum status learned_head_read(const struct people_gallery_options *options,
                              const char *calibration_hashes, struct learned_head *head,
                              struct error *err) {
    *head = (struct learned_head){.matrix = NULL};
    enum status status = people_gallery_read(options, &head->people, err);
    if (status != STATUS_OK)
        return status;
    status = people_refuse_overlap(&head->people.people, calibration_hashes,
                                   "are to be calibrated on", err);
    if (status != STATUS_OK)
        learned_head_release(head);
    return status;
}

/* What a card can hold a head for. */
static enum status check(const struct card *card, struct error *err) {
    if (card->embedding.head)
        return error_set(err, STATUS_INVALID_FIELD,
                         "%s@%s has a head: learn it for the version that this one was made from",
                         card->name, card->version);
    if (strcmp(card->architecture, "torchscript") == 0)
        return error_set(err, STATUS_INVALID_FIELD,
                         "a torchscript module has no weights file to hold a head");
    return STATUS_OK;
}

enum status learned_head_learn(const struct measure_place *place,
                               const struct people_gallery_options *options,
                               struct learned_head *head, struct error *err) {
    const struct card *card = &place->version->card;
    size_t length = card->embedding_length;
    enum status status = check(card, err);
    if (status == STATUS_OK)
        status = people_gallery_embed(place, options, &head->people, err);
    if (status != STATUS_OK)
        return status;
    head->matrix = calloc(length * length, sizeof(*head->matrix));
    if (!head->matrix)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    head->described = (struct calibrated_head){.matrix = head->matrix,
                                               .file_sha256 = head->people.file_sha256,
                                               .people_sha256 = head->people.people_sha256,
                                               .part = options->part,
                                               .hashes = head->people.hashes,
                                               .people = head->people.gallery.people,
                                               .images = gallery_images(&head->people.gallery)};
    return whitening_learn(&head->people.gallery, head->matrix, err);
}

void learned_head_release(struct learned_head *head) {
    people_gallery_release(&head->people);
    free(head->matrix);
    *head = (struct learned_head){.matrix = NULL};
}
