/* How often in a row the subject of a request was refused, and whether it may be tried again.
 *
 * NIST SP 800-63B-4, section 3.2.3, of a biometric that is no proof of presence: at most five
 * failures in a row, then at least 30 s before each further try and at most 50 in a row in all, or
 * no more tries. Here: `free_max` refusals are free, from then on a try waits `wait_s` after the
 * last refusal and after whatever is still being tried, and after `refusals_max` the subject is
 * disabled until somebody lifts it. A match makes all refusals forgotten, those of a disabled
 * subject excepted. What ends without a decision (no face, a deadline, a client that left) has not
 * happened.
 *
 * A try is noted before anything is computed for it, and counts as a refusal while it is under way:
 * tries side by side are never more than there could be one after the other. Its refusal is on disk
 * before it is told. A try whose process was killed told nobody anything; it counts for
 * SUBJECT_TRY_MS_MAX and then no more.
 *
 * A retry is a try with the same `request` (a digest of all that decides the answer, its id too) as
 * one of the last SUBJECT_RETRY_MS: it is let through and changes nothing, since it tells nothing
 * new. While the first is under way both are one try, which ends with whoever decides first.
 *
 * One SQLite file, FOLDER/subjects.sqlite, which several processes of one host share. It holds a
 * subject as a keyed hash (BLAKE2b, 128 bits) alone, and so a request. The key is a file beside it,
 * subjects.key, drawn when neither is there: keep it from where copies of the other go.
 *
 * Bounds: a subject that was not disabled is forgotten `keep_ms` after its last refusal, and those
 * refused longest ago beyond rows_max as well; tries after SUBJECT_RETRY_MS. All of it as often as
 * subjects_sweep is called until nothing is left to it.
 *
 * In common to all calls: the statuses of store.h. A handle belongs to one thread at a time and
 * waits for disks. */
#ifndef FACEPAIR_MODEL_STORE_SUBJECTS_H
#define FACEPAIR_MODEL_STORE_SUBJECTS_H

#include "server/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SUBJECT_HASH_SIZE = 33,
    SUBJECT_REQUEST_BYTES = 32,
    SUBJECT_TRY_MS_MAX = 2 * 60 * 1000, /* longer than any request is under way */
    SUBJECT_RETRY_MS = 10 * 60 * 1000,
};

struct subjects;

struct subjects_options {
    const char *folder; /* exists, on a local disk; borrowed during the open */
    unsigned free_max, refusals_max, wait_s;
    uint64_t keep_ms, rows_max;
    unsigned busy_ms;         /* 0: 5,000 */
    uint64_t (*now_ms)(void); /* NULL: clock_wall_ms */
};
#define SUBJECTS_OPTIONS_DEFAULT                                                                   \
    ((struct subjects_options){.free_max = 5,                                                      \
                               .refusals_max = 50,                                                 \
                               .wait_s = 30,                                                       \
                               .keep_ms = UINT64_C(365) * 24 * 3600 * 1000,                        \
                               .rows_max = 1000000})

enum status subjects_open(const struct subjects_options *options, struct subjects **subjects,
                          struct error *err);
void subjects_close(struct subjects *subjects); /* NULL is allowed */

/* Any number of the calls below stand between these two, and are one change of the file. `durable`:
 * it is on disk at the end, as a refusal must be and a lift should; otherwise it outlives the
 * process, and when the power fails may be undone together with what was under way. `status` is
 * what the calls came to: other than STATUS_OK nothing has changed. A try that may not be made
 * (STATUS_SUBJECT_…) is no failure. */
enum status subjects_begin(struct subjects *subjects, bool durable, struct error *err);
enum status subjects_end(struct subjects *subjects, enum status status, struct error *err);

struct subject_try {
    char subject[SUBJECT_HASH_SIZE]; /* the keyed hash, in hexadecimal digits */
    int64_t number;
    bool is_retry; /* of one that was decided */
};

/* request: NULL: no retry of it would be known. STATUS_SUBJECT_LOCKED with *wait_s ≥ 1, or
 * STATUS_SUBJECT_DISABLED: it may not be made. */
enum status subjects_try(struct subjects *subjects, const char *subject, size_t size,
                         const uint8_t request[SUBJECT_REQUEST_BYTES], struct subject_try *made,
                         unsigned *wait_s, struct error *err);

enum subject_outcome { SUBJECT_MATCHED, SUBJECT_REFUSED, SUBJECT_UNDECIDED };
/* Once for each try that was made. *refusals: in a row, with this one; 0: it is no further one. */
enum status subjects_decide(struct subjects *subjects, const struct subject_try *made,
                            enum subject_outcome outcome, unsigned *refusals, struct error *err);

struct subject_state {
    unsigned refusals; /* in a row */
    bool disabled;
    unsigned wait_s;     /* before the next try; 0: it may be made */
    uint64_t refused_ms; /* the last time; 0: no refusal is known */
};
enum status subjects_look(struct subjects *subjects, const char *subject, size_t size,
                          struct subject_state *state, struct error *err);
/* Its refusals are forgotten; *state is how it was. */
enum status subjects_lift(struct subjects *subjects, const char *subject, size_t size,
                          struct subject_state *state, struct error *err);

/* Removes what has been kept long enough, a bounded piece of it, so that whoever waits for the file
 * does not wait long; for now and then. *more: there may be more, for a further call at once. */
enum status subjects_sweep(struct subjects *subjects, bool *more, struct error *err);

#endif
