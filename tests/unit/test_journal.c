/* The journal: its chain, its end after a crash, and its files. */
#include "tests/unit/journal_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static void assert_broken(const char *told) {
    const char *const paths[] = {path};
    struct journal_chain chain;
    struct error err;
    assert_int_equal(journal_check(paths, 1, &chain, &err), STATUS_INVALID_FIELD);
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

static void a_full_file_is_renamed_and_the_chain_goes_on(void **state) {
    (void)state;
    const char *files[64];
    struct journal_chain chain;
    struct error err;
    for (int i = 0; i < 5; i++)
        write_journal(100 * i, 20, 1000);
    size_t count = list_files(files);
    assert_true(count >= 8 && count < 64);
    if (journal_check(files, count, &chain, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(chain.lines, 100);
    assert_int_equal(chain.first, 1);
    assert_int_equal(chain.last, 100);
    char hash[JOURNAL_HASH_TEXT + 1];
    memcpy(hash, chain.hash, sizeof hash);
    assert_int_equal(journal_check(files + 3, count - 3, &chain, &err), STATUS_OK);
    assert_int_equal(chain.first, 100 - chain.lines + 1);
    assert_int_equal(chain.last, 100);
    assert_string_equal(chain.hash, hash);
    const char *swapped[] = {files[1], files[0]};
    assert_int_equal(journal_check(swapped, 2, &chain, &err), STATUS_INVALID_FIELD);
    release_files(files, count);
}

static void the_chain_goes_on_although_only_renamed_files_are_left(void **state) {
    (void)state;
    const char *files[64];
    struct journal_chain chain;
    struct error err;
    write_journal(0, 30, 1000);
    assert_int_equal(unlink(path), 0); /* as if the process had ended right after the renaming … */
    size_t before = list_files(files);
    assert_int_equal(journal_check(files, before, &chain, &err), STATUS_OK);
    uint64_t kept = chain.lines;
    release_files(files, before);
    write_journal(900, 1, 1000); /* … and the lines of the lost file had never been written */
    size_t count = list_files(files);
    if (journal_check(files, count, &chain, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(chain.lines, kept + 1);
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
        struct journal_chain chain;
        if (journal_check(paths, 1, &chain, &err) != STATUS_OK)
            fail_msg("%s", err.detail);
        lines = chain.lines;
        assert_true(lines >= before);
        before = lines;
    }
    assert_true(lines > 0);
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
        IN_A_FOLDER(a_line_too_long_is_not_taken),
        IN_A_FOLDER(another_process_is_kept_out_while_one_writes),
        IN_A_FOLDER(a_full_pipe_tears_no_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
