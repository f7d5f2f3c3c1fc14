/* Whose turn it is, with a clock of the test's own: what takes the device a minute takes no time
 * here. Two networks: QUICK takes 5 ms a face, SLOW 570, as a small and a large one do on two
 * cores. */
#include "model/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { FACES_MAX = 64, ITEMS_MAX = 40, MS = 1000, QUICK_MS = 5, SLOW_MS = 570 };
enum { QUICK_PAIR = 2 * QUICK_MS * MS, SLOW_PAIR = 2 * SLOW_MS * MS };

struct table {
    struct turns turns;
    struct model_version quick, slow, other;
    struct batch_item items[256];
    size_t items_count;
};

static void set_up(struct table *table) {
    memset(table, 0, sizeof *table);
    table->turns.limits = (struct turns_limits){
        .items_max = ITEMS_MAX, .faces_max = FACES_MAX, .batch_us_max = 250 * MS};
    table->quick.face_us = QUICK_MS * MS;
    table->slow.face_us = SLOW_MS * MS;
    table->other.face_us = QUICK_MS * MS;
}

static struct batch_item *add(struct table *table, struct model_version *version, uint32_t faces,
                              uint64_t queued_ms) {
    struct batch_item *item = &table->items[table->items_count++];
    *item =
        (struct batch_item){.version = version, .faces_count = faces, .queued_us = queued_ms * MS};
    assert_true(turns_add(&table->turns, item));
    return item;
}

/* The batch as it was cut, and its faces. */
static size_t take(struct table *table, uint64_t now_ms, struct batch_item **batch) {
    struct batch_item *dropped;
    size_t count = turns_take(&table->turns, now_ms * MS, batch, &dropped);
    assert_null(dropped);
    return count;
}

static void a_lane_is_first_in_first_out_and_a_batch_holds_one_version(void **state) {
    (void)state;
    struct table table;
    set_up(&table);
    struct batch_item *items[6], *batch[FACES_MAX];
    for (int i = 0; i < 6; i++)
        items[i] = add(&table, i % 2 ? &table.other : &table.quick, i == 4 ? 1 : 2, (uint64_t)i);
    assert_int_equal(take(&table, 10, batch), 3);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(batch[i], items[2 * i]);
    assert_int_equal(take(&table, 10, batch), 3);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(batch[i], items[2 * i + 1]);
    assert_int_equal(take(&table, 10, batch), 0);
    assert_int_equal(table.turns.items, 0);
    assert_int_equal(table.turns.lanes_count, 0);
}

static void a_batch_is_capped_in_time_but_holds_an_item(void **state) {
    (void)state;
    struct table table;
    struct batch_item *batch[FACES_MAX];
    set_up(&table);
    for (int i = 0; i < 30; i++)
        add(&table, &table.quick, 2, 0);
    assert_int_equal(take(&table, 1, batch), 25); /* 50 faces of 5 ms */
    assert_int_equal(take(&table, 1, batch), 5);
    for (int i = 0; i < 2; i++)
        add(&table, &table.slow, 2, 0);
    assert_int_equal(take(&table, 1, batch), 1);
    assert_int_equal(take(&table, 1, batch), 1);
}

static void a_batch_is_capped_in_faces(void **state) {
    (void)state;
    struct table table;
    struct batch_item *batch[FACES_MAX];
    set_up(&table);
    table.quick.face_us = 1;
    add(&table, &table.quick, 1, 0);
    for (int i = 0; i < 35; i++)
        add(&table, &table.quick, 2, 0);
    assert_int_equal(take(&table, 1, batch), 32); /* 63 faces: a pair is not torn apart */
    assert_int_equal(take(&table, 1, batch), 4);
}

static void the_quick_network_goes_before_the_slow_one_that_came_earlier(void **state) {
    (void)state;
    struct table table;
    struct batch_item *batch[FACES_MAX];
    set_up(&table);
    add(&table, &table.slow, 2, 0);
    struct batch_item *quick = add(&table, &table.quick, 2, 980);
    assert_int_equal(take(&table, 1000, batch), 1); /* 20 of 10 ms against 1000 of 1140 */
    assert_ptr_equal(batch[0], quick);
}

static void the_slow_network_goes_first_once_it_has_waited_in_proportion(void **state) {
    (void)state;
    struct table table;
    struct batch_item *batch[FACES_MAX];
    set_up(&table);
    struct batch_item *slow = add(&table, &table.slow, 2, 0);
    add(&table, &table.quick, 2, 2275);
    assert_int_equal(take(&table, 2280, batch), 1); /* 5 of 10 ms against 2280 of 1140 */
    assert_ptr_equal(batch[0], slow);
}

