#include "server/loop.h"
#include "tests/expect_abort.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *make_loop(void) {
    struct loop *loop;
    struct error err;
    assert_int_equal(loop_create(&loop, &err), STATUS_OK);
    return loop;
}

struct note {
    struct loop_message message; /* first */
    struct loop *loop;
    pthread_t thread;        /* which ran it */
    unsigned *order, *count; /* the numbers in the order they ran */
    unsigned number;
    bool last; /* stops the loop */
};

static void run_note(struct loop_message *message) {
    struct note *note = (struct note *)message;
    note->order[(*note->count)++] = note->number;
    note->thread = pthread_self();
    if (note->last)
        loop_stop(note->loop);
}

static void messages_run_on_the_loop_in_the_order_they_were_posted(void **state) {
    (void)state;
    struct loop *loop = make_loop();
    unsigned order[10], count = 0;
    struct note notes[10];
    for (unsigned i = 0; i < 10; i++) {
        notes[i] = (struct note){.message.run = run_note,
                                 .loop = loop,
                                 .number = i,
                                 .order = order,
                                 .count = &count,
                                 .last = i == 9};
        loop_post(loop, &notes[i].message);
    }
    assert_int_equal(count, 0);
    loop_run(loop);
    assert_int_equal(count, 10);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(order[i], i);
        assert_true(pthread_equal(notes[i].thread, pthread_self()));
    }
    loop_destroy(loop);
}

/* ---- messages of many threads ---- */
enum { POSTERS = 4, MESSAGES = 5000 };

struct tally {
    struct loop *loop;
    unsigned ran, disorders; /* loop thread only */
    int last[POSTERS];
    atomic_uint next_poster;
};

struct parcel {
    struct loop_message message; /* first */
    struct tally *tally;
    unsigned poster;
    int number;
};

static void run_parcel(struct loop_message *message) {
    struct parcel *parcel = (struct parcel *)message;
    struct tally *tally = parcel->tally;
    if (parcel->number <= tally->last[parcel->poster])
        tally->disorders++;
    tally->last[parcel->poster] = parcel->number;
    free(parcel);
    if (++tally->ran == POSTERS * MESSAGES)
        loop_stop(tally->loop);
}

static void *post_many(void *argument) {
    struct tally *tally = argument;
    unsigned self = atomic_fetch_add(&tally->next_poster, 1);
    for (int i = 0; i < MESSAGES; i++) {
        struct parcel *parcel = malloc(sizeof *parcel);
        if (!parcel)
            abort();
        *parcel =
            (struct parcel){.message.run = run_parcel, .tally = tally, .poster = self, .number = i};
        loop_post(tally->loop, &parcel->message);
    }
    return NULL;
}

static void each_message_of_many_threads_runs_once_and_may_free_itself(void **state) {
    (void)state;
    struct tally tally = {.loop = make_loop()};
    for (int i = 0; i < POSTERS; i++)
        tally.last[i] = -1;
    pthread_t posters[POSTERS];
    for (int i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&posters[i], NULL, post_many, &tally), 0);
    loop_run(tally.loop);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(posters[i], NULL);
    assert_int_equal(tally.ran, POSTERS * MESSAGES);
    assert_int_equal(tally.disorders, 0);
    loop_destroy(tally.loop);
}

struct chain {
    struct loop_message message; /* first */
    struct loop *loop;
    unsigned left;
};

static void run_chain(struct loop_message *message) {
    struct chain *chain = (struct chain *)message;
    if (chain->left-- == 0)
        loop_stop(chain->loop);
    else
        loop_post(chain->loop, &chain->message);
}

static void a_message_may_post_itself_again(void **state) {
    (void)state;
    struct loop *loop = make_loop();
    struct chain chain = {.message.run = run_chain, .loop = loop, .left = 100};
    loop_post(loop, &chain.message);
    loop_run(loop);
    assert_int_equal(chain.left, (unsigned)-1);
    loop_destroy(loop);
}

struct busy {
    struct loop_message message; /* first */
    struct loop *loop;
    bool stop;
};

static void run_busy(struct loop_message *message) {
    struct busy *busy = (struct busy *)message;
    if (!busy->stop)
        loop_post(busy->loop, &busy->message);
}

static void stop_busy(uv_timer_t *timer) {
    struct busy *busy = timer->data;
    busy->stop = true;
    loop_stop(busy->loop);
    uv_close((uv_handle_t *)timer, NULL);
}

static void a_message_that_posts_itself_for_ever_does_not_keep_timers_from_running(void **state) {
    (void)state;
    struct busy busy = {.message.run = run_busy, .loop = make_loop()};
    uv_timer_t timer;
    uv_timer_init(loop_uv(busy.loop), &timer);
    timer.data = &busy;
    uv_timer_start(&timer, stop_busy, 5, 0);
    loop_post(busy.loop, &busy.message);
    loop_run(busy.loop);
    assert_true(busy.stop);
    loop_destroy(busy.loop);
}

