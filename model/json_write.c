/* The writer: text appended to a growing buffer, no document in memory. Numbers are printed by
 * printf in the C locale, which the program never leaves, except for the short decimals of which
 * the answers of the service are full: see print_short. */
#include "model/json.h"

#include "server/utf8.h"
#include "server/wipe.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_FIRST = 2048 }; /* most documents, so that they are not moved */

struct json_writer {
    char *text;
    size_t size, capacity;
    unsigned depth;
    char close[JSON_DEPTH_MAX]; /* what ends each open level */
    bool first;                 /* nothing written at this level yet */
    bool compact;
    bool failed;
};

struct json_writer *json_writer_create(void) {
    struct json_writer *writer = calloc(1, sizeof(*writer));
    if (writer)
        writer->first = true;
    return writer;
}

struct json_writer *json_writer_create_compact(void) {
    struct json_writer *writer = json_writer_create();
    if (writer)
        writer->compact = true;
    return writer;
}

static bool grow(struct json_writer *writer, size_t needed) {
    size_t capacity = writer->capacity ? writer->capacity : CAPACITY_FIRST;
    while (capacity < needed)
        capacity *= 2;
    char *text = malloc(capacity);
    if (!text) {
        writer->failed = true;
        return false;
    }
    if (writer->size > 0)
        memcpy(text, writer->text, writer->size);
    wipe_and_free(writer->text); /* an answer may hold embeddings */
    writer->text = text;
    writer->capacity = capacity;
    return true;
}

static void append(struct json_writer *writer, const char *bytes, size_t size) {
    size_t needed = writer->size + size + 1; /* with what ends it */
    if (writer->failed || (needed > writer->capacity && !grow(writer, needed)))
        return;
    memcpy(writer->text + writer->size, bytes, size);
    writer->size += size;
}

/* How many bytes stand in a document as they are, from the first on; 0: the first does not. */
static size_t plain_bytes(const char *text) {
    unsigned char c = (unsigned char)*text;
    uint32_t code_point;
    if (c >= 0x80)
        return utf8_next(text, strnlen(text, 4), &code_point);
    return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

/* What is not UTF-8 (the name of a file may be anything) would make a document of it that no reader
 * takes. */
static void append_escape(struct json_writer *writer, unsigned char c) {
    char escape[8];
    const char *format = c == '"' || c == '\\' ? "\\%c" : "\\u%04x";
    if (c >= 0x80)
        append(writer, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT));
    else
        append(writer, escape, (size_t)snprintf(escape, sizeof(escape), format, c));
}

static void append_string(struct json_writer *writer, const char *text) {
    append(writer, "\"", 1);
    const char *plain = text; /* what was looked at and not yet appended begins here */
    while (*text) {
        size_t bytes = plain_bytes(text);
        text += bytes;
        if (bytes > 0)
            continue;
        append(writer, plain, (size_t)(text - plain));
        append_escape(writer, (unsigned char)*text++);
        plain = text;
    }
    append(writer, plain, (size_t)(text - plain));
    append(writer, "\"", 1);
}

static void begin_line(struct json_writer *writer) {
    if (writer->compact || writer->size == 0)
        return;
    append(writer, "\n", 1);
    for (unsigned i = 0; i < writer->depth; i++)
        append(writer, "  ", 2);
}

/* The comma, the line's indentation and the member's name. */
static void begin_value(struct json_writer *writer, const char *name) {
    if (!writer->first)
        append(writer, ",", 1);
    begin_line(writer);
    if (name) {
        append_string(writer, name);
        append(writer, ": ", writer->compact ? 1 : 2);
    }
    writer->first = false;
}

static void open_level(struct json_writer *writer, const char *name, char open, char close) {
    assert(writer->depth < JSON_DEPTH_MAX);
    begin_value(writer, name);
    append(writer, &open, 1);
    writer->close[writer->depth++] = close;
    writer->first = true;
}

void json_write_object(struct json_writer *writer, const char *name) {
    open_level(writer, name, '{', '}');
}

void json_write_array(struct json_writer *writer, const char *name) {
    open_level(writer, name, '[', ']');
}

void json_write_end(struct json_writer *writer) {
    assert(writer->depth > 0);
    bool empty = writer->first;
    writer->depth--;
    if (!empty)
        begin_line(writer);
    append(writer, &writer->close[writer->depth], 1);
    writer->first = false;
}

void json_write_text(struct json_writer *writer, const char *name, const char *text) {
    begin_value(writer, name);
    append_string(writer, text);
}

void json_write_integer(struct json_writer *writer, const char *name, int64_t value) {
    char digits[24];
    begin_value(writer, name);
    append(writer, digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, value));
}

void json_write_real(struct json_writer *writer, const char *name, double value) {
    if (!isfinite(value)) {
        json_write_null(writer, name);
        return;
    }
    /* 17 significant digits always read back as the same double; most need fewer. */
    char digits[32];
    int length = 0;
    for (int precision = 1; precision <= 17; precision++) {
        length = snprintf(digits, sizeof(digits), "%.*g", precision, value);
        if (strtod(digits, NULL) == value)
            break;
    }
    begin_value(writer, name);
    append(writer, digits, (size_t)length);
}

/* What printf's %.9g prints, but quickly for a decimal of at most PLACES places, as times and
 * pixels are. For such a value the product is a whole k below 10^9, so the value is k / 10^PLACES
 * but for the rounding of a double, which is far below half of the ninth digit: its nine digits are
 * those of k. And k / 10^PLACES, if not zero, is not so small that %g would choose an exponent. */
static int print_short(char digits[32], double value) {
    enum { PLACES = 4, SCALE = 10000 };
    double scaled = fabs(value) * SCALE;
    if (!(scaled < 1e9) || scaled != trunc(scaled))
        return snprintf(digits, 32, "%.9g", value);
    uint32_t k = (uint32_t)scaled;
    int places = PLACES, size = 0;
    for (; places > 0 && k % 10 == 0; places--)
        k /= 10;
    char reversed[16];
    for (int place = 0; k > 0 || place <= places; place++, k /= 10) {
        if (place > 0 && place == places)
            reversed[size++] = '.';
        reversed[size++] = (char)('0' + k % 10);
    }
    if (signbit(value))
        reversed[size++] = '-';
    for (int i = 0; i < size; i++)
        digits[i] = reversed[size - 1 - i];
    return size;
}

void json_write_short(struct json_writer *writer, const char *name, double value) {
    if (!isfinite(value)) {
        json_write_null(writer, name);
        return;
    }
    char digits[32];
    begin_value(writer, name);
    append(writer, digits, (size_t)print_short(digits, value));
}

void json_write_float(struct json_writer *writer, const char *name, float value) {
    json_write_short(writer, name, (double)value);
}

void json_write_bool(struct json_writer *writer, const char *name, bool value) {
    begin_value(writer, name);
    append(writer, value ? "true" : "false", value ? 4 : 5);
}

void json_write_null(struct json_writer *writer, const char *name) {
    begin_value(writer, name);
    append(writer, "null", 4);
}

char *json_writer_finish(struct json_writer *writer, size_t *size) {
    assert(writer->depth == 0);
    if (!writer->compact)
        append(writer, "\n", 1);
    char *text = writer->failed ? NULL : writer->text;
    if (text) {
        text[writer->size] = '\0';
        *size = writer->size;
    } else {
        wipe_and_free(writer->text);
    }
    free(writer);
    return text;
}
