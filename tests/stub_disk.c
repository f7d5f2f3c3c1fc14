/* A disk that takes everything and keeps nothing: while the file FACEPAIR_STUB_NO_SYNC names is
 * there, no fdatasync or fsync succeeds, SQLite's neither, for whom the linker exports these two.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
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
