/* JSON lines on stderr, one event a line:
 * {"time":…,"level":"info","event":"request","request_id":…, fields…}. Never an image byte, an
 * embedding, a key or a file name that a client sent. Any thread; a line is written by one
 * write(2). A line is at most LOG_LINE_MAX bytes; what does not fit is cut at a field and marked
 * "truncated":true.
 *
 * Nobody waits for whoever reads: a line for which stderr has no room is dropped, and how many were
 * is told by the event log_lines_dropped before the next line that finds some.
 *
 * Strings are escaped as JSON, and so that no control character (C1 too) reaches a terminal; each
 * byte that is not UTF-8 becomes U+FFFD. A number that JSON does not have (NaN, infinite) is null.
 * Field names are the program's own and different from each other.
 *
 *     log_event(LOG_INFO, "request", LOG_STR("route", route), LOG_INT("status", 200),
 * LOG_REAL("total_ms", 17.2));
 */
#ifndef FACEPAIR_SERVER_LOG_H
#define FACEPAIR_SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum { LOG_LINE_MAX = 2048 };

struct log_field {
    const char *name;
    enum { LOG_FIELD_END, LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_REAL, LOG_FIELD_BOOL } type;
    const char *str; /* UTF-8; escaped; NULL is written as null */
    int64_t integer;
    double real;
};

#define LOG_STR(n, v) ((struct log_field){.name = (n), .type = LOG_FIELD_STR, .str = (v)})
#define LOG_INT(n, v)                                                                              \
    ((struct log_field){.name = (n), .type = LOG_FIELD_INT, .integer = (int64_t)(v)})
#define LOG_REAL(n, v) ((struct log_field){.name = (n), .type = LOG_FIELD_REAL, .real = (v)})
#define LOG_BOOL(n, v) ((struct log_field){.name = (n), .type = LOG_FIELD_BOOL, .integer = (v)})
#define log_event(level, event, ...)                                                               \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__, {.type = LOG_FIELD_END}})

/* The level is the process's, as stderr is; LOG_INFO until it is set. */
void log_set_level(enum log_level level);
const char *log_level_name(void); /* the process's, as log_level_parse() takes it */
bool log_level_parse(const char *text, enum log_level *level); /* debug info warn error off */
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *event, const struct log_field *fields);
/* Since the process began: for want of room, or because they could not be written. Any thread. */
uint64_t log_lines_dropped(void);

#ifdef __cplusplus
}
#endif
#endif
