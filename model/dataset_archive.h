/* An uploaded archive -> the files of a data set in a folder.
 *
 * A tar (ustar, pax or GNU), plain or compressed by gzip or zstd, of the names that dataset_path.h
 * allows. It is hostile until shown otherwise:
 *
 *   - nothing but regular files and folders; a link, a device, a pipe, a sparse file, a name twice,
 *     a name outside the form is refused, with the member's name as the cause;
 *   - names never reach the kernel as a path: each part is opened from the folder above it, files
 *     by O_CREAT | O_EXCL | O_NOFOLLOW;
 *   - every quantity has a limit, looked at before the bytes are written, also how much more there
 *     is after unpacking than was sent (a bomb).
 *
 * The archive ends where tar says so; what is sent after that is not looked at, nor are a gzip's
 * checksums (libarchive's way: damage that still unpacks is another content). Decompression takes
 * at most some 130 MiB of memory (a zstd frame with the largest window).
 *
 * Waits for disks and for the source: on a thread of its own. Several may run at once.
 */
#ifndef FACEPAIR_MODEL_DATASET_ARCHIVE_H
#define FACEPAIR_MODEL_DATASET_ARCHIVE_H

#include "model/digest.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct archive_limits {
    uint64_t members_max;     /* files and folders */
    uint64_t image_bytes_max; /* of one photograph */
    uint64_t list_bytes_max;  /* of one pairs or people file */
    uint64_t bytes_max;       /* of all files */
    unsigned ratio_max;       /* bytes of the tar ÷ bytes sent, beyond the first 32 MiB */
};
#define ARCHIVE_LIMITS_DEFAULT                                                                     \
    ((struct archive_limits){.members_max = 400000,                                                \
                             .image_bytes_max = 10u << 20,                                         \
                             .list_bytes_max = 64u << 20,                                          \
                             .bytes_max = UINT64_C(64) << 30,                                      \
                             .ratio_max = 20})

struct archive_source {
    /* At least one byte, borrowed until the next call; 0 at the end; −1: there is no end to come,
     * the sender has gone. May wait. */
    ssize_t (*read)(void *context, const void **bytes);
    void *context;
};

struct archive_content {
    char sha256[DIGEST_TEXT_SIZE]; /* dataset_manifest.h */
    uint64_t bytes;
    size_t files, images, people;
};

/* folder: an empty directory. On STATUS_OK it holds the files and their manifest, all on disk;
 * otherwise it holds something, and is the caller's to remove.
 *   STATUS_UNSUPPORTED_MEDIA_TYPE  it is no tar
 *   STATUS_INVALID_FIELD           it is broken or cut short, or a member is refused
 *   STATUS_BODY_TOO_LARGE          a limit
 *   STATUS_STORAGE_FULL, STATUS_INTERNAL */
enum status dataset_archive_extract(const struct archive_source *source, const char *folder,
                                    const struct archive_limits *limits,
                                    struct archive_content *content, struct error *err);

#endif
