/* SHA-256 (libsodium's), as lower-case hexadecimal. */
#ifndef FACEPAIR_MODEL_DIGEST_H
#define FACEPAIR_MODEL_DIGEST_H

#include "server/status.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DIGEST_TEXT_SIZE = 65 };

void digest_bytes(const void *bytes, size_t size, char text[DIGEST_TEXT_SIZE]);
/* Reads the file in pieces, whatever its size. STATUS_INTERNAL; err names the file. */
enum status digest_file(const char *path, char text[DIGEST_TEXT_SIZE], struct error *err);

/* Of bytes that come in pieces, any number of times over: begin, add …, end. */
struct digest;
struct digest *digest_create(void); /* NULL: out of memory */
void digest_begin(struct digest *digest);
void digest_add(struct digest *digest, const void *bytes, size_t size);
void digest_end(struct digest *digest, char text[DIGEST_TEXT_SIZE]);
void digest_destroy(struct digest *digest); /* NULL is allowed */

#ifdef __cplusplus
}
#endif
#endif
