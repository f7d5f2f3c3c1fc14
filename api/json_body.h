/* The JSON body of a request -> a tree whose root is an object, or what is wrong with it. */
#ifndef FACEPAIR_API_JSON_BODY_H
#define FACEPAIR_API_JSON_BODY_H

#include "api/faults.h"

#include <jansson.h>
#include <stdint.h>

/* Texts of more than values_max values are refused (json_scan.h). A new reference. NULL: there is a
 * fault more (invalid_json, duplicate_field, internal). */
json_t *json_body_read(const uint8_t *json, size_t size, size_t values_max, struct faults *faults);
/* The same of an object of one member, `name`: its value, a new reference. Every other member is a
 * fault (unknown_field), and so is its absence (missing_field; NULL). */
json_t *json_body_read_only(const uint8_t *json, size_t size, size_t values_max, const char *name,
                            struct faults *faults);

#endif
