/* What an operator asks of subjects whose refusals are counted: how one stands, and that it may be
 * tried again. A subject stands in the body, never in a path: paths end in logs. */
#ifndef FACEPAIR_API_SUBJECTS_H
#define FACEPAIR_API_SUBJECTS_H

#include "server/http/request.h"

/* STATUS_DRAINING, or STATUS_NOT_FOUND where this process counts none. */
enum status subjects_admit(struct http_request *request, struct error *err);
void subjects_show(struct http_request *request);
void subjects_lift_lock(struct http_request *request);
void subjects_release(struct http_request *request);

#endif
