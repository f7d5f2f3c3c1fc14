#include "server/queue.h"
#include "tests/expect_abort.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct numbered {
    struct queue_item item;
    unsigned producer, number;
};

static unsigned number_of(const struct queue_item *item) {
    return ((const struct numbered *)item)->number;
}

static void items_come_out_in_the_order_they_went_in(void **state) {
    (void)state;
    struct queue *queue = queue_create(8);
    struct numbered items[5];
    for (unsigned i = 0; i < 5; i++) {
        items[i].number = i;
        assert_true(queue_push(queue, &items[i].item));
    }
    for (unsigned i = 0; i < 5; i++) {
        struct queue_item *taken = queue_take(queue, 1);
        assert_int_equal(number_of(taken), i);
        assert_null(taken->next);
    }
    queue_destroy(queue);
}

static void a_taker_detaches_as_many_as_it_asked_for_and_leaves_the_rest(void **state) {
    (void)state;
    struct queue *queue = queue_create(8);
    struct numbered items[5];
    for (unsigned i = 0; i < 5; i++) {
        items[i].number = i;
        assert_true(queue_push(queue, &items[i].item));
    }
    struct queue_item *list = queue_take(queue, 3);
    for (unsigned i = 0; i < 3; i++, list = list->next)
        assert_int_equal(number_of(list), i);
    assert_null(list);
    assert_int_equal(queue_length(queue), 2);
    list = queue_take(queue, 100);
    assert_int_equal(number_of(list), 3);
    assert_int_equal(number_of(list->next), 4);
    assert_null(list->next->next);
    queue_destroy(queue);
}

static void a_queue_emptied_whole_takes_items_again(void **state) {
    (void)state;
    struct queue *queue = queue_create(2);
    struct numbered items[2] = {{.number = 0}, {.number = 1}};
    for (int round = 0; round < 3; round++) {
        assert_true(queue_push(queue, &items[0].item));
        assert_true(queue_push(queue, &items[1].item));
        struct queue_item *list = queue_take(queue, 2);
        assert_int_equal(number_of(list), 0);
        assert_int_equal(number_of(list->next), 1);
        assert_int_equal(queue_length(queue), 0);
    }
    queue_destroy(queue);
}

/* The numbers of a list, each one digit. */
static unsigned digits_of(struct queue_item *list) {
    unsigned digits = 0;
    for (; list; list = list->next)
        digits = digits * 10 + (unsigned)number_of(list);
    return digits;
}

static void what_is_pushed_ahead_goes_first_in_its_own_order(void **state) {
    (void)state;
    struct queue *queue = queue_create(6);
    struct numbered items[7];
    for (int i = 1; i < 7; i++)
        items[i].number = i;
    assert_true(queue_push_ahead(queue, &items[1].item));
    assert_true(queue_push(queue, &items[5].item));
    assert_true(queue_push_ahead(queue, &items[2].item));
    assert_true(queue_push(queue, &items[6].item));
    assert_int_equal(digits_of(queue_take(queue, 1)), 1);
    assert_true(queue_push_ahead(queue, &items[3].item));
    assert_int_equal(digits_of(queue_take(queue, 3)), 235);
    assert_true(queue_push_ahead(queue, &items[4].item));
    assert_int_equal(digits_of(queue_take(queue, 9)), 46);
    assert_true(queue_push_ahead(queue, &items[1].item));
    assert_true(queue_push(queue, &items[2].item));
    assert_int_equal(digits_of(queue_take(queue, 9)), 12);
    queue_destroy(queue);
}

static void a_full_or_closed_queue_takes_nothing_ahead(void **state) {
    (void)state;
    struct queue *queue = queue_create(1);
    struct numbered items[2] = {{.number = 0}, {.number = 1}};
    assert_true(queue_push(queue, &items[0].item));
    assert_false(queue_push_ahead(queue, &items[1].item));
    queue_take(queue, 1);
    queue_close(queue);
    assert_false(queue_push_ahead(queue, &items[1].item));
    queue_destroy(queue);
}

static void a_full_queue_refuses_and_the_item_stays_the_callers(void **state) {
    (void)state;
    struct queue *queue = queue_create(2);
    struct numbered items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    assert_true(queue_push(queue, &items[0].item));
    assert_true(queue_push(queue, &items[1].item));
    assert_false(queue_push(queue, &items[2].item));
    assert_int_equal(queue_length(queue), 2);
    assert_int_equal(queue_capacity(queue), 2);
    assert_int_equal(number_of(queue_take(queue, 1)), 0);
    assert_true(queue_push(queue, &items[2].item));
    queue_take(queue, 2);
    queue_destroy(queue);
}

static void a_closed_queue_refuses_and_gives_out_what_is_left(void **state) {
    (void)state;
    struct queue *queue = queue_create(2);
    struct numbered items[2] = {{.number = 0}, {.number = 1}};
    assert_true(queue_push(queue, &items[0].item));
    queue_close(queue);
    assert_false(queue_push(queue, &items[1].item));
    assert_int_equal(number_of(queue_take(queue, 1)), 0);
    assert_null(queue_take(queue, 1));
    queue_destroy(queue);
}

