/* model/prepare.c's symbols for people who are drawn: a photograph is a text "PERSON IMAGE", and
 * its input the person's squares of colour, a quarter of them the image's own (as made_up_people.h
 * has them). "no face" has none, and any other text is no image. Linked in place of
 * facepair_prepare. */
#ifndef FACEPAIR_TESTS_PARITY_DRAWN_PREPARE_H
#define FACEPAIR_TESTS_PARITY_DRAWN_PREPARE_H

#include "tests/unit/folder.h"

/* FOLDER/NAME/pNNN/pNNN_0001.jpg …: `images` photographs of each of `people`. */
static inline void draw_photographs(const struct folder *folder, const char *name, unsigned people,
                                    unsigned images) {
    for (unsigned person = 0; person < people; person++)
        for (unsigned image = 1; image <= images; image++) {
            char path[96], text[32];
            snprintf(path, sizeof(path), "%s/p%03u/p%03u_%04u.jpg", name, person, person, image);
            snprintf(text, sizeof(text), "%u %u", person, image);
            folder_write_text(folder, path, text);
        }
}

#endif
