/* Archives of data sets: whatever comes, it is refused or lies in its folder as the manifest says.
 * The first byte of the input says in which pieces the rest arrives, and its lowest bit whether the
 * checksums of what looks like a header are made right first: the fuzzer would not find them. */
#include "model/dataset_archive.h"
#include "model/dataset_manifest.h"
#include "model/leftovers.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct pieces {
    const uint8_t *bytes;
    size_t left, piece;
};

static ssize_t next_piece(void *context, const void **bytes) {
    struct pieces *pieces = context;
    size_t size = pieces->left < pieces->piece ? pieces->left : pieces->piece;
    *bytes = pieces->bytes;
    pieces->bytes += size;
    pieces->left -= size;
    return (ssize_t)size;
}

/* Every line of the manifest is a file with these bytes, and its name keeps to the form. */
static void check_files(const char *folder, const struct archive_content *content) {
    struct dataset_manifest manifest;
    struct error err;
    enum status status = dataset_manifest_read(folder, &manifest, &err);
    assert(status == STATUS_OK && manifest.count == content->files);
    for (size_t i = 0; i < manifest.count; i++) {
        char path[PATH_MAX], sha256[DIGEST_TEXT_SIZE];
        struct stat about;
        struct dataset_path parsed;
        snprintf(path, sizeof path, "%s/%s", folder, manifest.lines[i].name);
        assert(lstat(path, &about) == 0 && S_ISREG(about.st_mode));
        status = digest_file(path, sha256, &err);
        assert(status == STATUS_OK && strcmp(sha256, manifest.lines[i].sha256) == 0);
        status = dataset_path_parse(manifest.lines[i].name, false, &parsed, &err);
        assert(status == STATUS_OK && !parsed.top[0]);
    }
    dataset_manifest_release(&manifest);
}

static void mend_checksums(uint8_t *bytes, size_t size) {
    enum { BLOCK = 512, SUM_AT = 148, SUM_SIZE = 8, MAGIC_AT = 257 };
    for (size_t at = 0; at + BLOCK <= size; at += BLOCK) {
        if (memcmp(bytes + at + MAGIC_AT, "ustar", 5) != 0)
            continue;
        unsigned sum = 0;
        memset(bytes + at + SUM_AT, ' ', SUM_SIZE);
        for (size_t i = 0; i < BLOCK; i++)
            sum += bytes[at + i];
        snprintf((char *)bytes + at + SUM_AT, SUM_SIZE, "%06o", sum);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *given, size_t size) {
    if (size == 0)
        return 0;
    uint8_t *bytes = malloc(size);
    assert(bytes);
    memcpy(bytes, given, size);
    if (bytes[0] & 1)
        mend_checksums(bytes + 1, size - 1);
    char folder[] = "/dev/shm/fuzz-archive-XXXXXX";
    char *made = mkdtemp(folder);
    assert(made);
    struct archive_limits limits = ARCHIVE_LIMITS_DEFAULT;
    limits.members_max = 64;
    limits.image_bytes_max = limits.list_bytes_max = 1 << 16;
    limits.bytes_max = 1 << 18;
    struct pieces pieces = {
        .bytes = bytes + 1, .left = size - 1, .piece = (size_t)bytes[0] * 17 + 1};
    const struct archive_source source = {.read = next_piece, .context = &pieces};
    struct archive_content content;
    struct error err;
    if (dataset_archive_extract(&source, folder, &limits, &content, &err) == STATUS_OK)
        check_files(folder, &content);
    bool removed = leftovers_remove(folder);
    assert(removed);
    free(bytes);
    return 0;
}
