/* Lines for whoever has started the process. They are news and no record: a pipe that is full or
 * closed takes none, and nobody waits for it. */
#include "model/trainer/inside.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

struct json_writer *told_open(const char *type, const char *member, const char *id) {
    struct json_writer *line = json_writer_create_compact();
    if (line) {
        json_write_object(line, NULL);
        json_write_text(line, "event", type);
        json_write_text(line, member, id);
    }
    return line;
}

void told_close(const struct trainer *trainer, struct json_writer *line) {
    if (!line)
        return;
    size_t size;
    json_write_end(line);
    char *text = json_writer_finish(line, &size);
    if (text && size < PIPE_BUF && trainer->options->events >= 0) {
        text[size] = '\n'; /* where the terminator was */
        ssize_t written = write(trainer->options->events, text, size + 1);
        (void)written;
    }
    free(text);
}

void told_state(const struct trainer *trainer, const char *id, enum job_state state,
                unsigned attempt) {
    struct json_writer *line = told_open(event_type_word(EVENT_STATE), "job", id);
    if (line) {
        json_write_text(line, "status", job_state_word(state));
        json_write_integer(line, "attempt", attempt);
    }
    told_close(trainer, line);
}
