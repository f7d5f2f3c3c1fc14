/* A fuzz target without a fuzzer: each file of the folders named is given to it once, so that every
 * build and every sanitizer goes through what was found before.
 *
 *     build/tests/fuzz/fuzz_http tests/fuzz/corpus/fuzz_http
 *
 * An input that takes more than FUZZ_CPU_S_MAX is a failure, as a crash is. */
#include "tests/fuzz/cpu.h"

#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static FILE *messages; /* a target may close stderr */

static uint8_t *read_whole(const char *path, size_t *size) {
    struct stat about;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &about) != 0)
        abort();
    *size = (size_t)about.st_size;
    uint8_t *bytes = malloc(*size + 1); /* NULL is for failures alone */
    if (!bytes || fread(bytes, 1, *size, file) != *size)
        abort();
    fclose(file);
    return bytes;
}

static int replay(const char *path) {
    size_t size;
    uint8_t *bytes = read_whole(path, &size);
    double begin = fuzz_cpu_s();
    LLVMFuzzerTestOneInput(bytes, size);
    double took = fuzz_cpu_s() - begin;
    free(bytes);
    if (took > FUZZ_CPU_S_MAX)
        fprintf(messages, "%s takes %.1f s\n", path, took);
    return took > FUZZ_CPU_S_MAX;
}

int main(int argc, char **argv) {
    int inputs = 0, slow = 0;
    messages = fdopen(dup(2), "w");
    if (!messages || (LLVMFuzzerInitialize && LLVMFuzzerInitialize(&argc, &argv) != 0))
        return EXIT_FAILURE;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            char path[PATH_MAX];
            struct stat about;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (stat(path, &about) != 0 || !S_ISREG(about.st_mode))
                continue;
            slow += replay(path);
            inputs++;
        }
        if (folder)
            closedir(folder);
    }
    fprintf(messages, "%d inputs, %d too slow\n", inputs, slow);
    return inputs > 0 && slow == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
