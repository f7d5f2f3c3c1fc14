/* multipart/form-data (RFC 7578, RFC 2046 §5.1) as it arrives: bytes in, parts out.
 *
 * The reader is our own and not MHD_PostProcessor, which moves the whole rest of its buffer for
 * every header line and for every dash before the first boundary: 2 MiB of dashes cost it 0.54 s of
 * the loop's time, and this one 0.2 ms. It looks at each byte a fixed number of times however the
 * body is cut, keeps the bytes of all parts in one block that is overwritten before it is freed,
 * and needs no connection, so that it is tested and fuzzed alone.
 */
#ifndef FACEPAIR_SERVER_HTTP_MULTIPART_H
#define FACEPAIR_SERVER_HTTP_MULTIPART_H

#include "server/http/request.h"
#include "server/spare.h"
#include "server/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    MULTIPART_BOUNDARY_MAX = 70,      /* RFC 2046 §5.1.1 */
    MULTIPART_PART_HEADER_MAX = 2048, /* all header lines of one part */
    MULTIPART_NAME_MAX = 128,
};

struct multipart;

/* `limits` is borrowed for the life of the parser, and so is `spare`, from which the parts' memory
 * comes (NULL allowed); `declared` is the body's Content-Length, 0 when unknown: so much of it is
 * reserved with the first byte of a part. NULL: out of memory. */
struct multipart *multipart_create(const char *boundary, const struct http_body_limits *limits,
                                   uint64_t declared, struct spare *spare);
/* STATUS_INVALID_MULTIPART, STATUS_INVALID_FIELD (a field too long), STATUS_BODY_TOO_LARGE (a file
 * too large) or STATUS_INTERNAL (out of memory). After any of them the parser takes no more. */
enum status multipart_feed(struct multipart *multipart, const uint8_t *data, size_t size,
                           struct error *err);
/* The body is complete. STATUS_INVALID_MULTIPART without a closing boundary or without a part. */
enum status multipart_finish(struct multipart *multipart, struct error *err);
/* After multipart_finish: the parts that have content, in order of arrival; borrowed. */
size_t multipart_parts(const struct multipart *multipart, const struct http_part **parts);
void multipart_destroy(struct multipart *multipart); /* NULL allowed; overwrites the parts */

#endif
