/* A stream begins as an errand like any page: the first look tells whether there is such a job, and
 * whether anything is left to say. From then on the feed, one timer for all streams, sends a task
 * to the disk thread that looks for what follows in each; a stream whose job has ended ends behind
 * its last event. What a slow client has not taken yet is looked up again, so nothing is kept for
 * it but the number of its last event; one that takes nothing for STUCK_MS is cut off, and may come
 * back with that number.
 *
 * Streams are known to a look by a number of their own: one may be gone when the look comes back.
 */
#include "api/events.h"

#include "api/authorize.h"
#include "api/errand.h"
#include "api/job_json.h"
#include "api/job_route.h"
#include "api/number.h"
#include "api/page.h"
#include "api/problem.h"
#include "api/send.h"
#include "model/store/events.h"
#include "server/clock.h"
#include "server/http/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    LOOK_MS = 200,
    COMMENT_MS = 15000,
    STUCK_MS = 30000,
    STREAM_BYTES_MAX = 256 * 1024,
    STREAM_EVENTS = 32, /* of one stream in one look */
};

struct found {
    struct store_event *events;
    size_t count;
    bool ended;
};

struct event_stream {
    struct errand errand;              /* first */
    struct event_stream *next, **link; /* of the feed's; link NULL: it is a page, or at its end */
    uint64_t number;                   /* its own */
    char id[UID_SIZE];
    bool stream;
    uint64_t after;
    size_t limit;
    struct found found;
    uint64_t written_ms; /* when something was last written */
};

struct looked {
    uint64_t number, after;
    char id[UID_SIZE];
    enum status status;
    struct found found;
};

struct event_feed {
    struct disk_task task; /* first */
    uv_timer_t timer;
    struct event_stream *streams;
    size_t streams_count;
    uint64_t last_number;
    bool looking, stopped;
    struct looked looked[EVENTS_STREAMS_MAX];
    size_t looked_count;
};

/* ---- streams ---- */

static void delist(struct event_feed *feed, struct event_stream *stream) {
    if (!stream->link)
        return;
    *stream->link = stream->next;
    if (stream->next)
        stream->next->link = stream->link;
    stream->link = NULL;
    feed->streams_count--;
}

static void enlist(struct event_feed *feed, struct event_stream *stream) {
    stream->number = ++feed->last_number;
    stream->link = &feed->streams;
    stream->next = feed->streams;
    if (stream->next)
        stream->next->link = &stream->next;
    feed->streams = stream;
    feed->streams_count++;
}

static void end(struct event_feed *feed, struct event_stream *stream) {
    delist(feed, stream);
    http_stream_end(stream->errand.request);
}

static bool write_event(struct event_stream *stream, const struct store_event *event) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return false;
    fprintf(file, "id: %llu\nevent: %s\ndata: %s\n\n", (unsigned long long)event->number,
            event_type_word(event->type), event->data);
    bool written = fclose(file) == 0 && http_stream_write(stream->errand.request, text, size);
    free(text);
    return written;
}

/* What was found goes out as far as the client takes it. */
static void feed_stream(struct event_feed *feed, struct event_stream *stream,
                        const struct found *found) {
    uint64_t now_ms = clock_monotonic_us() / 1000;
    size_t written = 0;
    while (written < found->count && write_event(stream, &found->events[written]))
        stream->after = found->events[written++].number;
    if (written > 0)
        stream->written_ms = now_ms;
    bool all = written == found->count;
    bool stuck = !all && now_ms - stream->written_ms > STUCK_MS;
    if (stuck || (all && found->ended))
        end(feed, stream);
    else if (all && now_ms - stream->written_ms >= COMMENT_MS &&
             http_stream_write(stream->errand.request, ":\n\n", 3))
        stream->written_ms = now_ms;
}

/* ---- the feed ---- */

static void work_look(struct disk_task *task) {
    struct event_feed *feed = (struct event_feed *)task;
    for (size_t i = 0; i < feed->looked_count; i++) {
        struct looked *looked = &feed->looked[i];
        struct error err;
        looked->status =
            store_events(task->service->store, looked->id, looked->after, STREAM_EVENTS,
                         &looked->found.events, &looked->found.count, &looked->found.ended, &err);
    }
}

static void back_look(struct disk_task *task) {
    struct event_feed *feed = (struct event_feed *)task;
    feed->looking = false;
    for (size_t i = 0; i < feed->looked_count; i++) {
        struct looked *looked = &feed->looked[i];
        struct event_stream *stream = feed->streams;
        while (stream && stream->number != looked->number)
            stream = stream->next;
        if (stream && looked->status == STATUS_NOT_FOUND) /* the job was deleted */
            end(feed, stream);
        else if (stream && looked->status == STATUS_OK)
            feed_stream(feed, stream, &looked->found);
        if (looked->status == STATUS_OK)
            store_events_release(looked->found.events, looked->found.count);
    }
}

static void end_what_was_revoked(struct event_feed *feed) {
    for (struct event_stream *stream = feed->streams, *next; stream; stream = next) {
        next = stream->next;
        if (!authorize_still(stream->errand.request))
            end(feed, stream);
    }
}

