#include "model/finetune/parts.h"

#include "model/digest.h"
#include "model/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double EVALUATION_END = 0.30, CALIBRATION_END = 0.37, VALIDATION_END = 0.44;
static const double VALIDATION_OF_FILE = 0.1, CALIBRATION_OF_OTHERS = 0.2;

const char *const PART_NAMES[PARTS] = {"people left out", "training people", "validation people",
                                       "calibration people", "evaluation people"};

double parts_place(uint64_t seed, const char *name) {
    char text[PERSON_NAME_MAX + 32], digest[DIGEST_TEXT_SIZE];
    int length = snprintf(text, sizeof(text), "%llu:%s", (unsigned long long)seed, name);
    digest_bytes(text, (size_t)length, digest);
    digest[16] = '\0'; /* 64 bits */
    return (double)(strtoull(digest, NULL, 16) >> 11) / (double)(1ull << 53);
}

/* ---- files ---- */

struct reading {
    const struct album *album;
    const struct finetune_spec *spec;
    const char *lists;
    struct parts *parts;
    struct error *err;
};

/* The person is the part's, and no other's. */
static enum status claim(const struct reading *reading, uint32_t person, enum part part) {
    enum part *of = &reading->parts->of[person];
    if (*of != PART_NOBODY && *of != part)
        return error_set(reading->err, STATUS_INVALID_FIELD,
                         "%.80s is among the %s and among the %s: nobody may be of two",
                         reading->album->list[person].name, PART_NAMES[*of], PART_NAMES[part]);
    *of = part;
    return STATUS_OK;
}

static void list_images(const struct reading *reading, uint32_t person) {
    const struct album_person *about = &reading->album->list[person];
    for (uint32_t i = 0; i < about->images; i++)
        reading->parts->listed[about->first + i] = true;
}

static enum status take_people(const struct reading *reading, const char *path, enum part part) {
    struct people people;
    enum status status = people_read(path, &people, reading->err);
    if (status != STATUS_OK)
        return status;
    for (uint32_t i = 0; i < people.count && status == STATUS_OK; i++) {
        uint32_t person = album_find_person(reading->album, people.list[i].name);
        if (person == ALBUM_NOBODY) {
            status = error_set(reading->err, STATUS_INVALID_FIELD,
                               "%.80s stands in the people file, but has no photograph",
                               people.list[i].name);
        } else {
            list_images(reading, person);
            status = claim(reading, person, part);
        }
    }
    people_release(&people);
    return status;
}

