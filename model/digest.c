#include "model/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 64 * 1024 };

static void as_text(const unsigned char hash[crypto_hash_sha256_BYTES],
                    char text[DIGEST_TEXT_SIZE]) {
    sodium_bin2hex(text, DIGEST_TEXT_SIZE, hash, crypto_hash_sha256_BYTES);
}

void digest_bytes(const void *bytes, size_t size, char text[DIGEST_TEXT_SIZE]) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, bytes, size);
    as_text(hash, text);
}

struct digest {
    crypto_hash_sha256_state state;
};

struct digest *digest_create(void) {
    return calloc(1, sizeof(struct digest));
}

void digest_begin(struct digest *digest) { crypto_hash_sha256_init(&digest->state); }

void digest_add(struct digest *digest, const void *bytes, size_t size) {
    crypto_hash_sha256_update(&digest->state, bytes, size);
}

void digest_end(struct digest *digest, char text[DIGEST_TEXT_SIZE]) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&digest->state, hash);
    as_text(hash, text);
}

void digest_destroy(struct digest *digest) { free(digest); }

enum status digest_file(const char *path, char text[DIGEST_TEXT_SIZE], struct error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
    struct stat about;
    if (fstat(fd, &about) == 0 && !S_ISREG(about.st_mode)) {
        close(fd);
        return error_set(err, STATUS_INTERNAL, "%.180s: not a regular file", path);
    }
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    unsigned char piece[PIECE_BYTES];
    ssize_t n;
    while ((n = read(fd, piece, sizeof(piece))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        crypto_hash_sha256_update(&state, piece, (unsigned long long)n);
    }
    int cause = errno;
    close(fd);
    if (n < 0)
        return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(cause));
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&state, hash);
    as_text(hash, text);
    return STATUS_OK;
}
