/* Photographs in bulk: signs of life while they are prepared and embedded, and an end within a
 * window. */
#include "tests/unit/asked.h"
#include "tests/unit/folder.h"

#include "model/network/network.h"
#include "model/photographs.h"

enum { COUNT = 40, SIDE = 4, LENGTH = 8 };

struct bulk {
    struct folder folder;
    char names[COUNT][16];
    struct photograph photographs[COUNT];
    struct asked asked;
    size_t told; /* as done */
};

static void tell(void *context, size_t done, size_t total) {
    struct bulk *bulk = context;
    assert_int_equal(total, COUNT);
    bulk->told = done;
}

/* Each takes 50 ms where it is slow. */
static void bulk_begin(struct bulk *bulk, bool slow) {
    *bulk = (struct bulk){.folder = folder_create()};
    for (int i = 0; i < COUNT; i++) {
        char text[32];
        snprintf(bulk->names[i], sizeof(bulk->names[i]), "%d.jpg", i);
        snprintf(text, sizeof(text), "%s %d", slow ? "STUB:slow" : "quick", i);
        folder_write_text(&bulk->folder, bulk->names[i], text);
        bulk->photographs[i].name = bulk->names[i];
    }
}

static enum status embed(struct bulk *bulk, const struct go_on *go_on, float *embeddings) {
    const struct photographs_options options = {.data = bulk->folder.path,
                                                .directory = bulk->folder.path,
                                                .threads = 2,
                                                .progress = tell,
                                                .context = bulk,
                                                .go_on = *go_on};
    struct model_version version = {
        .card = {.name = "stub", .input = {.side = SIDE}, .embedding_length = LENGTH}};
    assert_int_equal(network_open(&version.card, "", &version.network, NULL), STATUS_OK);
    enum status status =
        photographs_embed(&options, &version, bulk->photographs, COUNT, embeddings, NULL);
    network_close(version.network);
    return status;
}

static void each_photograph_is_a_sign_of_life(void **state) {
    (void)state;
    struct bulk bulk;
    float embeddings[COUNT * LENGTH] = {0};
    bulk_begin(&bulk, true);
    const struct go_on go_on = asked_go_on(&bulk.asked);
    assert_int_equal(embed(&bulk, &go_on, embeddings), STATUS_OK);
    assert_int_equal(bulk.told, COUNT);
    assert_true(bulk.asked.times >= COUNT / 2); /* those of two threads may come together */
    folder_remove(&bulk.folder);
}

static void a_window_that_is_not_to_go_on_prepares_no_more(void **state) {
    (void)state;
    struct bulk bulk;
    float embeddings[COUNT * LENGTH] = {0};
    bulk_begin(&bulk, true);
    bulk.asked.ends_at = 3;
    const struct go_on go_on = asked_go_on(&bulk.asked);
    assert_int_equal(embed(&bulk, &go_on, embeddings), STATUS_DRAINING);
    int prepared = 0;
    for (int i = 0; i < COUNT; i++)
        prepared += bulk.photographs[i].about.info.width > 0;
    assert_true(prepared < COUNT / 2);
    assert_int_equal(bulk.told, 0);
    assert_int_equal(bulk.asked.times, 3);
    folder_remove(&bulk.folder);
}

static const float NOTHING[LENGTH] = {0};

static bool nothing_is_embedded(void *context) {
    const float *embeddings = context;
    return memcmp(embeddings, NOTHING, sizeof(NOTHING)) == 0;
}

static void each_batch_that_is_embedded_is_a_sign_of_life(void **state) {
    (void)state;
    enum { BATCH = 16 };
    struct bulk bulk;
    float embeddings[COUNT * LENGTH] = {0};
    bulk_begin(&bulk, false);
    const struct go_on first_batch_alone = {nothing_is_embedded, embeddings};
    assert_int_equal(embed(&bulk, &first_batch_alone, embeddings), STATUS_DRAINING);
    assert_memory_not_equal(embeddings + (BATCH - 1) * LENGTH, NOTHING, sizeof(NOTHING));
    assert_memory_equal(embeddings + BATCH * LENGTH, NOTHING, sizeof(NOTHING));
    folder_remove(&bulk.folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_photograph_is_a_sign_of_life),
        cmocka_unit_test(a_window_that_is_not_to_go_on_prepares_no_more),
        cmocka_unit_test(each_batch_that_is_embedded_is_a_sign_of_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
