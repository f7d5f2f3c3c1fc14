/* The people of one part of a data set, as a version sees them. */
#ifndef FACEPAIR_MODEL_FINETUNE_PART_GALLERY_H
#define FACEPAIR_MODEL_FINETUNE_PART_GALLERY_H

#include "model/finetune/parts.h"
#include "model/gallery.h"
#include "model/photographs.h"

struct part_gallery {
    struct gallery gallery;    /* person by person as in the album; those without a face left out */
    uint32_t listed, left_out; /* photographs; without a face */
};

/* STATUS_INVALID_FIELD: too few of them have a face (parts_check), or a photograph cannot be
 * decoded. STATUS_DRAINING: model/photographs.h. On STATUS_OK the caller releases it. */
enum status part_gallery_embed(const struct album *album, const struct parts *parts, enum part part,
                               const struct photographs_options *options,
                               const struct model_version *version, struct part_gallery *result,
                               struct error *err);
void part_gallery_release(struct part_gallery *gallery); /* a zeroed one is allowed */

#endif