static void a_stopped_loop_runs_again(void **state) {
    (void)state;
    struct loop *loop = make_loop();
    unsigned order[2], count = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct note note = {.message.run = run_note,
                            .loop = loop,
                            .number = i,
                            .order = order,
                            .count = &count,
                            .last = true};
        loop_post(loop, &note.message);
        loop_run(loop);
        assert_int_equal(count, i + 1);
    }
    loop_destroy(loop);
}

static void messages_posted_after_the_stop_run_before_the_loop_is_gone(void **state) {
    (void)state;
    struct loop *loop = make_loop();
    unsigned order[1], count = 0;
    struct note note = {
        .message.run = run_note, .loop = loop, .number = 4, .order = order, .count = &count};
    loop_post(loop, &note.message);
    loop_destroy(loop);
    assert_int_equal(count, 1);
    assert_int_equal(order[0], 4);
}

static void flushing_runs_what_was_posted_at_once(void **state) {
    (void)state;
    struct loop *loop = make_loop();
    unsigned order[1], count = 0;
    struct note note = {
        .message.run = run_note, .loop = loop, .number = 4, .order = order, .count = &count};
    loop_flush(loop);
    loop_post(loop, &note.message);
    loop_flush(loop);
    assert_int_equal(count, 1);
    loop_destroy(loop);
    assert_int_equal(count, 1);
}

struct nap {
    struct loop_message message; /* first */
    struct loop *loop;
    uv_timer_t timer;
};

static void stop_after_nap(uv_timer_t *timer) {
    struct nap *nap = timer->data;
    loop_stop(nap->loop);
    uv_close((uv_handle_t *)timer, NULL);
}

/* The timer counts from the loop's time, which has not seen the nap, as the heart's does; so it is
 * due in the same turn as the late beat and after it. */
static void run_nap(struct loop_message *message) {
    struct nap *nap = (struct nap *)message;
    usleep(350 * 1000);
    uv_timer_start(&nap->timer, stop_after_nap, 101, 0);
}

static void the_beat_after_a_message_that_held_the_loop_tells_by_how_much(void **state) {
    (void)state;
    struct nap nap = {.message.run = run_nap, .loop = make_loop()};
    uv_timer_init(loop_uv(nap.loop), &nap.timer);
    nap.timer.data = &nap;
    assert_int_equal(loop_lag_us(nap.loop), 0);
    loop_post(nap.loop, &nap.message);
    loop_run(nap.loop);
    /* A sleep is never shorter than asked for: 350 ms less the 100 ms of the beat. */
    assert_true(loop_lag_us(nap.loop) >= UINT64_C(250000));
    loop_destroy(nap.loop);
}

static void two_loops_live_side_by_side(void **state) {
    (void)state;
    struct loop *loops[2] = {make_loop(), make_loop()};
    unsigned order[2], count = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct note note = {.message.run = run_note,
                            .loop = loops[i],
                            .number = i,
                            .order = order,
                            .count = &count,
                            .last = true};
        loop_post(loops[i], &note.message);
        loop_run(loops[i]);
    }
    assert_int_equal(count, 2);
    loop_destroy(loops[0]);
    loop_destroy(loops[1]);
}

static void destroy_with_a_timer(void *is_closed) {
    struct loop *loop = make_loop();
    uv_timer_t timer;
    uv_timer_init(loop_uv(loop), &timer);
    if (*(bool *)is_closed)
        uv_close((uv_handle_t *)&timer, NULL);
    loop_destroy(loop);
}

static void a_handle_left_open_at_the_end_is_a_programmers_error(void **state) {
    (void)state;
    bool is_closed = false;
    assert_true(aborts(destroy_with_a_timer, &is_closed));
    is_closed = true; /* closing is enough: its callback still comes */
    assert_false(aborts(destroy_with_a_timer, &is_closed));
}

static void destroying_no_loop_is_allowed(void **state) {
    (void)state;
    loop_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_run_on_the_loop_in_the_order_they_were_posted),
        cmocka_unit_test(each_message_of_many_threads_runs_once_and_may_free_itself),
        cmocka_unit_test(a_message_may_post_itself_again),
        cmocka_unit_test(a_message_that_posts_itself_for_ever_does_not_keep_timers_from_running),
        cmocka_unit_test(a_stopped_loop_runs_again),
        cmocka_unit_test(messages_posted_after_the_stop_run_before_the_loop_is_gone),
        cmocka_unit_test(flushing_runs_what_was_posted_at_once),
        cmocka_unit_test(the_beat_after_a_message_that_held_the_loop_tells_by_how_much),
        cmocka_unit_test(two_loops_live_side_by_side),
        cmocka_unit_test(a_handle_left_open_at_the_end_is_a_programmers_error),
        cmocka_unit_test(destroying_no_loop_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
