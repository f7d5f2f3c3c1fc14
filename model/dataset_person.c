/* The order makes it safe to break off: lists are written anew, the photographs go, and the
 * manifest comes last; as long as it names the person, all of it is done again.
 *
 * A list is a number of lines in sections: of a people file one section a fold, of a pairs file two
 * (same, different) a fold. Only the lines' fields matter here, so both are read as text. */
#include "model/dataset_person.h"

#include "model/dataset_folder.h"
#include "model/dataset_manifest.h"
#include "model/file.h"
#include "model/leftovers.h"
#include "model/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct removal {
    const char *person;
    char folder[PATH_MAX];
    struct dataset_manifest manifest;
    struct dataset_left *left;
    struct error *err;
};

/* ---- lists ---- */

struct section {
    size_t count;
    char **lines; /* those that stay; owned */
};

struct list {
    bool pairs;
    bool folds_told; /* the first line has the number of folds */
    uint32_t folds;
    size_t sections_count;
    struct section *sections;
    bool changed;
};

static char *join(int count, char **fields) {
    char *line = NULL;
    if (count == 2)
        return asprintf(&line, "%s\t%s", fields[0], fields[1]) < 0 ? NULL : line;
    if (count == 3)
        return asprintf(&line, "%s\t%s\t%s", fields[0], fields[1], fields[2]) < 0 ? NULL : line;
    return asprintf(&line, "%s\t%s\t%s\t%s", fields[0], fields[1], fields[2], fields[3]) < 0 ? NULL
                                                                                             : line;
}

static bool names(int count, char **fields, const char *person) {
    return strcmp(fields[0], person) == 0 || (count == 4 && strcmp(fields[2], person) == 0);
}

/* The next `count` lines of the text, but for the person's. */
static enum status read_section(struct lines *lines, uint32_t count, const char *person,
                                struct list *list, struct section *section) {
    char *fields[LINES_FIELDS_MAX];
    section->lines = calloc(count ? count : 1, sizeof *section->lines);
    if (!section->lines)
        return error_set(lines->err, STATUS_INTERNAL, "out of memory for a list");
    for (uint32_t i = 0; i < count; i++) {
        int taken = lines_take(lines, fields);
        if (taken < 2 || taken > LINES_FIELDS_MAX)
            return lines_fault(lines, "the list is malformed");
        if (names(taken, fields, person)) {
            list->changed = true;
            continue;
        }
        section->lines[section->count] = join(taken, fields);
        if (!section->lines[section->count++])
            return error_set(lines->err, STATUS_INTERNAL, "out of memory for a list");
    }
    return STATUS_OK;
}

/* "N", or "FOLDS N" of pairs; of people "FOLDS", when another number follows. */
static enum status read_list(struct lines *lines, const char *person, struct list *list) {
    enum { FOLDS_MAX = 1000, COUNT_MAX = 1000000 };
    char *fields[LINES_FIELDS_MAX];
    uint32_t number = 0, first = 0;
    int taken = lines_take(lines, fields);
    if (taken < 1 || taken > 2 || !lines_number(fields[0], COUNT_MAX, &first) ||
        (taken == 2 && !lines_number(fields[1], COUNT_MAX, &number)))
        return lines_fault(lines, "the list is malformed");
    struct lines ahead = *lines;
    char *copy = list->pairs ? NULL : strdup(lines->next);
    if (copy) {
        ahead.text = ahead.next = copy;
        list->folds_told = lines_take(&ahead, fields) == 1;
        free(copy);
    }
    list->folds_told |= list->pairs && taken == 2;
    list->folds = list->folds_told ? first : 1;
    if (list->folds > FOLDS_MAX)
        return lines_fault(lines, "the list is malformed");
    size_t each = list->pairs ? 2 : 1;
    list->sections = calloc(list->folds * each + 1, sizeof *list->sections);
    if (!list->sections)
        return error_set(lines->err, STATUS_INTERNAL, "out of memory for a list");
    enum status status = STATUS_OK;
    for (; list->sections_count < list->folds * each && status == STATUS_OK;) {
        uint32_t count = list->pairs && list->folds_told ? number : first;
        if (!list->pairs && list->folds_told &&
            (lines_take(lines, fields) != 1 || !lines_number(fields[0], COUNT_MAX, &count)))
            return lines_fault(lines, "the list is malformed");
        status = read_section(lines, count, person, list, &list->sections[list->sections_count++]);
    }
    return status;
}

/* How many lines each section of a pairs file may keep. */
static size_t least(const struct list *list) {
    size_t count = SIZE_MAX;
    for (size_t i = 0; i < list->sections_count; i++)
        count = list->sections[i].count < count ? list->sections[i].count : count;
    return count;
}

