#include "model/lines.h"

#include "model/file.h"

#include <stdlib.h>
#include <string.h>

enum status lines_open(const char *path, struct lines *lines, struct error *err) {
    size_t size;
    *lines = (struct lines){.path = path, .err = err};
    enum status status = file_read(path, LINES_BYTES_MAX, &lines->text, &size, err);
    if (status != STATUS_OK)
        return status;
    lines->next = lines->text;
    if (strlen(lines->text) == size)
        return STATUS_OK;
    lines_close(lines);
    return error_set(err, STATUS_INVALID_FIELD, "%.200s: not a text file", path);
}

void lines_close(struct lines *lines) {
    free(lines->text);
    lines->text = NULL;
}

static int cut(char *line, char *fields[LINES_FIELDS_MAX]) {
    static const char BLANKS[] = " \t\r";
    int count = 0;
    for (line += strspn(line, BLANKS); *line; line += strspn(line, BLANKS)) {
        if (count == LINES_FIELDS_MAX)
            return count + 1;
        fields[count++] = line;
        line += strcspn(line, BLANKS);
        if (*line)
            *line++ = '\0';
    }
    return count;
}

int lines_take(struct lines *lines, char *fields[LINES_FIELDS_MAX]) {
    while (*lines->next) {
        char *line = lines->next;
        size_t length = strcspn(line, "\n");
        lines->next += length + (line[length] == '\n');
        lines->number++;
        line[length] = '\0';
        int count = *line == '#' ? 0 : cut(line, fields);
        if (count > 0)
            return count;
    }
    return 0;
}

enum status lines_fault(const struct lines *lines, const char *what) {
    return error_set(lines->err, STATUS_INVALID_FIELD, "%.120s, line %u: %.100s", lines->path,
                     lines->number, what);
}

bool lines_number(const char *text, uint32_t max, uint32_t *number) {
    size_t length = strlen(text);
    if (length == 0 || length > 10 || strspn(text, "0123456789") != length)
        return false;
    unsigned long value = strtoul(text, NULL, 10);
    *number = (uint32_t)value;
    return value <= max;
}