/* Marks the images of the file and their people; found (images of the file): the album's. */
static enum status claim_images(const struct reading *reading, const struct dataset_pairs *file,
                                enum part part, uint32_t *found) {
    for (uint32_t i = 0; i < file->images_count; i++) {
        found[i] = album_find_image(reading->album, file->images[i]);
        if (found[i] == ALBUM_NOBODY)
            return error_set(reading->err, STATUS_INVALID_FIELD,
                             "%.120s stands in the pairs file, but there is no such photograph",
                             file->images[i]);
        reading->parts->listed[found[i]] = true;
        enum status status = claim(reading, reading->album->person_of[found[i]], part);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status take_pairs(const struct reading *reading, const char *path, enum part part,
                              struct parts_pairs *pairs) {
    struct dataset_pairs file;
    enum status status = dataset_pairs_read(path, &file, reading->err);
    if (status != STATUS_OK)
        return status;
    uint32_t *found = calloc(file.images_count, sizeof(*found));
    pairs->list = calloc(file.pairs_count, sizeof(*pairs->list));
    if (found && pairs->list) {
        status = claim_images(reading, &file, part, found);
        for (size_t i = 0; i < file.pairs_count && status == STATUS_OK; i++)
            pairs->list[pairs->count++] = (struct dataset_pair){
                found[file.pairs[i].a], found[file.pairs[i].b], file.pairs[i].same};
    } else {
        status = error_set(reading->err, STATUS_INTERNAL, "out of memory");
    }
    free(found);
    dataset_pairs_release(&file);
    return status;
}

static enum status take_source(const struct reading *reading, const struct finetune_source *source,
                               enum part part, struct parts_pairs *pairs) {
    char path[PATH_MAX];
    if (source->kind == FINETUNE_SAMPLED)
        return STATUS_OK;
    enum status status = file_path(path, reading->err, "%s/%s", reading->lists, source->file);
    if (status != STATUS_OK)
        return status;
    return source->kind == FINETUNE_PEOPLE ? take_people(reading, path, part)
                                           : take_pairs(reading, path, part, pairs);
}

/* ---- the split ---- */

static bool is_learned(const char *const *learned, const char *name) {
    while (*learned && !people_hashes_have(*learned, name))
        learned++;
    return *learned != NULL;
}

static enum part part_at(double place, bool validation_sampled) {
    if (place < EVALUATION_END)
        return PART_EVALUATION;
    if (place < CALIBRATION_END)
        return PART_CALIBRATION;
    return validation_sampled && place < VALIDATION_END ? PART_VALIDATION : PART_TRAINING;
}

static enum part part_of_other(double place, bool learned) {
    if (learned)
        return PART_NOBODY;
    return place < CALIBRATION_OF_OTHERS ? PART_CALIBRATION : PART_EVALUATION;
}

/* A person whom no file names, or the training file alone. */
static void place_person(const struct reading *reading, uint32_t person,
                         const char *const *learned) {
    const struct finetune_spec *spec = reading->spec;
    const char *name = reading->album->list[person].name;
    double place = parts_place(spec->hyperparameters.seed, name);
    bool known = is_learned(learned, name);
    bool validation_sampled = spec->validation.kind == FINETUNE_SAMPLED;
    enum part *of = &reading->parts->of[person];
    if (*of == PART_TRAINING) {
        if (validation_sampled && !known && place < VALIDATION_OF_FILE)
            *of = PART_VALIDATION;
    } else if (*of == PART_NOBODY) {
        list_images(reading, person);
        if (spec->train.kind != FINETUNE_SAMPLED)
            *of = part_of_other(place, known);
        else
            *of = known ? PART_TRAINING : part_at(place, validation_sampled);
    }
}

/* Pairs of the training file that someone is in who is now validated on. */
static void drop_mixed_pairs(const struct album *album, struct parts *parts) {
    size_t kept = 0;
    for (size_t i = 0; i < parts->training.count; i++) {
        struct dataset_pair pair = parts->training.list[i];
        if (parts->of[album->person_of[pair.a]] == PART_TRAINING &&
            parts->of[album->person_of[pair.b]] == PART_TRAINING)
            parts->training.list[kept++] = pair;
    }
    parts->training.count = kept;
}

/* ---- is it enough ---- */

static enum status check_pairs(const struct parts_pairs *pairs, enum part part, const bool *usable,
                               struct error *err) {
    size_t counts[2] = {0, 0};
    for (size_t i = 0; i < pairs->count; i++)
        if (!usable || (usable[pairs->list[i].a] && usable[pairs->list[i].b]))
            counts[pairs->list[i].same]++;
    if (counts[0] == 0 || counts[1] == 0)
        return error_set(
            err, STATUS_INVALID_FIELD,
            "of the %s there are %zu pairs of one person and %zu of two: both kinds are "
            "needed",
            PART_NAMES[part], counts[1], counts[0]);
    return STATUS_OK;
}

static uint32_t count_images(const struct album *album, const struct parts *parts, uint32_t person,
                             const bool *usable) {
    const bool *from = usable ? usable : parts->listed;
    uint32_t count = 0;
    for (uint32_t i = 0; i < album->list[person].images; i++)
        count += from[album->list[person].first + i];
    return count;
}

enum status parts_check(const struct album *album, const struct parts *parts, enum part part,
                        const bool *usable, struct error *err) {
    if (part == PART_TRAINING && parts->training.list)
        return check_pairs(&parts->training, part, usable, err);
    if (part == PART_VALIDATION && parts->validation.list)
        return check_pairs(&parts->validation, part, usable, err);
    uint32_t people = 0, paired = 0;
    for (uint32_t person = 0; person < album->people; person++) {
        uint32_t images =
            parts->of[person] == part ? count_images(album, parts, person, usable) : 0;
        people += images > 0;
        paired += images > 1;
    }
    if (people < 2 || paired < 1)
        return error_set(
            err, STATUS_INVALID_FIELD,
            "too few photographs: of the %s there are %u with a photograph and %u with "
            "two or more; at least 2 and 1 are needed, of %u people in all",
            PART_NAMES[part], people, paired, album->people);
    return STATUS_OK;
}

/* ---- the whole ---- */

static enum status fill(const struct reading *reading, const char *const *learned) {
    struct parts *parts = reading->parts;
    enum status status =
        take_source(reading, &reading->spec->train, PART_TRAINING, &parts->training);
    if (status == STATUS_OK)
        status =
            take_source(reading, &reading->spec->validation, PART_VALIDATION, &parts->validation);
    if (status != STATUS_OK)
        return status;
    for (uint32_t person = 0; person < reading->album->people; person++)
        place_person(reading, person, learned);
    drop_mixed_pairs(reading->album, parts);
    for (enum part part = PART_TRAINING; part < PARTS && status == STATUS_OK; part++)
        status = parts_check(reading->album, parts, part, NULL, reading->err);
    return status;
}

enum status parts_read(const struct album *album, const struct finetune_spec *spec,
                       const char *lists, const char *const *learned, struct parts *parts,
                       struct error *err) {
    *parts = (struct parts){.of = calloc((size_t)album->people + 1, sizeof(*parts->of)),
                            .listed = calloc((size_t)album->images + 1, sizeof(*parts->listed))};
    const struct reading reading = {album, spec, lists, parts, err};
    enum status status = parts->of && parts->listed
                             ? fill(&reading, learned)
                             : error_set(err, STATUS_INTERNAL, "out of memory");
    if (status != STATUS_OK)
        parts_release(parts);
    return status;
}

void parts_release(struct parts *parts) {
    free(parts->of);
    free(parts->listed);
    free(parts->training.list);
    free(parts->validation.list);
    *parts = (struct parts){.of = NULL};
}

enum status parts_people(const struct album *album, const struct parts *parts, enum part part,
                         struct people *people, struct error *err) {
    *people = (struct people){.list = calloc((size_t)album->people + 1, sizeof(*people->list))};
    if (!people->list)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    for (uint32_t person = 0; person < album->people; person++) {
        uint32_t images = count_images(album, parts, person, NULL);
        if (parts->of[person] != part || images == 0)
            continue;
        char *name = strdup(album->list[person].name);
        if (!name) {
            people_release(people);
            return error_set(err, STATUS_INTERNAL, "out of memory");
        }
        people->list[people->count++] = (struct person){name, images, PEOPLE_NO_GROUP};
        people->images += images;
    }
    return STATUS_OK;
}
