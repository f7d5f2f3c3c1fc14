/* The JSON form: the tree (json_body.h) is walked once. */
#include "api/base64.h"
#include "api/body.h"
#include "api/json_body.h"
#include "api/json_scan.h"
#include "server/wipe.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void take_image(const char *name, const json_t *member, size_t bytes_max,
                       struct body_image *image, struct faults *faults) {
    if (!json_is_string(member)) {
        faults_add(faults, STATUS_INVALID_FIELD, name, "An image must be a base64 string.");
        return;
    }
    size_t size = json_string_length(member);
    const char *text = base64_skip_data_url(json_string_value(member), &size);
    struct error err;
    enum status status = base64_decode(text, size, bytes_max, &image->owned, &image->size, &err);
    if (status != STATUS_OK) {
        faults_add_error(faults, status, name, &err);
        return;
    }
    image->bytes = image->owned;
    if (image->size == 0)
        body_image_release(image);
}

static void take_token(const char *name, const json_t *member, struct body_embedding *embedding,
                       struct faults *faults) {
    size_t size = json_string_length(member);
    if (size == 0)
        return;
    embedding->token = malloc(size);
    if (!embedding->token) {
        faults_add(faults, STATUS_INTERNAL, name, "out of memory for a token");
        return;
    }
    memcpy(embedding->token, json_string_value(member), size);
    embedding->token_size = size;
}

/* Far beyond any network's, and so that no distance overflows. */
#define COMPONENT_MAX 1e9

static bool take_values(const json_t *member, struct body_embedding *embedding) {
    for (uint32_t i = 0; i < embedding->length; i++) {
        const json_t *item = json_array_get(member, i);
        double value = json_number_value(item);
        if (!json_is_number(item) || !(fabs(value) <= COMPONENT_MAX))
            return false;
        embedding->values[i] = (float)value;
    }
    return true;
}

static void take_embedding(const char *name, const json_t *member, struct body_embedding *embedding,
                           struct faults *faults) {
    if (json_is_string(member)) {
        take_token(name, member, embedding, faults);
        return;
    }
    size_t length = json_array_size(member);
    if (!json_is_array(member) || length == 0 || length > CARD_EMBEDDING_LENGTH_MAX) {
        faults_add(faults, STATUS_INVALID_FIELD, name,
                   "An embedding must be a token or an array of 1 to %d numbers.",
                   CARD_EMBEDDING_LENGTH_MAX);
        return;
    }
    embedding->length = (uint32_t)length;
    embedding->values = malloc(length * sizeof(float));
    if (!embedding->values)
        faults_add(faults, STATUS_INTERNAL, name, "out of memory for an embedding");
    else if (!take_values(member, embedding))
        faults_add(faults, STATUS_INVALID_FIELD, name,
                   "Each component must be a number from -1e9 to 1e9.");
}

static void take_option(enum request_option option, const json_t *member, struct body *body,
                        struct faults *faults) {
    double number = json_number_value(member);
    bool truth = json_is_true(member);
    struct option_value value = {
        .text = json_string_value(member),
        .size = json_string_length(member),
        .number = json_is_number(member) ? &number : NULL,
        .boolean = json_is_boolean(member) ? &truth : NULL,
    };
    request_option_set(&body->options, option, &value, faults);
}

static void take_member(const char *name, const json_t *member, size_t bytes_max,
                        const struct body_shape *shape, struct body *body, struct faults *faults) {
    int image = body_image_index(name, shape), embedding = body_embedding_index(name, shape);
    enum request_option option = request_option_find(name, shape->options);
    if (image >= 0)
        take_image(name, member, bytes_max, &body->images[image], faults);
    else if (embedding >= 0)
        take_embedding(name, member, &body->embeddings[embedding], faults);
    else if (option < OPTION_COUNT)
        take_option(option, member, body, faults);
    else
        faults_add(faults, STATUS_UNKNOWN_FIELD, name,
                   "There is no member of this name; the names are in /openapi.json.");
}

/* An outermost object, and the components of two embeddings where there may be such. */
static size_t values_max(const struct body_shape *shape) {
    size_t components = (size_t)BODY_EMBEDDINGS * CARD_EMBEDDING_LENGTH_MAX;
    return SCAN_MEMBERS_MAX + (shape->embeddings ? components : 0);
}

void body_read_json(const uint8_t *json, size_t size, size_t bytes_max,
                    const struct body_shape *shape, struct body *body, struct faults *faults) {
    *body = (struct body){0};
    request_options_init(&body->options);
    json_t *root = json_body_read(json, size, values_max(shape), faults);
    if (!root)
        return;
    const char *name;
    json_t *member;
    json_object_foreach(root, name, member) {
        take_member(name, member, bytes_max, shape, body, faults);
    }
    body_check(shape, body, faults);
    json_decref(root);
}
