/* Who calls, and whether the key allows it: http_application.authorize.
 *
 * With a file of keys (api/keys.h) every endpoint that names a scope needs a key that has it, sent
 * as `Authorization: Bearer KEY` or `x-api-key: KEY`; never in a URL, which ends in logs. What
 * names no scope (probes, the page, its description) is open, and so is the metrics listener, which
 * has nothing else. Without a file nobody is asked, and the guards of server/http/guard.c hold. */
#ifndef FACEPAIR_API_AUTHORIZE_H
#define FACEPAIR_API_AUTHORIZE_H

#include "api/service.h"

/* Reads options.keys_file, if there is one. STATUS_INTERNAL. */
enum status authorize_open(struct service *service, struct error *err);
/* When the loop no longer runs, and before its last messages do. */
void authorize_stop(struct service *service);
void authorize_close(struct service *service); /* and behind them */

/* http_application.authorize: STATUS_UNAUTHORIZED, STATUS_INSUFFICIENT_SCOPE, STATUS_RATE_LIMITED.
 */
enum status authorize(struct http_request *request, struct error *err);

/* Whether a request that was let in would be now, for an answer without an end: its key may have
 * been revoked since. */
bool authorize_still(const struct http_request *request);

/* Whether the caller has these scopes; anybody has, where no keys are asked for. */
bool authorize_has(const struct http_request *request, unsigned scopes);
/* Whether the caller may have and hand in the components of embeddings: the scope embed:raw, or,
 * where no keys are asked for, options.allow_raw_embeddings. */
bool authorize_raw_embeddings(const struct http_request *request);

/* Has the file read anew, by a thread that does nothing else. When it cannot be read, the keys
 * there are stay, and the log says why. Loop thread. */
void authorize_reload(struct service *service);

#endif
