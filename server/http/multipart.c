/* How a delimiter is found: it is CR LF "--" boundary, and no byte of it but the first is a CR
 * (a boundary has none). So when a match breaks off after k bytes, those k bytes are content and
 * equal to the delimiter's first k bytes, and a new match can begin only at the byte that broke it.
 * A count is therefore all that must be kept from one call to the next: nothing is buffered twice,
 * and each byte is looked at once by memchr and once by the match.
 *
 * The first delimiter may stand at the very start of the body, and the delimiter after a part
 * without content may share its CR LF with the empty line before it: in both places matching begins
 * as if CR LF had been seen, and the two are not content when the match breaks off.
 *
 * The parts' content lies in one block, as large as the body was declared: nothing is copied while
 * it grows, and however many parts there are, they reserve no more than was admitted. Where nothing
 * was declared it grows by doubling, and so a part's place in it is kept, not its address.
 */
#include "server/http/multipart.h"

#include "server/http/buffer.h"
#include "server/http/disposition.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum state { PREAMBLE, AFTER_DELIMITER, PART_HEADER, CONTENT, EPILOGUE, BROKEN };

struct part {
    char name[MULTIPART_NAME_MAX + 1];
    size_t begin, size, size_max; /* of its content, within that of all parts */
    bool file;
};

struct multipart {
    const struct http_body_limits *limits;
    uint64_t declared; /* bytes of the body */
    enum state state;
    char delimiter[4 + MULTIPART_BOUNDARY_MAX + 1];
    size_t delimiter_size;
    size_t matched;  /* bytes of the delimiter seen just before */
    size_t borrowed; /* of these, the first so many are not content: a line end already taken */
    size_t dashes;   /* AFTER_DELIMITER: of the closing "--" */
    bool carriage;   /* AFTER_DELIMITER: the CR of the line end was seen */
    char header[MULTIPART_PART_HEADER_MAX];
    size_t header_size, line_start; /* of the part's header lines; where the last one began */
    struct buffer content;          /* of all parts, one behind the other */
    struct part *parts;
    size_t parts_begun;
    struct http_part *list; /* what multipart_parts tells */
    size_t list_size;
};

struct multipart *multipart_create(const char *boundary, const struct http_body_limits *limits,
                                   uint64_t declared, struct spare *spare) {
    size_t size = strlen(boundary);
    assert(size >= 1 && size <= MULTIPART_BOUNDARY_MAX);
    struct multipart *multipart = calloc(1, sizeof *multipart);
    if (!multipart)
        return NULL;
    multipart->parts = calloc(limits->parts_max, sizeof *multipart->parts);
    multipart->list = calloc(limits->parts_max, sizeof *multipart->list);
    if (!multipart->parts || !multipart->list) {
        multipart_destroy(multipart);
        return NULL;
    }
    multipart->limits = limits;
    multipart->content = (struct buffer){.size_max = limits->multipart_bytes_max, .spare = spare};
    multipart->declared = declared;
    snprintf(multipart->delimiter, sizeof multipart->delimiter, "\r\n--%s", boundary);
    multipart->delimiter_size = strlen(multipart->delimiter);
    multipart->matched = multipart->borrowed = 2;
    return multipart;
}

static enum status broken(struct multipart *multipart, struct error *err, const char *why) {
    multipart->state = BROKEN;
    return error_set(err, STATUS_INVALID_MULTIPART, "%s", why);
}

static enum status too_large(struct multipart *multipart, const struct part *part,
                             struct error *err) {
    multipart->state = BROKEN;
    if (part->file)
        return error_set(err, STATUS_BODY_TOO_LARGE, "The file %s is larger than %zu bytes.",
                         part->name, part->size_max);
    return error_set(err, STATUS_INVALID_FIELD, "The field %s is longer than %zu bytes.",
                     part->name, part->size_max);
}

static enum status content_append(struct multipart *multipart, const uint8_t *data, size_t size,
                                  struct error *err) {
    if (multipart->state == PREAMBLE)
        return STATUS_OK; /* RFC 2046: to be ignored */
    struct part *part = &multipart->parts[multipart->parts_begun - 1];
    if (size > part->size_max - part->size)
        return too_large(multipart, part, err);
    switch (buffer_append(&multipart->content, data, size, (size_t)multipart->declared)) {
    case BUFFER_OK:
        part->size += size;
        return STATUS_OK;
    case BUFFER_NO_MEMORY:
        multipart->state = BROKEN;
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    case BUFFER_FULL:
        break;
    }
    multipart->state = BROKEN;
    return error_set(err, STATUS_BODY_TOO_LARGE, "The body may have %zu bytes.",
                     multipart->content.size_max);
}

/* The first CR that LF follows, or that is the last byte. */
static const uint8_t *find_line_end(const uint8_t *at, const uint8_t *end) {
    while ((at = memchr(at, '\r', (size_t)(end - at)))) {
        if (at + 1 == end || at[1] == '\n')
            return at;
        at++;
    }
    return NULL;
}

