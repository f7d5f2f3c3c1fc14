#include "api/verify_body.h"

#include <stdlib.h>
#include <string.h>

const char *const VERIFY_IMAGE_FIELDS[3] = {"image1", "image2", NULL};

int verify_image_index(const char *field) {
    for (int i = 0; i < 2; i++)
        if (strcmp(VERIFY_IMAGE_FIELDS[i], field) == 0)
            return i;
    return -1;
}

void verify_image_release(struct verify_image *image) {
    if (image->owned) {
        explicit_bzero(image->owned, image->size);
        free(image->owned);
    }
    *image = (struct verify_image){0};
}

static bool came_before(const struct http_part *parts, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (strcmp(parts[i].name, parts[index].name) == 0)
            return true;
    return false;
}

static void take_part(const struct http_part *part, struct verify_body *body,
                      struct faults *faults) {
    int image = verify_image_index(part->name);
    if (image >= 0) {
        if (part->size > 0)
            body->images[image] = (struct verify_image){.bytes = part->data, .size = part->size};
        return;
    }
    enum verify_option option = verify_option_find(part->name);
    if (option == OPTION_COUNT) {
        faults_add(faults, STATUS_UNKNOWN_FIELD, part->name,
                   "There is no field of this name; the names are in /openapi.json.");
        return;
    }
    struct option_value value = {
        .text = (const char *)part->data, .size = part->size, .from_form = true};
    if (!value.text)
        value.text = "";
    verify_option_set(&body->options, option, &value, faults);
}

void verify_body_multipart(const struct http_part *parts, size_t count, struct verify_body *body,
                           struct faults *faults) {
    *body = (struct verify_body){0};
    verify_options_init(&body->options);
    for (size_t i = 0; i < count; i++) {
        if (came_before(parts, i))
            faults_add(faults, STATUS_DUPLICATE_FIELD, parts[i].name,
                       "The field is given more than once.");
        else
            take_part(&parts[i], body, faults);
    }
    verify_body_check(body, faults);
}

static bool has_fault(const struct faults *faults, const char *field) {
    for (size_t i = 0; i < faults->count; i++)
        if (strcmp(faults->list[i].field, field) == 0)
            return true;
    return false;
}

void verify_body_check(const struct verify_body *body, struct faults *faults) {
    for (int i = 0; i < 2; i++)
        if (!body->images[i].bytes && !has_fault(faults, VERIFY_IMAGE_FIELDS[i]))
            faults_add(faults, STATUS_MISSING_FIELD, VERIFY_IMAGE_FIELDS[i],
                       "The photograph is missing or empty.");
    verify_options_check(&body->options, faults);
}
