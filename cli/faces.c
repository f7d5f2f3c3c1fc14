#include "cli/faces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const FACES_WHICH[] = {"largest", "centre", "only", NULL};
static const enum face_choice FACE_OF[] = {FACE_LARGEST, FACE_CENTRE, FACE_ONLY};
const char *const FACES_WITHOUT[] = {"reject", "centre", NULL};
static const enum prepare_no_face NO_FACE_OF[] = {PREPARE_REJECT, PREPARE_CENTRE};

enum { BAR_WIDTH = 40 };

static bool progress(void *context, size_t done, size_t total) {
    (void)context;
    char bar[BAR_WIDTH + 1];
    size_t filled = done * BAR_WIDTH / total;
    memset(bar, '#', filled);
    memset(bar + filled, '.', BAR_WIDTH - filled);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %zu/%zu images%s", bar, done, total, done == total ? "\n" : "");
    return true;
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

enum status faces_embed(struct session *session, const struct faces_options *options,
                        char *const *names, size_t count, struct faces *faces, struct error *err) {
    *faces = (struct faces){.count = count};
    faces->photographs = calloc(count, sizeof(*faces->photographs));
    faces->embeddings = calloc(count * session->version->card.embedding_length, sizeof(float));
    enum status status = STATUS_OK;
    if (!faces->photographs || !faces->embeddings)
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        faces->photographs[i].name = names[i];
    const struct photographs_options photographs = {
        .data = session->data,
        .directory = options->directory,
        .threads = session->threads,
        .face = FACE_OF[options->which],
        .no_face = NO_FACE_OF[options->without],
        .progress = isatty(STDERR_FILENO) ? progress : NULL,
    };
    if (status == STATUS_OK)
        status = photographs_embed(&photographs, session->version, faces->photographs, count,
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
