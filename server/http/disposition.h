/* Values of MIME headers that carry parameters: Content-Type of a request, Content-Disposition of
 * a part. */
#ifndef FACEPAIR_SERVER_HTTP_DISPOSITION_H
#define FACEPAIR_SERVER_HTTP_DISPOSITION_H

#include <stdbool.h>
#include <stddef.h>

/* `header`: the header lines of a part, each ended by CR LF. Copies the value of `name="…"` of its
 * one Content-Disposition: form-data. false: none, two, not quoted, empty, too long for `name`, or
 * with a control character. */
bool disposition_name(const char *header, size_t header_size, char *name, size_t name_size);

/* "type/subtype; parameter=value; parameter="value"": whether the type is `type` (in lower case).
 */
bool media_type_is(const char *value, const char *type);
/* Copies the value of the parameter `name` of a Content-Type. false: absent, given twice, malformed
 * or too long. */
bool media_type_parameter(const char *value, const char *name, char *out, size_t out_size);
bool media_type_has_parameter(const char *value, const char *name);

#endif
