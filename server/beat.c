#include "server/beat.h"

/* Each number stands for itself: no order among them is relied on. */
static uint64_t load(const atomic_uint_least64_t *number) {
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void store(atomic_uint_least64_t *number, uint64_t value) {
    atomic_store_explicit(number, value, memory_order_relaxed);
}

void beat_begin(struct beat *beat, uint64_t now_us) { store(&beat->begun_us, now_us); }

void beat_end(struct beat *beat, uint64_t now_us) {
    uint64_t took_us = now_us - load(&beat->begun_us);
    if (took_us > load(&beat->slowest_us))
        store(&beat->slowest_us, took_us);
    store(&beat->begun_us, 0);
}

bool beat_hangs(const struct beat *beat, uint64_t now_us, uint64_t least_us) {
    uint64_t begun_us = load(&beat->begun_us), slowest_us = load(&beat->slowest_us);
    uint64_t allowed_us = slowest_us > least_us / BEAT_FACTOR ? BEAT_FACTOR * slowest_us : least_us;
    return begun_us && now_us > begun_us && now_us - begun_us > allowed_us;
}
