/* A window is read, decoded and aligned on all preparation threads into one buffer of inputs, then
 * what succeeded is moved together and handed to whoever embeds it, on all cores too. The two
 * phases follow each other because on a CPU they want the same cores; overlapping them would only
 * make them share. A window's size bounds the memory (64 × 270 KB for a 150-pixel chip) and is
 * large enough that a thread idle at its end costs about one part in a hundred. */
#include "model/photographs.h"

#include "model/file.h"
#include "server/pool.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 64 };

struct window;
struct preparation {
    struct pool_task task; /* first */
    struct window *window;
    struct photograph *photograph;
    float *input; /* (3, side, side) */
};

struct window {
    const struct photographs_options *options;
    const struct card_input *input;
    size_t input_values; /* 3 × side × side */
    float *inputs;       /* (WINDOW, 3, side, side) */
    struct preparation preparations[WINDOW];
    pthread_mutex_t lock;
    pthread_cond_t one_done;
    /* Under lock. */
    size_t running;
    bool ended;
};

bool photograph_lacks_face(const struct photograph *photograph) {
    return photograph->status == STATUS_NO_FACE || photograph->status == STATUS_MANY_FACES ||
           photograph->status == STATUS_FACE_TOO_SMALL;
}

/* ---- on the preparation threads ---- */

static enum status read_photograph(const struct photographs_options *options, const char *name,
                                   char **bytes, size_t *size, struct error *err) {
    char path[PATH_MAX];
    int length = options->directory
                     ? snprintf(path, sizeof(path), "%s/%s", options->directory, name)
                     : snprintf(path, sizeof(path), "%s", name);
    if (length < 0 || (size_t)length >= sizeof(path))
        return error_set(err, STATUS_INTERNAL, "%.180s: the name is too long", name);
    return file_read(path, IMAGE_LIMITS_DEFAULT.bytes_max, bytes, size, err);
}

static bool is_ended(struct window *window) {
    pthread_mutex_lock(&window->lock);
    bool ended = window->ended;
    pthread_mutex_unlock(&window->lock);
    return ended;
}

static void prepare_photograph(const struct preparation *preparation, void *preparer) {
    const struct window *window = preparation->window;
    struct photograph *photograph = preparation->photograph;
    const struct photographs_options *options = window->options;
    char *bytes = NULL;
    size_t size = 0;
    photograph->status =
        read_photograph(options, photograph->name, &bytes, &size, &photograph->error);
    if (photograph->status == STATUS_OK) {
        struct error cause;
        photograph->status = prepare_face(
            preparer, window->input, &IMAGE_LIMITS_DEFAULT, (const uint8_t *)bytes, size,
            options->face, options->no_face, preparation->input, &photograph->about, &cause);
        if (photograph->status != STATUS_OK)
            error_set(&photograph->error, photograph->status, "%.100s: %.150s", photograph->name,
                      cause.detail);
        free(bytes);
    }
}

static void prepare(struct pool_task *task, void *preparer) {
    const struct preparation *preparation = (const struct preparation *)task;
    struct window *window = preparation->window;
    if (!is_ended(window))
        prepare_photograph(preparation, preparer);
    pthread_mutex_lock(&window->lock);
    window->running--;
    pthread_mutex_unlock(&window->lock);
    pthread_cond_signal(&window->one_done);
}

static enum status preparer_context(void *shared, void **context, struct error *err) {
    *context = preparer_create(shared);
    return *context ? STATUS_OK : error_set(err, STATUS_INTERNAL, "out of memory");
}

static void preparer_context_destroy(void *context) { preparer_destroy(context); }

/* ---- on the calling thread ---- */

/* Those under way are waited for in any case: they are the window's. False: it is not to go on. */
static bool wait_for_window(struct window *window) {
    bool goes_on = true;
    pthread_mutex_lock(&window->lock);
    while (window->running > 0) {
        pthread_cond_wait(&window->one_done, &window->lock);
        pthread_mutex_unlock(&window->lock);
        goes_on = goes_on && go_on_ask(&window->options->go_on);
        pthread_mutex_lock(&window->lock);
        window->ended = !goes_on;
    }
    pthread_mutex_unlock(&window->lock);
    return goes_on;
}

static bool prepare_window(struct window *window, struct pool *pool, struct photograph *photographs,
                           size_t count) {
    window->running = count;
    for (size_t i = 0; i < count; i++) {
        struct preparation *preparation = &window->preparations[i];
        *preparation = (struct preparation){.task.run = prepare,
                                            .window = window,
                                            .photograph = &photographs[i],
                                            .input = window->inputs + i * window->input_values};
        bool queued = pool_submit(pool, &preparation->task);
        assert(queued); /* the queue holds a window, and is empty between windows */
    }
    return wait_for_window(window);
}

