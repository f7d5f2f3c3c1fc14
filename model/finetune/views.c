#include "model/finetune/views.h"

#include "model/finetune/augment.h"

#include <stdlib.h>
#include <string.h>

/* So many are frozen at once: several batches, which are computed side by side. */
enum { WINDOW = 4 * NETWORK_TRAIN_FIXED_BATCH };

struct filling {
    const struct views_options *options;
    struct network_train *train;
    struct views *views;
    size_t input_values;
    const uint32_t *images;  /* of the album, by photograph */
    float *inputs, *outputs; /* (WINDOW, input or row) */
    uint32_t places[WINDOW];
    size_t waiting;
};

/* ---- filling ---- */

static enum status flush(struct filling *filling, struct error *err) {
    const struct rows *rows = &filling->views->rows;
    if (filling->waiting == 0)
        return STATUS_OK;
    enum status status = network_train_freeze(filling->train, filling->inputs, filling->waiting,
                                              filling->outputs, err);
    for (size_t i = 0; i < filling->waiting && status == STATUS_OK; i++)
        memcpy(rows_at(rows, filling->places[i]), filling->outputs + i * rows->values,
               rows->values * sizeof(float));
    filling->waiting = 0;
    return status;
}

static enum status add_photograph(struct filling *filling, const float *input, uint32_t image,
                                  struct error *err) {
    const struct views_options *options = filling->options;
    struct views *views = filling->views;
    uint32_t first = views->first[image];
    uint32_t count = first < views->validation ? 1 : views->per_image;
    enum status status = STATUS_OK;
    views->usable[image] = true;
    for (uint32_t view = 0; view < count && status == STATUS_OK; view++) {
        augment_view(&options->parameters->augment, options->input, options->parameters->seed,
                     image, view, input,
                     filling->inputs + filling->waiting * filling->input_values);
        filling->places[filling->waiting++] = first + view;
        if (filling->waiting == WINDOW)
            status = flush(filling, err);
    }
    return status;
}

static enum status take_window(void *context, const float *inputs, const size_t *which, size_t n,
                               struct error *err) {
    struct filling *filling = context;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < n && status == STATUS_OK; i++)
        status = add_photograph(filling, inputs + i * filling->input_values,
                                filling->images[which[i]], err);
    return status;
}

static enum status run(struct filling *filling, struct photograph *photographs, size_t count,
                       struct error *err) {
    const struct photographs_taker taker = {take_window, filling};
    filling->inputs = calloc(WINDOW * filling->input_values, sizeof(*filling->inputs));
    filling->outputs = calloc(WINDOW * filling->views->rows.values, sizeof(*filling->outputs));
    enum status status =
        filling->inputs && filling->outputs
            ? photographs_prepare(&filling->options->photographs, filling->options->input,
                                  photographs, count, &taker, err)
            : error_set(err, STATUS_INTERNAL, "out of memory");
    if (status == STATUS_OK)
        status = flush(filling, err);
    if (status == STATUS_OK)
        status = views_check_photographs(photographs, count, &filling->views->left_out, err);
    free(filling->inputs);
    free(filling->outputs);
    return status;
}

enum status views_check_photographs(const struct photograph *photographs, size_t count,
                                    uint32_t *left_out, struct error *err) {
    *left_out = 0;
    for (size_t i = 0; i < count; i++) {
        if (photographs[i].status != STATUS_OK && !photograph_lacks_face(&photographs[i]))
            return error_set(err,
                             photographs[i].status == STATUS_INTERNAL ? STATUS_INTERNAL
                                                                      : STATUS_INVALID_FIELD,
                             "%.250s", photographs[i].error.detail);
        *left_out += photographs[i].status != STATUS_OK;
    }
    return STATUS_OK;
}

/* ---- which ---- */

/* Gives the part's photographs their rows; images (count on) gets them in that order. */
static void place_part(const struct views_options *options, enum part part, uint32_t rows_each,
                       struct views *views, uint32_t *images, uint32_t *count, size_t *rows) {
    for (uint32_t image = 0; image < options->album->images; image++) {
        if (!options->parts->listed[image] ||
            options->parts->of[options->album->person_of[image]] != part)
            continue;
        views->first[image] = (uint32_t)*rows;
        images[(*count)++] = image;
        *rows += rows_each;
    }
}

/* A photograph without a face keeps its rows, which nobody reads. */
static void forget_unusable(const struct album *album, struct views *views) {
    for (uint32_t image = 0; image < album->images; image++)
        if (!views->usable[image])
            views->first[image] = VIEWS_NONE;
}

static enum status fill(const struct views_options *options, struct network_train *train,
                        uint32_t *images, struct views *views, struct error *err) {
    const struct album *album = options->album;
    uint32_t count = 0;
    size_t rows = 0;
    memset(views->first, 0xff, (size_t)album->images * sizeof(*views->first));
    place_part(options, PART_VALIDATION, 1, views, images, &count, &rows);
    views->validation = (uint32_t)rows;
    place_part(options, PART_TRAINING, views->per_image, views, images, &count, &rows);
    enum status status =
        rows_create(rows, network_train_row_values(train), &options->limits, &views->rows, err);
    if (status != STATUS_OK)
        return status;
    struct photograph *photographs = calloc((size_t)count + 1, sizeof(*photographs));
    if (!photographs)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t i = 0; i < count; i++)
        photographs[i].name = album->paths[images[i]];
    struct filling filling = {.options = options,
                              .train = train,
                              .views = views,
                              .input_values =
                                  (size_t)3 * options->input->side * options->input->side,
                              .images = images};
    status = run(&filling, photographs, count, err);
    free(photographs);
    forget_unusable(album, views);
    return status;
}

enum status views_fill(const struct views_options *options, struct network_train *train,
                       struct views *views, struct error *err) {
    const struct album *album = options->album;
    *views = (struct views){.first = calloc(album->images, sizeof(*views->first)),
                            .usable = calloc(album->images, sizeof(*views->usable)),
                            .per_image = options->parameters->augment.views};
    uint32_t *images = calloc(album->images, sizeof(*images));
    enum status status = views->first && views->usable && images
                             ? fill(options, train, images, views, err)
                             : error_set(err, STATUS_INTERNAL, "out of memory");
    free(images);
    if (status == STATUS_OK)
        status = parts_check(album, options->parts, PART_TRAINING, views->usable, err);
    if (status == STATUS_OK)
        status = parts_check(album, options->parts, PART_VALIDATION, views->usable, err);
    if (status != STATUS_OK)
        views_release(views);
    return status;
}

void views_release(struct views *views) {
    rows_release(&views->rows);
    free(views->first);
    free(views->usable);
    *views = (struct views){.first = NULL};
}
