#include "model/uid.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* The layout is that of "8-4-4-4-12" hexadecimal digits. */
static const char FORM[] = "hhhhhhhh-hhhh-7hhh-vhhh-hhhhhhhhhhhh";

void uid_make(const char *prefix, char uid[UID_SIZE]) {
    assert(strlen(prefix) <= UID_PREFIX_MAX);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    uint64_t fraction = (uint64_t)now.tv_nsec % 1000000 * 4096 / 1000000;
    uint64_t random;
    /* So few bytes come whole, and the source is initialised long before any process of ours. */
    ssize_t got = getrandom(&random, sizeof random, 0);
    assert(got == sizeof random);
    (void)got;
    snprintf(uid, UID_SIZE, "%s%08llx-%04llx-7%03llx-%04llx-%012llx", prefix,
             (unsigned long long)(ms >> 16 & 0xffffffff), (unsigned long long)(ms & 0xffff),
             (unsigned long long)fraction, (unsigned long long)(random >> 50 | 0x8000),
             (unsigned long long)(random & 0xffffffffffff));
}

static bool is_digit(char form, char c) {
    if (form == 'h')
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (form == 'v')
        return c == '8' || c == '9' || c == 'a' || c == 'b';
    return c == form;
}

bool uid_valid(const char *prefix, const char *text) {
    size_t length = strlen(prefix);
    if (strncmp(text, prefix, length) != 0)
        return false;
    /* FORM's terminator is compared too. */
    for (size_t i = 0; i < sizeof FORM; i++)
        if (!is_digit(FORM[i], text[length + i]))
            return false;
    return true;
}
