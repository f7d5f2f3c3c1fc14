/* JSON below api/: reading cards and evaluations, writing evaluations and answers of the command
 * line. The only user of jansson outside api/.
 *
 * The reader keeps its first fault: a getter that meets a missing member, a wrong type or a value
 * out of range notes it, with the member's path ("thresholds.values[2].fmr"), and every later call
 * does nothing and returns a neutral value. So a card is read in one straight run of lines, and
 * json_reader_close() tells how it went. Getters write their destination only when all is well.
 */
#ifndef FACEPAIR_MODEL_JSON_H
#define FACEPAIR_MODEL_JSON_H

#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    JSON_BYTES_MAX = 1024 * 1024,
    JSON_DEPTH_MAX = 16,
    JSON_PATH_MAX = 96,
    JSON_SENTENCE_MAX = 128
};

/* Jansson's memory is ours from now on: whatever it frees is overwritten first (base64 text is
 * a photograph), and it is noticed when there is none. Once in a process, before any other thread.
 */
void json_use_our_memory(void);
/* Jansson has asked for memory on this thread, and there was none, since this was last called. It
 * calls a text that it had no memory for malformed, or leaves out of a string or a number the
 * character for which its buffer had to grow. */
bool json_lacked_memory(void);

struct json_reader;
/* A value inside a document; valid until the reader is closed. */
struct json_node {
    struct json_reader *reader;
    const void *value; /* NULL once the reader has a fault */
    char path[JSON_PATH_MAX];
};

/* One document, UTF-8, at most JSON_BYTES_MAX bytes and JSON_DEPTH_MAX levels, no member twice in
 * one object. STATUS_INVALID_JSON. */
enum status json_reader_open(const char *bytes, size_t size, struct json_reader **reader,
                             struct error *err);
/* STATUS_OK, or STATUS_INVALID_FIELD with the first fault in err (which may be NULL). NULL is
 * allowed. */
enum status json_reader_close(struct json_reader *reader, struct error *err);
/* Notes a fault that the getters cannot see; "PATH: sentence". */
void json_fault(const struct json_node *node, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For who tells every fault of a document, not the first alone: true when there is one, which is
 * taken out of the reader, so that reading goes on behind it. sentence: without the path. */
bool json_take_fault(struct json_reader *reader, char path[JSON_PATH_MAX],
                     char sentence[JSON_SENTENCE_MAX]);

struct json_node json_root(struct json_reader *reader);
/* True when the object has the member and it is not null. */
bool json_read_has(const struct json_node *object, const char *name);
/* The name of one of the object's members, in the order of the text; NULL: there are no more. */
const char *json_read_name(const struct json_node *object, size_t index);
struct json_node json_read_object(const struct json_node *object, const char *name);
struct json_node json_read_array(const struct json_node *object, const char *name);
size_t json_read_length(const struct json_node *array);
struct json_node json_read_item(const struct json_node *array, size_t index); /* an object */

/* A member of an object. text: at most size − 1 bytes, not empty. */
void json_read_text(const struct json_node *object, const char *name, char *text, size_t size);
void json_read_integer(const struct json_node *object, const char *name, int64_t min, int64_t max,
                       int64_t *value);
void json_read_real(const struct json_node *object, const char *name, double min, double max,
                    double *value);
void json_read_bool(const struct json_node *object, const char *name, bool *value);
/* A member that is an array of exactly `count` numbers. */
void json_read_floats(const struct json_node *object, const char *name, double min, double max,
                      size_t count, float *values);
/* A member that is an array of at most count_max numbers; returns how many, 0 after a fault. */
size_t json_read_reals(const struct json_node *object, const char *name, double min, double max,
                       size_t count_max, double *values);

/* Writes a document indented by two spaces. Memory that runs out is noticed at the end. name: NULL
 * inside an array and for the outermost value. */
struct json_writer;
struct json_writer *json_writer_create(void);         /* NULL: out of memory */
struct json_writer *json_writer_create_compact(void); /* without indentation and line feeds */
void json_write_object(struct json_writer *writer, const char *name);
void json_write_array(struct json_writer *writer, const char *name);
void json_write_end(struct json_writer *writer); /* of the innermost object or array */
/* Each byte that is not UTF-8 becomes U+FFFD. */
void json_write_text(struct json_writer *writer, const char *name, const char *text);
void json_write_integer(struct json_writer *writer, const char *name, int64_t value);
/* The shortest decimal that reads back as the same double; null when not finite. */
void json_write_real(struct json_writer *writer, const char *name, double value);
/* A float32 with 9 significant digits, which always read back as the same float32. */
void json_write_float(struct json_writer *writer, const char *name, float value);
/* A measurement with 9 significant digits; null when not finite. */
void json_write_short(struct json_writer *writer, const char *name, double value);
void json_write_bool(struct json_writer *writer, const char *name, bool value);
void json_write_null(struct json_writer *writer, const char *name);
/* Writes the object's members into the writer's innermost object, but those named in `except` (NULL
 * at the end). */
void json_copy_members(struct json_writer *writer, const struct json_node *object,
                       const char *const *except);
/* Ends the writer: the document, with a final line feed unless compact, from malloc; NULL: memory
 * ran out. */
char *json_writer_finish(struct json_writer *writer, size_t *size);

#endif
