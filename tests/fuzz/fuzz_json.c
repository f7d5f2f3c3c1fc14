/* JSON bodies of POST: the first byte says whose shape they are read in. Whatever comes, there is a
 * fault that can be told, or a body that keeps the promises of api/body.h. */
#include "api/body.h"

#include <assert.h>
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { IMAGE_BYTES_MAX = 4096, ALL_OPTIONS = (1 << OPTION_COUNT) - 1 };

static const struct body_shape shapes[] = {
    {.options = ALL_OPTIONS, .images_min = 2, .images_max = 2},
    {.options = OPTION_BIT(OPTION_MODEL) | OPTION_BIT(OPTION_RAW),
     .images_min = 1,
     .images_max = BODY_IMAGES_MAX},
    {.options = ALL_OPTIONS, .embeddings = true},
};

static void check_faults(const struct faults *faults) {
    assert(faults->count <= FAULTS_MAX);
    for (size_t i = 0; i < faults->count; i++) {
        int code = status_http(faults->list[i].status);
        assert(code >= 400 && code < 500 && faults->list[i].error.detail[0]);
    }
}

static void check_body(const struct body *body, const struct body_shape *shape) {
    const struct request_options *options = &body->options;
    assert(body->images_count >= shape->images_min && body->images_count <= shape->images_max);
    for (unsigned i = 0; i < body->images_count; i++)
        assert(body->images[i].bytes && body->images[i].size > 0 &&
               body->images[i].size <= IMAGE_BYTES_MAX);
    for (int i = 0; shape->embeddings && i < BODY_EMBEDDINGS; i++) {
        const struct body_embedding *embedding = &body->embeddings[i];
        assert(!embedding->token != !embedding->values);
        for (uint32_t k = 0; k < embedding->length; k++)
            assert(isfinite(embedding->values[k]));
    }
    assert(!(options->given[OPTION_MAX_FMR] && options->given[OPTION_THRESHOLD]));
    assert(isfinite(options->max_fmr) && isfinite(options->threshold) && isfinite(options->prior));
    assert(options->subject_size <= SUBJECT_BYTES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    if (size == 0)
        return 0;
    const struct body_shape *shape = &shapes[bytes[0] % (sizeof shapes / sizeof shapes[0])];
    struct body body;
    struct faults faults;
    faults_init(&faults);
    body_read_json(bytes + 1, size - 1, IMAGE_BYTES_MAX, shape, &body, &faults);
    if (faults.count > 0)
        check_faults(&faults);
    else
        check_body(&body, shape);
    body_release(&body);
    return 0;
}
