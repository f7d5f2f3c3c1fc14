#include "api/scopes.h"

#include <string.h>

static const char *const TEXTS[SCOPES_COUNT] = {
#define X(name, text) text,
    SCOPE_TABLE(X)
#undef X
};

const char *scope_text(enum scope_place place) { return TEXTS[place]; }

unsigned scope_of(const char *text) {
    for (unsigned place = 0; place < SCOPES_COUNT; place++)
        if (strcmp(TEXTS[place], text) == 0)
            return 1u << place;
    return 0;
}
