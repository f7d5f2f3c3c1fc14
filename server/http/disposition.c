/* Grammar: RFC 9110 §5.6.6 (parameters) and RFC 7578 §4.2. Inside quotes a backslash escapes the
 * next character, as curl writes a quote; browsers write %22, which stays as it is. */
#include "server/http/disposition.h"

#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

static const char *token_end(const char *at, const char *end) {
    while (at<end && * at> 0x20 && *at < 0x7f && !strchr("()<>@,;:\\\"/[]?=", *at))
        at++;
    return at;
}

struct parameter {
    const char *name;
    size_t name_size;
    const char *value; /* inside the quotes, escapes left in */
    size_t value_size;
    bool quoted;
};

/* Reads one "; name=value" at *at. false: the end, or (when *at is not at the end) malformed. */
static bool parameter_next(const char **at, const char *end, struct parameter *parameter) {
    const char *p = skip_blanks(*at, end);
    *at = p;
    if (p == end || *p != ';')
        return false;
    p = skip_blanks(p + 1, end);
    if (p == end) { /* a semicolon at the end is harmless */
        *at = end;
        return false;
    }
    parameter->name = p;
    p = token_end(p, end);
    parameter->name_size = (size_t)(p - parameter->name);
    if (parameter->name_size == 0 || p == end || *p++ != '=')
        return false;
    parameter->quoted = p < end && *p == '"';
    if (parameter->quoted) {
        parameter->value = ++p;
        while (p < end && *p != '"')
            p += *p == '\\' && p + 1 < end ? 2 : 1;
        if (p >= end)
            return false;
        parameter->value_size = (size_t)(p++ - parameter->value);
    } else {
        parameter->value = p;
        p = token_end(p, end);
        parameter->value_size = (size_t)(p - parameter->value);
    }
    *at = p;
    return true;
}

static bool parameter_named(const struct parameter *parameter, const char *name) {
    return parameter->name_size == strlen(name) &&
           strncasecmp(parameter->name, name, parameter->name_size) == 0;
}

static bool parameter_copy(const struct parameter *parameter, char *out, size_t out_size) {
    size_t size = 0;
    for (size_t i = 0; i < parameter->value_size; i++) {
        char c = parameter->value[i];
        if (parameter->quoted && c == '\\' && i + 1 < parameter->value_size)
            c = parameter->value[++i];
        if ((unsigned char)c < 0x20 || c == 0x7f || size + 1 == out_size)
            return false;
        out[size++] = c;
    }
    out[size] = '\0';
    return size > 0;
}

/* How often `name` is among the parameters from `at` on; the last one into *found. -1: malformed.
 */
static int parameters_find(const char *at, const char *end, const char *name,
                           struct parameter *found) {
    int count = 0;
    struct parameter parameter;
    *found = (struct parameter){0};
    while (parameter_next(&at, end, &parameter)) {
        if (parameter_named(&parameter, name)) {
            *found = parameter;
            count++;
        }
    }
    return at == end ? count : -1;
}

static bool line_is(const char *line, const char *end, const char *name, const char **value) {
    size_t size = strlen(name);
    if ((size_t)(end - line) <= size || strncasecmp(line, name, size) != 0 || line[size] != ':')
        return false;
    *value = skip_blanks(line + size + 1, end);
    return true;
}

bool disposition_name(const char *header, size_t header_size, char *name, size_t name_size) {
    bool seen = false;
    const char *header_end = header + header_size;
    for (const char *line = header; line < header_end;) {
        const char *end = memchr(line, '\n', (size_t)(header_end - line));
        const char *next = end ? end + 1 : header_end;
        end = end && end > line && end[-1] == '\r' ? end - 1 : next;
        const char *value;
        if (line_is(line, end, "content-disposition", &value)) {
            const char *type_end = token_end(value, end);
            struct parameter parameter;
            if (seen || type_end - value != 9 || strncasecmp(value, "form-data", 9) != 0 ||
                parameters_find(type_end, end, "name", &parameter) != 1 || !parameter.quoted ||
                !parameter_copy(&parameter, name, name_size))
                return false;
            seen = true;
        }
        line = next;
    }
    return seen;
}

static const char *media_type_end(const char *value, const char *end) {
    const char *at = token_end(value, end);
    return at < end && *at == '/' ? token_end(at + 1, end) : at;
}

bool media_type_is(const char *value, const char *type) {
    const char *end = value + strlen(value);
    const char *type_end = media_type_end(value, end);
    size_t size = (size_t)(type_end - value);
    type_end = skip_blanks(type_end, end);
    return size == strlen(type) && strncasecmp(value, type, size) == 0 &&
           (type_end == end || *type_end == ';');
}

bool media_type_parameter(const char *value, const char *name, char *out, size_t out_size) {
    const char *end = value + strlen(value);
    struct parameter parameter;
    return parameters_find(media_type_end(value, end), end, name, &parameter) == 1 &&
           parameter_copy(&parameter, out, out_size);
}

bool media_type_has_parameter(const char *value, const char *name) {
    const char *end = value + strlen(value);
    struct parameter parameter;
    return parameters_find(media_type_end(value, end), end, name, &parameter) != 0;
}
