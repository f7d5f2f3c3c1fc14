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

#endif
