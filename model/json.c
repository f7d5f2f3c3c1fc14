/* The reader. Jansson bounds its recursion at 2,048 levels when compiled, which a card has no use
 * for, so the nesting is counted over the raw bytes before jansson sees them. */
#include "model/json.h"

#include "server/wipe.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Jansson's functions take no context; a document is read by one thread. */
static _Thread_local bool lacked_memory;

static void *allocate(size_t size) {
    void *memory = malloc(size);
    lacked_memory = lacked_memory || !memory;
    return memory;
}

void json_use_our_memory(void) { json_set_alloc_funcs(allocate, wipe_and_free); }

bool json_lacked_memory(void) {
    bool lacked = lacked_memory;
    lacked_memory = false;
    return lacked;
}

struct json_reader {
    json_t *document;
    bool faulty;
    char fault_path[JSON_PATH_MAX], fault_sentence[JSON_SENTENCE_MAX];
};

/* Brackets inside strings do not count; anything malformed is left to the parser. */
static bool nested_too_deep(const char *bytes, size_t size) {
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = bytes[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

enum status json_reader_open(const char *bytes, size_t size, struct json_reader **reader,
                             struct error *err) {
    if (size > JSON_BYTES_MAX)
        return error_set(err, STATUS_INVALID_JSON, "the document is longer than %d bytes",
                         JSON_BYTES_MAX);
    if (nested_too_deep(bytes, size))
        return error_set(err, STATUS_INVALID_JSON, "the document is nested deeper than %d levels",
                         JSON_DEPTH_MAX);
    json_error_t cause;
    (void)json_lacked_memory();
    json_t *document = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &cause);
    if (json_lacked_memory()) {
        json_decref(document);
        return error_set(err, STATUS_INTERNAL, "out of memory");
    }
    if (!document)
        return error_set(err, STATUS_INVALID_JSON, "line %d: %.160s", cause.line, cause.text);
    struct json_reader *opened = calloc(1, sizeof(*opened));
    if (!opened) {
        json_decref(document);
        return error_set(err, STATUS_INTERNAL, "out of memory");
    }
    opened->document = document;
    *reader = opened;
    return STATUS_OK;
}

enum status json_reader_close(struct json_reader *reader, struct error *err) {
    if (!reader)
        return STATUS_OK;
    enum status status = STATUS_OK;
    if (reader->faulty)
        status = error_set(err, STATUS_INVALID_FIELD, "%s: %s",
                           reader->fault_path[0] ? reader->fault_path : "the document",
                           reader->fault_sentence);
    json_decref(reader->document);
    free(reader);
    return status;
}

void json_fault(const struct json_node *node, const char *format, ...) {
    struct json_reader *reader = node->reader;
    if (reader->faulty)
        return;
    reader->faulty = true;
    snprintf(reader->fault_path, sizeof(reader->fault_path), "%s", node->path);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->fault_sentence, sizeof(reader->fault_sentence), format, arguments);
    va_end(arguments);
}

bool json_take_fault(struct json_reader *reader, char path[JSON_PATH_MAX],
                     char sentence[JSON_SENTENCE_MAX]) {
    if (!reader->faulty)
        return false;
    memcpy(path, reader->fault_path, JSON_PATH_MAX);
    memcpy(sentence, reader->fault_sentence, JSON_SENTENCE_MAX);
    reader->faulty = false;
    return true;
}

struct json_node json_root(struct json_reader *reader) {
    struct json_node root = {
        .reader = reader, .value = reader->faulty ? NULL : reader->document, .path = ""};
    if (root.value && !json_is_object(reader->document)) {
        json_fault(&root, "is not an object");
        root.value = NULL;
    }
    return root;
}

static bool usable(const struct json_node *node) { return node->value && !node->reader->faulty; }

/* A node for the member, faulty when it is missing. */
static struct json_node member(const struct json_node *object, const char *name) {
    struct json_node node = {.reader = object->reader, .value = NULL};
    snprintf(node.path, sizeof(node.path), "%.60s%s%.30s", object->path, object->path[0] ? "." : "",
             name);
    if (!usable(object))
        return node;
    node.value = json_object_get(object->value, name);
    if (!node.value)
        json_fault(&node, "is missing");
    return node;
}

static void expect(struct json_node *node, bool is, const char *what) {
    if (usable(node) && !is) {
        json_fault(node, "is not %s", what);
        node->value = NULL;
    }
}

bool json_read_has(const struct json_node *object, const char *name) {
    const json_t *value = usable(object) ? json_object_get(object->value, name) : NULL;
    return value && !json_is_null(value);
}

const char *json_read_name(const struct json_node *object, size_t index) {
    json_t *value = usable(object) ? (json_t *)object->value : NULL;
    void *at = json_object_iter(value);
    for (; at && index > 0; index--)
        at = json_object_iter_next(value, at);
    return at ? json_object_iter_key(at) : NULL;
}

struct json_node json_read_object(const struct json_node *object, const char *name) {
    struct json_node node = member(object, name);
    expect(&node, json_is_object((const json_t *)node.value), "an object");
    return node;
}

struct json_node json_read_array(const struct json_node *object, const char *name) {
    struct json_node node = member(object, name);
    expect(&node, json_is_array((const json_t *)node.value), "an array");
    return node;
}

size_t json_read_length(const struct json_node *array) {
    return usable(array) ? json_array_size(array->value) : 0;
}

