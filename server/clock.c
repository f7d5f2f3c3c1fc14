#include "server/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t clock_monotonic_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void clock_text(uint64_t wall_ms, char text[CLOCK_TEXT_SIZE]) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    /* The moduli only tell the compiler that each number keeps to its digits. */
    snprintf(text, CLOCK_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
             (unsigned)(utc.tm_year + 1900) % 10000, (unsigned)(utc.tm_mon + 1) % 100,
             (unsigned)utc.tm_mday % 100, (unsigned)utc.tm_hour % 100, (unsigned)utc.tm_min % 100,
             (unsigned)utc.tm_sec % 100, (unsigned)(wall_ms % 1000));
}

static bool two_digits(const char *text, unsigned low, unsigned high, int *value) {
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return false;
    unsigned number = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
    *value = (int)number;
    return number >= low && number <= high;
}

/* "" or ".5", before the final Z. */
static bool fraction(const char *text, uint64_t *ms) {
    *ms = 0;
    if (*text != '.')
        return strcmp(text, "Z") == 0;
    size_t digits = strspn(++text, "0123456789");
    for (size_t i = 0; i < 3; i++)
        *ms = *ms * 10 + (i < digits ? (uint64_t)(text[i] - '0') : 0);
    return digits >= 1 && digits <= 3 && strcmp(text + digits, "Z") == 0;
}

bool clock_parse(const char *text, uint64_t *wall_ms) {
    struct tm utc = {0}, given;
    int century, year;
    uint64_t ms;
    if (strnlen(text, CLOCK_TEXT_SIZE) < sizeof("2026-01-31T12:00:00Z") - 1 || text[4] != '-' ||
        text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
        !two_digits(text, 19, 99, &century) || !two_digits(text + 2, 0, 99, &year) ||
        !two_digits(text + 5, 1, 12, &utc.tm_mon) || !two_digits(text + 8, 1, 31, &utc.tm_mday) ||
        !two_digits(text + 11, 0, 23, &utc.tm_hour) || !two_digits(text + 14, 0, 59, &utc.tm_min) ||
        !two_digits(text + 17, 0, 59, &utc.tm_sec) || !fraction(text + 19, &ms))
        return false;
    utc.tm_year = century * 100 + year - 1900;
    utc.tm_mon--;
    given = utc;
    time_t seconds = timegm(&utc); /* puts a 30th of February into March */
    if (seconds < 0 || utc.tm_mday != given.tm_mday)
        return false;
    *wall_ms = (uint64_t)seconds * 1000 + ms;
    return true;
}

void clock_wall_text(char text[CLOCK_TEXT_SIZE]) { clock_text(clock_wall_ms(), text); }
