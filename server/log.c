/* A line is built in a buffer on the stack and written by one write(2). LOG_LINE_MAX is below
 * PIPE_BUF, so lines of several threads do not mix in a pipe either.
 *
 * A reader that has stopped reading must not hold up the loop, and with it every answer. stderr's
 * blocking mode belongs to whoever started the program, and may be shared with others; so it is
 * asked by poll(2) whether it has room, which of a pipe is a page at least. What has none is
 * dropped, counted, and told once there is some. Between question and write nobody of this process
 * takes the room away: a lock is held, for a microsecond. Another process on the same pipe could
 * take the last page in that moment, and the line would wait. Files always have room, a terminal
 * that was stopped (Ctrl-S) has none.
 *
 * A field that does not fit whole is taken back, and with it all that follow; room for the mark
 * that says so is kept from the start.
 *
 * The level and the count of what was dropped are the process's, as stderr is.
 */
#include "server/log.h"
#include "server/clock.h"
#include "server/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert((int)LOG_LINE_MAX <= PIPE_BUF, "a line is written to a pipe as a whole");

#define TRUNCATED ",\"truncated\":true"
#define END "}\n"
enum { TEXT_MAX = LOG_LINE_MAX - (sizeof TRUNCATED - 1) - (sizeof END - 1) };

static atomic_int level_least = LOG_INFO;
static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

void log_set_level(enum log_level level) {
    atomic_store_explicit(&level_least, (int)level, memory_order_relaxed);
}

const char *log_level_name(void) {
    return level_names[atomic_load_explicit(&level_least, memory_order_relaxed)];
}

bool log_level_parse(const char *text, enum log_level *level) {
    for (int i = LOG_DEBUG; i <= LOG_OFF; i++)
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

bool log_enabled(enum log_level level) {
    return level < LOG_OFF &&
           (int)level >= atomic_load_explicit(&level_least, memory_order_relaxed);
}

struct line {
    char text[LOG_LINE_MAX + 1]; /* printf's terminator besides */
    size_t length;
    bool full; /* something did not fit; nothing is appended after that */
};

static void append(struct line *line, const char *bytes, size_t size) {
    if (line->full || size > TEXT_MAX - line->length) {
        line->full = true;
        return;
    }
    memcpy(line->text + line->length, bytes, size);
    line->length += size;
}

static void append_escaped(struct line *line, uint32_t point) {
    static const char shorts[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    char text[8];
    const char *found = point && point < 0x80 ? strchr(shorts, (int)point) : NULL;
    int size = found ? snprintf(text, sizeof text, "\\%c", letters[found - shorts])
                     : snprintf(text, sizeof text, "\\u%04x", (unsigned)(point & 0xFFFF));
    append(line, text, (size_t)size);
}

/* Besides what JSON demands, the C1 controls and the two line separators of Unicode are escaped:
 * a terminal obeys the former, and readers of lines break at the latter. */
static bool needs_escape(uint32_t point) {
    return point < 0x20 || point == '"' || point == '\\' || (point >= 0x7F && point < 0xA0) ||
           point == 0x2028 || point == 0x2029;
}

static void append_string(struct line *line, const char *text) {
    size_t left = strnlen(text, LOG_LINE_MAX); /* more than that cannot fit */
    append(line, "\"", 1);
    while (left > 0 && !line->full) {
        uint32_t point;
        size_t size = utf8_next(text, left, &point);
        if (size == 0) {
            append(line, UTF8_REPLACEMENT, sizeof UTF8_REPLACEMENT - 1);
            size = 1;
        } else if (needs_escape(point)) {
            append_escaped(line, point);
        } else {
            append(line, text, size);
        }
        text += size;
        left -= size;
    }
    append(line, "\"", 1);
}

static void append_value(struct line *line, const struct log_field *field) {
    char number[32];
    switch (field->type) {
    case LOG_FIELD_STR:
        if (field->str)
            append_string(line, field->str);
        else
            append(line, "null", 4);
        break;
    case LOG_FIELD_INT:
        append(line, number, (size_t)snprintf(number, sizeof number, "%" PRId64, field->integer));
        break;
    case LOG_FIELD_REAL:
        if (isfinite(field->real))
            append(line, number, (size_t)snprintf(number, sizeof number, "%.10g", field->real));
        else
            append(line, "null", 4);
        break;
    case LOG_FIELD_BOOL:
        append(line, field->integer ? "true" : "false", field->integer ? 4 : 5);
        break;
    case LOG_FIELD_END:
        break;
    }
}

static void append_field(struct line *line, const struct log_field *field) {
    size_t before = line->length;
    append(line, before == 0 ? "{" : ",", 1);
    append_string(line, field->name);
    append(line, ":", 1);
    append_value(line, field);
    if (line->full)
        line->length = before;
}

static void begin(struct line *line, enum log_level level, const char *event) {
    char time[CLOCK_TEXT_SIZE];
    clock_wall_text(time);
    line->length = 0;
    line->full = false;
    append_field(line, &LOG_STR("time", time));
    append_field(line, &LOG_STR("level", level_names[level]));
    append_field(line, &LOG_STR("event", event));
}

static void end(struct line *line) {
    line->length += (size_t)snprintf(line->text + line->length, sizeof line->text - line->length,
                                     "%s", line->full ? TRUNCATED END : END);
}

/* ---- stderr ---- */

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static uint64_t lines_untold; /* dropped since the last time that this was told; under `writing` */
static _Atomic uint64_t lines_dropped;

/* True also where a write will fail at once. */
static bool has_room(void) {
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    int ready;
    while ((ready = poll(&out, 1, 0)) < 0 && errno == EINTR)
        ;
    return ready > 0;
}

static bool put(const struct line *line) {
    if (!has_room())
        return false;
    ssize_t written;
    while ((written = write(STDERR_FILENO, line->text, line->length)) < 0 && errno == EINTR)
        ;
    return written >= 0;
}

static bool tell_dropped(void) {
    if (lines_untold == 0)
        return true;
    struct line line;
    begin(&line, LOG_ERROR, "log_lines_dropped");
    append_field(&line, &LOG_INT("count", lines_untold));
    end(&line);
    if (!put(&line))
        return false;
    lines_untold = 0;
    return true;
}

static void put_or_drop(const struct line *line) {
    pthread_mutex_lock(&writing);
    if (!tell_dropped() || !put(line)) {
        lines_untold++;
        atomic_fetch_add_explicit(&lines_dropped, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&writing);
}

uint64_t log_lines_dropped(void) {
    return atomic_load_explicit(&lines_dropped, memory_order_relaxed);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields) {
    if (!log_enabled(level))
        return;
    struct line line;
    begin(&line, level, event);
    for (; fields->type != LOG_FIELD_END && !line.full; fields++)
        append_field(&line, fields);
    end(&line);
    put_or_drop(&line);
}
