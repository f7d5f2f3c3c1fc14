#include "model/dataset_path.h"

#include "model/dataset_manifest.h"

#include <string.h>

enum { PARTS_MAX = 3, PATH_BYTES_MAX = 1024 };

struct parts {
    size_t count;
    char text[PARTS_MAX][DATASET_FILE_SIZE];
};

const char *const DATASET_EXTENSIONS[] = {".jpg", ".png", ".webp", NULL};

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool begins_with(const char *text, const char *word) {
    return strncmp(text, word, strlen(word)) == 0;
}

static bool is_plain(const char *name) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._-'";
    return person_name_valid(name) && strspn(name, letters) == strlen(name);
}

bool dataset_list_name(const char *name) {
    return (begins_with(name, "pairs") || begins_with(name, "people")) && ends_with(name, ".txt") &&
           is_plain(name);
}

/* A person's folder stands beside the lists and the manifest, so it has none of their names. */
bool dataset_person_name(const char *name) {
    return is_plain(name) && !dataset_list_name(name) && strcmp(name, DATASET_MANIFEST) != 0;
}

static bool is_number(const char *digits) {
    return strspn(digits, "0123456789") >= 4 && memcmp(digits, "0000", 4) != 0;
}

bool dataset_image_name(const char *name, const char *person) {
    size_t length = strlen(person);
    if (strncmp(name, person, length) != 0 || name[length] != '_' || !is_number(name + length + 1))
        return false;
    const char *extension = name + length + 5;
    for (size_t i = 0; DATASET_EXTENSIONS[i]; i++)
        if (strcmp(extension, DATASET_EXTENSIONS[i]) == 0)
            return true;
    return false;
}

/* Cuts a relative path at its slashes. */
static enum status cut(const char *path, struct parts *parts, struct error *err) {
    if (strlen(path) > PATH_BYTES_MAX)
        return error_set(err, STATUS_INVALID_FIELD, "its name is too long");
    if (path[0] == '/')
        return error_set(err, STATUS_INVALID_FIELD, "its path is absolute");
    while (path[0] == '.' && (path[1] == '/' || path[1] == '\0'))
        path += path[1] == '/' ? 2 : 1;
    for (parts->count = 0; *path; parts->count++) {
        size_t size = strcspn(path, "/");
        if (size == 2 && memcmp(path, "..", 2) == 0)
            return error_set(err, STATUS_INVALID_FIELD, "its path leads upwards");
        if (parts->count == PARTS_MAX)
            return error_set(err, STATUS_INVALID_FIELD, "its path is too deep");
        if (size >= DATASET_FILE_SIZE)
            return error_set(err, STATUS_INVALID_FIELD, "its name is too long");
        memcpy(parts->text[parts->count], path, size);
        parts->text[parts->count][size] = '\0';
        path += size + (path[size] == '/');
    }
    return STATUS_OK;
}

static bool take_folder(const char *from, char to[DATASET_PERSON_SIZE]) {
    if (!dataset_person_name(from))
        return false;
    memcpy(to, from, strlen(from) + 1);
    return true;
}

static bool parse_folder(const struct parts *parts, struct dataset_path *parsed) {
    char ignored[DATASET_PERSON_SIZE];
    parsed->kind = DATASET_FOLDER;
    parsed->top_known = parts->count == 2;
    return parts->count == 0 || (parts->count <= 2 && take_folder(parts->text[0], parsed->top) &&
                                 (parts->count == 1 || take_folder(parts->text[1], ignored)));
}

static bool parse_file(const struct parts *parts, struct dataset_path *parsed) {
    if (parts->count == 0)
        return false;
    const char *file = parts->text[parts->count - 1];
    parsed->top_known = true;
    memcpy(parsed->file, file, strlen(file) + 1);
    bool list = parts->count <= 2 && dataset_list_name(file);
    parsed->kind = list ? DATASET_LIST : DATASET_IMAGE;
    if (list)
        return parts->count == 1 || take_folder(parts->text[0], parsed->top);
    return parts->count >= 2 && take_folder(parts->text[parts->count - 2], parsed->person) &&
           dataset_image_name(file, parsed->person) &&
           (parts->count == 2 || take_folder(parts->text[0], parsed->top));
}

enum status dataset_path_parse(const char *path, bool folder, struct dataset_path *parsed,
                               struct error *err) {
    struct parts parts = {.count = 0};
    memset(parsed, 0, sizeof *parsed);
    enum status status = cut(path, &parts, err);
    if (status != STATUS_OK)
        return status;
    if (folder ? parse_folder(&parts, parsed) : parse_file(&parts, parsed))
        return STATUS_OK;
    return error_set(err, STATUS_INVALID_FIELD,
                     folder ? "it is no person's folder"
                            : "it is neither PERSON/PERSON_0001.jpg, .png or .webp nor pairs*.txt "
                              "or people*.txt (PERSON: letters, digits, . _ - ')");
}
