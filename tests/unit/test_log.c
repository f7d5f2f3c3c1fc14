#include "server/clock.h"
#include "server/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* stderr is a datagram socket for the length of a capture: each write(2) is one datagram, so that
 * a line of two writes would be two. */
struct capture {
    int read_end, saved;
};

static void capture_begin(struct capture *capture) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    capture->read_end = ends[0];
    capture->saved = dup(STDERR_FILENO);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
}

/* The next datagram as text; false: there is none. */
static bool capture_next(struct capture *capture, char text[LOG_LINE_MAX + 1]) {
    ssize_t size = recv(capture->read_end, text, LOG_LINE_MAX + 1, MSG_DONTWAIT);
    if (size < 0)
        return false;
    assert_true(size <= LOG_LINE_MAX);
    text[size] = '\0';
    return true;
}

static void capture_end(struct capture *capture) {
    dup2(capture->saved, STDERR_FILENO);
    close(capture->saved);
    close(capture->read_end);
}

/* What one call writes, as jansson reads it; the caller's to free. */
#define LOGGED(call)                                                                               \
    __extension__({                                                                                \
        struct capture capture_;                                                                   \
        char text_[LOG_LINE_MAX + 1];                                                              \
        capture_begin(&capture_);                                                                  \
        call;                                                                                      \
        bool got_ = capture_next(&capture_, text_);                                                \
        capture_end(&capture_);                                                                    \
        assert_true(got_);                                                                         \
        parse_line(text_);                                                                         \
    })

static json_t *parse_line(const char *line) {
    json_error_t error;
    size_t size = strlen(line);
    assert_true(size > 0 && line[size - 1] == '\n');
    assert_ptr_equal(strchr(line, '\n'), line + size - 1);
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        print_error("%s: %s\n", error.text, line);
    assert_non_null(object);
    return object;
}

static const char *string_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return text;
}

static void a_line_has_time_level_event_and_the_fields_in_their_types(void **state) {
    (void)state;
    json_t *line = LOGGED(log_event(LOG_WARN, "request", LOG_STR("route", "/v1/verify"),
                                    LOG_INT("status", 200), LOG_REAL("total_ms", 17.2),
                                    LOG_BOOL("left", true), LOG_STR("nothing", NULL)));
    assert_int_equal(strlen(string_of(line, "time")), 24);
    assert_string_equal(string_of(line, "level"), "warn");
    assert_string_equal(string_of(line, "event"), "request");
    assert_string_equal(string_of(line, "route"), "/v1/verify");
    assert_int_equal(json_integer_value(json_object_get(line, "status")), 200);
    assert_true(json_real_value(json_object_get(line, "total_ms")) == 17.2);
    assert_true(json_is_true(json_object_get(line, "left")));
    assert_true(json_is_null(json_object_get(line, "nothing")));
    assert_null(json_object_get(line, "truncated"));
    json_decref(line);
}

static void the_whole_range_of_an_integer_is_written(void **state) {
    (void)state;
    json_t *line =
        LOGGED(log_event(LOG_ERROR, "x", LOG_INT("least", INT64_MIN), LOG_INT("most", INT64_MAX)));
    assert_true(json_integer_value(json_object_get(line, "least")) == INT64_MIN);
    assert_true(json_integer_value(json_object_get(line, "most")) == INT64_MAX);
    json_decref(line);
}

static void numbers_that_json_does_not_have_are_null(void **state) {
    (void)state;
    json_t *line = LOGGED(log_event(LOG_ERROR, "x", LOG_REAL("nan", NAN), LOG_REAL("inf", INFINITY),
                                    LOG_REAL("less", -INFINITY)));
    assert_true(json_is_null(json_object_get(line, "nan")));
    assert_true(json_is_null(json_object_get(line, "inf")));
    assert_true(json_is_null(json_object_get(line, "less")));
    json_decref(line);
}

static void quotes_and_control_characters_come_back_as_they_went_in(void **state) {
    (void)state;
    char every[0x80];
    for (int i = 1; i < 0x80; i++)
        every[i - 1] = (char)i;
    every[0x7F] = '\0';
    json_t *line = LOGGED(log_event(LOG_ERROR, "x", LOG_STR("every", every)));
    assert_string_equal(string_of(line, "every"), every);
    json_decref(line);
}