static void of_equals_the_older_goes_first(void **state) {
    (void)state;
    struct table table;
    struct batch_item *batch[FACES_MAX];
    set_up(&table);
    add(&table, &table.quick, 2, 7);
    struct batch_item *older = add(&table, &table.other, 2, 6);
    take(&table, 7, batch);
    assert_ptr_equal(batch[0], older);
    /* Nobody has waited at all. */
    set_up(&table);
    older = add(&table, &table.slow, 2, 8);
    add(&table, &table.quick, 2, 9);
    take(&table, 5, batch);
    assert_ptr_equal(batch[0], older);
}

static void what_is_abandoned_or_late_is_dropped_and_decides_nothing(void **state) {
    (void)state;
    struct table table;
    struct batch_item *batch[FACES_MAX], *dropped;
    set_up(&table);
    const atomic_bool abandoned = true;
    add(&table, &table.slow, 2, 0)->abandoned = &abandoned;
    add(&table, &table.slow, 2, 4000);
    struct batch_item *quick = add(&table, &table.quick, 2, 4900);
    add(&table, &table.quick, 2, 4901)->deadline_us = 5000 * MS;
    assert_int_equal(turns_take(&table.turns, 5000 * MS, batch, &dropped), 1);
    assert_ptr_equal(batch[0], quick);
    size_t count = 0;
    for (; dropped; dropped = dropped->next)
        count++;
    assert_int_equal(count, 2);
    assert_int_equal(take(&table, 5000, batch), 1);
    add(&table, &table.quick, 2, 5000)->abandoned = &abandoned;
    assert_int_equal(turns_take(&table.turns, 5000 * MS, batch, &dropped), 0);
    assert_non_null(dropped);
    assert_int_equal(table.turns.lanes_count, 0);
}

static void a_full_lane_refuses_its_own_version_alone(void **state) {
    (void)state;
    struct table table;
    struct batch_item more = {.version = &table.slow, .faces_count = 2};
    set_up(&table);
    for (int i = 0; i < ITEMS_MAX; i++)
        add(&table, &table.slow, 2, 0);
    assert_false(turns_has_room(&table.turns, &table.slow));
    assert_false(turns_add(&table.turns, &more));
    assert_true(turns_has_room(&table.turns, &table.quick));
    add(&table, &table.quick, 2, 0);
    struct batch_item *batch[FACES_MAX];
    take(&table, 0, batch);
    take(&table, 0, batch);
    assert_true(turns_has_room(&table.turns, &table.slow));
}

static void more_versions_than_there_are_lanes_are_refused(void **state) {
    (void)state;
    struct table table;
    static struct model_version versions[TURNS_VERSIONS_MAX + 1];
    set_up(&table);
    for (int i = 0; i < TURNS_VERSIONS_MAX; i++)
        add(&table, &versions[i], 1, 0);
    struct batch_item more = {.version = &versions[TURNS_VERSIONS_MAX], .faces_count = 1};
    assert_false(turns_add(&table.turns, &more));
    more.version = &versions[0];
    assert_true(turns_add(&table.turns, &more));
}

static void the_wait_told_is_of_the_own_lane_and_a_batch_of_each_other(void **state) {
    (void)state;
    struct table table;
    set_up(&table);
    assert_int_equal(turns_wait_us(&table.turns, &table.quick), 0);
    for (int i = 0; i < 10; i++)
        add(&table, &table.slow, 2, 0);
    assert_int_equal(turns_wait_us(&table.turns, &table.slow), 10 * SLOW_PAIR);
    assert_int_equal(turns_wait_us(&table.turns, &table.quick), SLOW_PAIR);
    add(&table, &table.quick, 2, 0);
    assert_int_equal(turns_wait_us(&table.turns, &table.quick), QUICK_PAIR + 2 * SLOW_PAIR);
    assert_int_equal(turns_wait_us(&table.turns, &table.slow), 10 * SLOW_PAIR + QUICK_PAIR);
}

/* ---- clients who ask again as soon as they are answered ---- */

struct client {
    struct batch_item item;
    uint64_t think_us, returns_us; /* 0: waits */
    uint64_t longest_us, answers;
};

