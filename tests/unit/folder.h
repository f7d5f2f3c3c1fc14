/* A temporary folder for one test, and files in it. */
#ifndef FACEPAIR_TESTS_FOLDER_H
#define FACEPAIR_TESTS_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[64];
};

static inline struct folder folder_create(void) {
    struct folder folder = {.path = "/tmp/facepair-test-XXXXXX"};
    assert_non_null(mkdtemp(folder.path));
    return folder;
}

static inline int folder_remove_entry(const char *path, const struct stat *about, int type,
                                      struct FTW *place) {
    (void)about, (void)type, (void)place;
    return remove(path);
}

static inline void folder_remove(const struct folder *folder) {
    assert_int_equal(nftw(folder->path, folder_remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Writes FOLDER/name, making the directories in the name. */
static inline void folder_write(const struct folder *folder, const char *name, const void *bytes,
                                size_t size) {
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", folder->path, name);
    for (char *p = path + strlen(folder->path) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = '\0';
        mkdir(path, 0755);
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void folder_write_text(const struct folder *folder, const char *name,
                                     const char *text) {
    folder_write(folder, name, text, strlen(text));
}

#endif
