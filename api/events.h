/* GET …/ID/events of every kind of job (job_route.h): pages, or text/event-stream for who asks for
 * it. */
#ifndef FACEPAIR_API_EVENTS_H
#define FACEPAIR_API_EVENTS_H

#include "api/service.h"
#include "server/http/request.h"

enum { EVENTS_STREAMS_MAX = 32 };

void events_show(struct http_request *request);
void events_abandon(struct http_request *request); /* http_endpoint.abandon and … */
void events_release(struct http_request *request); /* … release */

struct event_feed;
enum status events_start(struct service *service, struct event_feed **feed, struct error *err);
/* Ends every stream, and all that come: they are the first to go. */
void events_drain(struct service *service);
/* Loop thread, when the disk thread is joined and its messages have run. NULL is allowed. */
void events_stop(struct event_feed *feed);

#endif
