/* The writer: text appended to a growing buffer, no document in memory. Numbers are printed by
 * printf in the C locale, which the program never leaves. */
#include "model/json.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_writer {
    char *text; /* always terminated, unless failed */
    size_t size, capacity;
    unsigned depth;
    char close[JSON_DEPTH_MAX]; /* what ends each open level */
    bool first;                 /* nothing written at this level yet */
    bool failed;
};

struct json_writer *json_writer_create(void) {
    struct json_writer *writer = calloc(1, sizeof(*writer));
    if (writer)
        writer->first = true;
    return writer;
}

static bool reserve(struct json_writer *writer, size_t more) {
    if (writer->failed)
        return false;
    size_t needed = writer->size + more + 1;
    if (needed <= writer->capacity)
        return true;
    size_t capacity = writer->capacity ? writer->capacity : 512;
    while (capacity < needed)
        capacity *= 2;
    char *text = realloc(writer->text, capacity);
    if (!text) {
        writer->failed = true;
        return false;
    }
    writer->text = text;
    writer->capacity = capacity;
    return true;
}

static void append(struct json_writer *writer, const char *bytes, size_t size) {
    if (!reserve(writer, size))
        return;
    memcpy(writer->text + writer->size, bytes, size);
    writer->size += size;
    writer->text[writer->size] = '\0';
}

static void append_string(struct json_writer *writer, const char *text) {
    append(writer, "\"", 1);
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        char escape[8];
        if (c == '"' || c == '\\')
            append(writer, escape, (size_t)snprintf(escape, sizeof(escape), "\\%c", c));
        else if (c < 0x20 || c == 0x7f)
            append(writer, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
        else
            append(writer, p, 1);
    }
    append(writer, "\"", 1);
}

/* The comma, the line's indentation and the member's name. */
static void begin_value(struct json_writer *writer, const char *name) {
    if (!writer->first)
        append(writer, ",", 1);
    if (writer->size > 0)
        append(writer, "\n", 1);
    for (unsigned i = 0; i < writer->depth; i++)
        append(writer, "  ", 2);
    if (name) {
        append_string(writer, name);
        append(writer, ": ", 2);
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
    if (!empty) {
        append(writer, "\n", 1);
        for (unsigned i = 0; i < writer->depth; i++)
            append(writer, "  ", 2);
    }
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

void json_write_float(struct json_writer *writer, const char *name, float value) {
    if (!isfinite(value)) {
        json_write_null(writer, name);
        return;
    }
    char digits[32];
    begin_value(writer, name);
    append(writer, digits, (size_t)snprintf(digits, sizeof(digits), "%.9g", (double)value));
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
    append(writer, "\n", 1);
    char *text = writer->failed ? NULL : writer->text;
    if (text)
        *size = writer->size;
    else
        free(writer->text);
    free(writer);
    return text;
}
