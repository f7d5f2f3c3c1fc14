#include "model/finetune/album.h"

#include "model/people.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Names of a folder's entries, sorted by their bytes: the same on every machine. */
struct names {
    char **list; /* owned */
    uint32_t count;
};

static void names_release(struct names *names) {
    for (uint32_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
    *names = (struct names){.list = NULL};
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum status add_name(struct names *names, const char *name, uint32_t names_max,
                            struct error *err) {
    if (names->count == names_max)
        return error_set(err, STATUS_INVALID_FIELD,
                         "the data set has more than %u people or images", names_max);
    if (names->count % 64 == 0) {
        void *grown = reallocarray(names->list, (size_t)names->count + 64, sizeof(*names->list));
        if (!grown)
            return error_set(err, STATUS_INTERNAL, "out of memory");
        names->list = grown;
    }
    names->list[names->count] = strdup(name);
    if (!names->list[names->count])
        return error_set(err, STATUS_INTERNAL, "out of memory");
    names->count++;
    return STATUS_OK;
}

static enum status list_folder(const char *path, bool (*wanted)(const char *name),
                               uint32_t names_max, struct names *names, struct error *err) {
    *names = (struct names){.list = NULL};
    DIR *folder = opendir(path);
    if (!folder)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
    enum status status = STATUS_OK;
    for (struct dirent *entry; status == STATUS_OK && (errno = 0, entry = readdir(folder));)
        if (entry->d_name[0] != '.' && wanted(entry->d_name))
            status = add_name(names, entry->d_name, names_max, err);
    if (status == STATUS_OK && errno != 0)
        status = error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
    closedir(folder);
    if (names->count > 0)
        qsort(names->list, names->count, sizeof(*names->list), by_bytes);
    if (status != STATUS_OK)
        names_release(names);
    return status;
}

static bool is_photograph(const char *name) {
    static const char *const ENDINGS[] = {".jpg", ".jpeg", ".png", ".webp"};
    const char *dot = strrchr(name, '.');
    bool found = false;
    for (size_t i = 0; dot && i < sizeof(ENDINGS) / sizeof(ENDINGS[0]); i++)
        found |= strcasecmp(dot, ENDINGS[i]) == 0;
    return found;
}

static bool is_any(const char *name) {
    (void)name;
    return true;
}

/* Room for 1024 more images. */
static enum status grow(struct album *album, struct error *err) {
    size_t room = (size_t)album->images + 1024;
    char **paths = reallocarray(album->paths, room, sizeof(*paths));
    if (!paths)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    album->paths = paths;
    uint32_t *person_of = reallocarray(album->person_of, room, sizeof(*person_of));
    if (!person_of)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    album->person_of = person_of;
    return STATUS_OK;
}

static enum status add_image(struct album *album, uint32_t person, const char *name,
                             struct error *err) {
    if (album->images == ALBUM_IMAGES_MAX)
        return error_set(err, STATUS_INVALID_FIELD, "the data set has more than %d photographs",
                         ALBUM_IMAGES_MAX);
    enum status status = album->images % 1024 == 0 ? grow(album, err) : STATUS_OK;
    if (status != STATUS_OK)
        return status;
    if (asprintf(&album->paths[album->images], "%s/%s", album->list[person].name, name) < 0)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    album->person_of[album->images++] = person;
    album->list[person].images++;
    return STATUS_OK;
}

/* An entry that is no folder is passed over. */
static enum status add_person(const char *directory, const char *name, struct album *album,
                              struct error *err) {
    char path[PATH_MAX];
    struct names images;
    struct error cause;
    if (strlen(name) > PERSON_NAME_MAX)
        return error_set(err, STATUS_INVALID_FIELD, "%.100s…: a person's name is too long", name);
    int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof(path))
        return error_set(err, STATUS_INTERNAL, "%.180s: the path is too long", name);
    enum status status = list_folder(path, is_photograph, ALBUM_IMAGES_MAX, &images, &cause);
    if (status != STATUS_OK && errno == ENOTDIR)
        return STATUS_OK;
    if (status != STATUS_OK) {
        *err = cause;
        return status;
    }
    if (images.count > 0) {
        struct album_person *person = &album->list[album->people];
        *person = (struct album_person){strdup(name), album->images, 0};
        album->people += person->name != NULL;
        if (!person->name)
            status = error_set(err, STATUS_INTERNAL, "out of memory");
    }
    for (uint32_t i = 0; i < images.count && status == STATUS_OK; i++)
        status = add_image(album, album->people - 1, images.list[i], err);
    names_release(&images);
    return status;
}

enum status album_read(const char *directory, struct album *album, struct error *err) {
    struct names people;
    *album = (struct album){.list = NULL};
    enum status status = list_folder(directory, is_any, PEOPLE_MAX, &people, err);
    if (status != STATUS_OK)
        return status;
    album->list = calloc((size_t)people.count + 1, sizeof(*album->list));
    if (!album->list) {
        names_release(&people);
        return error_set(err, STATUS_INTERNAL, "out of memory");
    }
    for (uint32_t i = 0; i < people.count && status == STATUS_OK; i++)
        status = add_person(directory, people.list[i], album, err);
    names_release(&people);
    if (status != STATUS_OK)
        album_release(album);
    return status;
}

void album_release(struct album *album) {
    for (uint32_t i = 0; i < album->people; i++)
        free(album->list[i].name);
    for (uint32_t i = 0; i < album->images; i++)
        free(album->paths[i]);
    free(album->list);
    free(album->paths);
    free(album->person_of);
    *album = (struct album){.list = NULL};
}

static int compare_person(const void *name, const void *person) {
    return strcmp(name, ((const struct album_person *)person)->name);
}

uint32_t album_find_person(const struct album *album, const char *name) {
    const struct album_person *found =
        album->people == 0
            ? NULL
            : bsearch(name, album->list, album->people, sizeof(*album->list), compare_person);
    return found ? (uint32_t)(found - album->list) : ALBUM_NOBODY;
}

uint32_t album_find_image(const struct album *album, const char *path) {
    char name[PERSON_NAME_MAX + 1];
    size_t length = strcspn(path, "/");
    if (length > PERSON_NAME_MAX)
        return ALBUM_NOBODY;
    snprintf(name, sizeof(name), "%.*s", (int)length, path);
    uint32_t person = album_find_person(album, name);
    if (person == ALBUM_NOBODY)
        return ALBUM_NOBODY;
    char **first = album->paths + album->list[person].first;
    char **found = bsearch(&path, first, album->list[person].images, sizeof(*first), by_bytes);
    return found ? (uint32_t)(found - album->paths) : ALBUM_NOBODY;
}
