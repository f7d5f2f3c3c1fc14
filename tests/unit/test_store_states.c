/* Random operations by two handles, held against a second description of the rules: the table of
 * API.md as it is read here, and a runner's claim as a thing that somebody has or has not. */
#include "model/random.h"
#include "store_fixture.h"

/* queued -> running -> evaluating -> succeeded | failed. Any of the first three -> cancelling ->
 * cancelled | succeeded | failed. running -> paused -> queued. A lost lease -> queued. A run may
 * fail before it is evaluated. */
static bool is_allowed(const char *from, const char *to) {
    static const char *const ways[] = {
        "queued>running",       "running>evaluating",    "evaluating>succeeded",
        "evaluating>failed",    "running>failed",        "queued>cancelling",
        "running>cancelling",   "evaluating>cancelling", "cancelling>cancelled",
        "cancelling>succeeded", "cancelling>failed",     "running>paused",
        "paused>queued",        "running>queued",        "evaluating>queued",
    };
    char way[64];
    snprintf(way, sizeof way, "%s>%s", from, to);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (strcmp(ways[i], way) == 0)
            return true;
    return false;
}

static void the_table_is_that_of_the_contract(void **state) {
    (void)state;
    for (unsigned from = 0; from < JOB_STATES_COUNT; from++)
        for (unsigned to = 0; to < JOB_STATES_COUNT; to++) {
            const char *a = job_state_word((enum job_state)from),
                       *b = job_state_word((enum job_state)to);
            assert_int_equal(job_state_may_become((enum job_state)from, (enum job_state)to),
                             is_allowed(a, b));
        }
}

static void no_way_leads_out_of_a_final_state(void **state) {
    (void)state;
    for (unsigned from = 0; from < JOB_STATES_COUNT; from++)
        for (unsigned to = 0; to < JOB_STATES_COUNT; to++)
            assert_false(job_state_is_final((enum job_state)from) &&
                         job_state_may_become((enum job_state)from, (enum job_state)to));
}

static void words_are_read_back(void **state) {
    (void)state;
    enum job_state parsed;
    for (unsigned i = 0; i < JOB_STATES_COUNT; i++) {
        assert_true(job_state_parse(job_state_word((enum job_state)i), &parsed));
        assert_int_equal(parsed, i);
    }
    assert_false(job_state_parse("waiting", &parsed));
}

/* ---- random operations ---- */

enum { JOBS = 6, CLAIMS = 12, OPERATIONS = 4000, SEEDS = 4 };

struct walk {
    struct store *stores[2];
    struct random_generator random;
    char ids[JOBS][UID_SIZE];
    struct store_claim claims[CLAIMS]; /* also those that are long lost */
    size_t claims_count;
};

static void claim(struct walk *walk, struct store *store) {
    static const char *const runners[] = {"a", "b"};
    struct store_claim claim;
    struct store_job job;
    struct error err;
    bool claimed;
    assert_ok(store_claim_job(store, runners[random_below(&walk->random, 2)], LEASE_MS, &claim,
                              &job, &claimed, &err),
              &err);
    if (!claimed)
        return;
    store_job_release(&job);
    if (walk->claims_count == CLAIMS)
        walk->claims[random_below(&walk->random, CLAIMS)] = claim;
    else
        walk->claims[walk->claims_count++] = claim;
}

static void write_by_claim(struct walk *walk, struct store *store) {
    static const enum job_state ends[] = {JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED, JOB_PAUSED};
    if (walk->claims_count == 0)
        return;
    const struct store_claim *claim =
        &walk->claims[random_below(&walk->random, (uint32_t)walk->claims_count)];
    const struct store_outcome outcome = {.state = ends[random_below(&walk->random, 4)],
                                          .model = "m",
                                          .version = "2",
                                          .error_code = "internal",
                                          .error_message = "made up"};
    enum status status;
    switch (random_below(&walk->random, 5)) {
    case 0:
        status = store_claim_renew(store, claim, LEASE_MS, NULL);
        break;
    case 1:
        status = store_claim_log(store, claim, "text", NULL);
        break;
    case 2:
        status = store_claim_evaluating(store, claim, NULL);
        break;
    case 3:
        status = store_claim_finish(store, claim, &outcome, NULL);
        break;
    default:
        status = store_claim_give_back(store, claim, NULL);
    }
    assert_true(status == STATUS_OK || status == STATUS_WRONG_STATE);
}