static void no_byte_of_a_line_is_a_control_character(void **state) {
    (void)state;
    struct capture capture;
    char text[LOG_LINE_MAX + 1];
    capture_begin(&capture);
    /* ESC, DEL, the C1 control CSI (U+009B) and the line separator U+2028. */
    log_event(LOG_ERROR, "x",
              LOG_STR("hostile", "\x1b[2J\x7f\xC2\x9B"
                                 "31m\xE2\x80\xA8\r\n"));
    bool got = capture_next(&capture, text);
    capture_end(&capture);
    assert_true(got);
    assert_non_null(strstr(text, "\\u001b[2J\\u007f\\u009b31m\\u2028\\r\\n"));
    for (const char *at = text; at[1]; at++)
        assert_in_range((unsigned char)*at, 0x20, 0x7E);
}

static void what_is_not_utf8_is_replaced(void **state) {
    (void)state;
    static const struct {
        const char *sent, *written;
    } cases[] = {
        {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
        {"\xF0\x9F\x99\x82", "\xF0\x9F\x99\x82"},
        {"a\xFFz", "a\xEF\xBF\xBDz"},
        {"a\x80z", "a\xEF\xBF\xBDz"},
        {"cut \xE2\x82", "cut \xEF\xBF\xBD\xEF\xBF\xBD"},
        {"overlong \xC0\xAF", "overlong \xEF\xBF\xBD\xEF\xBF\xBD"},
        {"surrogate \xED\xA0\x80", "surrogate \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *line = LOGGED(log_event(LOG_ERROR, "x", LOG_STR("text", cases[i].sent)));
        assert_string_equal(string_of(line, "text"), cases[i].written);
        json_decref(line);
    }
}

static void a_line_too_long_is_cut_at_a_field_and_says_so(void **state) {
    (void)state;
    char *text = malloc((size_t)3 * LOG_LINE_MAX);
    assert_non_null(text);
    /* Every length around the limit, of a letter, of one that is escaped to six bytes and of one
     * of two bytes. */
    static const char *const letters[] = {"a", "\x01", "\xC3\xA9"};
    bool cut = false, whole = false;
    for (size_t kind = 0; kind < 3; kind++) {
        size_t size = strlen(letters[kind]);
        for (size_t count = 0; count < LOG_LINE_MAX + 10; count++) {
            memcpy(text + count * size, letters[kind], size + 1);
            if (count < LOG_LINE_MAX / 8)
                continue;
            json_t *line = LOGGED(log_event(LOG_ERROR, "x", LOG_INT("before", 1),
                                            LOG_STR("text", text), LOG_INT("after", 2)));
            bool truncated = json_is_true(json_object_get(line, "truncated"));
            bool has_text = json_object_get(line, "text") != NULL;
            assert_int_equal(json_integer_value(json_object_get(line, "before")), 1);
            assert_int_equal(json_object_get(line, "after") == NULL, truncated);
            if (has_text)
                assert_int_equal(strlen(string_of(line, "text")), (count + 1) * size);
            else
                assert_true(truncated);
            cut |= truncated;
            whole |= !truncated;
            json_decref(line);
        }
    }
    assert_true(cut && whole);
    free(text);
}

static void levels_below_the_one_set_are_silent(void **state) {
    (void)state;
    struct capture capture;
    char text[LOG_LINE_MAX + 1];
    bool said[LOG_OFF + 1][LOG_OFF + 1], enabled[LOG_OFF + 1][LOG_OFF + 1];
    capture_begin(&capture);
    for (enum log_level set = LOG_DEBUG; set <= LOG_OFF; set++)
        for (enum log_level level = LOG_DEBUG; level <= LOG_OFF; level++) {
            log_set_level(set);
            enabled[set][level] = log_enabled(level);
            log_event(level, "x", LOG_INT("n", 1));
            said[set][level] = capture_next(&capture, text);
        }
    log_set_level(LOG_INFO);
    capture_end(&capture);
    for (enum log_level set = LOG_DEBUG; set <= LOG_OFF; set++)
        for (enum log_level level = LOG_DEBUG; level <= LOG_OFF; level++) {
            assert_int_equal(said[set][level], level >= set && level != LOG_OFF);
            assert_int_equal(enabled[set][level], said[set][level]);
        }
}

static void levels_are_known_by_their_names(void **state) {
    (void)state;
    static const char *const names[] = {"debug", "info", "warn", "error", "off"};
    enum log_level level;
    for (int i = LOG_DEBUG; i <= LOG_OFF; i++) {
        assert_true(log_level_parse(names[i], &level));
        assert_int_equal(level, i);
    }
    assert_false(log_level_parse("", &level));
    assert_false(log_level_parse("Info", &level));
    assert_false(log_level_parse("warning", &level));
}

/* ---- a reader that stops reading ---- */
enum { PIPE_BYTES = 2 * 4096, TOO_MANY = 100, SECONDS_MAX = 20 };

/* stderr is a pipe with room for some lines alone; returns where they are read. */
static int begin_small_pipe(int *saved) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0); /* a write without room waits */
    *saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    return ends[0];
}

