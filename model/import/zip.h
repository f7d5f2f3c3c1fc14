/* The directory of a ZIP archive whose entries are stored, not compressed: how torch.save lays out
 * a .pth (with ZIP64 records).
 *
 * Our own and not libarchive: what torch.load reads is what the central directory says, at any
 * place of the file, and its entries are never compressed, so that there is nothing here that could
 * unfold into more than the file holds. Every length and offset is checked against the file's size
 * before it is used. Checksums are not looked at: torch.save can be told to leave them out.
 */
#ifndef FACEPAIR_MODEL_IMPORT_ZIP_H
#define FACEPAIR_MODEL_IMPORT_ZIP_H

#include "server/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { ZIP_ENTRIES_MAX = 65535, ZIP_DIRECTORY_MAX = 16 << 20 /* bytes */ };

struct zip;
struct zip_entry {
    const char *name; /* without NUL inside */
    uint64_t header;  /* where the entry's local header begins */
    uint64_t size;    /* of the content; at most the file's */
};

/* STATUS_INTERNAL with the file's name and what is wrong with it. */
enum status zip_open(const char *path, struct zip **zip, struct error *err);
void zip_close(struct zip *zip); /* NULL is allowed */

uint64_t zip_file_bytes(const struct zip *zip);
size_t zip_count(const struct zip *zip);
const struct zip_entry *zip_at(const struct zip *zip, size_t index);       /* by name */
const struct zip_entry *zip_find(const struct zip *zip, const char *name); /* NULL: none */

/* `size` bytes of an entry's content from `offset` on; offset + size ≤ entry->size. */
enum status zip_read(const struct zip *zip, const struct zip_entry *entry, uint64_t offset,
                     void *content, uint64_t size, struct error *err);

#ifdef __cplusplus
}
#endif
#endif
