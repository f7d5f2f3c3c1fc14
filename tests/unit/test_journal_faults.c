/* The journal where the system fails it: a disk that is full, one that goes and comes back, and a
 * clock that is set back. */
#include "tests/unit/journal_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>

static void wait_until_ready(struct journal *journal, bool wanted) {
    for (int i = 0; i < 600 && journal_ready(journal) != wanted; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(journal_ready(journal) == wanted);
}

/* A limit on the size of files stands for the full disk: write() fails alike. */
static void limit_files(rlim_t most) {
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_the_disk_does_not_take_is_written_when_it_does(void **state) {
    (void)state;
    struct journal *journal = open_journal(1 << 20);
    append(journal, 0);
    limit_files(150);
    append(journal, 1); /* a line has some 95 bytes: the second is torn, and cut off */
    append(journal, 2);
    wait_until_ready(journal, false);
    limit_files(RLIM_INFINITY);
    wait_until_ready(journal, true);
    append(journal, 3);
    journal_close(journal);
    assert_chain(4);
}

static void when_too_many_wait_no_more_are_taken(void **state) {
    (void)state;
    struct journal *journal = open_journal(1 << 30);
    limit_files(1);
    for (int i = 0; i < JOURNAL_LINES_MAX; i++)
        append(journal, i);
    assert_false(journal_append(journal, "{}", 2));
    assert_false(journal_ready(journal));
    limit_files(RLIM_INFINITY);
    journal_close(journal);
    assert_chain(JOURNAL_LINES_MAX);
}

/* A disk that fails once: the kernel reports it once, and what it could not write is gone. */
static atomic_int flushes_to_fail;
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd) {
    struct stat about;
    if (atomic_load(&flushes_to_fail) == 0)
        return __real_fdatasync(fd);
    atomic_fetch_sub(&flushes_to_fail, 1);
    assert_int_equal(fstat(fd, &about), 0);
    int other = open(path, O_WRONLY); /* without O_APPEND */
    char zeros[4096] = {0};
    assert_true(pwrite(other, zeros, (size_t)about.st_size, 0) == about.st_size);
    close(other);
    errno = EIO;
    return -1;
}

/* A disk that is gone makes no file shorter either. */
static atomic_int cuts_to_fail;
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size) {
    if (atomic_load(&cuts_to_fail) == 0)
        return __real_ftruncate(fd, size);
    atomic_fetch_sub(&cuts_to_fail, 1);
    errno = EIO;
    return -1;
}

/* Six lines, the last of them when the disk has failed so often and takes them again. */
static void write_while_flushes_fail(int flushes) {
    struct journal *journal = open_journal(1 << 20);
    atomic_store(&flushes_to_fail, flushes);
    for (int i = 0; i < 5; i++)
        append(journal, i);
    wait_until_ready(journal, false);
    wait_until_ready(journal, true);
    append(journal, 5);
    journal_close(journal);
}

static void what_a_failed_flush_has_lost_is_written_again(void **state) {
    (void)state;
    write_while_flushes_fail(2);
    assert_int_equal(atomic_load(&flushes_to_fail), 0);
    assert_chain(6);
}

/* Of the renamed files and the last one together. */
static void assert_files(uint64_t wanted) {
    const char *files[64];
    struct journal_chain chain;
    struct error err;
    size_t count = list_files(files);
    if (journal_check(files, count, &chain, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(chain.lines, wanted);
    release_files(files, count);
}

static void a_failed_flush_before_a_renaming_loses_nothing(void **state) {
    (void)state;
    struct journal *journal = open_journal(300);
    atomic_store(&flushes_to_fail, 1);
    for (int i = 0; i < 12; i++)
        append(journal, i);
    wait_until_ready(journal, false);
    wait_until_ready(journal, true);
    journal_close(journal);
    assert_files(12);
}

static void what_a_failed_flush_has_lost_is_cut_off_before_more_is_written(void **state) {
    (void)state;
    atomic_store(&cuts_to_fail, 2);
    write_while_flushes_fail(1);
    assert_chain(6);
    assert_int_equal(atomic_load(&cuts_to_fail), 0);
}

static void half_a_line_is_cut_off_before_more_is_written(void **state) {
    (void)state;
    struct journal *journal = open_journal(1 << 20);
    limit_files(150);
    atomic_store(&cuts_to_fail, 2);
    append(journal, 0);
    append(journal, 1);
    wait_until_ready(journal, false);
    limit_files(RLIM_INFINITY);
    wait_until_ready(journal, true);
    append(journal, 2);
    journal_close(journal);
    assert_chain(3);
    assert_int_equal(atomic_load(&cuts_to_fail), 0);
}

/* A disk on which no name can be made sure of, nor taken away. */
static atomic_int names_to_fail;
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    if (atomic_load(&names_to_fail) == 0)
        return __real_fsync(fd);
    atomic_fetch_sub(&names_to_fail, 1);
    errno = EIO;
    return -1;
}

int __real_unlink(const char *path_of);
int __wrap_unlink(const char *path_of);
int __wrap_unlink(const char *path_of) {
    if (atomic_load(&names_to_fail) == 0)
        return __real_unlink(path_of);
    errno = EIO;
    return -1;
}

static void a_new_file_whose_name_is_not_on_disk_yet_is_gone_on_with(void **state) {
    (void)state;
    struct journal *journal = open_journal(300);
    atomic_store(&names_to_fail, 2);
    for (int i = 0; i < 12; i++)
        append(journal, i);
    wait_until_ready(journal, false);
    wait_until_ready(journal, true);
    journal_close(journal);
    assert_int_equal(atomic_load(&names_to_fail), 0);
    assert_files(12);
}

static atomic_bool set_back; /* the wall clock, each time that it was looked at */

/* Who waits for what a clock will show that was set back waits an hour more. */
int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = __real_clock_gettime(clock, time);
    if (clock == CLOCK_REALTIME && atomic_load(&set_back))
        time->tv_sec += 3600;
    return failed;
}

static off_t size_of_file(void) {
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    return about.st_size;
}

static void wait_until_longer(off_t size) {
    for (int i = 0; i < 600 && size_of_file() <= size; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(size_of_file() > size);
}

static void a_clock_that_was_set_back_keeps_no_line_waiting(void **state) {
    (void)state;
    atomic_store(&set_back, true);
    struct journal *journal = open_journal(1 << 20);
    for (int i = 0; i < 3; i++) {
        off_t size = size_of_file();
        append(journal, i);
        wait_until_longer(size);
    }
    journal_close(journal);
    atomic_store(&set_back, false);
    assert_chain(3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(what_the_disk_does_not_take_is_written_when_it_does),
        IN_A_FOLDER(when_too_many_wait_no_more_are_taken),
        IN_A_FOLDER(what_a_failed_flush_has_lost_is_written_again),
        IN_A_FOLDER(a_failed_flush_before_a_renaming_loses_nothing),
        IN_A_FOLDER(what_a_failed_flush_has_lost_is_cut_off_before_more_is_written),
        IN_A_FOLDER(half_a_line_is_cut_off_before_more_is_written),
        IN_A_FOLDER(a_new_file_whose_name_is_not_on_disk_yet_is_gone_on_with),
        IN_A_FOLDER(a_clock_that_was_set_back_keeps_no_line_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
