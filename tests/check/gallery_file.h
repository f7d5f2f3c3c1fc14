/* Reads a gallery that a Python check has written: people and length as uint32, the images of each
 * person as uint32, and the embeddings as float32. */
#ifndef FACEPAIR_TESTS_GALLERY_FILE_H
#define FACEPAIR_TESTS_GALLERY_FILE_H

#include "model/gallery.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline bool gallery_file_read(const char *path, struct gallery *gallery) {
    FILE *file = fopen(path, "rbe");
    uint32_t head[2];
    struct error err;
    bool well = file && fread(head, sizeof(head), 1, file) == 1 && head[0] < 100000;
    uint32_t *images = well ? calloc(head[0], sizeof(*images)) : NULL;
    well = images && fread(images, sizeof(*images), head[0], file) == head[0];
    uint32_t sum = 0;
    for (uint32_t i = 0; well && i < head[0]; i++)
        sum += images[i];
    well = well && gallery_create(head[0], sum, head[1], gallery, &err) == STATUS_OK;
    for (uint32_t i = 0; well && i < head[0]; i++)
        gallery->first[i + 1] = gallery->first[i] + images[i];
    well = well && fread(gallery->embeddings, sizeof(float), (size_t)sum * head[1], file) ==
                       (size_t)sum * head[1];
    free(images);
    if (file)
        fclose(file);
    return well;
}

#endif
