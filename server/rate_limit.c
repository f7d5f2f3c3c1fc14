#include "server/rate_limit.h"

#include <math.h>

bool rate_bucket_take(struct rate_bucket *bucket, const struct rate_limit *limit, uint64_t now_us,
                      unsigned *wait_s) {
    if (limit->per_s <= 0)
        return true;
    double passed_s = bucket->filled_us ? (double)(now_us - bucket->filled_us) / 1e6 : INFINITY;
    bucket->tokens = fmin(limit->burst, bucket->tokens + passed_s * limit->per_s);
    bucket->filled_us = now_us;
    if (bucket->tokens >= 1) {
        bucket->tokens -= 1;
        return true;
    }
    *wait_s = (unsigned)fmin(3600, fmax(1, ceil((1 - bucket->tokens) / limit->per_s)));
    return false;
}
