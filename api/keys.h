/* The callers' keys: who may call, for what, and how often.
 *
 * A key is `fp_ID_SECRET`: ID 16 hexadecimal digits, SECRET 32 random bytes in base64url. The file
 * keeps the ID and the secret's BLAKE2b-256, never the secret. (A random secret of 32 bytes cannot
 * be guessed, so a slow password hash would protect nothing and let anybody keep the cores busy.)
 *
 *     {"keys": [{"id": "0123456789abcdef", "hash": "64 hexadecimal digits", "name": "batch job",
 *                "scopes": "verify embed", "rate": 20, "burst": 40, "created_at": "…Z"}]}
 *
 * rate and burst are of server/rate_limit.h; without them there is no limit. The file holds no
 * secret, but whoever may change it may let himself in: it is refused when others than its owner
 * may write it. Changes are made whole (a reader sees the old or the new file) and one after the
 * other (a lock on FILE.lock).
 *
 * A loaded table is immutable but for the buckets of its limits, and belongs to one thread.
 */
#ifndef FACEPAIR_API_KEYS_H
#define FACEPAIR_API_KEYS_H

#include "server/clock.h"
#include "server/rate_limit.h"
#include "server/status.h"

#include <stddef.h>
#include <stdint.h>

enum {
    KEYS_MAX = 2000,
    KEY_ID_SIZE = 17, /* with the terminator, as all sizes here */
    KEY_HASH_BYTES = 32,
    KEY_NAME_SIZE = 65,
    KEY_TEXT_SIZE = 64 /* "fp_" + 16 + "_" + 43 */
};

struct key {
    char id[KEY_ID_SIZE];
    uint8_t hash[KEY_HASH_BYTES];
    char name[KEY_NAME_SIZE]; /* for the people who keep the file; may be empty */
    unsigned scopes;          /* of api/scopes.h */
    struct rate_limit limit;
    char created_at[CLOCK_TEXT_SIZE];
    struct rate_bucket bucket;
};

struct keys;

/* STATUS_INTERNAL with the file and what is wrong with it. A file without any key lets nobody in.
 */
enum status keys_read(const char *path, struct keys **keys, struct error *err);
void keys_destroy(struct keys *keys); /* NULL is allowed */
/* The buckets of those keys that are in both go on as they were. */
void keys_carry_over(struct keys *keys, const struct keys *from);

size_t keys_count(const struct keys *keys);
const struct key *keys_at(const struct keys *keys, size_t index); /* in the file's order */
/* The key of this text; NULL: none. The secret is compared in constant time. */
struct key *keys_find(struct keys *keys, const char *text);

/* Adds a key (name, scopes and limit of `wanted` are used) to the file, which is made when it is
 * not there, and tells its text: the only time that it exists. STATUS_INVALID_FIELD: there are
 * KEYS_MAX. */
enum status keys_create(const char *path, const struct key *wanted, char text[KEY_TEXT_SIZE],
                        struct error *err);
/* STATUS_NOT_FOUND: no such id. */
enum status keys_revoke(const char *path, const char *id, struct error *err);

#endif
