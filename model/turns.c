/* Which version is next.
 *
 * The rule is highest response ratio next (P. Brinch Hansen, "An analysis of response ratio
 * scheduling", IFIP Congress 1971): of the lanes, the one whose oldest item has waited longest in
 * proportion to what serving the lane would take, that is, to the measured time of the batch that
 * would be cut off it now. So a network that takes 10 ms goes before one that takes a second,
 * unless the second has waited a hundred times as long; everybody's wait is in proportion to what
 * they ask for. A client of a quick network that meets two of a slow one waits for the batch that
 * is being computed, and for one more only when it came in the last moments of the first.
 *
 * The batch and not one item is the measure: a crowd at the quick network is served in batches of
 * up to batch_us_max, and measured by one item of 10 ms, that crowd would be worth more than a slow
 * network's client until that one had waited for half a minute, past every deadline.
 *
 * Nobody starves. Let c be the cheapest batch ÷ the dearest one, S the dearest one's cost, N what
 * all lanes can hold. Once an item x has waited for w, only items that have waited for c × w or
 * longer go before it, and so only such as came before x had waited for (1 − c) × w. Those are at
 * most N items, so they keep the device busy for at most N × S: x is served before w exceeds
 * N × S ÷ c.
 */
#include "model/turns.h"

/* lanes_count: nothing of the version waits. */
static size_t find_lane(const struct turns *turns, const struct model_version *version) {
    size_t i = 0;
    while (i < turns->lanes_count && turns->lanes[i].version != version)
        i++;
    return i;
}

bool turns_has_room(const struct turns *turns, const struct model_version *version) {
    size_t index = find_lane(turns, version);
    return index < turns->lanes_count ? turns->lanes[index].items < turns->limits.items_max
                                      : index < TURNS_VERSIONS_MAX;
}

bool turns_add(struct turns *turns, struct batch_item *item) {
    if (!turns_has_room(turns, item->version))
        return false;
    size_t index = find_lane(turns, item->version);
    struct turns_lane *lane = &turns->lanes[index];
    if (index == turns->lanes_count) {
        turns->lanes_count++;
        *lane = (struct turns_lane){.version = item->version};
    }
    item->next = NULL;
    if (lane->first)
        lane->last->next = item;
    else
        lane->first = item;
    lane->last = item;
    lane->items++;
    lane->faces += item->faces_count;
    turns->items++;
    return true;
}

/* ---- what a batch costs ---- */

static uint64_t face_us_of(const struct model_version *version) {
    unsigned face_us = atomic_load_explicit(&version->face_us, memory_order_relaxed);
    return face_us ? face_us : 1;
}

/* How many faces a batch of several items may have. */
static size_t faces_cap(const struct turns *turns, const struct model_version *version) {
    uint64_t faces = turns->limits.batch_us_max / face_us_of(version);
    return faces < turns->limits.faces_max ? (size_t)faces : turns->limits.faces_max;
}

static uint64_t batch_us(const struct turns *turns, const struct turns_lane *lane) {
    size_t cap = faces_cap(turns, lane->version), least = lane->first->faces_count;
    size_t faces = lane->faces < cap ? lane->faces : cap;
    return (faces > least ? faces : least) * face_us_of(lane->version);
}

/* ---- taking ---- */

static bool is_dead(const struct batch_item *item, uint64_t now_us) {
    return (item->abandoned && atomic_load_explicit(item->abandoned, memory_order_relaxed)) ||
           (item->deadline_us != 0 && now_us >= item->deadline_us);
}

static struct batch_item *pop(struct turns *turns, struct turns_lane *lane) {
    struct batch_item *item = lane->first;
    lane->first = item->next;
    lane->items--;
    lane->faces -= item->faces_count;
    turns->items--;
    return item;
}

static void drop(struct turns *turns, struct turns_lane *lane, struct batch_item **dropped) {
    struct batch_item *item = pop(turns, lane);
    item->next = *dropped;
    *dropped = item;
}

static void close_if_empty(struct turns *turns, struct turns_lane *lane) {
    if (!lane->first)
        *lane = turns->lanes[--turns->lanes_count];
}

/* So that a lane's turn is decided by somebody who still waits. */
static void drop_dead_heads(struct turns *turns, uint64_t now_us, struct batch_item **dropped) {
    for (size_t i = turns->lanes_count; i-- > 0;) {
        struct turns_lane *lane = &turns->lanes[i];
        while (lane->first && is_dead(lane->first, now_us))
            drop(turns, lane, dropped);
        close_if_empty(turns, lane);
    }
}

static struct turns_lane *choose(struct turns *turns, uint64_t now_us) {
    struct turns_lane *chosen = NULL;
    double highest = 0;
    for (size_t i = 0; i < turns->lanes_count; i++) {
        struct turns_lane *lane = &turns->lanes[i];
        uint64_t queued_us = lane->first->queued_us;
        double waited_us = now_us > queued_us ? (double)(now_us - queued_us) : 0;
        double ratio = waited_us / (double)batch_us(turns, lane);
        if (!chosen || ratio > highest ||
            (ratio == highest && queued_us < chosen->first->queued_us)) {
            chosen = lane;
            highest = ratio;
        }
    }
    return chosen;
}

size_t turns_take(struct turns *turns, uint64_t now_us, struct batch_item **batch,
                  struct batch_item **dropped) {
    *dropped = NULL;
    drop_dead_heads(turns, now_us, dropped);
    struct turns_lane *lane = choose(turns, now_us);
    if (!lane)
        return 0;
    size_t cap = faces_cap(turns, lane->version), faces = 0, count = 0;
    while (lane->first) {
        if (is_dead(lane->first, now_us)) {
            drop(turns, lane, dropped);
            continue;
        }
        if (count > 0 && faces + lane->first->faces_count > cap)
            break;
        faces += lane->first->faces_count;
        batch[count++] = pop(turns, lane);
    }
    close_if_empty(turns, lane);
    return count;
}

/* ---- telling ---- */

size_t turns_faces(const struct turns *turns) {
    size_t faces = 0;
    for (size_t i = 0; i < turns->lanes_count; i++)
        faces += turns->lanes[i].faces;
    return faces;
}

uint64_t turns_oldest_us(const struct turns *turns) {
    uint64_t oldest_us = UINT64_MAX;
    for (size_t i = 0; i < turns->lanes_count; i++)
        if (turns->lanes[i].first->queued_us < oldest_us)
            oldest_us = turns->lanes[i].first->queued_us;
    return oldest_us;
}

/* All of its own lane; and of every other lane, one batch for each batch of its own, or what there
 * is: versions of like cost alternate, and neither a slower nor a quicker one gets more turns than
 * that for long. */
uint64_t turns_wait_us(const struct turns *turns, const struct model_version *version) {
    size_t own = find_lane(turns, version);
    uint64_t wait_us = 0, batches = 1;
    if (own < turns->lanes_count) {
        wait_us = turns->lanes[own].faces * face_us_of(version);
        batches += wait_us / batch_us(turns, &turns->lanes[own]);
    }
    for (size_t i = 0; i < turns->lanes_count; i++) {
        const struct turns_lane *lane = &turns->lanes[i];
        uint64_t all_us = lane->faces * face_us_of(lane->version);
        uint64_t between_us = batches * batch_us(turns, lane);
        if (i != own)
            wait_us += all_us < between_us ? all_us : between_us;
    }
    return wait_us;
}
