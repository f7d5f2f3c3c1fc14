/* The order makes it safe to break off: lists are written anew, the photographs go, and the
 * manifest comes last; as long as it names the person, all of it is done again.
 *
 * A list is a number of lines in sections: of a people file one section a fold, of a pairs file two
 * (same, different) a fold. Only the lines' fields matter here, so both are read as text, by the
 * lines and numbers of those who check them (dataset.c, people.c): what they take is taken here.
 *
 * A list may have 64 MiB, so its lines are kept where they stand: each that stays moves up to the
 * one before it.
 */
#include "model/dataset_person.h"

#include "model/dataset_folder.h"
#include "model/dataset_manifest.h"
#include "model/file.h"
#include "model/leftovers.h"
#include "model/lines.h"
#include "model/people.h"

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

enum { FOLDS_MAX = PEOPLE_MAX, COUNT_MAX = 1000000 }; /* rather more than are taken */

struct section {
    size_t count;
    const char *lines; /* those that stay, each with its NUL; in the list's text */
};

struct list {
    bool pairs;
    bool folds_told; /* the first line has the number of folds */
    uint32_t folds;
    size_t sections_count;
    struct section *sections;
    bool changed;
};

struct reader {
    struct lines lines;
    char *fields[LINES_FIELDS_MAX];
    int count;  /* of the fields of the line in hand; 0: the text is at its end */
    char *room; /* behind what is kept, at most where the line in hand begins */
    const char *person;
    struct list *list;
};

static void take(struct reader *reader) {
    reader->count = lines_take(&reader->lines, reader->fields);
}

static enum status malformed(const struct reader *reader) {
    return lines_fault(&reader->lines, "the list is malformed");
}

/* With one tab between the fields a line is no longer than it was. */
static void keep(struct reader *reader) {
    for (int i = 0; i < reader->count; i++) {
        size_t length = strlen(reader->fields[i]);
        memmove(reader->room, reader->fields[i], length);
        reader->room += length;
        *reader->room++ = i + 1 < reader->count ? '\t' : '\0';
    }
}

static bool names_person(const struct reader *reader) {
    return strcmp(reader->fields[0], reader->person) == 0 ||
           (reader->count == 4 && strcmp(reader->fields[2], reader->person) == 0);
}

/* The next `count` lines of the text, but for the person's. */
static enum status read_section(struct reader *reader, uint32_t count, struct section *section) {
    section->lines = reader->room;
    for (uint32_t i = 0; i < count; i++) {
        if (reader->count < 2 || reader->count > LINES_FIELDS_MAX)
            return malformed(reader);
        if (names_person(reader)) {
            reader->list->changed = true;
        } else {
            keep(reader);
            section->count++;
        }
        take(reader);
    }
    return STATUS_OK;
}

/* "N", or "FOLDS N" of pairs; of people "FOLDS", when another number follows. */
static enum status read_header(struct reader *reader, uint32_t *count) {
    struct list *list = reader->list;
    uint32_t first = 0;
    bool both = list->pairs && reader->count == 2;
    if ((reader->count != 1 && !both) || !lines_number(reader->fields[0], COUNT_MAX, &first) ||
        (both && !lines_number(reader->fields[1], COUNT_MAX, count)))
        return malformed(reader);
    take(reader);
    list->folds_told = both || (!list->pairs && reader->count == 1);
    list->folds = list->folds_told ? first : 1;
    if (!both)
        *count = first;
    return list->folds > FOLDS_MAX ? malformed(reader) : STATUS_OK;
}

/* Each fold of people has a number of its own. */
static enum status read_count(struct reader *reader, uint32_t *count) {
    if (reader->list->pairs || !reader->list->folds_told)
        return STATUS_OK;
    if (reader->count != 1 || !lines_number(reader->fields[0], COUNT_MAX, count))
        return malformed(reader);
    take(reader);
    return STATUS_OK;
}

