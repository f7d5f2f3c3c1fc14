/* The manifest is sorted, so a person's photographs stand together, and what a list names is found
 * by bisection. */
#include "model/dataset_check.h"

#include "model/dataset.h"
#include "model/dataset_manifest.h"
#include "model/file.h"
#include "model/lines.h"
#include "model/people.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_SIDE_MIN = 150 }; /* what a face needs; the whole file is read all the same */

struct check {
    const char *directory;
    const struct image_limits *limits;
    const struct dataset_check_hooks *hooks;
    struct dataset_check_result *result;
    struct error *err;
    struct dataset_manifest manifest;
    size_t images, most; /* in all; of the person with the most */
};

static enum status reject(struct check *check, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first cause stands. Returns STATUS_OK: that it is rejected is a result. */
static enum status reject(struct check *check, const char *code, const char *format, ...) {
    if (check->result->code)
        return STATUS_OK;
    char text[sizeof check->result->why.detail];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    check->result->code = code;
    error_set(&check->result->why, STATUS_INVALID_FIELD, "%s", text);
    return STATUS_OK;
}

/* ---- photographs ---- */

static bool same_person(const char *a, const char *b) {
    size_t length = strcspn(a, "/");
    return strncmp(a, b, length) == 0 && b[length] == '/';
}

static void count_people(struct check *check) {
    const char *last = NULL;
    size_t of_person = 0;
    for (size_t i = 0; i < check->manifest.count; i++) {
        const char *name = check->manifest.lines[i].name;
        if (!strchr(name, '/'))
            continue;
        bool another = !last || !same_person(last, name);
        check->result->people += another;
        of_person = another ? 1 : of_person + 1;
        check->most = of_person > check->most ? of_person : check->most;
        check->images++;
        last = name;
    }
}

static enum status decode(struct check *check, const char *name, struct error *why) {
    char path[PATH_MAX], *bytes;
    size_t size;
    enum status status = file_path(path, check->err, "%s/%s", check->directory, name);
    if (status == STATUS_OK)
        status = file_read(path, check->limits->bytes_max, &bytes, &size, check->err);
    if (status != STATUS_OK)
        return status;
    struct image image = {0};
    if (image_decode((const uint8_t *)bytes, size, check->limits, LONG_SIDE_MIN, NULL, &image,
                     why) != STATUS_OK)
        check->result->undecodable++;
    image_release(&image);
    free(bytes);
    return STATUS_OK;
}

static enum status decode_all(struct check *check) {
    struct error why, first;
    char first_name[DATASET_NAME_SIZE + 1] = "";
    for (size_t i = 0; i < check->manifest.count; i++) {
        const char *name = check->manifest.lines[i].name;
        if (!strchr(name, '/'))
            continue;
        if (check->hooks->go_on &&
            !check->hooks->go_on(check->hooks->context, check->result->images, check->images)) {
            check->result->stopped = true;
            return STATUS_OK;
        }
        size_t before = check->result->undecodable;
        enum status status = decode(check, name, &why);
        if (status != STATUS_OK)
            return status;
        check->result->images++;
        if (before == 0 && check->result->undecodable > 0) {
            snprintf(first_name, sizeof first_name, "%s", name);
            first = why;
        }
    }
    if (check->result->undecodable == 0)
        return STATUS_OK;
    return reject(check, "undecodable_images",
                  "%zu of %zu photographs cannot be decoded; the first is %.80s: %.100s",
                  check->result->undecodable, check->result->images, first_name, first.detail);
}

/* ---- lists ---- */

static int by_name(const void *name, const void *line) {
    return strcmp(name, ((const struct dataset_line *)line)->name);
}

static bool has(const struct check *check, const char *name) {
    return bsearch(name, check->manifest.lines, check->manifest.count,
                   sizeof *check->manifest.lines, by_name) != NULL;
}

/* A list names PERSON/PERSON_0001.jpg, whatever the format. */
static bool has_image(const struct check *check, const char *name) {
    static const char *const extensions[] = {"jpg", "png", "webp"};
    char path[PATH_MAX];
    int stem = (int)(strlen(name) - strlen(".jpg"));
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        snprintf(path, sizeof path, "%.*s.%s", stem, name, extensions[i]);
        if (has(check, path))
            return true;
    }
    return false;
}

/* Readers of lists name the file by its path, cut where that is long. */
static const char *without_path(const char *detail, const char *path) {
    size_t told = 0;
    while (detail[told] && detail[told] == path[told])
        told++;
    if (told < LINES_PATH_TOLD && path[told])
        return detail;
    return detail + told + strspn(detail + told, ",: ");
}

static enum status reject_list(struct check *check, const char *list, const char *path,
                               const char *detail) {
    return reject(check, "invalid_list", "%.80s: %.160s", list, without_path(detail, path));
}

static enum status check_pairs(struct check *check, const char *list, const char *path) {
    struct dataset_pairs pairs;
    struct error why;
    if (dataset_pairs_read(path, &pairs, &why) != STATUS_OK)
        return reject_list(check, list, path, why.detail);
    for (uint32_t i = 0; i < pairs.images_count && !check->result->code; i++)
        if (!has_image(check, pairs.images[i]))
            reject(check, "invalid_list", "%.80s names %.120s, which is not there.", list,
                   pairs.images[i]);
    dataset_pairs_release(&pairs);
    return STATUS_OK;
}

static void check_person(struct check *check, const char *list, const struct person *person) {
    char name[DATASET_NAME_SIZE + 1];
    for (uint32_t i = 1; i <= person->images; i++) {
        snprintf(name, sizeof name, "%s/%s_%04u.jpg", person->name, person->name, i);
        if (!has_image(check, name)) {
            reject(check, "invalid_list", "%.80s names %.120s, which is not there.", list, name);
            return;
        }
    }
}

static enum status check_people(struct check *check, const char *list, const char *path) {
    struct people people;
    struct error why;
    if (people_read(path, &people, &why) != STATUS_OK)
        return reject_list(check, list, path, why.detail);
    for (uint32_t i = 0; i < people.count && !check->result->code; i++)
        check_person(check, list, &people.list[i]);
    people_release(&people);
    return STATUS_OK;
}

static enum status check_lists(struct check *check) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < check->manifest.count && status == STATUS_OK; i++) {
        const char *name = check->manifest.lines[i].name;
        char path[PATH_MAX];
        if (!dataset_list_name(name))
            continue;
        status = file_path(path, check->err, "%s/%s", check->directory, name);
        if (status == STATUS_OK)
            status = strncmp(name, "pairs", 5) == 0 ? check_pairs(check, name, path)
                                                    : check_people(check, name, path);
    }
    return status;
}

enum status dataset_check(const char *directory, const struct image_limits *limits,
                          const struct dataset_check_hooks *hooks,
                          struct dataset_check_result *result, struct error *err) {
    *result = (struct dataset_check_result){0};
    struct check check = {
        .directory = directory, .limits = limits, .hooks = hooks, .result = result, .err = err};
    enum status status = dataset_manifest_read(directory, &check.manifest, err);
    if (status != STATUS_OK)
        return status;
    count_people(&check);
    if (result->people < 2)
        reject(&check, "one_person", "Photographs of at least two people are needed, not of %zu.",
               result->people);
    else if (check.most < 2)
        reject(&check, "no_pairs", "Nobody has two photographs: no pair shows one person.");
    status = check_lists(&check);
    if (status == STATUS_OK)
        status = decode_all(&check);
    result->usable = status == STATUS_OK && !result->stopped && !result->code;
    dataset_manifest_release(&check.manifest);
    return status;
}
