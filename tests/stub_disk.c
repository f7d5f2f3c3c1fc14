/* A disk that takes everything and keeps nothing: while the file FACEPAIR_STUB_NO_SYNC names is
 * there, no fdatasync or fsync succeeds, SQLite's neither, for whom the linker exports these two.
 *
 * And one that hangs: what has a file of its name and ".hangs" beside it is neither opened nor
 * looked at until that is gone. Of our own code alone: libraries read on. So hangs, and the loop
 * with it, who sends STOPPING=1, while the file FACEPAIR_STUB_STOPPING names does.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int sync_by(long call, int fd) {
    const char *flag = getenv("FACEPAIR_STUB_NO_SYNC");
    if (!flag || access(flag, F_OK) != 0)
        return (int)syscall(call, fd);
    errno = EIO;
    return -1;
}

int fdatasync(int fd) { return sync_by(SYS_fdatasync, fd); }
int fsync(int fd) { return sync_by(SYS_fsync, fd); }

static void hang(const char *path) {
    char flag[PATH_MAX];
    snprintf(flag, sizeof flag, "%s.hangs", path);
    while (access(flag, F_OK) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
    va_end(rest);
    hang(path);
    return __real_open(path, flags, mode);
}

int __real_stat(const char *path, struct stat *about);
int __wrap_stat(const char *path, struct stat *about);
int __wrap_stat(const char *path, struct stat *about) {
    hang(path);
    return __real_stat(path, about);
}

ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags) {
    static const char stopping[] = "STOPPING=1";
    const char *path = getenv("FACEPAIR_STUB_STOPPING");
    if (path && size == sizeof stopping - 1 && memcmp(bytes, stopping, size) == 0)
        hang(path);
    return __real_send(fd, bytes, size, flags);
}
