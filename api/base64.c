/* A table decoder: four characters become three bytes by four look-ups. libsodium's decoder is
 * written to take the same time whatever the input, which photographs do not need and which is
 * several times slower.
 *
 * Two alphabets share the table ('-' with '+', '_' with '/'): they do not contradict each other,
 * and a text that mixes them still has one meaning. The last character of a text must not carry
 * bits that no byte takes (RFC 4648, 3.5): two texts for the same bytes would otherwise pass as
 * different ones.
 */
#include "api/base64.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BAD = 0xff, SKIP = 0xfe, PAD = 0xfd, DIGITS = 64 };
enum { DATA_URL_MAX = 256 };

static void build_table(uint8_t table[256]) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    memset(table, BAD, 256);
    for (unsigned i = 0; i < DIGITS; i++)
        table[(uint8_t)digits[i]] = (uint8_t)i;
    table['-'] = table['+'];
    table['_'] = table['/'];
    table['='] = PAD;
    table['\r'] = table['\n'] = SKIP;
}

const char *base64_skip_data_url(const char *text, size_t *size) {
    static const char marker[] = ";base64,";
    if (*size < 5 || strncasecmp(text, "data:", 5) != 0)
        return text;
    const char *comma = memchr(text, ',', *size < DATA_URL_MAX ? *size : DATA_URL_MAX);
    if (!comma || (size_t)(comma - text) < 5 + sizeof marker - 2 ||
        strncasecmp(comma - (sizeof marker - 2), marker, sizeof marker - 1) != 0)
        return text;
    *size -= (size_t)(comma + 1 - text);
    return comma + 1;
}

/* What is left after the last whole group of four. */
struct tail {
    uint32_t bits;
    unsigned digits, padding;
};

static enum status end_group(const struct tail *tail, uint8_t **out, struct error *err) {
    if (tail->digits == 1 || (tail->padding && tail->digits + tail->padding != 4))
        return error_set(err, STATUS_INVALID_FIELD,
                         "The base64 text is cut short or its padding is wrong.");
    unsigned left_over = tail->digits == 2 ? 4 : tail->digits == 3 ? 2 : 0;
    if (tail->bits & ((1u << left_over) - 1))
        return error_set(err, STATUS_INVALID_FIELD, "The base64 text ends in bits of no byte.");
    if (tail->digits == 2)
        *(*out)++ = (uint8_t)(tail->bits >> 4);
    if (tail->digits == 3) {
        *(*out)++ = (uint8_t)(tail->bits >> 10);
        *(*out)++ = (uint8_t)(tail->bits >> 2);
    }
    return STATUS_OK;
}

static enum status too_large(size_t bytes_max, struct error *err) {
    return error_set(err, STATUS_BODY_TOO_LARGE,
                     "The decoded file is larger than the limit of %zu bytes.", bytes_max);
}

/* out has room for `room` bytes and three more. */
static enum status decode(const uint8_t *text, size_t size, uint8_t *out, size_t room,
                          size_t *written, struct error *err) {
    uint8_t table[256];
    build_table(table);
    uint8_t *const start = out;
    struct tail tail = {0};
    size_t i = 0;
    while (i < size) {
        if ((size_t)(out - start) > room)
            return too_large(room, err);
        if (tail.digits == 0 && size - i >= 4) {
            uint8_t a = table[text[i]], b = table[text[i + 1]], c = table[text[i + 2]],
                    d = table[text[i + 3]];
            if ((a | b | c | d) < DIGITS && !tail.padding) {
                uint32_t bits = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | d;
                out[0] = (uint8_t)(bits >> 16);
                out[1] = (uint8_t)(bits >> 8);
                out[2] = (uint8_t)bits;
                out += 3;
                i += 4;
                continue;
            }
        }
        uint8_t digit = table[text[i++]];
        if (digit == SKIP)
            continue;
        if (digit == PAD && tail.padding < 2) {
            tail.padding++;
            continue;
        }
        if (digit >= DIGITS || tail.padding)
            return error_set(err, STATUS_INVALID_FIELD,
                             "The base64 text has a bad character at position %zu.", i - 1);
        tail.bits = tail.bits << 6 | digit;
        if (++tail.digits == 4) {
            out[0] = (uint8_t)(tail.bits >> 16);
            out[1] = (uint8_t)(tail.bits >> 8);
            out[2] = (uint8_t)tail.bits;
            out += 3;
            tail = (struct tail){0};
        }
    }
    enum status status = end_group(&tail, &out, err);
    *written = (size_t)(out - start);
    if (status == STATUS_OK && *written > room)
        return too_large(room, err);
    return status;
}

enum status base64_decode(const char *text, size_t size, size_t bytes_max, uint8_t **bytes,
                          size_t *bytes_size, struct error *err) {
    size_t room = size / 4 * 3 + 3;
    if (room > bytes_max)
        room = bytes_max;
    /* One group may be written past `room` before the limit is looked at again, and one tail. */
    uint8_t *out = malloc(room + 6);
    if (!out)
        return error_set(err, STATUS_INTERNAL, "out of memory for a decoded file");
    size_t written = 0;
    enum status status = decode((const uint8_t *)text, size, out, room, &written, err);
    if (status != STATUS_OK) {
        explicit_bzero(out, room + 6);
        free(out);
        return status;
    }
    *bytes = out;
    *bytes_size = written;
    return STATUS_OK;
}
