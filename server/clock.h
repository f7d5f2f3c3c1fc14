/* Time: monotonic for measuring, wall clock for telling. */
#ifndef FACEPAIR_SERVER_CLOCK_H
#define FACEPAIR_SERVER_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic_us(void);
uint64_t clock_wall_ms(void); /* since the Unix epoch */
/* RFC 3339, UTC, milliseconds: "2026-01-31T12:00:00.123Z" (24 characters and the terminator). */
#define CLOCK_TEXT_SIZE 25
void clock_text(uint64_t wall_ms, char text[CLOCK_TEXT_SIZE]);
void clock_wall_text(char text[CLOCK_TEXT_SIZE]); /* now */

#endif
