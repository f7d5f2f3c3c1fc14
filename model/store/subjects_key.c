#include "model/store/subjects_key.h"

#include "model/file.h"
#include "server/write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status failed(const char *path, struct error *err) {
    return error_set(err, file_cause(errno), "%.180s: %.60s", path, strerror(errno));
}

static enum status write_new(const char *path, struct error *err) {
    uint8_t key[SUBJECTS_KEY_BYTES];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failed(path, err);
    randombytes_buf(key, sizeof key);
    bool written = write_all(fd, (const char *)key, sizeof key) && fsync(fd) == 0;
    enum status status = written ? STATUS_OK : failed(path, err);
    close(fd);
    sodium_memzero(key, sizeof key);
    return status;
}

/* The file appears whole or not at all, and the first of several stays. */
static enum status draw(const char *folder, const char *path, struct error *err) {
    char fresh[PATH_MAX];
    unsigned char tail[8];
    char text[2 * sizeof tail + 1];
    randombytes_buf(tail, sizeof tail);
    sodium_bin2hex(text, sizeof text, tail, sizeof tail);
    enum status status = file_path(fresh, err, "%s.%s", path, text);
    if (status != STATUS_OK)
        return status;
    status = write_new(fresh, err);
    if (status == STATUS_OK && link(fresh, path) != 0 && errno != EEXIST)
        status = failed(path, err);
    unlink(fresh);
    return status == STATUS_OK ? file_flush_directory(folder, err) : status;
}

static enum status read_key(int fd, const char *path, uint8_t key[SUBJECTS_KEY_BYTES],
                            struct error *err) {
    struct stat about;
    if (fstat(fd, &about) != 0)
        return failed(path, err);
    if (about.st_mode & (S_IRWXO | S_IRWXG))
        return error_set(err, STATUS_INTERNAL,
                         "%.140s: is a secret and others may read or change it; chmod 600 it",
                         path);
    if (about.st_size != SUBJECTS_KEY_BYTES ||
        read(fd, key, SUBJECTS_KEY_BYTES) != SUBJECTS_KEY_BYTES)
        return error_set(err, STATUS_INTERNAL, "%.160s: is not a key of %d bytes", path,
                         SUBJECTS_KEY_BYTES);
    return STATUS_OK;
}

enum status subjects_key_read(const char *folder, uint8_t key[SUBJECTS_KEY_BYTES],
                              struct error *err) {
    char path[PATH_MAX];
    enum status status = file_path(path, err, "%s/subjects.key", folder);
    if (status != STATUS_OK)
        return status;
    if (sodium_init() < 0)
        return error_set(err, STATUS_INTERNAL, "libsodium cannot be used");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        status = draw(folder, path, err);
        if (status != STATUS_OK)
            return status;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd < 0)
        return failed(path, err);
    status = read_key(fd, path, key, err);
    close(fd);
    return status;
}
