/* A token bucket: `burst` requests at once, and `per_s` a second in the long run.
 *
 * The bucket is full at first and gains per_s tokens a second, never more than burst; a request
 * takes one or is refused. (The algorithm of RFC 2697's committed rate, and of nginx's and
 * HAProxy's limits.) */
#ifndef FACEPAIR_SERVER_RATE_LIMIT_H
#define FACEPAIR_SERVER_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct rate_limit {
    double per_s; /* 0: no limit */
    double burst; /* ≥ 1 */
};

struct rate_bucket {
    double tokens;
    uint64_t filled_us; /* clock_monotonic_us; 0: a full bucket that nobody has used */
};

/* False: refused, and *wait_s, 1 or more, is after how many whole seconds it no longer is. */
bool rate_bucket_take(struct rate_bucket *bucket, const struct rate_limit *limit, uint64_t now_us,
                      unsigned *wait_s);

#endif