static size_t write_sections(const struct list *list, FILE *stream) {
    size_t written = 0, most = list->pairs ? least(list) : SIZE_MAX;
    if (list->pairs && list->folds_told)
        fprintf(stream, "%u\t%zu\n", list->folds, most);
    else if (list->pairs)
        fprintf(stream, "%zu\n", most);
    else if (list->folds_told)
        fprintf(stream, "%u\n", list->folds);
    for (size_t i = 0; i < list->sections_count; i++) {
        const struct section *section = &list->sections[i];
        size_t count = section->count < most ? section->count : most;
        if (!list->pairs)
            fprintf(stream, "%zu\n", count);
        for (size_t k = 0; k < count; k++)
            fprintf(stream, "%s\n", section->lines[k]);
        written += count;
    }
    return written;
}

static void release_list(struct list *list) {
    for (size_t i = 0; i < list->sections_count; i++) {
        for (size_t k = 0; k < list->sections[i].count; k++)
            free(list->sections[i].lines[k]);
        free(list->sections[i].lines);
    }
    free(list->sections);
}

static enum status replace(struct removal *removal, struct dataset_line *line, const char *path,
                           const struct list *list) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return error_set(removal->err, STATUS_INTERNAL, "out of memory for a list");
    size_t written = write_sections(list, stream);
    if (fclose(stream) != 0) {
        free(text);
        return error_set(removal->err, STATUS_INTERNAL, "out of memory for a list");
    }
    enum status status = STATUS_OK;
    if (written == 0) {
        unlink(path);
        line->name[0] = '\0'; /* dropped from the manifest below */
    } else {
        status = file_write(path, text, size, removal->err);
        digest_bytes(text, size, line->sha256);
    }
    free(text);
    return status;
}

/* A list that is malformed (the data set was rejected for it) cannot be taken apart: it goes. */
static enum status clean_list(struct removal *removal, struct dataset_line *line) {
    char path[PATH_MAX];
    struct lines lines;
    struct list list = {.pairs = strncmp(line->name, "pairs", 5) == 0};
    struct error err;
    enum status status = file_path(path, removal->err, "%s/%s", removal->folder, line->name);
    if (status == STATUS_OK && access(path, F_OK) != 0) { /* it went before all was broken off */
        line->name[0] = '\0';
        return STATUS_OK;
    }
    if (status == STATUS_OK)
        status = lines_open(path, &lines, removal->err);
    if (status != STATUS_OK)
        return status;
    lines.err = &err;
    status = read_list(&lines, removal->person, &list);
    if (status == STATUS_OK && list.changed)
        status = replace(removal, line, path, &list);
    else if (status == STATUS_OK) /* as it is now: an earlier removal may have been broken off */
        status = digest_file(path, line->sha256, removal->err);
    else if (status == STATUS_INVALID_FIELD) {
        unlink(path);
        line->name[0] = '\0';
        status = STATUS_OK;
    } else
        *removal->err = err;
    lines_close(&lines);
    release_list(&list);
    return status;
}

static enum status clean_lists(struct removal *removal) {
    enum status status = STATUS_OK;
    for (size_t i = 0; i < removal->manifest.count && status == STATUS_OK; i++)
        if (dataset_list_name(removal->manifest.lines[i].name))
            status = clean_list(removal, &removal->manifest.lines[i]);
    dataset_manifest_remove(&removal->manifest, ""); /* the lists that went */
    return status;
}

/* ---- photographs ---- */

static enum status remove_photographs(struct removal *removal) {
    char path[PATH_MAX];
    enum status status = file_path(path, removal->err, "%s/%s", removal->folder, removal->person);
    if (status == STATUS_OK && access(path, F_OK) == 0 && !leftovers_remove(path))
        status = error_set(removal->err, STATUS_INTERNAL, "a person's photographs stay");
    size_t before = removal->manifest.count;
    dataset_manifest_remove(&removal->manifest, removal->person);
    removal->left->removed = before - removal->manifest.count;
    return status;
}

static enum status measure(struct removal *removal) {
    char path[PATH_MAX];
    struct stat about;
    removal->left->files = removal->manifest.count;
    for (size_t i = 0; i < removal->manifest.count; i++) {
        enum status status = file_path(path, removal->err, "%s/%s", removal->folder,
                                       removal->manifest.lines[i].name);
        if (status != STATUS_OK)
            return status;
        if (stat(path, &about) == 0)
            removal->left->bytes += (uint64_t)about.st_size;
    }
    return STATUS_OK;
}

enum status dataset_person_remove(const char *data, const char *name, const char *person,
                                  struct dataset_left *left, struct error *err) {
    struct removal removal = {.person = person, .left = left, .err = err};
    *left = (struct dataset_left){0};
    enum status status = dataset_folder_path(data, name, removal.folder, err);
    if (status == STATUS_OK)
        status = dataset_manifest_read(removal.folder, &removal.manifest, err);
    if (status != STATUS_OK)
        return status;
    status = clean_lists(&removal);
    if (status == STATUS_OK)
        status = remove_photographs(&removal);
    if (status == STATUS_OK)
        status = dataset_manifest_write(&removal.manifest, removal.folder, left->sha256, err);
    if (status == STATUS_OK)
        status = measure(&removal);
    dataset_manifest_release(&removal.manifest);
    return status;
}
