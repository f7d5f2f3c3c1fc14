/* The JSON form: the tree (json_body.h) is walked once. */
#include "api/base64.h"
#include "api/json_body.h"
#include "api/verify_body.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void wipe_and_free(void *memory) {
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

void verify_body_wipe_json(void) { json_set_alloc_funcs(malloc, wipe_and_free); }

static void take_image(const char *name, const json_t *member, size_t bytes_max,
                       struct verify_image *image, struct faults *faults) {
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
        verify_image_release(image);
}

static void take_option(enum verify_option option, const json_t *member, struct verify_body *body,
                        struct faults *faults) {
    double number = json_number_value(member);
    struct option_value value = {
        .text = json_string_value(member),
        .size = json_string_length(member),
        .number = json_is_number(member) ? &number : NULL,
    };
    verify_option_set(&body->options, option, &value, faults);
}

static void take_member(const char *name, const json_t *member, size_t bytes_max,
                        struct verify_body *body, struct faults *faults) {
    int image = verify_image_index(name);
    enum verify_option option = verify_option_find(name);
    if (image >= 0)
        take_image(name, member, bytes_max, &body->images[image], faults);
    else if (option < OPTION_COUNT)
        take_option(option, member, body, faults);
    else
        faults_add(faults, STATUS_UNKNOWN_FIELD, name,
                   "There is no member of this name; the names are in /openapi.json.");
}

void verify_body_json(const uint8_t *json, size_t size, size_t bytes_max, struct verify_body *body,
                      struct faults *faults) {
    *body = (struct verify_body){0};
    verify_options_init(&body->options);
    json_t *root = json_body_read(json, size, faults);
    if (!root)
        return;
    const char *name;
    json_t *member;
    json_object_foreach(root, name, member) { take_member(name, member, bytes_max, body, faults); }
    verify_body_check(body, faults);
    json_decref(root);
}
