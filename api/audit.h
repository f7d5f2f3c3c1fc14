/* The record of what was decided, and of what operators changed, in a journal (server/journal.h).
 *
 * A decision: when, whose key, the request's id, the model and version, the rule and threshold, the
 * distance and what followed from it, and, where the caller named a subject, a keyed hash of that.
 * No photograph, no embedding, no name. Embedding tokens and subjects share --token-key-file:
 * without it a subject's hash is another one after each start.
 *
 *     {"seq":7,"prev":"…","time":"…","event":"decision","request_id":"…","key":"…"|null,
 *      "route":"/v1/verify","model":"dlib-resnet","version":"1","rule":"max_fmr","max_fmr":0.001,
 *      "threshold":0.5366,"distance":0.351,"verified":true,"subject":"32 hexadecimal digits"|null}
 *     {"seq":8,"prev":"…","time":"…","event":"admin","request_id":"…","key":"…"|null,"method":"PUT",
 *      "route":"/admin/v1/models/{model}/active","parameter":"dlib-resnet","status":200}
 *     {"seq":9,"prev":"…","time":"…","event":"subject_lifted","request_id":"…","key":"…"|null,
 *      "subject":"…","refusals":50}
 *
 * Where the client has shown a certificate (--admin-client-ca) its name stands behind the key:
 * "certificate":"…".
 *
 * A decision that cannot be recorded is not told: the request ends with 507. It is told before its
 * line is on disk, which follows within JOURNAL_FLUSH_MS. */
#ifndef FACEPAIR_API_AUDIT_H
#define FACEPAIR_API_AUDIT_H

#include "api/verdict.h"

enum status audit_open(struct service *service, struct error *err);
void audit_close(struct service *service);

/* True where decisions can be recorded, or need not be. */
bool audit_ready(const struct service *service);
/* False: it could not be recorded. Loop thread. */
bool audit_decision(const struct work *work, const struct verdict *verdict);
/* http_application.answered: notes what changed something. */
void audit_answered(const struct http_request *request, unsigned status);
/* An operator has lifted the lock of a subject that had been refused so many times in a row. */
void audit_lifted(const struct http_request *request, const char *subject, size_t size,
                  unsigned refusals);

#endif