/* Takes content up to and including a delimiter, or all there is. Sets *consumed. */
static enum status take_content(struct multipart *multipart, const uint8_t *data, size_t size,
                                size_t *consumed, struct error *err) {
    const uint8_t *delimiter = (const uint8_t *)multipart->delimiter;
    size_t at = 0;
    while (at < size) {
        if (multipart->matched == 0) {
            const uint8_t *carriage = find_line_end(data + at, data + size);
            size_t plain = carriage ? (size_t)(carriage - data) - at : size - at;
            enum status status = content_append(multipart, data + at, plain, err);
            if (status != STATUS_OK)
                return status;
            at += plain;
            if (!carriage)
                break;
            multipart->matched = 1;
            at++;
            continue;
        }
        if (data[at] == delimiter[multipart->matched]) {
            at++;
            if (++multipart->matched < multipart->delimiter_size)
                continue;
            multipart->matched = multipart->borrowed = 0;
            multipart->state = AFTER_DELIMITER;
            multipart->dashes = 0;
            multipart->carriage = false;
            break;
        }
        size_t borrowed = multipart->borrowed, false_match = multipart->matched - borrowed;
        multipart->matched = multipart->borrowed = 0;
        enum status status = content_append(multipart, delimiter + borrowed, false_match, err);
        if (status != STATUS_OK)
            return status;
    }
    *consumed = at;
    return STATUS_OK;
}

/* After a delimiter: "--" ends the body; blanks and a line end begin the next part. */
static enum status take_after_delimiter(struct multipart *multipart, uint8_t byte,
                                        struct error *err) {
    if (byte == '-' && !multipart->carriage) {
        if (++multipart->dashes == 2)
            multipart->state = EPILOGUE;
        return STATUS_OK;
    }
    if (multipart->dashes > 0)
        return broken(multipart, err, "A boundary is not followed by a line end.");
    if (multipart->carriage) {
        if (byte != '\n')
            return broken(multipart, err, "A boundary is not followed by a line end.");
        if (multipart->parts_begun == multipart->limits->parts_max)
            return broken(multipart, err, "The body has too many parts.");
        multipart->state = PART_HEADER;
        multipart->header_size = multipart->line_start = 0;
        return STATUS_OK;
    }
    if (byte == '\r')
        multipart->carriage = true;
    else if (byte != ' ' && byte != '\t')
        return broken(multipart, err, "A boundary is not followed by a line end.");
    return STATUS_OK;
}

static bool named_as_file(const struct http_body_limits *limits, const char *name) {
    for (size_t i = 0; limits->files && limits->files[i]; i++)
        if (strcmp(limits->files[i], name) == 0)
            return true;
    return false;
}

static enum status part_begin(struct multipart *multipart, struct error *err) {
    struct part *part = &multipart->parts[multipart->parts_begun];
    if (!disposition_name(multipart->header, multipart->header_size, part->name, sizeof part->name))
        return broken(multipart, err,
                      "A part has no header Content-Disposition: form-data with a "
                      "quoted name.");
    multipart->parts_begun++;
    part->file = named_as_file(multipart->limits, part->name);
    part->begin = multipart->content.size;
    part->size_max =
        part->file ? multipart->limits->file_bytes_max : multipart->limits->field_bytes_max;
    multipart->state = CONTENT;
    multipart->matched = multipart->borrowed = 2; /* the delimiter may follow the empty line */
    return STATUS_OK;
}

static enum status take_header(struct multipart *multipart, uint8_t byte, struct error *err) {
    if (multipart->header_size == sizeof multipart->header)
        return broken(multipart, err, "The header of a part is too long.");
    multipart->header[multipart->header_size++] = (char)byte;
    if (byte != '\n')
        return STATUS_OK;
    size_t end = multipart->header_size;
    if (end < 2 || multipart->header[end - 2] != '\r')
        return broken(multipart, err, "A header line of a part does not end with CR LF.");
    bool empty = end - multipart->line_start == 2;
    multipart->line_start = end;
    return empty ? part_begin(multipart, err) : STATUS_OK;
}

enum status multipart_feed(struct multipart *multipart, const uint8_t *data, size_t size,
                           struct error *err) {
    size_t at = 0;
    while (at < size) {
        enum status status = STATUS_OK;
        size_t consumed = 1;
        switch (multipart->state) {
        case PREAMBLE:
        case CONTENT:
            status = take_content(multipart, data + at, size - at, &consumed, err);
            break;
        case AFTER_DELIMITER:
            status = take_after_delimiter(multipart, data[at], err);
            break;
        case PART_HEADER:
            status = take_header(multipart, data[at], err);
            break;
        case EPILOGUE:
            return STATUS_OK; /* RFC 2046: to be ignored */
        case BROKEN:
            return broken(multipart, err, "The body is broken.");
        }
        if (status != STATUS_OK)
            return status;
        at += consumed;
    }
    return STATUS_OK;
}

enum status multipart_finish(struct multipart *multipart, struct error *err) {
    if (multipart->state != EPILOGUE)
        return broken(multipart, err, "The closing boundary is missing.");
    if (multipart->parts_begun == 0)
        return broken(multipart, err, "The body has no parts.");
    for (size_t i = 0; i < multipart->parts_begun; i++) {
        const struct part *part = &multipart->parts[i];
        if (part->size > 0)
            multipart->list[multipart->list_size++] =
                (struct http_part){.name = part->name,
                                   .data = multipart->content.data + part->begin,
                                   .size = part->size};
    }
    return STATUS_OK;
}

size_t multipart_parts(const struct multipart *multipart, const struct http_part **parts) {
    *parts = multipart->list;
    return multipart->list_size;
}

void multipart_destroy(struct multipart *multipart) {
    if (!multipart)
        return;
    buffer_wipe(&multipart->content);
    free(multipart->parts);
    free(multipart->list);
    explicit_bzero(multipart->header, sizeof multipart->header); /* a file's name */
    free(multipart);
}
