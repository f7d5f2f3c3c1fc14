/* Numbers as JSON writes them, for form fields: no nan, inf, hexadecimal, leading plus or zero,
 * bare point or comma, whatever the locale. */
#ifndef FACEPAIR_API_NUMBER_H
#define FACEPAIR_API_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NUMBER_TEXT_MAX = 64 };

/* RFC 8259, section 6, and finite. */
bool number_parse(const char *text, size_t size, double *value);
/* Decimal digits only, no leading zero, low ≤ value ≤ high: for headers. */
bool number_parse_integer(const char *text, uint64_t low, uint64_t high, uint64_t *value);

#endif
