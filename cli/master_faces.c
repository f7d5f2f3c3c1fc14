/* The inputs of some people's faces are kept (128 × 270 KB for a 150-pixel chip), since an average
 * is of inputs: averaging and blurring commute with the network's normalisation, which is linear.
 */
#include "cli/master_faces.h"

#include "model/file.h"
#include "model/random.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { FACES = 128, TRIALS = 16, SEED = 1 };
static const uint32_t AVERAGED[] = {2, 4, 8, 16, 32, 64};
static const double SIGMAS[] = {1, 2, 4, 8, 16, 32};
enum {
    AVERAGED_COUNT = sizeof(AVERAGED) / sizeof(AVERAGED[0]),
    SIGMAS_COUNT = sizeof(SIGMAS) / sizeof(SIGMAS[0])
};

struct work {
    const struct measure_place *place;
    const struct gallery *gallery;
    uint32_t side, count;
    size_t values;                  /* 3 × side × side */
    float *inputs;                  /* (FACES, 3, side, side), of which count are there */
    float *made, *scratch;          /* (TRIALS, …), (…) */
    float *embeddings;              /* (TRIALS, embedding_length) */
    struct random_generator random; /* of the averages */
};

/* ---- the faces to start from ---- */

static enum status prepare_one(const struct people_gallery_options *options,
                               struct preparer *preparer, const struct card *card,
                               const struct person *person, float *input, struct error *err) {
    char path[PATH_MAX], *bytes;
    size_t size;
    struct prepared about;
    int length = snprintf(path, sizeof(path), "%s/%s/%s_0001.jpg", options->faces.directory,
                          person->name, person->name);
    if (length < 0 || (size_t)length >= sizeof(path))
        return error_set(err, STATUS_INTERNAL, "%.180s: the name is too long", person->name);
    enum status status = file_read(path, IMAGE_LIMITS_DEFAULT.bytes_max, &bytes, &size, err);
    if (status != STATUS_OK)
        return status;
    status = prepare_face(preparer, &card->input, &IMAGE_LIMITS_DEFAULT, (const uint8_t *)bytes,
                          size, FACE_CENTRE, PREPARE_REJECT, input, &about, err);
    free(bytes);
    return status;
}

/* Of people in a seeded order, those in whose first photograph a face is found. */
static enum status prepare_some(struct work *work, const struct people_gallery_options *options,
                                const struct people *people, struct preparer *preparer,
                                struct error *err) {
    uint32_t *order = calloc(people->count, sizeof(*order));
    if (!order)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t i = 0; i < people->count; i++)
        order[i] = i;
    random_shuffle(&work->random, order, people->count);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < people->count && work->count < FACES && status == STATUS_OK; i++) {
        status =
            prepare_one(options, preparer, &work->place->version->card, &people->list[order[i]],
                        work->inputs + work->count * work->values, err);
        if (status == STATUS_OK)
            work->count++;
        else if (status == STATUS_NO_FACE)
            status = STATUS_OK;
    }
    free(order);
    if (status == STATUS_OK && work->count < AVERAGED[AVERAGED_COUNT - 1])
        status = error_set(err, STATUS_INVALID_FIELD, "the part \"%.60s\" has only %u faces",
                           options->part, work->count);
    return status;
}

static enum status prepare(struct work *work, const struct people_gallery_options *options,
                           struct error *err) {
    struct people_gallery people;
    struct prepare_shared *shared;
    enum status status = people_gallery_read(options, &people, err);
    if (status != STATUS_OK)
        return status;
    status = prepare_shared_open(work->place->data, &shared, err);
    if (status == STATUS_OK) {
        struct preparer *preparer = preparer_create(shared);
        status = preparer ? prepare_some(work, options, &people.people, preparer, err)
                          : error_set(err, STATUS_INTERNAL, "out of memory");
        preparer_destroy(preparer);
        prepare_shared_close(shared);
    }
    people_gallery_release(&people);
    return status;
}

/* ---- the attempts ---- */

/* What stands in made, TRIALS of one kind. */
static enum status try_made(struct work *work, double parameter, const struct master_faces *faces,
                            struct master_face *kind, struct error *err) {
    struct model_version *version = work->place->version;
    const struct card *card = &version->card;
    enum status status = network_embed(version->network, work->made, TRIALS, work->embeddings, err);
    *kind = (struct master_face){.parameter = parameter};
    for (size_t i = 0; i < TRIALS && status == STATUS_OK; i++)
        master_face_add(kind, work->gallery, card, faces->threshold,
                        work->embeddings + i * card->embedding_length);
    return status;
}

static enum status try_averages(struct work *work, struct master_faces *faces, struct error *err) {
    uint32_t order[FACES];
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < work->count; i++)
        order[i] = i;
    for (size_t kind = 0; kind < AVERAGED_COUNT && status == STATUS_OK; kind++) {
        for (size_t i = 0; i < TRIALS; i++) {
            random_shuffle(&work->random, order, work->count);
            master_face_average(work->inputs, order, AVERAGED[kind], work->side,
                                work->made + i * work->values);
        }
        status =
            try_made(work, AVERAGED[kind], faces, &faces->averaged[faces->averaged_count++], err);
    }
    return status;
}

static enum status try_blurs(struct work *work, struct master_faces *faces, struct error *err) {
    enum status status = STATUS_OK;
    for (size_t kind = 0; kind < SIGMAS_COUNT && status == STATUS_OK; kind++) {
        for (size_t i = 0; i < TRIALS; i++)
            master_face_blur(work->inputs + i * work->values, work->side, SIGMAS[kind],
                             work->scratch, work->made + i * work->values);
        status = try_made(work, SIGMAS[kind], faces, &faces->blurred[faces->blurred_count++], err);
    }
    return status;
}

/* ---- the whole ---- */

static enum status reserve(struct work *work, const struct card *card, struct error *err) {
    work->side = card->input.side;
    work->values = (size_t)3 * work->side * work->side;
    work->inputs = calloc(FACES * work->values, sizeof(float));
    work->made = calloc(TRIALS * work->values, sizeof(float));
    work->scratch = calloc(work->values, sizeof(float));
    work->embeddings = calloc((size_t)TRIALS * card->embedding_length, sizeof(float));
    if (!work->inputs || !work->made || !work->scratch || !work->embeddings)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    return STATUS_OK;
}

enum status master_faces_measure(const struct measure_place *place,
                                 const struct people_gallery_options *options,
                                 const struct gallery *gallery, struct master_faces *faces,
                                 struct error *err) {
    static_assert((int)AVERAGED_COUNT <= (int)MASTER_FACES_MAX, "room");
    static_assert((int)SIGMAS_COUNT <= (int)MASTER_FACES_MAX, "room");
    static_assert((int)TRIALS <= (int)FACES, "there are as many faces to blur");
    struct work work = {.place = place, .gallery = gallery, .random = random_seeded(SEED)};
    enum status status = reserve(&work, &place->version->card, err);
    if (status == STATUS_OK)
        status = prepare(&work, options, err);
    if (status == STATUS_OK)
        status = try_averages(&work, faces, err);
    if (status == STATUS_OK)
        status = try_blurs(&work, faces, err);
    faces->part = options->part;
    free(work.inputs);
    free(work.made);
    free(work.scratch);
    free(work.embeddings);
    return status;
}