static enum status read_list(struct reader *reader) {
    struct list *list = reader->list;
    uint32_t count = 0;
    reader->room = reader->lines.text;
    take(reader);
    enum status status = read_header(reader, &count);
    if (status != STATUS_OK)
        return status;
    size_t most = (size_t)list->folds * (list->pairs ? 2 : 1);
    list->sections = calloc(most + 1, sizeof *list->sections);
    if (!list->sections)
        return error_set(reader->lines.err, STATUS_INTERNAL, "out of memory for a list");
    while (list->sections_count < most && status == STATUS_OK) {
        status = read_count(reader, &count);
        if (status == STATUS_OK)
            status = read_section(reader, count, &list->sections[list->sections_count++]);
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

static size_t count_filled(const struct list *list) {
    size_t count = 0;
    for (size_t i = 0; i < list->sections_count; i++)
        count += list->sections[i].count > 0;
    return count;
}

static void write_lines(const struct section *section, size_t count, FILE *stream) {
    const char *line = section->lines;
    for (size_t i = 0; i < count; i++, line += strlen(line) + 1)
        fprintf(stream, "%s\n", line);
}

static size_t write_pairs(const struct list *list, FILE *stream) {
    size_t count = least(list);
    if (list->folds_told)
        fprintf(stream, "%u\t%zu\n", list->folds, count);
    else
        fprintf(stream, "%zu\n", count);
    for (size_t i = 0; i < list->sections_count; i++)
        write_lines(&list->sections[i], count, stream);
    return count * list->sections_count;
}

/* A fold in which nobody is left goes: a people file has none of nobody. */
static size_t write_people(const struct list *list, FILE *stream) {
    size_t written = 0;
    if (list->folds_told)
        fprintf(stream, "%zu\n", count_filled(list));
    for (size_t i = 0; i < list->sections_count; i++) {
        const struct section *section = &list->sections[i];
        if (section->count == 0)
            continue;
        fprintf(stream, "%zu\n", section->count);
        write_lines(section, section->count, stream);
        written += section->count;
    }
    return written;
}

/* The list is gone, and leaves the manifest below. */
static void drop(struct dataset_line *line, const char *path) {
    unlink(path);
    line->name[0] = '\0';
}

/* text_bytes: of the list before; what is written is no longer but for the end of its last line. */
static enum status replace(struct removal *removal, struct dataset_line *line, const char *path,
                           const struct list *list, size_t text_bytes) {
    size_t room = text_bytes + sizeof "\n";
    char *text = malloc(room);
    FILE *stream = text ? fmemopen(text, room, "w") : NULL;
    if (!stream) {
        free(text);
        return error_set(removal->err, STATUS_INTERNAL, "out of memory for a list");
    }
    size_t written = list->pairs ? write_pairs(list, stream) : write_people(list, stream);
    long size = ftell(stream);
    enum status status = STATUS_OK;
    if (fclose(stream) != 0 || size < 0) {
        status = error_set(removal->err, STATUS_INTERNAL, "a list does not get shorter");
    } else if (written == 0) {
        drop(line, path);
    } else {
        status = file_write(path, text, (size_t)size, removal->err);
        digest_bytes(text, (size_t)size, line->sha256);
    }
    free(text);
    return status;
}

/* A list that is malformed (the data set was rejected for it) cannot be taken apart: it goes. */
static enum status clean_text(struct removal *removal, struct dataset_line *line,
                              struct reader *reader) {
    struct error err;
    const char *path = reader->lines.path;
    size_t size = strlen(reader->lines.text);
    reader->lines.err = &err;
    enum status status = read_list(reader);
    if (status == STATUS_OK && reader->list->changed)
        return replace(removal, line, path, reader->list, size);
    if (status == STATUS_OK) /* as it is now: an earlier removal may have been broken off */
        return digest_file(path, line->sha256, removal->err);
    if (status == STATUS_INVALID_FIELD) {
        drop(line, path);
        return STATUS_OK;
    }
    *removal->err = err;
    return status;
}

static enum status clean_list(struct removal *removal, struct dataset_line *line) {
    char path[PATH_MAX];
    struct list list = {.pairs = strncmp(line->name, "pairs", 5) == 0};
    struct reader reader = {.person = removal->person, .list = &list};
    enum status status = file_path(path, removal->err, "%s/%s", removal->folder, line->name);
    if (status == STATUS_OK && access(path, F_OK) != 0) { /* it went before all was broken off */
        line->name[0] = '\0';
        return STATUS_OK;
    }
    if (status == STATUS_OK)
        status = lines_open(path, &reader.lines, removal->err);
    if (status != STATUS_OK)
        return status;
    status = clean_text(removal, line, &reader);
    lines_close(&reader.lines);
    free(list.sections);
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
