#include "api/keys.h"

#include "api/scopes.h"
#include "model/file.h"
#include "model/json.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECRET_BYTES = 32, SECRET_LENGTH = 43, SCOPES_TEXT_SIZE = 256, RATE_MAX = 1000000 };
static const char PREFIX[] = "fp_";

struct keys {
    size_t count;
    struct key *list;   /* (KEYS_MAX) in the file's order */
    struct key **by_id; /* (count) */
};

static struct keys *create(void) {
    struct keys *keys = sodium_init() < 0 ? NULL : calloc(1, sizeof(*keys));
    if (!keys)
        return NULL;
    keys->list = calloc(KEYS_MAX, sizeof(*keys->list));
    keys->by_id = calloc(KEYS_MAX, sizeof(struct key *));
    if (keys->list && keys->by_id)
        return keys;
    keys_destroy(keys);
    return NULL;
}

void keys_destroy(struct keys *keys) {
    if (!keys)
        return;
    free(keys->list);
    free(keys->by_id);
    free(keys);
}

size_t keys_count(const struct keys *keys) { return keys->count; }

const struct key *keys_at(const struct keys *keys, size_t index) { return &keys->list[index]; }

/* ---- the file ---- */

static bool is_id(const char *text, size_t size) {
    return size == KEY_ID_SIZE - 1 && strspn(text, "0123456789abcdef") >= size;
}

static void read_scopes(const struct json_node *node, unsigned *scopes) {
    char text[SCOPES_TEXT_SIZE] = "", *rest = text, *word;
    json_read_text(node, "scopes", text, sizeof text);
    while ((word = strtok_r(rest, " ", &rest))) {
        unsigned scope = scope_of(word);
        if (scope == 0)
            json_fault(node, "scopes: there is no scope \"%.32s\"", word);
        *scopes |= scope;
    }
}

static void read_key(const struct json_node *node, struct key *key) {
    char hash[2 * KEY_HASH_BYTES + 1] = "";
    size_t have = 0;
    json_read_text(node, "id", key->id, sizeof key->id);
    json_read_text(node, "hash", hash, sizeof hash);
    json_read_text(node, "created_at", key->created_at, sizeof key->created_at);
    if (json_read_has(node, "name"))
        json_read_text(node, "name", key->name, sizeof key->name);
    if (json_read_has(node, "rate")) {
        json_read_real(node, "rate", 1e-3, RATE_MAX, &key->limit.per_s);
        json_read_real(node, "burst", 1, RATE_MAX, &key->limit.burst);
    }
    read_scopes(node, &key->scopes);
    if (!is_id(key->id, strlen(key->id)))
        json_fault(node, "id: not 16 hexadecimal digits");
    if (sodium_hex2bin(key->hash, sizeof key->hash, hash, strlen(hash), NULL, &have, NULL) != 0 ||
        have != sizeof key->hash)
        json_fault(node, "hash: not 64 hexadecimal digits");
}

static int by_id(const void *a, const void *b) {
    return strcmp((*(struct key *const *)a)->id, (*(struct key *const *)b)->id);
}

static void index_ids(struct keys *keys, const struct json_node *root) {
    for (size_t i = 0; i < keys->count; i++)
        keys->by_id[i] = &keys->list[i];
    qsort(keys->by_id, keys->count, sizeof(struct key *), by_id);
    for (size_t i = 1; i < keys->count; i++)
        if (strcmp(keys->by_id[i]->id, keys->by_id[i - 1]->id) == 0)
            json_fault(root, "the id %s stands there twice", keys->by_id[i]->id);
}

static enum status parse(const char *path, const char *text, size_t size, struct keys *keys,
                         struct error *err) {
    struct json_reader *reader;
    struct error cause;
    enum status status = json_reader_open(text, size, &reader, &cause);
    if (status == STATUS_OK) {
        struct json_node root = json_root(reader), list = json_read_array(&root, "keys");
        keys->count = json_read_length(&list);
        if (keys->count > KEYS_MAX)
            json_fault(&list, "at most %d keys", KEYS_MAX);
        for (size_t i = 0; i < keys->count && i < KEYS_MAX; i++) {
            struct json_node item = json_read_item(&list, i);
            read_key(&item, &keys->list[i]);
        }
        if (keys->count <= KEYS_MAX)
            index_ids(keys, &root);
        status = json_reader_close(reader, &cause);
    }
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(err, STATUS_INTERNAL, "%.120s: %.120s", path, cause.detail);
}

