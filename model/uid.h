/* Identifiers that sort by the time at which they were made: a prefix and a UUIDv7 (RFC 9562, 5.7),
 * "ft_01890a5d-ac96-774b-bcce-b302099a8057". The 12 bits after the millisecond are its fraction
 * (RFC 9562, 6.2, method 3), so that those of one process sort within the millisecond too. */
#ifndef FACEPAIR_MODEL_UID_H
#define FACEPAIR_MODEL_UID_H

#include <stdbool.h>

enum { UID_PREFIX_MAX = 3, UID_SIZE = UID_PREFIX_MAX + 36 + 1 };

#define UID_FINE_TUNE "ft_"
#define UID_EVALUATION "ev_"
#define UID_CALIBRATION "cb_"
#define UID_DATASET "ds_"

/* The prefix is at most UID_PREFIX_MAX characters. Any thread. */
void uid_make(const char *prefix, char uid[UID_SIZE]);
/* True for what uid_make could have written with this prefix; so it is safe as a file's name. */
bool uid_valid(const char *prefix, const char *text);

#endif
