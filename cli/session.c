#include "cli/session.h"

#include "server/pool.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 40 };

enum status session_path(const struct session *session, const char *file, char path[DATA_PATH_MAX],
                         struct error *err) {
    const struct card *card = &session->acquired->card;
    int length = snprintf(path, DATA_PATH_MAX, "%s/models/%s/%s/%s", session->data, card->name,
                          card->version, file);
    if (length < 0 || length >= DATA_PATH_MAX)
        return error_set(err, STATUS_INTERNAL, "%.180s: the name is too long", session->data);
    return STATUS_OK;
}

/* The version with what the options add to its card. A head stands after it all, so it was learned
 * for what its card says, and nothing can be put before it. */
static enum status change(const struct session_options *options, struct session *session,
                          struct error *err) {
    char path[DATA_PATH_MAX];
    const struct card *card = &session->acquired->card;
    enum status status = session_path(session, card->weights_file, path, err);
    if (status != STATUS_OK)
        return status;
    if (card->embedding.head)
        return error_set(err, STATUS_INVALID_FIELD,
                         "%s@%s has a head: change the version that it was learned for", card->name,
                         card->version);
    session->changed.card = *card; /* what it owns stays the registry's */
    session->changed.card.embedding.mirror |= options->mirror;
    session->changed.card.embedding.normalise |= options->normalise;
    session->version = &session->changed;
    return network_open(&session->changed.card, path, &session->changed.network, err);
}

enum status session_open(const struct session_options *options, struct session *session,
                         struct error *err) {
    memset(session, 0, sizeof(*session));
    session->threads = options->threads ? options->threads : cpus_granted();
    enum status status = data_directory_find(options->data, session->data, err);
    if (status == STATUS_OK)
        status = network_runtime_open(options->device, options->threads, err);
    if (status == STATUS_OK && options->trusted)
        status = trust_modules(options->trusted, err);
    if (status == STATUS_OK)
        status = options->model
                     ? registry_open_one(session->data, options->model, &session->registry, err)
                     : registry_open(session->data, NULL, &session->registry, err);
    if (status != STATUS_OK)
        return status;
    status = registry_acquire(session->registry, options->model, &session->acquired, err);
    session->version = session->acquired;
    if (status == STATUS_OK && (options->mirror || options->normalise))
        status = change(options, session, err);
    if (status != STATUS_OK)
        session_close(session);
    return status;
}

void session_close(struct session *session) {
    network_close(session->changed.network);
    if (session->acquired)
        registry_release(session->registry, session->acquired);
    registry_close(session->registry);
}

static void progress(void *context, size_t done, size_t total) {
    (void)context;
    char bar[BAR_WIDTH + 1];
    size_t filled = done * BAR_WIDTH / total;
    memset(bar, '#', filled);
    memset(bar + filled, '.', BAR_WIDTH - filled);
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %zu/%zu images%s", bar, done, total, done == total ? "\n" : "");
}

struct measure_place session_place(const struct session *session) {
    return (struct measure_place){.data = session->data,
                                  .threads = session->threads,
                                  .version = session->version,
                                  .progress = isatty(STDERR_FILENO) ? progress : NULL};
}
