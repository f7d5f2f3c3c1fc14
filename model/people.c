/* Lookups go through sorted arrays and bsearch: a people file has thousands of lines, and each is
 * looked up once. */
#include "model/people.h"

#include "model/digest.h"
#include "model/lines.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the people file ---- */

bool person_name_valid(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > PERSON_NAME_MAX || name[0] == '.')
        return false;
    for (const char *p = name; *p; p++)
        if (*p == '/' || *p == '\\' || (unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

static enum status add_person(struct lines *lines, struct people *people, int fields_count,
                              char **fields) {
    uint32_t images;
    if (fields_count != 2 || !person_name_valid(fields[0]))
        return lines_fault(lines, "expected a person's name and the number of images");
    if (!lines_number(fields[1], PERSON_IMAGES_MAX, &images) || images == 0)
        return lines_fault(lines, "not a number of images (1 to 9999)");
    if (people->count % 1024 == 0) {
        void *grown =
            reallocarray(people->list, (size_t)people->count + 1024, sizeof(*people->list));
        if (!grown)
            return error_set(lines->err, STATUS_INTERNAL, "out of memory");
        people->list = grown;
    }
    struct person *person = &people->list[people->count];
    person->name = strdup(fields[0]);
    if (!person->name)
        return error_set(lines->err, STATUS_INTERNAL, "out of memory");
    person->images = images;
    person->group = PEOPLE_NO_GROUP;
    people->count++;
    people->images += images;
    return STATUS_OK;
}

/* The lines of a file, with the one in hand cut into fields. */
struct taken {
    struct lines lines;
    char *fields[LINES_FIELDS_MAX];
    int count; /* of fields; 0: the text is at its end */
};

static void take(struct taken *taken) { taken->count = lines_take(&taken->lines, taken->fields); }

static enum status read_number(struct taken *taken, uint32_t *number) {
    if (taken->count != 1 || !lines_number(taken->fields[0], PEOPLE_MAX, number) || *number == 0)
        return lines_fault(&taken->lines, "expected a number of people (1 to 200000)");
    take(taken);
    return STATUS_OK;
}

static enum status read_list(struct taken *taken, struct people *people, uint32_t count) {
    if (people->count + count > PEOPLE_MAX)
        return lines_fault(&taken->lines, "more than 200000 people");
    for (uint32_t i = 0; i < count; i++) {
        enum status status = add_person(&taken->lines, people, taken->count, taken->fields);
        if (status != STATUS_OK)
            return status;
        take(taken);
    }
    return STATUS_OK;
}

/* After the first number comes a person or, when it was the number of folds, a fold's number. */
static enum status read_lists(struct taken *taken, struct people *people) {
    uint32_t first = 0, count;
    take(taken);
    enum status status = read_number(taken, &first);
    if (status == STATUS_OK && taken->count != 1)
        status = read_list(taken, people, first);
    else
        for (uint32_t fold = 0; fold < first && status == STATUS_OK; fold++) {
            status = read_number(taken, &count);
            if (status == STATUS_OK)
                status = read_list(taken, people, count);
        }
    if (status == STATUS_OK && taken->count != 0)
        return lines_fault(&taken->lines, "more lines than the file says");
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct person *)a)->name, ((const struct person *)b)->name);
}

static enum status refuse_twins(const struct people *people, const char *path, struct error *err) {
    for (uint32_t i = 1; i < people->count; i++)
        if (strcmp(people->list[i - 1].name, people->list[i].name) == 0)
            return error_set(err, STATUS_INVALID_FIELD, "%.120s: %.100s stands there twice", path,
                             people->list[i].name);
    return STATUS_OK;
}

enum status people_read(const char *path, struct people *people, struct error *err) {
    struct taken taken;
    memset(people, 0, sizeof(*people));
    enum status status = lines_open(path, &taken.lines, err);
    if (status != STATUS_OK)
        return status;
    status = read_lists(&taken, people);
    lines_close(&taken.lines);
    if (status == STATUS_OK) {
        qsort(people->list, people->count, sizeof(*people->list), by_name);
        status = refuse_twins(people, path, err);
    }
    if (status != STATUS_OK)
        people_release(people);
    return status;
}

void people_release(struct people *people) {
    for (uint32_t i = 0; i < people->count; i++)
        free(people->list[i].name);
    for (uint32_t i = 0; i < people->groups_count; i++)
        free(people->groups[i]);
    free(people->list);
    memset(people, 0, sizeof(*people));
}

/* ---- hashes ---- */

void person_hash(const char *name, char hash[PERSON_HASH_SIZE]) {
    char whole[DIGEST_TEXT_SIZE];
    digest_bytes(name, strlen(name), whole);
    memcpy(hash, whole, PERSON_HASH_SIZE - 1);
    hash[PERSON_HASH_SIZE - 1] = '\0';
}

static int by_hash(const void *a, const void *b) { return memcmp(a, b, PERSON_HASH_SIZE - 1); }

char *people_hashes(const struct people *people, size_t *size) {
    *size = (size_t)people->count * PERSON_HASH_SIZE;
    char *text = malloc(*size + 1);
    if (!text)
        return NULL;
    for (uint32_t i = 0; i < people->count; i++)
        person_hash(people->list[i].name, text + (size_t)i * PERSON_HASH_SIZE);
    qsort(text, people->count, PERSON_HASH_SIZE, by_hash);
    for (uint32_t i = 1; i <= people->count; i++)
        text[(size_t)i * PERSON_HASH_SIZE - 1] = '\n';
    text[*size] = '\0';
    return text;
}

