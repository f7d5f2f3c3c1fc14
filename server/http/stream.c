/* An answer that is written as it comes. libmicrohttpd asks for bytes whenever the socket takes
 * some; where there are none yet its connection is suspended, and the next write resumes it. The
 * sweep (connection.c) finds out about a client that has left meanwhile, as with every suspended
 * request.
 *
 * The stream belongs to libmicrohttpd's response, which outlives the request by a moment: when the
 * request goes first, the stream is only cut off from it.
 */
#include "server/http/connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct stream {
    struct http_request *request; /* NULL: gone */
    char *bytes;
    size_t size, sent, size_max;
    bool ended;
};

enum { BLOCK_BYTES = 4096 };

static ssize_t give(void *cls, uint64_t position, char *to, size_t room) {
    (void)position;
    struct stream *stream = cls;
    size_t left = stream->size - stream->sent;
    if (left == 0 && (stream->ended || !stream->request))
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (left == 0) {
        exchange_suspend(stream->request);
        return 0;
    }
    size_t size = left < room ? left : room;
    memcpy(to, stream->bytes + stream->sent, size);
    stream->sent += size;
    return (ssize_t)size;
}

static void release(void *cls) {
    struct stream *stream = cls;
    if (stream->request)
        stream->request->stream = NULL;
    free(stream->bytes);
    free(stream);
}

void stream_detach(struct http_request *request) {
    if (request->stream)
        request->stream->request = NULL;
    request->stream = NULL;
}

static void wake(struct http_request *request) {
    if (request->phase == PHASE_ANSWER && request->suspended)
        exchange_resume(request);
}

static struct MHD_Response *create(struct http_request *request, size_t bytes_max) {
    struct stream *stream = calloc(1, sizeof *stream);
    char *bytes = malloc(bytes_max);
    if (!stream || !bytes) {
        free(bytes);
        free(stream);
        return NULL;
    }
    stream->bytes = bytes;
    stream->size_max = bytes_max;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, give, stream, release);
    if (!response) {
        release(stream);
        return NULL;
    }
    stream->request = request;
    request->stream = stream;
    return response;
}

void http_reply_stream(struct http_request *request, const char *content_type, size_t bytes_max,
                       const struct http_header *headers) {
    reply_made(request, create(request, bytes_max), 200, content_type, headers);
}

bool http_stream_write(struct http_request *request, const char *bytes, size_t size) {
    struct stream *stream = request->stream;
    if (!stream)
        return false;
    assert(!stream->ended);
    if (stream->sent > 0) {
        memmove(stream->bytes, stream->bytes + stream->sent, stream->size - stream->sent);
        stream->size -= stream->sent;
        stream->sent = 0;
    }
    if (size > stream->size_max - stream->size)
        return false;
    memcpy(stream->bytes + stream->size, bytes, size);
    stream->size += size;
    wake(request);
    return true;
}

void http_stream_end(struct http_request *request) {
    if (!request->stream)
        return;
    request->stream->ended = true;
    wake(request);
}
