#include "model/catalog.h"

#include "model/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 64 };
#define DEFAULT_MODEL "dlib-resnet"

/* ---- names ---- */

bool catalog_parse(const char *model, char name[CARD_NAME_MAX + 1],
                   char version[CARD_VERSION_MAX + 1]) {
    const char *at = strchr(model, '@');
    size_t length = at ? (size_t)(at - model) : strlen(model);
    if (length > CARD_NAME_MAX)
        return false;
    memcpy(name, model, length);
    name[length] = '\0';
    version[0] = '\0';
    if (at) {
        if (!card_version_valid(at + 1))
            return false;
        snprintf(version, CARD_VERSION_MAX + 1, "%s", at + 1);
    }
    return card_name_valid(name);
}

/* Decimal strings without leading zeros: the longer one is the larger. */
int catalog_compare_versions(const char *a, const char *b) {
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length != b_length)
        return a_length < b_length ? -1 : 1;
    return strcmp(a, b);
}

enum status catalog_directory(const char *data, const char *name, const char *version,
                              char path[PATH_MAX], struct error *err) {
    return file_path(path, err, "%s/models/%s/%s", data, name, version);
}

static bool is_directory(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

bool catalog_has(const char *data, const char *name, const char *version) {
    char path[PATH_MAX];
    return catalog_directory(data, name, version, path, NULL) == STATUS_OK && is_directory(path);
}

/* ---- models ---- */

/* Directories whose name begins with a dot are being written; plain files are no models either. */
static int is_candidate(const struct dirent *entry) {
    return entry->d_name[0] != '.' &&
           (entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN);
}

static enum status add_model(const char *root, const char *name, struct catalog_models *models,
                             struct error *err) {
    char path[PATH_MAX];
    enum status status = file_path(path, err, "%s/%s", root, name);
    if (status != STATUS_OK || !is_directory(path))
        return status;
    if (!card_name_valid(name)) {
        snprintf(models->odd, sizeof(models->odd), "%.*s", CARD_NAME_MAX, name);
        return STATUS_OK;
    }
    if (models->count == CATALOG_MODELS_MAX)
        return error_set(err, STATUS_INTERNAL, "%.180s: holds more than %d models", root,
                         CATALOG_MODELS_MAX);
    memcpy(models->names[models->count++], name, strlen(name) + 1);
    return STATUS_OK;
}

enum status catalog_models(const char *data, struct catalog_models *models, struct error *err) {
    char root[PATH_MAX];
    memset(models, 0, sizeof(*models));
    enum status status = file_path(root, err, "%s/models", data);
    if (status != STATUS_OK)
        return status;
    struct dirent **entries;
    int count = scandir(root, &entries, is_candidate, alphasort);
    if (count < 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", root, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (status == STATUS_OK)
            status = add_model(root, entries[i]->d_name, models, err);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static bool holds(const struct catalog_models *models, const char *name) {
    for (size_t i = 0; i < models->count; i++)
        if (strcmp(models->names[i], name) == 0)
            return true;
    return false;
}

enum status catalog_default(const char *data, const struct catalog_models *models,
                            const char *wanted, char name[CARD_NAME_MAX + 1], struct error *err) {
    const char *chosen = wanted ? wanted : DEFAULT_MODEL;
    if (!wanted && models->count == 1)
        chosen = models->names[0];
    if (holds(models, chosen)) {
        snprintf(name, CARD_NAME_MAX + 1, "%s", chosen);
        return STATUS_OK;
    }
    if (wanted)
        return error_set(err, STATUS_INTERNAL, "%.150s/models: holds no model %.63s", data, wanted);
    if (models->count == 0)
        return error_set(err, STATUS_INTERNAL,
                         "%.150s/models: holds no model (see `facepair import`)", data);
    return error_set(err, STATUS_INTERNAL,
                     "%.120s/models: holds several models and none is %s: say which is the default",
                     data, DEFAULT_MODEL);
}

/* ---- one line that names a version ---- */

static enum status read_line(const char *path, char version[CARD_VERSION_MAX + 1],
                             struct error *err) {
    char text[LINE_BYTES_MAX + 1];
    size_t size;
    enum status status = file_read_into(path, LINE_BYTES_MAX, text, &size, err);
    if (status != STATUS_OK)
        return status;
    text[strcspn(text, "\r\n")] = '\0';
    if (!card_version_valid(text))
        return error_set(err, STATUS_INTERNAL, "%.180s: does not name a version", path);
    memcpy(version, text, strlen(text) + 1);
    return STATUS_OK;
}

static enum status write_line(const char *directory, const char *name, const char *version,
                              struct error *err) {
    char path[PATH_MAX], line[CARD_VERSION_MAX + 2];
    enum status status = file_path(path, err, "%s/%s", directory, name);
    int length = snprintf(line, sizeof(line), "%s\n", version);
    return status == STATUS_OK ? file_write(path, line, (size_t)length, err) : status;
}

enum status catalog_active(const char *data, const char *name, char version[CARD_VERSION_MAX + 1],
                           struct error *err) {
    char path[PATH_MAX];
    enum status status = catalog_directory(data, name, "active", path, err);
    return status == STATUS_OK ? read_line(path, version, err) : status;
}

enum status catalog_write_active(const char *directory, const char *version, struct error *err) {
    return write_line(directory, "active", version, err);
}

/* ---- versions ---- */

static int compare_entries(const void *a, const void *b) { return catalog_compare_versions(a, b); }

enum status catalog_versions(const char *data, const char *name, struct catalog_versions *versions,
                             struct error *err) {
    char path[PATH_MAX];
    versions->count = 0;
    enum status status = catalog_directory(data, name, "", path, err);
    if (status != STATUS_OK)
        return status;
    DIR *entries = opendir(path);
    if (!entries)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL && versions->count < CATALOG_VERSIONS_MAX)
        if (card_version_valid(entry->d_name) && catalog_has(data, name, entry->d_name))
            memcpy(versions->numbers[versions->count++], entry->d_name, strlen(entry->d_name) + 1);
    closedir(entries);
    qsort(versions->numbers, versions->count, sizeof(versions->numbers[0]), compare_entries);
    return STATUS_OK;
}

static unsigned long long larger(unsigned long long a, unsigned long long b) {
    return a > b ? a : b;
}

enum status catalog_largest(const char *directory, unsigned long long *largest, struct error *err) {
    char path[PATH_MAX], given[CARD_VERSION_MAX + 1];
    DIR *entries = opendir(directory);
    if (!entries)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", directory, strerror(errno));
    *largest = 0;
    struct dirent *entry;
    while ((entry = readdir(entries)) != NULL)
        if (card_version_valid(entry->d_name))
            *largest = larger(*largest, strtoull(entry->d_name, NULL, 10));
    closedir(entries);
    enum status status = file_path(path, err, "%s/largest", directory);
    if (status != STATUS_OK || access(path, F_OK) != 0)
        return status;
    status = read_line(path, given, err);
    if (status == STATUS_OK)
        *largest = larger(*largest, strtoull(given, NULL, 10));
    return status;
}

enum status catalog_note_given(const char *directory, const char *version, struct error *err) {
    char path[PATH_MAX], given[CARD_VERSION_MAX + 1];
    enum status status = file_path(path, err, "%s/largest", directory);
    if (status != STATUS_OK)
        return status;
    if (access(path, F_OK) == 0) {
        status = read_line(path, given, err);
        if (status != STATUS_OK || catalog_compare_versions(version, given) <= 0)
            return status;
    }
    return write_line(directory, "largest", version, err);
}

/* ---- has it changed? ---- */

/* FNV-1a over what a file is told by: which one, how long, since when. */
static uint64_t add_file(uint64_t hash, const char *path) {
    struct stat about;
    if (stat(path, &about) != 0)
        memset(&about, 0, sizeof(about));
    const uint64_t told[] = {about.st_ino, (uint64_t)about.st_size, (uint64_t)about.st_mtim.tv_sec,
                             (uint64_t)about.st_mtim.tv_nsec, about.st_mode};
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        hash = (hash ^ told[i]) * 0x100000001b3;
    return hash;
}

uint64_t catalog_fingerprint(const char *data, const char *name, const char *version) {
    uint64_t hash = 0xcbf29ce484222325, sum = 0;
    char directory[PATH_MAX], path[PATH_MAX];
    if (catalog_directory(data, name, "active", path, NULL) == STATUS_OK)
        hash = add_file(hash, path);
    if (catalog_directory(data, name, version, directory, NULL) != STATUS_OK)
        return hash;
    DIR *entries = opendir(directory);
    struct dirent *entry;
    while (entries && (entry = readdir(entries)) != NULL)
        if (entry->d_name[0] != '.' &&
            file_path(path, NULL, "%s/%s", directory, entry->d_name) == STATUS_OK)
            sum += add_file(hash, path); /* a sum, since the order is the file system's */
    if (entries)
        closedir(entries);
    return hash ^ sum;
}
