#include "cli/serve_connections.h"

#include "server/descriptors.h"
#include "server/log.h"

/* A connection may need a second descriptor once it was answered (server/http/linger.c). The public
 * listener has what the side listeners and the files of models, store and trainer leave. */
enum status serve_connections(const struct serve_settings *s, unsigned *connections,
                              struct error *err) {
    enum { OTHER_FILES = 256, A_CONNECTION = 2 };
    uint64_t others = OTHER_FILES + SIDE_LISTENERS * A_CONNECTION * SIDE_CONNECTIONS;
    uint64_t allowed = descriptors_allow(others + A_CONNECTION * (uint64_t)s->connections);
    if (allowed < others + A_CONNECTION)
        return error_set(err, STATUS_INTERNAL,
                         "only %llu files may be open (ulimit -n); at least %llu are needed",
                         (unsigned long long)allowed, (unsigned long long)others + A_CONNECTION);
    uint64_t most = (allowed - others) / A_CONNECTION;
    *connections = (unsigned)(most < (uint64_t)s->connections ? most : (uint64_t)s->connections);
    if (*connections < s->connections)
        log_event(LOG_WARN, "connections_lowered", LOG_INT("connections", *connections),
                  LOG_STR("cause", "no more files may be open (ulimit -n)"));
    return STATUS_OK;
}
