/* What the subcommands that compute in process open first and close last: the data directory, the
 * device, the models, and the version asked for. */
#ifndef FACEPAIR_CLI_SESSION_H
#define FACEPAIR_CLI_SESSION_H

#include "cli/data.h"
#include "cli/trust.h"
#include "model/registry.h"

struct session_options {
    const char *data;   /* --data; NULL: found */
    const char *device; /* "cpu", "cuda:N" */
    unsigned threads;   /* 0: one for each CPU granted, and the network's measured default */
    const char *model;  /* NAME or NAME@VERSION; NULL: the default one */
    const struct option_list *trusted; /* --allow-torchscript */
};

struct session {
    char data[DATA_PATH_MAX];
    unsigned threads; /* for preparation, ≥ 1 */
    struct registry *registry;
    struct model_version *version;
};

/* On failure nothing is left to close. */
enum status session_open(const struct session_options *options, struct session *session,
                         struct error *err);
void session_close(struct session *session);

#endif
