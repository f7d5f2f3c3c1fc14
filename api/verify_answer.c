/* From two embeddings to the 200 of POST /v1/verify. Reals are written with 9 significant digits:
 * enough to read any float32 back as itself. The text is written as it goes, without a document in
 * memory, which took a third of the loop's time for a request. */
#include "api/verify.h"

#include "api/attempt.h"
#include "server/clock.h"

enum { STAGES = 5 };

static void measure(const struct verify *verify, struct timing timings[STAGES + 1]) {
    const struct http_request *request = verify->work.request;
    const struct batch_item *pair = &verify->pair;
    uint64_t started_us = http_request_started_us(request);
    uint64_t received_us = http_request_received_us(request);
    timings[0] = (struct timing){"receive", timing_between_ms(started_us, received_us)};
    timings[1] = (struct timing){"prepare", timing_between_ms(received_us, verify->prepared_us)};
    timings[2] = (struct timing){"queue", timing_between_ms(pair->queued_us, pair->started_us)};
    timings[3] = (struct timing){"embed", timing_between_ms(pair->started_us, pair->embedded_us)};
    timings[4] = (struct timing){"total", timing_between_ms(started_us, clock_monotonic_us())};
    timings[5] = (struct timing){NULL, 0};
}

/* The text, from malloc; NULL: out of memory. */
static char *answer_text(const struct verify *verify, const struct timing *timings, size_t *size) {
    struct json_writer *json = json_writer_create_compact();
    if (!json)
        return NULL;
    json_write_object(json, NULL);
    verdict_write(json, &verify->work, &verify->verdict);
    json_write_array(json, "images");
    for (int i = 0; i < VERIFY_PHOTOS; i++)
        photo_write(json, NULL, &verify->photos[i]);
    json_write_end(json);
    timings_write(json, timings);
    verdict_write_warnings(json, &verify->work, NULL);
    json_write_end(json);
    return json_writer_finish(json, size);
}

static void tell(struct work *work) {
    struct verify *verify = (struct verify *)work;
    struct timing timings[STAGES + 1];
    measure(verify, timings);
    size_t size = 0;
    char *text = answer_text(verify, timings, &size);
    verdict_answer(work, &verify->verdict, text, size, timings);
}

void verify_answer(struct verify *verify) {
    struct work *work = &verify->work;
    const float *second = verify->embeddings + work->version->card.embedding_length;
    if (verdict_reach(work, verify->embeddings, second, &verify->verdict))
        attempt_decide(work, verify->verdict.verified, tell);
}