static enum status check_mode(const char *path, struct error *err) {
    struct stat about;
    if (stat(path, &about) != 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
    if (about.st_mode & (S_IWGRP | S_IWOTH))
        return error_set(err, STATUS_INTERNAL,
                         "%.160s: says who may call, and others than its owner may write it; chmod "
                         "644 it",
                         path);
    return STATUS_OK;
}

enum status keys_read(const char *path, struct keys **keys, struct error *err) {
    char *text;
    size_t size;
    enum status status = check_mode(path, err);
    if (status == STATUS_OK)
        status = file_read(path, JSON_BYTES_MAX, &text, &size, err);
    if (status != STATUS_OK)
        return status;
    struct keys *created = create();
    status = created ? parse(path, text, size, created, err)
                     : error_set(err, STATUS_INTERNAL, "Out of memory.");
    free(text);
    if (status == STATUS_OK)
        *keys = created;
    else
        keys_destroy(created);
    return status;
}

static void write_key(struct json_writer *writer, const struct key *key) {
    char hash[2 * KEY_HASH_BYTES + 1], scopes[SCOPES_TEXT_SIZE] = "";
    size_t length = 0;
    sodium_bin2hex(hash, sizeof hash, key->hash, sizeof key->hash);
    for (unsigned place = 0; place < SCOPES_COUNT; place++)
        if (key->scopes & (1u << place))
            length += (size_t)snprintf(scopes + length, sizeof scopes - length, "%s%s",
                                       length ? " " : "", scope_text((enum scope_place)place));
    json_write_object(writer, NULL);
    json_write_text(writer, "id", key->id);
    json_write_text(writer, "hash", hash);
    if (key->name[0])
        json_write_text(writer, "name", key->name);
    json_write_text(writer, "scopes", scopes);
    if (key->limit.per_s > 0) {
        json_write_real(writer, "rate", key->limit.per_s);
        json_write_real(writer, "burst", key->limit.burst);
    }
    json_write_text(writer, "created_at", key->created_at);
    json_write_end(writer);
}

static enum status write_all(const char *path, const struct keys *keys, struct error *err) {
    struct json_writer *writer = json_writer_create();
    if (!writer)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    json_write_object(writer, NULL);
    json_write_array(writer, "keys");
    for (size_t i = 0; i < keys->count; i++)
        write_key(writer, &keys->list[i]);
    json_write_end(writer);
    json_write_end(writer);
    size_t size;
    char *text = json_writer_finish(writer, &size);
    if (!text)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    enum status status = file_write(path, text, size, err);
    free(text);
    return status;
}

/* ---- finding ---- */

static int compare_id(const void *id, const void *key) {
    return memcmp(id, (*(struct key *const *)key)->id, KEY_ID_SIZE - 1);
}

static struct key *find_id(const struct keys *keys, const char *id) {
    struct key **found = bsearch(id, keys->by_id, keys->count, sizeof(struct key *), compare_id);
    return found ? *found : NULL;
}

static void hash_secret(const char *secret, uint8_t hash[KEY_HASH_BYTES]) {
    crypto_generichash(hash, KEY_HASH_BYTES, (const unsigned char *)secret, SECRET_LENGTH, NULL, 0);
}

struct key *keys_find(struct keys *keys, const char *text) {
    if (strlen(text) != KEY_TEXT_SIZE - 1 || strncmp(text, PREFIX, strlen(PREFIX)) != 0)
        return NULL;
    const char *id = text + strlen(PREFIX), *secret = id + KEY_ID_SIZE;
    if (!is_id(id, KEY_ID_SIZE - 1) || secret[-1] != '_')
        return NULL;
    struct key *key = find_id(keys, id);
    if (!key)
        return NULL;
    uint8_t hash[KEY_HASH_BYTES];
    hash_secret(secret, hash);
    return sodium_memcmp(hash, key->hash, sizeof hash) == 0 ? key : NULL;
}

void keys_carry_over(struct keys *keys, const struct keys *from) {
    for (size_t i = 0; i < keys->count; i++) {
        const struct key *old = find_id(from, keys->list[i].id);
        if (old)
            keys->list[i].bucket = old->bucket;
    }
}

/* ---- changing ---- */

/* Whatever links lead to FILE, it is the file itself that is locked and replaced; a new one has no
 * other name yet. */
static enum status find_file(const char *path, char file[PATH_MAX], struct error *err) {
    if (realpath(path, file))
        return STATUS_OK;
    return errno == ENOENT
               ? file_path(file, err, "%s", path)
               : error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
}

/* Of two that change the file one waits. The lock is on a file of its own, since FILE is replaced.
 * file: FILE's own path. */
static enum status lock(const char *path, char file[PATH_MAX], int *fd, struct error *err) {
    char name[PATH_MAX];
    enum status status = find_file(path, file, err);
    if (status == STATUS_OK)
        status = file_path(name, err, "%s.lock", file);
    if (status != STATUS_OK)
        return status;
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd >= 0 && flock(*fd, LOCK_EX) == 0)
        return STATUS_OK;
    status = error_set(err, STATUS_INTERNAL, "%.180s: %.60s", name, strerror(errno));
    if (*fd >= 0)
        close(*fd);
    return status;
}

