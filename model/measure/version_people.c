#include "model/measure/version_people.h"

#include "model/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *file, *what;
} KINDS[] = {
    [VERSION_CALIBRATION_PEOPLE] = {"calibration-people.txt", "the version was calibrated on"},
    [VERSION_HEAD_PEOPLE] = {"head-people.txt", "the version's head was learned from"},
    [VERSION_TRAINING_PEOPLE] = {"training-people.txt", "the version was trained on"},
};
static const enum version_people LEARNED[] = {VERSION_HEAD_PEOPLE, VERSION_TRAINING_PEOPLE};
enum { LEARNED_COUNT = sizeof(LEARNED) / sizeof(LEARNED[0]) };

enum status version_people_read(const struct measure_place *place, enum version_people which,
                                char **hashes, struct error *err) {
    char path[PATH_MAX];
    size_t size;
    const struct card *card = &place->version->card;
    *hashes = NULL;
    enum status status = file_path(path, err, "%s/models/%s/%s/%s", place->data, card->name,
                                   card->version, KINDS[which].file);
    if (status != STATUS_OK || access(path, F_OK) != 0)
        return status;
    return file_read(path, (size_t)PEOPLE_MAX * PERSON_HASH_SIZE, hashes, &size, err);
}

enum status version_people_refuse(const struct measure_place *place, enum version_people which,
                                  const struct people *people, struct error *err) {
    char *hashes;
    enum status status = version_people_read(place, which, &hashes, err);
    if (status == STATUS_OK && hashes)
        status = people_refuse_overlap(people, hashes, KINDS[which].what, err);
    free(hashes);
    return status;
}

enum status version_people_refuse_learned(const struct measure_place *place,
                                          const struct people *people, struct error *err) {
    enum status status = STATUS_OK;
    for (int i = 0; i < LEARNED_COUNT && status == STATUS_OK; i++)
        status = version_people_refuse(place, LEARNED[i], people, err);
    return status;
}

enum status version_people_in_images(const struct measure_place *place, enum version_people which,
                                     char *const *images, size_t count, bool *found,
                                     struct error *err) {
    char *hashes;
    enum status status = version_people_read(place, which, &hashes, err);
    *found = false;
    for (size_t i = 0; hashes && i < count && !*found; i++) {
        char name[PERSON_NAME_MAX + 1];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(images[i], "/"), images[i]);
        *found = people_hashes_have(hashes, name);
    }
    free(hashes);
    return status;
}

enum status version_people_refuse_learned_images(const struct measure_place *place,
                                                 char *const *images, size_t count,
                                                 struct error *err) {
    bool found = false;
    enum status status = STATUS_OK;
    for (int i = 0; i < LEARNED_COUNT && status == STATUS_OK; i++) {
        status = version_people_in_images(place, LEARNED[i], images, count, &found, err);
        if (status == STATUS_OK && found)
            status = error_set(err, STATUS_INVALID_FIELD,
                               "in the pairs are people that %s: measure on others",
                               KINDS[LEARNED[i]].what);
    }
    return status;
}
