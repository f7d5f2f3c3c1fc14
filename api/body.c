#include "api/body.h"

#include "server/wipe.h"

#include <stdlib.h>
#include <string.h>

const char *const BODY_IMAGE_FIELDS[BODY_IMAGES_MAX + 2] = {
    "image1",  "image2",  "image3",  "image4",  "image5",  "image6",  "image7",
    "image8",  "image9",  "image10", "image11", "image12", "image13", "image14",
    "image15", "image16", "image17", "image18", "image19", "image20", "image21",
    "image22", "image23", "image24", "image25", "image26", "image27", "image28",
    "image29", "image30", "image31", "image32", "image33", NULL};

const char *const BODY_EMBEDDING_FIELDS[BODY_EMBEDDINGS] = {"embedding1", "embedding2"};

int body_image_index(const char *field, const struct body_shape *shape) {
    for (unsigned i = 0; i < shape->images_max; i++)
        if (strcmp(BODY_IMAGE_FIELDS[i], field) == 0)
            return (int)i;
    return -1;
}

int body_embedding_index(const char *field, const struct body_shape *shape) {
    for (int i = 0; shape->embeddings && i < BODY_EMBEDDINGS; i++)
        if (strcmp(BODY_EMBEDDING_FIELDS[i], field) == 0)
            return i;
    return -1;
}

void body_image_release(struct body_image *image) {
    wipe_and_free(image->owned);
    *image = (struct body_image){0};
}

void body_release(struct body *body) {
    for (int i = 0; i < BODY_IMAGES_MAX; i++)
        body_image_release(&body->images[i]);
    for (int i = 0; i < BODY_EMBEDDINGS; i++) {
        wipe_and_free(body->embeddings[i].token);
        wipe_and_free(body->embeddings[i].values);
        body->embeddings[i] = (struct body_embedding){0};
    }
}

static bool came_before(const struct http_part *parts, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (strcmp(parts[i].name, parts[index].name) == 0)
            return true;
    return false;
}

static void take_part(const struct http_part *part, const struct body_shape *shape,
                      struct body *body, struct faults *faults) {
    int image = body_image_index(part->name, shape);
    if (image >= 0) {
        if (part->size > 0)
            body->images[image] = (struct body_image){.bytes = part->data, .size = part->size};
        return;
    }
    enum request_option option = request_option_find(part->name, shape->options);
    if (option == OPTION_COUNT) {
        faults_add(faults, STATUS_UNKNOWN_FIELD, part->name,
                   "There is no field of this name; the names are in /openapi.json.");
        return;
    }
    struct option_value value = {
        .text = (const char *)part->data, .size = part->size, .from_form = true};
    if (!value.text)
        value.text = "";
    request_option_set(&body->options, option, &value, faults);
}

void body_read_multipart(const struct http_part *parts, size_t count,
                         const struct body_shape *shape, struct body *body, struct faults *faults) {
    *body = (struct body){0};
    request_options_init(&body->options);
    for (size_t i = 0; i < count; i++) {
        if (came_before(parts, i))
            faults_add(faults, STATUS_DUPLICATE_FIELD, parts[i].name,
                       "The field is given more than once.");
        else
            take_part(&parts[i], shape, body, faults);
    }
    body_check(shape, body, faults);
}

static bool has_fault(const struct faults *faults, const char *field) {
    for (size_t i = 0; i < faults->count; i++)
        if (strcmp(faults->list[i].field, field) == 0)
            return true;
    return false;
}

static void miss(const char *field, const char *what, struct faults *faults) {
    if (!has_fault(faults, field))
        faults_add(faults, STATUS_MISSING_FIELD, field, "The %s is missing or empty.", what);
}

static void check_images(const struct body_shape *shape, struct body *body, struct faults *faults) {
    unsigned needed = shape->images_min;
    for (unsigned i = 0; i < shape->images_max; i++)
        if (body->images[i].bytes && i + 1 > needed)
            needed = i + 1;
    for (unsigned i = 0; i < needed; i++)
        if (!body->images[i].bytes)
            miss(BODY_IMAGE_FIELDS[i], "photograph", faults);
    body->images_count = needed;
}

void body_check(const struct body_shape *shape, struct body *body, struct faults *faults) {
    check_images(shape, body, faults);
    for (int i = 0; shape->embeddings && i < BODY_EMBEDDINGS; i++)
        if (!body->embeddings[i].token && !body->embeddings[i].values)
            miss(BODY_EMBEDDING_FIELDS[i], "embedding", faults);
    request_options_check(&body->options, faults);
}