/* Moves together what could be prepared of the window that begins at `start`. */
static enum status hand_on(struct window *window, const struct photograph *photographs,
                           size_t start, size_t count, const struct photographs_taker *taker,
                           struct error *err) {
    size_t which[WINDOW], n = 0;
    for (size_t i = 0; i < count; i++) {
        if (photographs[start + i].status != STATUS_OK)
            continue;
        if (n != i)
            memcpy(window->inputs + n * window->input_values,
                   window->inputs + i * window->input_values, window->input_values * sizeof(float));
        which[n++] = start + i;
    }
    return taker->take(taker->context, window->inputs, which, n, err);
}

static enum status run_windows(struct window *window, struct pool *pool,
                               struct photograph *photographs, size_t count,
                               const struct photographs_taker *taker, struct error *err) {
    const struct photographs_options *options = window->options;
    enum status status = STATUS_OK;
    for (size_t start = 0; start < count && status == STATUS_OK; start += WINDOW) {
        size_t n = count - start < WINDOW ? count - start : WINDOW;
        status = prepare_window(window, pool, photographs + start, n)
                     ? hand_on(window, photographs, start, n, taker, err)
                     : error_set(err, STATUS_DRAINING, "stopped");
        if (status == STATUS_OK && options->progress)
            options->progress(options->context, start + n, count);
    }
    return status;
}

static struct window *window_create(const struct photographs_options *options,
                                    const struct card_input *input) {
    struct window *window = calloc(1, sizeof(*window));
    if (!window)
        return NULL;
    window->options = options;
    window->input = input;
    window->input_values = (size_t)3 * input->side * input->side;
    window->inputs = calloc(WINDOW * window->input_values, sizeof(float));
    pthread_mutex_init(&window->lock, NULL);
    pthread_cond_init(&window->one_done, NULL);
    return window;
}

static void window_destroy(struct window *window) {
    if (!window)
        return;
    pthread_cond_destroy(&window->one_done);
    pthread_mutex_destroy(&window->lock);
    free(window->inputs);
    free(window);
}

enum status photographs_prepare(const struct photographs_options *options,
                                const struct card_input *input, struct photograph *photographs,
                                size_t count, const struct photographs_taker *taker,
                                struct error *err) {
    struct prepare_shared *shared;
    enum status status = prepare_shared_open(options->data, &shared, err);
    if (status != STATUS_OK)
        return status;
    const struct pool_options pool_options = {.name = "prepare",
                                              .threads = options->threads,
                                              .tasks_max = WINDOW,
                                              .context_create = preparer_context,
                                              .context_destroy = preparer_context_destroy,
                                              .argument = shared};
    struct pool *pool = NULL;
    struct window *window = window_create(options, input);
    if (!window || !window->inputs)
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    if (status == STATUS_OK)
        status = pool_create(&pool_options, &pool, err);
    if (status == STATUS_OK)
        status = run_windows(window, pool, photographs, count, taker, err);
    pool_destroy(pool);
    window_destroy(window);
    prepare_shared_close(shared);
    return status;
}

/* ---- embedding ---- */

enum { BATCH = 16 };

struct embedding {
    const struct photographs_options *options;
    const struct model_version *version;
    float *outputs;    /* (BATCH, embedding_length) */
    float *embeddings; /* (photographs, embedding_length) */
};

static enum status embed_batches(void *context, const float *inputs, const size_t *which, size_t n,
                                 struct error *err) {
    const struct embedding *embedding = context;
    const struct card *card = &embedding->version->card;
    size_t length = card->embedding_length;
    size_t input_values = (size_t)3 * card->input.side * card->input.side;
    for (size_t start = 0; start < n; start += BATCH) {
        size_t batch = n - start < BATCH ? n - start : BATCH;
        enum status status =
            network_embed(embedding->version->network, inputs + start * input_values,
                          (uint32_t)batch, embedding->outputs, err);
        if (status != STATUS_OK)
            return status;
        for (size_t i = 0; i < batch; i++)
            memcpy(embedding->embeddings + which[start + i] * length,
                   embedding->outputs + i * length, length * sizeof(float));
        if (!go_on_ask(&embedding->options->go_on))
            return error_set(err, STATUS_DRAINING, "stopped");
    }
    return STATUS_OK;
}

enum status photographs_embed(const struct photographs_options *options,
                              const struct model_version *version, struct photograph *photographs,
                              size_t count, float *embeddings, struct error *err) {
    struct embedding embedding = {
        .options = options,
        .version = version,
        .outputs = calloc((size_t)BATCH * version->card.embedding_length, sizeof(float)),
        .embeddings = embeddings};
    const struct photographs_taker taker = {embed_batches, &embedding};
    enum status status = embedding.outputs ? photographs_prepare(options, &version->card.input,
                                                                 photographs, count, &taker, err)
                                           : error_set(err, STATUS_INTERNAL, "out of memory");
    free(embedding.outputs);
    return status;
}
