/* A journal in a folder of its own. Included once by each program test_journal*.c. */
#ifndef FACEPAIR_TESTS_JOURNAL_FIXTURE_H
#define FACEPAIR_TESTS_JOURNAL_FIXTURE_H

#include "tests/unit/folder.h"

#include "server/journal.h"

#include <dirent.h>

static struct folder folder;
static char path[PATH_MAX];

static inline int create_folder(void **state) {
    (void)state;
    folder = folder_create();
    snprintf(path, sizeof path, "%s/audit.jsonl", folder.path);
    return 0;
}

static inline int remove_folder(void **state) {
    (void)state;
    folder_remove(&folder);
    return 0;
}

static inline struct journal *open_journal(uint64_t bytes_max) {
    struct journal *journal;
    struct error err;
    if (journal_open(path, bytes_max, &journal, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return journal;
}

static inline void append(struct journal *journal, int value) {
    char text[64];
    int size = snprintf(text, sizeof text, "{\"value\":%d}", value);
    assert_true(journal_append(journal, text, (size_t)size));
}

static inline void write_journal(int first, int count, uint64_t bytes_max) {
    struct journal *journal = open_journal(bytes_max);
    for (int i = 0; i < count; i++)
        append(journal, first + i);
    journal_close(journal);
}

/* The file; from malloc. */
static inline char *read_text(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    *size = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

static inline void assert_chain(uint64_t wanted) {
    const char *const paths[] = {path};
    struct journal_chain chain;
    struct error err;
    if (journal_check(paths, 1, &chain, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(chain.lines, wanted);
}

static inline int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The renamed files in order, then the file itself. */
static inline size_t list_files(const char *files[64]) {
    DIR *directory = opendir(folder.path);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strncmp(entry->d_name, "audit.jsonl.", 12) == 0) {
            char *name = malloc(PATH_MAX);
            snprintf(name, PATH_MAX, "%s/%s", folder.path, entry->d_name);
            files[count++] = name;
        }
    closedir(directory);
    qsort(files, count, sizeof *files, by_name);
    if (access(path, F_OK) == 0)
        files[count++] = strdup(path);
    return count;
}

static inline void release_files(const char *files[64], size_t count) {
    for (size_t i = 0; i < count; i++)
        free((char *)(uintptr_t)files[i]);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, create_folder, remove_folder)

#endif