static void ask(struct walk *walk, struct store *store) {
    const char *id = walk->ids[random_below(&walk->random, JOBS)];
    enum status status;
    switch (random_below(&walk->random, 3)) {
    case 0:
        status = store_job_cancel(store, id, NULL);
        break;
    case 1:
        status = store_job_pause(store, id, NULL);
        break;
    default:
        status = store_job_resume(store, id, NULL);
    }
    assert_true(status == STATUS_OK || status == STATUS_WRONG_STATE);
}

static void step(struct walk *walk) {
    struct store *store = walk->stores[random_below(&walk->random, 2)];
    struct store_settled settled;
    uint32_t choice = random_below(&walk->random, 20);
    if (choice < 5)
        claim(walk, store);
    else if (choice < 15)
        write_by_claim(walk, store);
    else if (choice < 17)
        ask(walk, store);
    else if (choice < 18)
        assert_int_equal(
            store_settle(store, random_below(&walk->random, 4) ? NULL : "a", &settled, NULL),
            STATUS_OK);
    else
        fixture_ms += random_below(&walk->random, LEASE_MS / 2);
}

/* ---- what the events say afterwards ---- */

static void read_member(const char *data, const char *name, char *value, size_t size) {
    const char *at = strstr(data, name);
    assert_non_null(at);
    at += strlen(name);
    at += strspn(at, "\":");
    size_t length = strcspn(at, "\",}");
    assert_true(length < size);
    memcpy(value, at, length);
    value[length] = '\0';
}

/* Every way that was taken is allowed, numbers have no gap, attempts never fall or pass the limit,
 * and a claim was the only one of its number. */
static void check_history(struct store *store, const char *id) {
    char last[32] = "";
    int attempt_last = 0;
    uint64_t number = 0;
    bool ended = false;
    while (!ended) {
        struct store_event *events;
        size_t count;
        struct error err;
        assert_ok(store_events(store, id, number, STORE_PAGE_MAX, &events, &count, &ended, &err),
                  &err);
        for (size_t i = 0; i < count; i++) {
            char word[32], attempt[16];
            assert_true(events[i].number == ++number);
            if (events[i].type != EVENT_STATE)
                continue;
            read_member(events[i].data, "status", word, sizeof word);
            read_member(events[i].data, "attempt", attempt, sizeof attempt);
            assert_true(last[0] == '\0' ? strcmp(word, "queued") == 0 : is_allowed(last, word));
            assert_in_range(strtol(attempt, NULL, 10), attempt_last, attempt_last + 1);
            assert_in_range(strtol(attempt, NULL, 10), 1, STORE_ATTEMPTS_MAX);
            attempt_last = (int)strtol(attempt, NULL, 10);
            memcpy(last, word, sizeof last);
        }
        store_events_release(events, count);
        if (count == 0)
            break;
    }
    struct store_job job = fixture_get(store, id);
    assert_string_equal(job_state_word(job.state), last);
    assert_int_equal(job.attempt, attempt_last);
    bool decided = job.promotion != PROMOTION_WISHED; /* that is an event too */
    assert_int_equal(ended, job_state_is_final(job.state) && decided);
    store_job_release(&job);
}

static void no_sequence_of_operations_leaves_the_table(void **state) {
    struct store_fixture *fixture = *state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct walk walk = {.stores = {fixture->store, fixture_open(&fixture->folder)},
                            .random = random_seeded(seed)};
        for (int i = 0; i < JOBS; i++)
            fixture_create(walk.stores[0], walk.ids[i]);
        for (int i = 0; i < OPERATIONS / SEEDS; i++)
            step(&walk);
        for (int i = 0; i < JOBS; i++)
            check_history(walk.stores[1], walk.ids[i]);
        store_close(walk.stores[1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_that_of_the_contract),
        cmocka_unit_test(no_way_leads_out_of_a_final_state),
        cmocka_unit_test(words_are_read_back),
        store_test(no_sequence_of_operations_leaves_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
