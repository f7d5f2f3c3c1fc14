/* The journal: its chain, its end after a crash, its files, a disk that is full, and a clock that
 * is set. */
#include "tests/unit/folder.h"

#include "server/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static atomic_bool set_back; /* the wall clock, each time that it was looked at */
static struct folder folder;
static char path[PATH_MAX];

static int create_folder(void **state) {
    (void)state;
    folder = folder_create();
    snprintf(path, sizeof path, "%s/audit.jsonl", folder.path);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    atomic_store(&set_back, false);
    folder_remove(&folder);
    return 0;
}

static struct journal *open_journal(uint64_t bytes_max) {
    struct journal *journal;
    struct error err;
    if (journal_open(path, bytes_max, &journal, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return journal;
}

static void append(struct journal *journal, int value) {
    char text[64];
    int size = snprintf(text, sizeof text, "{\"value\":%d}", value);
    assert_true(journal_append(journal, text, (size_t)size));
}

static void write_journal(int first, int count, uint64_t bytes_max) {
    struct journal *journal = open_journal(bytes_max);
    for (int i = 0; i < count; i++)
        append(journal, first + i);
    journal_close(journal);
}

/* The file; from malloc. */
static char *read_text(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    *size = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

static void assert_chain(uint64_t wanted) {
    const char *const paths[] = {path};
    uint64_t lines;
    struct error err;
    if (journal_check(paths, 1, &lines, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(lines, wanted);
}

static void assert_broken(const char *told) {
    const char *const paths[] = {path};
    uint64_t lines;
    struct error err;
    assert_int_equal(journal_check(paths, 1, &lines, &err), STATUS_INVALID_FIELD);
    if (!strstr(err.detail, told))
        fail_msg("%s", err.detail);
}

static void lines_are_numbered_and_chained(void **state) {
    (void)state;
    write_journal(10, 2, 1 << 20);
    size_t size;
    char *text = read_text(path, &size);
    static const char first[] =
        "{\"seq\":1,\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"value\":10}\n";
    assert_memory_equal(text, first, sizeof first - 1);
    /* By Python: hashlib.blake2b(first line, digest_size=32).hexdigest() */
    static const char second[] =
        "{\"seq\":2,\"prev\":\"07e70eaa40eeac76f6e233c4af5656204538162078b188e72e24f63f3481ed67\","
        "\"value\":11}\n";
    assert_string_equal(text + sizeof first - 1, second);
    free(text);
    assert_chain(2);
}

static void the_next_process_goes_on_with_the_chain(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++)
        write_journal(100 * i, 3, 1 << 20);
    assert_chain(12);
}

static void half_a_line_is_cut_off_and_told(void **state) {
    (void)state;
    write_journal(0, 3, 1 << 20);
    size_t size;
    char *text = read_text(path, &size);
    assert_int_equal(truncate(path, (off_t)size - 20), 0);
    free(text);
    write_journal(7, 1, 1 << 20);
    text = read_text(path, &size);
    assert_non_null(strstr(text, "{\"seq\":3,"));
    assert_non_null(strstr(text, "\"event\":\"recovered\",\"torn_bytes\":"));
    assert_non_null(strstr(text, "\"value\":7}"));
    assert_null(strstr(text, "\"value\":2"));
    free(text);
    assert_chain(4); /* two, the recovery, and the new one */
}

static void a_file_that_is_no_journal_is_left_alone(void **state) {
    (void)state;
    struct journal *journal;
    struct error err;
    static const char *const texts[] = {"hello\n", "hello", "{\"a\":1}\n"};
    for (int i = 0; i < 3; i++) {
        folder_write_text(&folder, "audit.jsonl", texts[i]);
        if (i == 1)
            continue; /* as half a line it could be a journal's first */
        assert_int_equal(journal_open(path, 1000, &journal, &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, "is no journal"));
    }
}

static void replace(const char *from, const char *to) {
    size_t size;
    char *text = read_text(path, &size), *at = strstr(text, from);
    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    folder_write(&folder, "audit.jsonl", text, size);
    free(text);
}

static void a_changed_line_shows(void **state) {
    (void)state;
    write_journal(10, 5, 1 << 20);
    replace("\"value\":12", "\"value\":92");
    assert_broken("line 4: says another hash");
}

static void a_missing_line_shows(void **state) {
    (void)state;
    write_journal(10, 5, 1 << 20);
    size_t size;
    char *text = read_text(path, &size);
    char *begin = strchr(text, '\n') + 1, *end = strchr(begin, '\n') + 1;
    memmove(begin, end, size - (size_t)(end - text));
    folder_write(&folder, "audit.jsonl", text, size - (size_t)(end - begin));
    free(text);
    assert_broken("line 2: does not follow");
}

static void a_line_put_in_shows(void **state) {
    (void)state;
    write_journal(10, 3, 1 << 20);
    size_t size;
    char *text = read_text(path, &size), *begin = strchr(text, '\n') + 1;
    char *more = calloc(1, 2 * size + 1);
    memcpy(more, text, size);
    memcpy(more + size, begin, size - (size_t)(begin - text));
    folder_write_text(&folder, "audit.jsonl", more);
    free(more);
    free(text);
    assert_broken("line 4: does not follow");
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The renamed files in order, then the file itself. */
static size_t list_files(const char *files[64]) {
    DIR *directory = opendir(folder.path);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strncmp(entry->d_name, "audit.jsonl.", 12) == 0) {
            char *name = malloc(PATH_MAX);
            snprintf(name, PATH_MAX, "%s/%s", folder.path, entry->d_name);
            files[count++] = name;
        }
    closedir(directory);
    qsort(files, count, sizeof *files, by_name);
    if (access(path, F_OK) == 0)
        files[count++] = strdup(path);
    return count;
}

static void release_files(const char *files[64], size_t count) {
    for (size_t i = 0; i < count; i++)
        free((char *)(uintptr_t)files[i]);
}

static void a_full_file_is_renamed_and_the_chain_goes_on(void **state) {
    (void)state;
    const char *files[64];
    uint64_t lines;
    struct error err;
    for (int i = 0; i < 5; i++)
        write_journal(100 * i, 20, 1000);
    size_t count = list_files(files);
    assert_true(count >= 8 && count < 64);
    if (journal_check(files, count, &lines, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(lines, 100);
    assert_int_equal(journal_check(files + 3, count - 3, &lines, &err), STATUS_OK);
    const char *swapped[] = {files[1], files[0]};
    assert_int_equal(journal_check(swapped, 2, &lines, &err), STATUS_INVALID_FIELD);
    release_files(files, count);
}

static void the_chain_goes_on_although_only_renamed_files_are_left(void **state) {
    (void)state;
    const char *files[64];
    uint64_t lines;
    struct error err;
    write_journal(0, 30, 1000);
    assert_int_equal(unlink(path), 0); /* as if the process had ended right after the renaming … */
    size_t before = list_files(files), kept;
    assert_int_equal(journal_check(files, before, &kept, &err), STATUS_OK);
    release_files(files, before);
    write_journal(900, 1, 1000); /* … and the lines of the lost file had never been written */
    size_t count = list_files(files);
    if (journal_check(files, count, &lines, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(lines, kept + 1);
    release_files(files, count);
}

static void a_process_killed_at_any_moment_leaves_a_chain(void **state) {
    (void)state;
    uint64_t lines = 0, before = 0;
    /* On a busy machine the first are killed before they have written anything. */
    for (int round = 0; round < 20 || (lines == 0 && round < 200); round++) {
        pid_t child = fork();
        if (child == 0) {
            struct journal *journal = open_journal(1 << 30);
            for (;;) /* it is full most of the time */
                journal_append(journal, "{\"event\":\"test\"}", 16);
        }
        nanosleep(&(struct timespec){.tv_nsec = 3000000 * (round + 1)}, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        journal_close(open_journal(1 << 30)); /* cuts off what is torn */
        const char *const paths[] = {path};
        struct error err;
        if (journal_check(paths, 1, &lines, &err) != STATUS_OK)
            fail_msg("%s", err.detail);
        assert_true(lines >= before);
        before = lines;
    }
    assert_true(lines > 0);
}

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

static void a_line_too_long_is_not_taken(void **state) {
    (void)state;
    struct journal *journal = open_journal(1 << 20);
    char *text = malloc(JOURNAL_LINE_MAX + 1);
    memset(text, 'x', JOURNAL_LINE_MAX + 1);
    text[0] = '{';
    text[JOURNAL_LINE_MAX] = '}';
    assert_false(journal_append(journal, text, JOURNAL_LINE_MAX + 1));
    text[JOURNAL_LINE_MAX - 1] = '}';
    assert_true(journal_append(journal, text, JOURNAL_LINE_MAX));
    free(text);
    journal_close(journal);
    write_journal(1, 1, 1 << 20); /* the longest line is found again */
    assert_chain(2);
}

static void another_process_is_kept_out_while_one_writes(void **state) {
    (void)state;
    struct journal *journal = open_journal(300), *other;
    struct error err;
    for (int i = 0; i < 10; i++)
        append(journal, i); /* into several files: the lock goes with them */
    assert_int_equal(journal_open(path, 300, &other, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "another process"));
    journal_close(journal);
    journal_close(open_journal(300));
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

static void a_failed_flush_before_a_renaming_loses_nothing(void **state) {
    (void)state;
    const char *files[64];
    uint64_t lines;
    struct error err;
    struct journal *journal = open_journal(300);
    atomic_store(&flushes_to_fail, 1);
    for (int i = 0; i < 12; i++)
        append(journal, i);
    wait_until_ready(journal, false);
    wait_until_ready(journal, true);
    journal_close(journal);
    size_t count = list_files(files);
    if (journal_check(files, count, &lines, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(lines, 12);
    release_files(files, count);
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
    assert_chain(3);
}

/* A pipe that is full, and non-blocking since somebody else made it so: no line is torn. */
static void a_full_pipe_tears_no_line(void **state) {
    (void)state;
    enum { LINES = 3000 };
    int ends[2], before = dup(STDOUT_FILENO);
    struct journal *journal;
    struct error err;
    fflush(stdout);
    assert_int_equal(pipe2(ends, 0), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
    close(ends[1]);
    assert_int_equal(journal_open("-", 1, &journal, &err), STATUS_OK);
    for (int i = 0; i < LINES; i++)
        append(journal, i);
    nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 500000000},
              NULL); /* it has given up once */
    FILE *pipe = fdopen(ends[0], "r"), *copy = fopen(path, "w");
    char *line = NULL;
    size_t room = 0;
    for (int i = 0; i < LINES; i++)
        fputs(getline(&line, &room, pipe) > 0 ? line : "", copy);
    journal_close(journal);
    dup2(before, STDOUT_FILENO);
    close(before);
    free(line);
    fclose(copy);
    fclose(pipe);
    assert_chain(LINES);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, create_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(lines_are_numbered_and_chained),
        IN_A_FOLDER(the_next_process_goes_on_with_the_chain),
        IN_A_FOLDER(half_a_line_is_cut_off_and_told),
        IN_A_FOLDER(a_file_that_is_no_journal_is_left_alone),
        IN_A_FOLDER(a_changed_line_shows),
        IN_A_FOLDER(a_missing_line_shows),
        IN_A_FOLDER(a_line_put_in_shows),
        IN_A_FOLDER(a_full_file_is_renamed_and_the_chain_goes_on),
        IN_A_FOLDER(the_chain_goes_on_although_only_renamed_files_are_left),
        IN_A_FOLDER(a_process_killed_at_any_moment_leaves_a_chain),
        IN_A_FOLDER(what_the_disk_does_not_take_is_written_when_it_does),
        IN_A_FOLDER(when_too_many_wait_no_more_are_taken),
        IN_A_FOLDER(a_line_too_long_is_not_taken),
        IN_A_FOLDER(another_process_is_kept_out_while_one_writes),
        IN_A_FOLDER(what_a_failed_flush_has_lost_is_written_again),
        IN_A_FOLDER(a_failed_flush_before_a_renaming_loses_nothing),
        IN_A_FOLDER(what_a_failed_flush_has_lost_is_cut_off_before_more_is_written),
        IN_A_FOLDER(half_a_line_is_cut_off_before_more_is_written),
        IN_A_FOLDER(a_clock_that_was_set_back_keeps_no_line_waiting),
        IN_A_FOLDER(a_full_pipe_tears_no_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
