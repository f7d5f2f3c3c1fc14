#include "cli/session.h"

#include "server/pool.h"

#include <stdio.h>
#include <string.h>

/* The registry insists on a default model; here that is the one asked for. */
static const char *name_alone(const char *model, char name[CARD_NAME_MAX + 1]) {
    if (!model)
        return NULL;
    snprintf(name, CARD_NAME_MAX + 1, "%.*s", (int)strcspn(model, "@"), model);
    return name;
}

enum status session_open(const struct session_options *options, struct session *session,
                         struct error *err) {
    char name[CARD_NAME_MAX + 1];
    memset(session, 0, sizeof(*session));
    session->threads = options->threads ? options->threads : cpus_granted();
    enum status status = data_directory_find(options->data, session->data, err);
    if (status == STATUS_OK)
        status = network_runtime_open(options->device, options->threads, err);
    if (status == STATUS_OK)
        status =
            registry_open(session->data, name_alone(options->model, name), &session->registry, err);
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