static void end_small_pipe(int read_end, int saved) {
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(read_end);
}

/* Takes all that is in the pipe; returns how many lines that were. */
static int empty(int read_end) {
    char text[2 * PIPE_BYTES];
    int lines = 0;
    ssize_t size;
    while ((size = read(read_end, text, sizeof text)) > 0)
        for (ssize_t i = 0; i < size; i++)
            lines += text[i] == '\n';
    return lines;
}

static void what_has_no_room_is_dropped_and_told_once_there_is_some(void **state) {
    (void)state;
    char filler[200], text[PIPE_BYTES + 1];
    memset(filler, 'f', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    uint64_t before = log_lines_dropped();
    int saved, read_end = begin_small_pipe(&saved);
    alarm(SECONDS_MAX); /* whoever waits for the reader waits for ever */
    for (int i = 0; i < TOO_MANY; i++)
        log_event(LOG_ERROR, "x", LOG_STR("filler", filler));
    alarm(0);
    uint64_t dropped = log_lines_dropped() - before;
    int written = empty(read_end);
    log_event(LOG_ERROR, "first", LOG_INT("n", 1));
    log_event(LOG_ERROR, "second", LOG_INT("n", 2));
    ssize_t size = read(read_end, text, PIPE_BYTES);
    end_small_pipe(read_end, saved);

    assert_true(written > 0 && dropped > 0 && (uint64_t)written + dropped == TOO_MANY);
    assert_true(size > 0);
    text[size] = '\0';
    char *rest = text;
    json_t *lines[3];
    for (int i = 0; i < 3; i++)
        assert_non_null(lines[i] = json_loads(strsep(&rest, "\n"), JSON_REJECT_DUPLICATES, NULL));
    assert_string_equal(rest, "");
    assert_string_equal(string_of(lines[0], "event"), "log_lines_dropped");
    assert_true((uint64_t)json_integer_value(json_object_get(lines[0], "count")) == dropped);
    assert_string_equal(string_of(lines[1], "event"), "first");
    assert_string_equal(string_of(lines[2], "event"), "second");
    for (int i = 0; i < 3; i++)
        json_decref(lines[i]);
}

static void what_nobody_can_read_any_more_is_dropped_too(void **state) {
    (void)state;
    uint64_t before = log_lines_dropped();
    int saved, read_end = begin_small_pipe(&saved);
    void (*handler)(int) = signal(SIGPIPE, SIG_IGN);
    close(read_end);
    log_event(LOG_ERROR, "x", LOG_INT("n", 1));
    uint64_t dropped = log_lines_dropped() - before;
    signal(SIGPIPE, handler);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_true(dropped == 1);
    json_t *line = LOGGED(log_event(LOG_ERROR, "x", LOG_INT("n", 2))); /* tells of it */
    assert_string_equal(string_of(line, "event"), "log_lines_dropped");
    json_decref(line);
}

/* ---- many threads ---- */
enum { WRITERS = 4, LINES = 500 };

static void *write_lines(void *argument) {
    char filler[900];
    memset(filler, 'f', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    for (int i = 0; i < LINES; i++)
        log_event(LOG_ERROR, "x", LOG_STR("filler", filler), LOG_INT("writer", (intptr_t)argument),
                  LOG_INT("number", i));
    return NULL;
}

struct reader {
    int pipe;
    char *text;
    size_t size, room;
};

static void *read_all(void *argument) {
    struct reader *reader = argument;
    ssize_t got;
    while (reader->size < reader->room &&
           (got = read(reader->pipe, reader->text + reader->size, reader->room - reader->size)) > 0)
        reader->size += (size_t)got;
    return NULL;
}

static void lines_of_many_threads_do_not_mix_in_a_pipe(void **state) {
    (void)state;
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    struct reader reader = {.pipe = ends[0], .room = (size_t)WRITERS * LINES * LOG_LINE_MAX};
    reader.text = malloc(reader.room + 1);
    assert_non_null(reader.text);
    uint64_t before = log_lines_dropped();
    pthread_t reading, writers[WRITERS];
    assert_int_equal(pthread_create(&reading, NULL, read_all, &reader), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    for (intptr_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, write_lines, (void *)i), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    dup2(saved, STDERR_FILENO); /* closes the last write end */
    close(saved);
    pthread_join(reading, NULL);
    close(ends[0]);
    reader.text[reader.size] = '\0';

    uint64_t lines = 0, dropped = log_lines_dropped() - before; /* the reader may fall behind */
    json_int_t next[WRITERS] = {0};
    char *rest = reader.text, *text;
    while ((text = strsep(&rest, "\n")) && *text) {
        json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(line);
        if (strcmp(string_of(line, "event"), "x") == 0) {
            json_int_t writer = json_integer_value(json_object_get(line, "writer"));
            json_int_t number = json_integer_value(json_object_get(line, "number"));
            assert_in_range(writer, 0, WRITERS - 1);
            assert_in_range(number, next[writer], LINES - 1);
            next[writer] = number + 1;
            lines++;
        }
        json_decref(line);
    }
    assert_true(lines > 0 && lines + dropped == (uint64_t)WRITERS * LINES);
    free(reader.text);
}

/* ---- clock.h ---- */
static void the_wall_clock_tells_the_moment_in_utc(void **state) {
    (void)state;
    char text[CLOCK_TEXT_SIZE];
    struct tm utc = {0};
    int ms, end = 0;
    time_t before = time(NULL);
    clock_wall_text(text);
    time_t after = time(NULL);
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    assert_non_null(rest);
    assert_int_equal(sscanf(rest, ".%3dZ%n", &ms, &end), 1);
    assert_int_equal(end, 5);
    assert_int_equal(strlen(text), 24);
    /* time() may lag behind clock_gettime() by a tick of the kernel. */
    assert_in_range(timegm(&utc), before, after + 1);
}

static void the_monotonic_clock_counts_microseconds_and_never_back(void **state) {
    (void)state;
    uint64_t start = clock_monotonic_us(), last = start;
    usleep(20000);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_monotonic_us();
        assert_true(now >= last);
        last = now;
    }
    assert_true(last - start >= 20000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_event_and_the_fields_in_their_types),
        cmocka_unit_test(the_whole_range_of_an_integer_is_written),
        cmocka_unit_test(numbers_that_json_does_not_have_are_null),
        cmocka_unit_test(quotes_and_control_characters_come_back_as_they_went_in),
        cmocka_unit_test(no_byte_of_a_line_is_a_control_character),
        cmocka_unit_test(what_is_not_utf8_is_replaced),
        cmocka_unit_test(a_line_too_long_is_cut_at_a_field_and_says_so),
        cmocka_unit_test(levels_below_the_one_set_are_silent),
        cmocka_unit_test(levels_are_known_by_their_names),
        cmocka_unit_test(what_has_no_room_is_dropped_and_told_once_there_is_some),
        cmocka_unit_test(what_nobody_can_read_any_more_is_dropped_too),
        cmocka_unit_test(lines_of_many_threads_do_not_mix_in_a_pipe),
        cmocka_unit_test(the_wall_clock_tells_the_moment_in_utc),
        cmocka_unit_test(the_monotonic_clock_counts_microseconds_and_never_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
