/* UTF-8, as Unicode's table 3-7 (well-formed byte sequences) defines it. */
#ifndef FACEPAIR_SERVER_UTF8_H
#define FACEPAIR_SERVER_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD, for what is not UTF-8 */

/* Length (1 to 4) of the well-formed sequence that `text` begins with, and its code point; 0 when
 * it begins with none within `size` bytes (overlong forms, surrogates and what lies beyond U+10FFFF
 * are not well-formed). */
size_t utf8_next(const char *text, size_t size, uint32_t *code_point);

/* Copies the first `length` bytes of a text, or as many whole characters of them as fit into `size`
 * bytes with a NUL behind; each byte that is not UTF-8 becomes UTF8_REPLACEMENT. */
void utf8_copy(char *to, size_t size, const char *text, size_t length);

#endif
