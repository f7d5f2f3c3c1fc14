#include "cli/session.h"

#include "server/pool.h"

#include <string.h>

enum status session_open(const struct session_options *options, struct session *session,
                         struct error *err) {
    memset(session, 0, sizeof(*session));
    session->threads = options->threads ? options->threads : cpus_granted();
    enum status status = data_directory_find(options->data, session->data, err);
    if (status == STATUS_OK)
        status = network_runtime_open(options->device, options->threads, err);
    if (status == STATUS_OK)
        status = trust_modules(options->trusted, err);
    if (status == STATUS_OK)
        status = options->model
                     ? registry_open_one(session->data, options->model, &session->registry, err)
                     : registry_open(session->data, NULL, &session->registry, err);
    if (status != STATUS_OK)
        return status;
    status = registry_acquire(session->registry, options->model, &session->version, err);
    if (status != STATUS_OK)
        registry_close(session->registry);
    return status;
}

void session_close(struct session *session) {
    registry_release(session->registry, session->version);
    registry_close(session->registry);
}
