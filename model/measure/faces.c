#include "model/measure/faces.h"

#include "model/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const enum face_choice FACE_OF[] = {FACE_LARGEST, FACE_CENTRE, FACE_ONLY};
static const enum prepare_no_face NO_FACE_OF[] = {PREPARE_REJECT, PREPARE_CENTRE};

static bool is_there(const char *directory, const char *name) {
    char path[PATH_MAX];
    return file_path(path, NULL, "%s/%s", directory, name) == STATUS_OK && access(path, F_OK) == 0;
}

enum status faces_find_file(const char *directory, char **name, struct error *err) {
    static const char *const OTHERS[] = {".png", ".webp"};
    size_t stem = strlen(*name) - strlen(".jpg");
    for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]) && !is_there(directory, *name); i++) {
        char *other;
        if (asprintf(&other, "%.*s%s", (int)stem, *name, OTHERS[i]) < 0)
            return error_set(err, STATUS_INTERNAL, "out of memory");
        char *unused = other;
        if (is_there(directory, other)) {
            unused = *name;
            *name = other;
        }
        free(unused);
    }
    return STATUS_OK;
}

/* A photograph without a face is counted; one that cannot be read makes every number worthless. */
static enum status count_faces(struct faces *faces, struct error *err) {
    for (size_t i = 0; i < faces->count; i++) {
        const struct photograph *photograph = &faces->photographs[i];
        bool embedded = photograph->status == STATUS_OK;
        if (!embedded && !photograph_lacks_face(photograph)) {
            *err = photograph->error;
            return photograph->status;
        }
        faces->not_found += !(embedded && photograph->about.face.score > 0);
        faces->left_out += !embedded;
    }
    return STATUS_OK;
}

enum status faces_embed(const struct measure_place *place, const struct faces_options *options,
                        char *const *names, size_t count, struct faces *faces, struct error *err) {
    *faces = (struct faces){.count = count};
    faces->photographs = calloc(count, sizeof(*faces->photographs));
    faces->embeddings = calloc(count * place->version->card.embedding_length, sizeof(float));
    if (!faces->photographs || !faces->embeddings) {
        faces_release(faces);
        return error_set(err, STATUS_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < count; i++)
        faces->photographs[i].name = names[i];
    const struct photographs_options photographs = {
        .data = place->data,
        .directory = options->directory,
        .threads = place->threads,
        .face = FACE_OF[options->which],
        .no_face = NO_FACE_OF[options->without],
        .progress = place->progress,
        .context = place->context,
        .go_on = place->go_on,
    };
    enum status status = photographs_embed(&photographs, place->version, faces->photographs, count,
                                           faces->embeddings, err);
    if (status == STATUS_OK)
        status = count_faces(faces, err);
    if (status != STATUS_OK)
        faces_release(faces);
    return status;
}

void faces_release(struct faces *faces) {
    free(faces->photographs);
    free(faces->embeddings);
    memset(faces, 0, sizeof(*faces));
}
