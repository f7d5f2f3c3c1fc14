/* The try of a subject that a request is, where it names one and refusals are counted
 * (model/store/subjects.h):
 *
 *     attempt_begin    loop     after the body was read: the digest, if a retry can be told by it
 *                      pool     the digest of all that was sent
 *                      lockout  noted, or refused: 429 subject_locked, 403 subject_disabled
 *                      loop     the endpoint's part begins
 *     attempt_decide   lockout  a refusal is on disk, a match has made refusals forgotten
 *                      loop     what was decided is told
 *     attempt_release  lockout  where nothing was decided: it has not happened
 *
 * A disk that is slow or hangs keeps no request past its deadline: it is answered 504 and ends, and
 * the try goes on without it. One that was only noted has not happened; what was decided counts. A
 * decision that the disk does not take leaves the try under way, as an end of the process does: it
 * counts for SUBJECT_TRY_MS_MAX.
 *
 * A retry is told by its X-Request-Id together with all that decides its answer: the id alone would
 * let whoever repeats it try as many photographs as he likes. */
#ifndef FACEPAIR_API_ATTEMPT_H
#define FACEPAIR_API_ATTEMPT_H

#include "api/work.h"

/* Whether the request is one. */
bool attempt_wanted(const struct work *work);
/* Goes on with kind->begin, or has replied. */
void attempt_begin(struct work *work);
/* Goes on with `tell`, at once where the request is no try; or has replied, since it could not be
 * counted. */
void attempt_decide(struct work *work, bool verified, void (*tell)(struct work *work));
/* The request ends. */
void attempt_release(struct work *work);

#endif
