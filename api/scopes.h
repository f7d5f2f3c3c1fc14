/* What a key may do: one table of scopes. */
#ifndef FACEPAIR_API_SCOPES_H
#define FACEPAIR_API_SCOPES_H

#include <stdbool.h>
#include <stddef.h>

/* X(NAME, text) */
#define SCOPE_TABLE(X)                                                                             \
    X(VERIFY, "verify")                                                                            \
    X(EMBED, "embed")                                                                              \
    X(EMBED_RAW, "embed:raw")                                                                      \
    X(MODELS_READ, "models:read")                                                                  \
    X(METRICS_READ, "metrics:read")                                                                \
    X(DATASETS_WRITE, "datasets:write")                                                            \
    X(JOBS_WRITE, "jobs:write")                                                                    \
    X(MODELS_PROMOTE, "models:promote")                                                            \
    X(SUBJECTS_WRITE, "subjects:write")

enum scope_place {
#define X(name, text) SCOPE_PLACE_##name,
    SCOPE_TABLE(X)
#undef X
        SCOPES_COUNT
};

/* A set of scopes is the sum of its bits; 0: none is needed. */
enum scope {
#define X(name, text) SCOPE_##name = 1u << SCOPE_PLACE_##name,
    SCOPE_TABLE(X)
#undef X
        SCOPES_ALL = (1u << SCOPES_COUNT) - 1
};

const char *scope_text(enum scope_place place); /* "verify" */
/* The bit of "verify"; 0: no such scope. */
unsigned scope_of(const char *text);

#endif
