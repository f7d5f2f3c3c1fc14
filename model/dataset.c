/* LFW's pairs files.
 *
 * Two headers occur: "N" (the development views: one set) and "FOLDS<TAB>N" (View 2). A set is N
 * lines "NAME I J", two images of one person, and then N lines "NAME1 I NAME2 J", images of two. An
 * image is NAME/NAME_IIII.jpg. Lines, fields and numbers are those of lines.h, so that who takes
 * such a file apart (dataset_person.c) reads what is read here.
 *
 * The text is hostile: a name becomes part of a path, so it may hold neither a slash nor begin with
 * a dot; counts are bounded before anything is allocated for them; a line too many or too few is an
 * error, since a file cut short would otherwise give a number that looks right.
 *
 * Each image occurs once in `images`; a hash table (open addressing, at most half full, sized for
 * the announced number of pairs) finds the ones already there. Its hash has a key drawn for each
 * text, or names could be chosen that all fall into one place, and looking for them be quadratic.
 */
#include "model/dataset.h"

#include "model/lines.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS_MAX = 1000000, FOLDS_MAX = 1000, NAME_MAX_BYTES = 100, NUMBER_MAX = 9999, EMPTY = -1 };

struct reader {
    struct lines lines;
    struct dataset_pairs *pairs;
    int64_t *table; /* indexes into images */
    size_t table_size;
    unsigned char key[crypto_shorthash_KEYBYTES];
    struct error *err;
};

static enum status fault(const struct reader *reader, const char *what) {
    return error_set(reader->err, STATUS_INVALID_FIELD, "line %u of the pairs file: %s",
                     reader->lines.number, what);
}

static bool parse_number(const char *text, uint32_t most, uint32_t *number) {
    return lines_number(text, most, number) && *number >= 1;
}

static bool name_valid(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX_BYTES || name[0] == '.')
        return false;
    for (const char *p = name; *p; p++)
        if (*p == '/' || *p == '\\' || (unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

/* ---- images, each once ---- */

static size_t place_of(const struct reader *reader, const char *text) {
    uint64_t hash; /* SipHash-2-4 */
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)text, strlen(text),
                     reader->key);
    return hash % reader->table_size;
}

static enum status add_image(struct reader *reader, const char *path, uint32_t *index) {
    struct dataset_pairs *pairs = reader->pairs;
    size_t slot = place_of(reader, path);
    while (reader->table[slot] != EMPTY) {
        if (strcmp(pairs->images[reader->table[slot]], path) == 0) {
            *index = (uint32_t)reader->table[slot];
            return STATUS_OK;
        }
        slot = (slot + 1) % reader->table_size;
    }
    char *copy = strdup(path);
    if (!copy)
        return error_set(reader->err, STATUS_INTERNAL, "out of memory");
    reader->table[slot] = pairs->images_count;
    *index = pairs->images_count;
    pairs->images[pairs->images_count++] = copy;
    return STATUS_OK;
}

static enum status add_numbered(struct reader *reader, const char *name, const char *number_text,
                                uint32_t *index) {
    uint32_t number;
    if (!name_valid(name))
        return fault(reader, "not a person's name");
    if (!parse_number(number_text, NUMBER_MAX, &number))
        return fault(reader, "not an image's number (1 to 9999)");
    char path[2 * NAME_MAX_BYTES + 16];
    snprintf(path, sizeof(path), "%s/%s_%04u.jpg", name, name, number);
    return add_image(reader, path, index);
}

/* ---- the file ---- */

static enum status read_pair(struct reader *reader, bool same) {
    char *fields[LINES_FIELDS_MAX] = {0};
    int count = lines_take(&reader->lines, fields);
    if (count == 0)
        return fault(reader, "the file ends before the number of pairs that its first line says");
    if (count != (same ? 3 : 4))
        return fault(reader, same ? "expected NAME I J" : "expected NAME1 I NAME2 J");
    struct dataset_pair *pair = &reader->pairs->pairs[reader->pairs->pairs_count];
    enum status status = add_numbered(reader, fields[0], fields[1], &pair->a);
    if (status == STATUS_OK)
        status = add_numbered(reader, same ? fields[0] : fields[2], fields[same ? 2 : 3], &pair->b);
    if (status != STATUS_OK)
        return status;
    if (!same && strcmp(fields[0], fields[2]) == 0)
        return fault(reader, "a pair of two people names one");
    if (pair->a == pair->b)
        return fault(reader, "a pair names one image twice");
    pair->same = same;
    reader->pairs->pairs_count++;
    return STATUS_OK;
}

static enum status read_header(struct reader *reader, uint32_t *folds, uint32_t *half) {
    char *fields[LINES_FIELDS_MAX] = {0};
    int count = lines_take(&reader->lines, fields);
    *folds = 1;
    bool valid = (count == 1 && parse_number(fields[0], PAIRS_MAX, half)) ||
                 (count == 2 && parse_number(fields[0], FOLDS_MAX, folds) &&
                  parse_number(fields[1], PAIRS_MAX, half));
    if (!valid)
        return fault(reader, "expected the number of pairs, or FOLDS and the number");
    if ((uint64_t)*folds * *half * 2 > PAIRS_MAX)
        return fault(reader, "more than a million pairs");
    return STATUS_OK;
}

static enum status allocate(struct reader *reader, size_t pairs) {
    reader->pairs->pairs = calloc(pairs, sizeof(*reader->pairs->pairs));
    reader->pairs->images = calloc(2 * pairs, sizeof(*reader->pairs->images));
    reader->table_size = 4 * pairs + 1;
    crypto_shorthash_keygen(reader->key);
    reader->table = malloc(reader->table_size * sizeof(*reader->table));
    if (!reader->pairs->pairs || !reader->pairs->images || !reader->table)
        return error_set(reader->err, STATUS_INTERNAL, "out of memory");
    for (size_t i = 0; i < reader->table_size; i++)
        reader->table[i] = EMPTY;
    return STATUS_OK;
}

static enum status read_text(struct reader *reader) {
    char *fields[LINES_FIELDS_MAX];
    uint32_t folds, half = 0;
    enum status status = read_header(reader, &folds, &half);
    if (status == STATUS_OK)
        status = allocate(reader, (size_t)folds * half * 2);
    reader->pairs->folds = status == STATUS_OK ? folds : 0;
    for (uint32_t fold = 0; fold < folds && status == STATUS_OK; fold++)
        for (uint32_t i = 0; i < 2 * half && status == STATUS_OK; i++)
            status = read_pair(reader, i < half);
    if (status == STATUS_OK && lines_take(&reader->lines, fields) != 0)
        status = fault(reader, "more lines than the first line says");
    return status;
}

enum status dataset_pairs_read(const char *path, struct dataset_pairs *pairs, struct error *err) {
    memset(pairs, 0, sizeof(*pairs));
    struct reader reader = {.pairs = pairs, .err = err};
    enum status status = lines_open(path, &reader.lines, err);
    if (status != STATUS_OK)
        return status;
    status = read_text(&reader);
    free(reader.table);
    lines_close(&reader.lines);
    if (status != STATUS_OK)
        dataset_pairs_release(pairs);
    return status;
}

void dataset_pairs_release(struct dataset_pairs *pairs) {
    for (uint32_t i = 0; i < pairs->images_count; i++)
        free(pairs->images[i]);
    free(pairs->images);
    free(pairs->pairs);
    memset(pairs, 0, sizeof(*pairs));
}