static void *take_one(void *queue) { return queue_take(queue, 1); }

static void closing_wakes_every_waiting_taker(void **state) {
    (void)state;
    struct queue *queue = queue_create(1);
    pthread_t takers[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&takers[i], NULL, take_one, queue), 0);
    queue_close(queue);
    for (int i = 0; i < 4; i++) {
        void *taken;
        pthread_join(takers[i], &taken);
        assert_null(taken);
    }
    queue_destroy(queue);
}

static void a_push_wakes_a_waiting_taker(void **state) {
    (void)state;
    struct queue *queue = queue_create(1);
    struct numbered item = {.number = 3};
    pthread_t taker;
    assert_int_equal(pthread_create(&taker, NULL, take_one, queue), 0);
    assert_true(queue_push(queue, &item.item));
    void *taken;
    pthread_join(taker, &taken);
    assert_ptr_equal(taken, &item);
    queue_destroy(queue);
}

static void destroy(void *queue) { queue_destroy(queue); }

static void destroying_a_queue_with_items_left_is_a_programmers_error(void **state) {
    (void)state;
    struct queue *queue = queue_create(1);
    struct numbered item;
    assert_true(queue_push(queue, &item.item));
    assert_true(aborts(destroy, queue));
    queue_take(queue, 1);
    assert_false(aborts(destroy, queue));
    queue_destroy(queue);
}

/* ---- many producers, many consumers ---- */
enum { PRODUCERS = 6, CONSUMERS = 5, ITEMS = 4000, ROOM = 16 };

struct crowd {
    struct queue *queue;
    struct numbered (*items)[ITEMS];
    atomic_uint seen[PRODUCERS][ITEMS];
    atomic_uint next_producer, disorders, too_long, producers_left;
};

static void *produce(void *argument) {
    struct crowd *crowd = argument;
    unsigned self = atomic_fetch_add(&crowd->next_producer, 1);
    for (unsigned i = 0; i < ITEMS; i++) {
        struct numbered *item = &crowd->items[self][i];
        item->producer = self;
        item->number = i;
        while (!queue_push(crowd->queue, &item->item))
            sched_yield();
    }
    if (atomic_fetch_sub(&crowd->producers_left, 1) == 1)
        queue_close(crowd->queue);
    return NULL;
}

static void *consume(void *argument) {
    struct crowd *crowd = argument;
    int last[PRODUCERS];
    for (int p = 0; p < PRODUCERS; p++)
        last[p] = -1;
    struct queue_item *list;
    while ((list = queue_take(crowd->queue, 3))) {
        if (queue_length(crowd->queue) > ROOM)
            atomic_fetch_add(&crowd->too_long, 1);
        unsigned length = 0;
        for (; list; list = list->next, length++) {
            const struct numbered *item = (const struct numbered *)list;
            atomic_fetch_add(&crowd->seen[item->producer][item->number], 1);
            /* What one consumer gets of one producer comes in that producer's order. */
            if ((int)item->number <= last[item->producer])
                atomic_fetch_add(&crowd->disorders, 1);
            last[item->producer] = (int)item->number;
        }
        if (length > 3)
            atomic_fetch_add(&crowd->too_long, 1);
    }
    return NULL;
}

static void each_item_of_many_producers_reaches_one_of_many_consumers_once(void **state) {
    (void)state;
    struct crowd *crowd = calloc(1, sizeof *crowd);
    assert_non_null(crowd);
    crowd->items = calloc(PRODUCERS, sizeof *crowd->items);
    assert_non_null(crowd->items);
    crowd->queue = queue_create(ROOM);
    crowd->producers_left = PRODUCERS;
    pthread_t threads[PRODUCERS + CONSUMERS];
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < PRODUCERS ? produce : consume, crowd), 0);
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++)
        pthread_join(threads[i], NULL);
    for (int p = 0; p < PRODUCERS; p++)
        for (int i = 0; i < ITEMS; i++)
            assert_int_equal(crowd->seen[p][i], 1);
    assert_int_equal(crowd->disorders, 0);
    assert_int_equal(crowd->too_long, 0);
    queue_destroy(crowd->queue);
    free(crowd->items);
    free(crowd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_out_in_the_order_they_went_in),
        cmocka_unit_test(a_taker_detaches_as_many_as_it_asked_for_and_leaves_the_rest),
        cmocka_unit_test(a_queue_emptied_whole_takes_items_again),
        cmocka_unit_test(what_is_pushed_ahead_goes_first_in_its_own_order),
        cmocka_unit_test(a_full_or_closed_queue_takes_nothing_ahead),
        cmocka_unit_test(a_full_queue_refuses_and_the_item_stays_the_callers),
        cmocka_unit_test(a_closed_queue_refuses_and_gives_out_what_is_left),
        cmocka_unit_test(closing_wakes_every_waiting_taker),
        cmocka_unit_test(a_push_wakes_a_waiting_taker),
        cmocka_unit_test(destroying_a_queue_with_items_left_is_a_programmers_error),
        cmocka_unit_test(each_item_of_many_producers_reaches_one_of_many_consumers_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