static enum status open_for_change(const char *path, struct keys **keys, struct error *err) {
    if (access(path, F_OK) == 0 || errno != ENOENT)
        return keys_read(path, keys, err);
    *keys = create();
    return *keys ? STATUS_OK : error_set(err, STATUS_INTERNAL, "Out of memory.");
}

static void draw(struct key *key, char text[KEY_TEXT_SIZE]) {
    uint8_t id[(KEY_ID_SIZE - 1) / 2], secret[SECRET_BYTES];
    char *at = stpcpy(text, PREFIX);
    randombytes_buf(id, sizeof id);
    randombytes_buf(secret, sizeof secret);
    sodium_bin2hex(key->id, sizeof key->id, id, sizeof id);
    at = stpcpy(stpcpy(at, key->id), "_");
    sodium_bin2base64(at, SECRET_LENGTH + 1, secret, sizeof secret,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    hash_secret(at, key->hash);
    sodium_memzero(secret, sizeof secret);
}

enum status keys_create(const char *path, const struct key *wanted, char text[KEY_TEXT_SIZE],
                        struct error *err) {
    char file[PATH_MAX];
    int fd;
    struct keys *keys;
    enum status status = lock(path, file, &fd, err);
    if (status != STATUS_OK)
        return status;
    status = open_for_change(file, &keys, err);
    if (status == STATUS_OK) {
        if (keys->count < KEYS_MAX) {
            struct key *key = &keys->list[keys->count++];
            *key = *wanted;
            clock_wall_text(key->created_at);
            draw(key, text);
            status = write_all(file, keys, err);
        } else {
            status = error_set(err, STATUS_INVALID_FIELD, "there are %d keys already", KEYS_MAX);
        }
        keys_destroy(keys);
    }
    close(fd);
    return status;
}

enum status keys_revoke(const char *path, const char *id, struct error *err) {
    char file[PATH_MAX];
    int fd;
    struct keys *keys;
    enum status status = lock(path, file, &fd, err);
    if (status != STATUS_OK)
        return status;
    status = keys_read(file, &keys, err);
    if (status == STATUS_OK) {
        size_t place = 0;
        while (place < keys->count && strcmp(keys->list[place].id, id) != 0)
            place++;
        if (place < keys->count) {
            keys->count--;
            memmove(&keys->list[place], &keys->list[place + 1],
                    (keys->count - place) * sizeof(*keys->list));
            status = write_all(file, keys, err);
        } else {
            status = error_set(err, STATUS_NOT_FOUND, "there is no key %.32s", id);
        }
        keys_destroy(keys);
    }
    close(fd);
    return status;
}
