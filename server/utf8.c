#include "server/utf8.h"

#include <string.h>

size_t utf8_next(const char *text, size_t size, uint32_t *code_point) {
    const unsigned char *byte = (const unsigned char *)text;
    if (size == 0)
        return 0;
    if (byte[0] < 0x80) {
        *code_point = byte[0];
        return 1;
    }
    /* The least code point of each length: anything below it is an overlong form. */
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = byte[0] >= 0xF0 ? 4 : byte[0] >= 0xE0 ? 3 : 2;
    if (byte[0] < 0xC2 || byte[0] > 0xF4 || length > size)
        return 0;
    uint32_t point = byte[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((byte[i] & 0xC0) != 0x80)
            return 0;
        point = point << 6 | (byte[i] & 0x3F);
    }
    if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF))
        return 0;
    *code_point = point;
    return length;
}

void utf8_copy(char *to, size_t size, const char *text, size_t length) {
    for (size_t at = 0; at < length;) {
        uint32_t code_point;
        size_t step = utf8_next(text + at, length - at, &code_point);
        const char *character = step ? text + at : UTF8_REPLACEMENT;
        size_t bytes = step ? step : strlen(UTF8_REPLACEMENT);
        if (bytes >= size)
            break;
        memcpy(to, character, bytes);
        to += bytes;
        size -= bytes;
        at += step ? step : 1;
    }
    *to = '\0';
}
