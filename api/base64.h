/* Base64 from clients: RFC 4648 §4 and §5 alphabets, padding optional, CR and LF ignored. */
#ifndef FACEPAIR_API_BASE64_H
#define FACEPAIR_API_BASE64_H

#include "server/status.h"

#include <stddef.h>
#include <stdint.h>

/* The text after a leading "data:…;base64,", or the text itself. A "data:" without ";base64," is
 * returned unchanged (its colon is then refused as a bad character). */
const char *base64_skip_data_url(const char *text, size_t *size);

/* On STATUS_OK *bytes (from malloc, never NULL) is the caller's. STATUS_INVALID_FIELD: a bad
 * character, padding that does not fit, or bits left over. STATUS_BODY_TOO_LARGE: more than
 * bytes_max bytes; no more than that is ever allocated. STATUS_INTERNAL: out of memory. */
enum status base64_decode(const char *text, size_t size, size_t bytes_max, uint8_t **bytes,
                          size_t *bytes_size, struct error *err);

#endif
