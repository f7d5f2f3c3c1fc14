/* A people file and a folder of photographs, or the folder alone -> a gallery of embeddings, for
 * what is measured on all pairs. */
#ifndef FACEPAIR_MODEL_MEASURE_PEOPLE_GALLERY_H
#define FACEPAIR_MODEL_MEASURE_PEOPLE_GALLERY_H

#include "model/digest.h"
#include "model/gallery.h"
#include "model/measure/faces.h"
#include "model/people.h"

struct people_gallery_options {
    const char *people;       /* the file; NULL: everybody who has photographs in the folder */
    const char *split, *part; /* both or neither */
    const char *groups;       /* NULL: none */
    struct faces_options faces;
};

struct people_gallery {
    struct gallery gallery;
    struct people people; /* those in the gallery, in its order */
    size_t people_listed, images_listed, faces_not_found, images_left_out;
    char **images;                        /* (images_listed) names below the folder; owned */
    char file_sha256[DIGEST_TEXT_SIZE];   /* of the people file; without one people_sha256 */
    char people_sha256[DIGEST_TEXT_SIZE]; /* people_digest of those listed */
    char *hashes;                         /* people_hashes of those listed */
};

/* What the options name, before any photograph is read. On STATUS_OK the caller releases it. */
enum status people_gallery_read(const struct people_gallery_options *options,
                                struct people_gallery *result, struct error *err);
/* Embeds their photographs. Images without a face are left out, people with none at all too. */
enum status people_gallery_embed(const struct measure_place *place,
                                 const struct people_gallery_options *options,
                                 struct people_gallery *result, struct error *err);
void people_gallery_release(struct people_gallery *result);

#endif