struct json_node json_read_item(const struct json_node *array, size_t index) {
    struct json_node node = {.reader = array->reader, .value = NULL};
    snprintf(node.path, sizeof(node.path), "%.60s[%zu]", array->path, index);
    if (!usable(array))
        return node;
    node.value = json_array_get(array->value, index);
    if (!node.value)
        json_fault(&node, "is missing");
    expect(&node, json_is_object((const json_t *)node.value), "an object");
    return node;
}

void json_read_text(const struct json_node *object, const char *name, char *text, size_t size) {
    struct json_node node = member(object, name);
    expect(&node, json_is_string((const json_t *)node.value), "a string");
    if (!usable(&node))
        return;
    size_t length = json_string_length(node.value);
    if (length == 0 || length >= size)
        json_fault(&node, "must have 1 to %zu bytes", size - 1);
    else
        memcpy(text, json_string_value(node.value), length + 1);
}

/* 42.0 is an integer too (JSON Schema, 6.1.1 of its validation), as far as a double holds it. */
static bool whole_number(const json_t *json, int64_t *value) {
    static const double EXACT_MAX = 9007199254740992; /* 2⁵³ */
    double real = json_number_value(json);
    *value = json_is_integer(json) ? json_integer_value(json) : 0;
    if (!json_is_real(json))
        return json_is_integer(json);
    if (fabs(real) > EXACT_MAX || real != trunc(real))
        return false;
    *value = (int64_t)real;
    return true;
}

void json_read_integer(const struct json_node *object, const char *name, int64_t min, int64_t max,
                       int64_t *value) {
    struct json_node node = member(object, name);
    int64_t read;
    expect(&node, whole_number(node.value, &read), "an integer");
    if (!usable(&node))
        return;
    if (read < min || read > max)
        json_fault(&node, "must lie between %lld and %lld", (long long)min, (long long)max);
    else
        *value = read;
}

/* True, and *value, when the node is a number in range. (Jansson refuses numbers that overflow a
 * double, so a number is finite.) */
static bool number(struct json_node *node, double min, double max, double *value) {
    expect(node, json_is_number((const json_t *)node->value), "a number");
    if (!usable(node))
        return false;
    *value = json_number_value(node->value);
    if (*value >= min && *value <= max)
        return true;
    json_fault(node, "must lie between %g and %g", min, max);
    return false;
}

void json_read_real(const struct json_node *object, const char *name, double min, double max,
                    double *value) {
    struct json_node node = member(object, name);
    double read;
    if (number(&node, min, max, &read))
        *value = read;
}

void json_read_bool(const struct json_node *object, const char *name, bool *value) {
    struct json_node node = member(object, name);
    expect(&node, json_is_boolean((const json_t *)node.value), "true or false");
    if (usable(&node))
        *value = json_is_true((const json_t *)node.value);
}

void json_read_floats(const struct json_node *object, const char *name, double min, double max,
                      size_t count, float *values) {
    struct json_node array = json_read_array(object, name);
    if (usable(&array) && json_read_length(&array) != count)
        json_fault(&array, "must have %zu numbers", count);
    for (size_t i = 0; i < count && usable(&array); i++) {
        struct json_node node = {.reader = array.reader, .value = json_array_get(array.value, i)};
        snprintf(node.path, sizeof(node.path), "%.60s[%zu]", array.path, i);
        double read;
        if (number(&node, min, max, &read))
            values[i] = (float)read;
    }
}

size_t json_read_reals(const struct json_node *object, const char *name, double min, double max,
                       size_t count_max, double *values) {
    struct json_node array = json_read_array(object, name);
    size_t count = json_read_length(&array);
    if (count > count_max)
        json_fault(&array, "has more than %zu numbers", count_max);
    for (size_t i = 0; i < count && usable(&array); i++) {
        struct json_node node = {.reader = array.reader, .value = json_array_get(array.value, i)};
        snprintf(node.path, sizeof(node.path), "%.60s[%zu]", array.path, i);
        if (!number(&node, min, max, &values[i]))
            return 0;
    }
    return usable(&array) ? count : 0;
}

/* ---- copying ---- */

static void copy_value(struct json_writer *writer, const char *name, json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        json_write_object(writer, name);
        for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at))
            copy_value(writer, json_object_iter_key(at), json_object_iter_value(at));
        json_write_end(writer);
        break;
    case JSON_ARRAY:
        json_write_array(writer, name);
        for (size_t i = 0; i < json_array_size(value); i++)
            copy_value(writer, NULL, json_array_get(value, i));
        json_write_end(writer);
        break;
    case JSON_STRING:
        json_write_text(writer, name, json_string_value(value));
        break;
    case JSON_INTEGER:
        json_write_integer(writer, name, json_integer_value(value));
        break;
    case JSON_REAL:
        json_write_real(writer, name, json_real_value(value));
        break;
    case JSON_NULL:
        json_write_null(writer, name);
        break;
    default:
        json_write_bool(writer, name, json_is_true(value));
    }
}

static bool contains(const char *const *names, const char *name) {
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

void json_copy_members(struct json_writer *writer, const struct json_node *object,
                       const char *const *except) {
    if (!usable(object))
        return;
    json_t *value = (json_t *)object->value;
    for (void *at = json_object_iter(value); at; at = json_object_iter_next(value, at)) {
        const char *key = json_object_iter_key(at);
        if (!contains(except, key))
            copy_value(writer, key, json_object_iter_value(at));
    }
}