static void on_timer(uv_timer_t *timer) {
    struct event_feed *feed = timer->data;
    end_what_was_revoked(feed);
    if (feed->looking || feed->stopped || !feed->streams)
        return;
    feed->looked_count = 0;
    for (const struct event_stream *stream = feed->streams; stream; stream = stream->next) {
        struct looked *looked = &feed->looked[feed->looked_count++];
        *looked = (struct looked){.number = stream->number, .after = stream->after};
        memcpy(looked->id, stream->id, sizeof looked->id);
    }
    feed->looking = disk_submit(&feed->task);
}

enum status events_start(struct service *service, struct event_feed **started, struct error *err) {
    struct event_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    feed->task.service = service;
    feed->task.work = work_look;
    feed->task.back = back_look;
    feed->timer.data = feed;
    uv_timer_init(loop_uv(service->loop), &feed->timer);
    uv_timer_start(&feed->timer, on_timer, LOOK_MS, LOOK_MS);
    *started = feed;
    return STATUS_OK;
}

void events_drain(struct service *service) {
    struct event_feed *feed = service->event_feed;
    if (!feed)
        return;
    feed->stopped = true;
    while (feed->streams)
        end(feed, feed->streams);
}

static void closed(uv_handle_t *timer) { free(timer->data); }

void events_stop(struct event_feed *feed) {
    if (feed)
        uv_close((uv_handle_t *)&feed->timer, closed);
}

/* ---- a request ---- */

static struct event_stream *of(struct errand *errand) { return (struct event_stream *)errand; }

static enum status work(struct errand *errand, struct error *err) {
    struct event_stream *stream = of(errand);
    return store_events(errand->service->store, stream->id, stream->after, stream->limit,
                        &stream->found.events, &stream->found.count, &stream->found.ended, err);
}

static void answer_page(struct event_stream *stream) {
    char path[128], cursor[24];
    json_t *data = json_array();
    const struct found *found = &stream->found;
    for (size_t i = 0; i < found->count; i++)
        (void)json_array_append_new(data, event_json(&found->events[i]));
    bool more = found->count == stream->limit && !found->ended;
    snprintf(path, sizeof path, "%s/%s/events", job_route_path(stream->errand.request), stream->id);
    if (more)
        snprintf(cursor, sizeof cursor, "%llu",
                 (unsigned long long)found->events[found->count - 1].number);
    send_json(stream->errand.request, 200,
              page_json(stream->errand.request, path, data, more ? cursor : NULL), NULL);
}

static void answer_stream(struct event_stream *stream) {
    struct event_feed *feed = stream->errand.service->event_feed;
    static const struct http_header headers[] = {{"Cache-Control", "no-store"}, {NULL, NULL}};
    if (feed->stopped || feed->streams_count == EVENTS_STREAMS_MAX) {
        problem_reply(stream->errand.request, feed->stopped ? STATUS_DRAINING : STATUS_OVERLOADED,
                      &(struct error){"as many streams as there may be"});
        return;
    }
    http_reply_stream(stream->errand.request, "text/event-stream", STREAM_BYTES_MAX, headers);
    stream->written_ms = clock_monotonic_us() / 1000;
    enlist(feed, stream);
    feed_stream(feed, stream, &stream->found);
}

static void answer(struct errand *errand) {
    struct event_stream *stream = of(errand);
    if (!stream->stream)
        answer_page(stream);
    else if (stream->found.ended && stream->found.count == 0)
        http_reply_empty(errand->request, 204, NULL); /* tells an EventSource to stay away */
    else
        answer_stream(stream);
}

static void release(struct errand *errand) {
    struct event_stream *stream = of(errand);
    delist(errand->service->event_feed, stream);
    store_events_release(stream->found.events, stream->found.count);
}

void events_abandon(struct http_request *request) {
    struct event_stream *stream = http_request_state(request);
    if (stream && stream->link)
        end(stream->errand.service->event_feed, stream);
}

void events_release(struct http_request *request) { errand_release(request); }

/* ---- what was asked ---- */

/* "text/event-stream" as one of the types of Accept. */
static bool wants_stream(const struct http_request *request) {
    const char *accept = http_request_header(request, "Accept");
    return accept && strcasestr(accept, "text/event-stream");
}

/* Last-Event-ID is what an EventSource sends when it comes back, and so later than ?after=. */
static enum status take_after(const struct http_request *request, struct event_stream *stream,
                              struct error *err) {
    const char *last = stream->stream ? http_request_header(request, "Last-Event-ID") : NULL;
    const char *after = last && last[0] ? last : http_request_query(request, "after");
    if (after && !number_parse_integer(after, 0, INT64_MAX, &stream->after))
        return error_set(err, last ? STATUS_INVALID_HEADER : STATUS_INVALID_FIELD,
                         "%s is the number of an event.", last ? "Last-Event-ID" : "after");
    return STATUS_OK;
}

void events_show(struct http_request *request) {
    static const struct errand_kind FOLLOW = {work, answer, release};
    struct error err;
    const char *id = job_route_id(request);
    struct event_stream *stream = id ? errand_create(request, &FOLLOW, sizeof *stream) : NULL;
    if (!stream)
        return;
    stream->stream = wants_stream(request);
    memcpy(stream->id, id, strlen(id) + 1);
    enum status status = page_limit(request, &stream->limit, &err);
    if (status == STATUS_OK)
        status = take_after(request, stream, &err);
    if (stream->stream)
        stream->limit = STREAM_EVENTS;
    if (status == STATUS_OK)
        errand_send(&stream->errand);
    else
        problem_reply(request, status, &err);
}
