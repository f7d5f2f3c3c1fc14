/* Whether a request is taken, and when one that is not should come again.
 *
 * Three things are bounded: the memory that bodies under way may come to hold, the places in the
 * preparation's queue, and the time that is waited there and for the network. Time is what the
 * photographs and faces that wait will take by what such work was measured to take: not more of it
 * may wait than limits.queue_ms, and a request whose turn would come after its deadline is refused
 * at once instead of being dropped later. Loop thread only.
 *
 * It is asked twice. From the header the memory and the places are known, and the least that any
 * published version has to wait: of a request that no version would begin in time the body is
 * dropped as it comes, unparsed. Which version it is for stands in the body, so that one's wait is
 * looked at when it is there.
 */
#ifndef FACEPAIR_API_ADMISSION_H
#define FACEPAIR_API_ADMISSION_H

#include "api/service.h"

/* The deadline, from the first byte of the header; STATUS_INVALID_HEADER. */
enum status admission_read_deadline(const struct http_request *request, uint64_t *deadline_us,
                                    struct error *err);
/* What the request may come to hold: its body and, of JSON, what reading it takes beside that. A
 * body of undeclared length counts as the largest. */
size_t admission_body_bytes(const struct http_request *request);
/* What is left of that once a JSON body of this size was read: it, and its decoded files. */
size_t admission_read_json_bytes(size_t body);
/* What limits.bodies_bytes_max is by default: an eighth of the memory granted, and room for one
 * body of the largest kind. */
size_t admission_bodies_bytes(const struct service_limits *limits);
/* So many places in the pool's queue and bytes of bodies are left. */
bool admission_has_room(const struct service *service, size_t tasks, size_t bytes);

/* Whether a request would be begun in time when `photographs` are prepared before its own; version
 * NULL: not known yet, so the one that waits least. */
bool admission_in_time(const struct service *service, const struct model_version *version,
                       size_t photographs, uint64_t deadline_us);
/* Whole seconds until what waits now, in the pool and for the network of this version (NULL: of
 * the one that waits least), is done, 1 to 60: for Retry-After. */
unsigned admission_retry_after_s(const struct service *service,
                                 const struct model_version *version);

#endif
