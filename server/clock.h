/* Time: monotonic for measuring, wall clock for telling. */
#ifndef FACEPAIR_SERVER_CLOCK_H
#define FACEPAIR_SERVER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

uint64_t clock_monotonic_us(void);
uint64_t clock_wall_ms(void); /* since the Unix epoch */
/* RFC 3339, UTC, milliseconds: "2026-01-31T12:00:00.123Z" (24 characters and the terminator). */
#define CLOCK_TEXT_SIZE 25
void clock_text(uint64_t wall_ms, char text[CLOCK_TEXT_SIZE]);
/* The other way: "2026-01-31T12:00:00Z", with or without a fraction of 1 to 3 digits, from 1970 on.
 * False: anything else. */
bool clock_parse(const char *text, uint64_t *wall_ms);
void clock_wall_text(char text[CLOCK_TEXT_SIZE]); /* now */

#endif
