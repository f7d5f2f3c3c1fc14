/* The key of the hashes in subjects.sqlite: 32 random bytes in a file of its owner's alone. */
#ifndef FACEPAIR_MODEL_STORE_SUBJECTS_KEY_H
#define FACEPAIR_MODEL_STORE_SUBJECTS_KEY_H

#include "server/status.h"

#include <stdint.h>

enum { SUBJECTS_KEY_BYTES = 32 };

/* Reads FOLDER/subjects.key, and draws it first where it is not there; of processes that do so at
 * once, all get the same. STATUS_STORAGE_FULL, STATUS_INTERNAL; err names the file. */
enum status subjects_key_read(const char *folder, uint8_t key[SUBJECTS_KEY_BYTES],
                              struct error *err);

#endif
