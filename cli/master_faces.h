/* `facepair evaluate --all-pairs --master-faces PART`: averaged and blurred faces of people of
 * another part of the split, tried on those measured (model/master_face.h). */
#ifndef FACEPAIR_CLI_MASTER_FACES_H
#define FACEPAIR_CLI_MASTER_FACES_H

#include "model/master_face.h"
#include "model/measure/people_gallery.h"

/* Averages of 2, 4, … 64 faces and blurs of 1, 2, … 32 pixels, 16 of each, from one photograph each
 * of 128 people of options->part (seeded: always the same ones). gallery: those measured. faces has
 * been begun. */
enum status master_faces_measure(const struct measure_place *place,
                                 const struct people_gallery_options *options,
                                 const struct gallery *gallery, struct master_faces *faces,
                                 struct error *err);

#endif