enum status people_digest(const struct people *people, char sha256[65], struct error *err) {
    static_assert(DIGEST_TEXT_SIZE == 65, "the same text");
    size_t size;
    char *hashes = people_hashes(people, &size);
    if (!hashes)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    digest_bytes(hashes, size, sha256);
    free(hashes);
    return STATUS_OK;
}

/* Both are sorted lines of one length. */
char *people_hashes_join(const char *a, const char *b) {
    char *text = malloc(strlen(a) + strlen(b) + 1), *next = text;
    while (text && (*a || *b)) {
        int order = !*a ? 1 : !*b ? -1 : by_hash(a, b);
        memcpy(next, order <= 0 ? a : b, PERSON_HASH_SIZE);
        next += PERSON_HASH_SIZE;
        a += order <= 0 ? PERSON_HASH_SIZE : 0;
        b += order >= 0 ? PERSON_HASH_SIZE : 0;
    }
    if (text)
        *next = '\0';
    return text;
}

bool people_hashes_have(const char *hashes, const char *name) {
    char hash[PERSON_HASH_SIZE];
    person_hash(name, hash);
    return bsearch(hash, hashes, strlen(hashes) / PERSON_HASH_SIZE, PERSON_HASH_SIZE, by_hash) !=
           NULL;
}

enum status people_refuse_overlap(const struct people *people, const char *hashes, const char *what,
                                  struct error *err) {
    for (uint32_t i = 0; i < people->count; i++)
        if (people_hashes_have(hashes, people->list[i].name))
            return error_set(err, STATUS_INVALID_FIELD,
                             "%.100s is among the people that %.60s: measure on others",
                             people->list[i].name, what);
    return STATUS_OK;
}

/* ---- parts and groups ---- */

/* The hashes of one part, sorted, from malloc. */
static enum status read_part(const char *path, const char *part, char **hashes, size_t *count,
                             struct error *err) {
    struct lines lines;
    char *fields[LINES_FIELDS_MAX];
    *hashes = NULL;
    *count = 0;
    enum status status = lines_open(path, &lines, err);
    if (status != STATUS_OK)
        return status;
    *hashes = malloc(strlen(lines.text) + PERSON_HASH_SIZE);
    if (!*hashes)
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    for (int n; status == STATUS_OK && (n = lines_take(&lines, fields)) != 0;) {
        if (n != 2 || strlen(fields[1]) != PERSON_HASH_SIZE - 1)
            status = lines_fault(&lines, "expected a part and 16 hexadecimal digits");
        else if (strcmp(fields[0], part) == 0)
            memcpy(*hashes + (*count)++ * PERSON_HASH_SIZE, fields[1], PERSON_HASH_SIZE);
    }
    lines_close(&lines);
    if (status == STATUS_OK)
        qsort(*hashes, *count, PERSON_HASH_SIZE, by_hash);
    return status;
}

enum status people_keep_part(struct people *people, const char *split_path, const char *part,
                             struct error *err) {
    char *hashes;
    size_t count;
    enum status status = read_part(split_path, part, &hashes, &count, err);
    uint32_t kept = 0;
    people->images = status == STATUS_OK ? 0 : people->images;
    for (uint32_t i = 0; i < people->count && status == STATUS_OK; i++) {
        char hash[PERSON_HASH_SIZE];
        person_hash(people->list[i].name, hash);
        if (!bsearch(hash, hashes, count, PERSON_HASH_SIZE, by_hash)) {
            free(people->list[i].name);
            continue;
        }
        people->images += people->list[i].images;
        people->list[kept++] = people->list[i];
    }
    free(hashes);
    if (status != STATUS_OK)
        return status;
    people->count = kept;
    if (kept == 0)
        return error_set(err, STATUS_INVALID_FIELD, "%.120s: nobody is in the part \"%.60s\"",
                         split_path, part);
    return STATUS_OK;
}

/* The group's number; it is added when it is new. */
static enum status find_group(struct people *people, const struct lines *lines, const char *name,
                              uint32_t *group) {
    for (*group = 0; *group < people->groups_count; (*group)++)
        if (strcmp(people->groups[*group], name) == 0)
            return STATUS_OK;
    if (people->groups_count == PEOPLE_GROUPS_MAX)
        return lines_fault(lines, "more than 64 groups");
    people->groups[people->groups_count] = strdup(name);
    if (!people->groups[people->groups_count])
        return error_set(lines->err, STATUS_INTERNAL, "out of memory");
    people->groups_count++;
    return STATUS_OK;
}

enum status people_group(struct people *people, const char *path, struct error *err) {
    struct lines lines;
    char *fields[LINES_FIELDS_MAX];
    enum status status = lines_open(path, &lines, err);
    if (status != STATUS_OK)
        return status;
    for (int n; status == STATUS_OK && (n = lines_take(&lines, fields)) != 0;) {
        if (n != 2) {
            status = lines_fault(&lines, "expected a person's name and a group");
            break;
        }
        const struct person wanted = {.name = fields[0]};
        struct person *person =
            bsearch(&wanted, people->list, people->count, sizeof(*people->list), by_name);
        if (person)
            status = find_group(people, &lines, fields[1], &person->group);
    }
    lines_close(&lines);
    return status;
}
