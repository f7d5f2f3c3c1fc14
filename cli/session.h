/* What the subcommands that compute in process open first and close last: the data directory, the
 * device, the models, and the version asked for. */
#ifndef FACEPAIR_CLI_SESSION_H
#define FACEPAIR_CLI_SESSION_H

#include "cli/data.h"
#include "cli/trust.h"
#include "model/measure/place.h"
#include "model/registry.h"

struct session_options {
    const char *data;   /* --data; NULL: found */
    const char *device; /* "cpu", "cuda:N" */
    unsigned threads;   /* 0: one for each CPU granted, and the network's measured default */
    const char *model;  /* NAME or NAME@VERSION; NULL: the default one */
    const struct option_list *trusted; /* --allow-torchscript; NULL: none */
    /* To be done besides what the card says, for a card that will say it too. */
    bool mirror, normalise;
};

struct session {
    char data[DATA_PATH_MAX];
    unsigned threads; /* for preparation, ≥ 1 */
    struct registry *registry;
    struct model_version *version;
    struct model_version *acquired; /* of the registry; the same, unless the options add to it */
    struct model_version changed;   /* else this one: the same weights under a changed card */
};

/* --data, --device and --threads as rows of an option table; they are s->data, s->device and
 * s->threads. */
/* clang-format off */
#define SESSION_OPTIONS(s)                                                                         \
    {"data", "DIR", "the data directory", OPTION_STRING, .to.string = &(s)->data},                 \
    {"device", "D", "cpu (default) or cuda:N", OPTION_STRING, .to.string = &(s)->device},          \
    {"threads", "N", "threads of each stage (0: one for each CPU granted)", OPTION_INTEGER,        \
     .to.integer = &(s)->threads, .integer = {0, 1024}}
/* clang-format on */

/* On failure nothing is left to close. */
enum status session_open(const struct session_options *options, struct session *session,
                         struct error *err);
void session_close(struct session *session);

/* For what is measured with session->version; shows a bar when stderr is a terminal. */
struct measure_place session_place(const struct session *session);

/* A file in the version's directory. STATUS_INTERNAL when the name is too long. */
enum status session_path(const struct session *session, const char *file, char path[DATA_PATH_MAX],
                         struct error *err);

#endif