static void answer(struct client *client, uint64_t began_us, uint64_t now_us) {
    uint64_t waited_us = began_us - client->item.queued_us;
    client->longest_us = waited_us > client->longest_us ? waited_us : client->longest_us;
    client->answers++;
    client->returns_us = now_us + client->think_us;
}

/* Runs the device for so long; each client's think time makes it come at another moment. */
static void run(struct table *table, struct client *clients, size_t count, uint64_t seconds) {
    uint64_t now_us = 1;
    while (now_us < seconds * 1000000) {
        uint64_t next_us = UINT64_MAX;
        for (size_t i = 0; i < count; i++) {
            struct client *client = &clients[i];
            if (client->returns_us && client->returns_us <= now_us) {
                client->item.queued_us = client->returns_us;
                client->returns_us = 0;
                assert_true(turns_add(&table->turns, &client->item));
            } else if (client->returns_us && client->returns_us < next_us) {
                next_us = client->returns_us;
            }
        }
        struct batch_item *batch[FACES_MAX], *dropped;
        size_t taken = turns_take(&table->turns, now_us, batch, &dropped);
        uint64_t began_us = now_us;
        for (size_t i = 0; i < taken; i++)
            now_us += batch[i]->faces_count * (uint64_t)batch[i]->version->face_us;
        for (size_t i = 0; i < taken; i++)
            answer((struct client *)batch[i], began_us, now_us);
        if (taken == 0)
            now_us = next_us;
    }
}

static struct client client_of(struct model_version *version, uint64_t think_us) {
    return (struct client){.item = {.version = version, .faces_count = 2},
                           .think_us = think_us,
                           .returns_us = 1 + think_us};
}

static void a_quick_client_waits_for_one_slow_batch_and_no_more(void **state) {
    (void)state;
    struct table table;
    set_up(&table);
    struct client clients[] = {client_of(&table.slow, 100), client_of(&table.slow, 370),
                               client_of(&table.quick, 17137)};
    run(&table, clients, 3, 10000);
    assert_true(clients[2].answers > 5000);
    assert_true(clients[2].longest_us > SLOW_PAIR / 2);
    assert_true(clients[2].longest_us <= SLOW_PAIR + QUICK_PAIR);
}

static void a_crowd_at_the_quick_network_does_not_starve_the_slow_one(void **state) {
    (void)state;
    struct table table;
    set_up(&table);
    struct client clients[33];
    clients[0] = client_of(&table.slow, 1000);
    for (int i = 1; i < 33; i++)
        clients[i] = client_of(&table.quick, (uint64_t)i * 37);
    run(&table, clients, 33, 10000);
    assert_true(clients[0].answers > 2000);
    assert_true(clients[0].longest_us < 3 * SLOW_PAIR);
    for (int i = 1; i < 33; i++)
        assert_true(clients[i].longest_us < 2 * SLOW_PAIR);
}

static void like_versions_share_alike(void **state) {
    (void)state;
    struct table table;
    set_up(&table);
    struct client clients[8];
    for (int i = 0; i < 8; i++)
        clients[i] = client_of(i % 2 ? &table.quick : &table.other, 50 + (uint64_t)i);
    run(&table, clients, 8, 1000);
    for (int i = 1; i < 8; i++)
        assert_true(clients[i].answers > clients[0].answers * 9 / 10 &&
                    clients[i].answers < clients[0].answers * 11 / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_is_first_in_first_out_and_a_batch_holds_one_version),
        cmocka_unit_test(a_batch_is_capped_in_time_but_holds_an_item),
        cmocka_unit_test(a_batch_is_capped_in_faces),
        cmocka_unit_test(the_quick_network_goes_before_the_slow_one_that_came_earlier),
        cmocka_unit_test(the_slow_network_goes_first_once_it_has_waited_in_proportion),
        cmocka_unit_test(of_equals_the_older_goes_first),
        cmocka_unit_test(what_is_abandoned_or_late_is_dropped_and_decides_nothing),
        cmocka_unit_test(a_full_lane_refuses_its_own_version_alone),
        cmocka_unit_test(more_versions_than_there_are_lanes_are_refused),
        cmocka_unit_test(the_wait_told_is_of_the_own_lane_and_a_batch_of_each_other),
        cmocka_unit_test(a_quick_client_waits_for_one_slow_batch_and_no_more),
        cmocka_unit_test(a_crowd_at_the_quick_network_does_not_starve_the_slow_one),
        cmocka_unit_test(like_versions_share_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
