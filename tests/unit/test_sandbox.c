/* What a confined process can still do; each try is a process of its own, confined for it. */
#include "server/privileges.h"
#include "server/sandbox.h"
#include "tests/unit/folder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct folder root;
static char readable[96], writable[96], outside[96];
static char inner_file[128], written_file[128], outside_file[128], setuid_program[96];
static struct sandbox_held held;

static void put(const char *folder, char path[128], const char *text) {
    snprintf(path, 128, "%s/file", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_folders(void **state) {
    (void)state;
    root = folder_create();
    snprintf(readable, sizeof readable, "%s/readable", root.path);
    snprintf(writable, sizeof writable, "%s/writable", root.path);
    snprintf(outside, sizeof outside, "%s/outside", root.path);
    assert_int_equal(mkdir(readable, 0755) | mkdir(writable, 0755) | mkdir(outside, 0755), 0);
    put(readable, inner_file, "in");
    put(writable, written_file, "in");
    put(outside, outside_file, "out");
    return 0;
}

static int remove_folders(void **state) {
    (void)state;
    folder_remove(&root);
    return 0;
}

static void enter(bool starts_itself) {
    const char *const may_read[] = {readable, NULL}, *const may_write[] = {writable, NULL};
    privileges_keep_down();
    held = sandbox_enter(&(struct sandbox){
        .readable = may_read, .writable = may_write, .starts_itself = starts_itself});
}

/* What `attempt` returns in a confined process: 0, or errno. */
static int confined(int (*attempt)(void), bool starts_itself) {
    pid_t child = fork();
    if (child == 0) {
        enter(starts_itself);
        _exit(attempt());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int outcome(long result) { return result < 0 ? errno : 0; }

/* The tests of what this kernel does not have, or this build does not use, are skipped. */
static int what_holds(void) { return (held.landlock_abi > 0) | (held.calls ? 2 : 0); }
static void need_files(void) {
    if (!(confined(what_holds, false) & 1))
        skip();
}
static void need_calls(void) {
    if (!(confined(what_holds, false) & 2))
        skip();
}

/* ---- files ---- */

static int read_inside(void) { return outcome(open(inner_file, O_RDONLY)); }
static int read_outside(void) { return outcome(open(outside_file, O_RDONLY)); }
static int list_outside(void) { return outcome(open(outside, O_RDONLY | O_DIRECTORY)); }
static int write_readable(void) { return outcome(open(inner_file, O_WRONLY)); }
static int truncate_readable(void) { return outcome(truncate(inner_file, 0)); }
static int write_writable(void) { return outcome(open(written_file, O_WRONLY | O_TRUNC)); }
static int make_outside(void) {
    char path[256];
    snprintf(path, sizeof path, "%s/new", outside);
    return outcome(open(path, O_WRONLY | O_CREAT, 0600));
}
static int remove_outside(void) { return outcome(unlink(outside_file)); }
static int move_out(void) {
    char path[256];
    snprintf(path, sizeof path, "%s/moved", outside);
    return outcome(rename(written_file, path));
}

/* A model is published so: written aside, moved to where it belongs, in one step. */
static int move_within(void) {
    char from[256], to[256], file[256];
    snprintf(from, sizeof from, "%s/a", writable);
    snprintf(to, sizeof to, "%s/b", writable);
    snprintf(file, sizeof file, "%s/a/new", writable);
    int failure = outcome(mkdir(from, 0755));
    failure = failure ? failure : outcome(mkdir(to, 0755));
    failure = failure ? failure : outcome(open(file, O_WRONLY | O_CREAT, 0600));
    snprintf(to, sizeof to, "%s/b/new", writable);
    failure = failure ? failure : outcome(rename(file, to));
    failure = failure ? failure : outcome(unlink(to));
    failure = failure ? failure : outcome(rmdir(from));
    snprintf(to, sizeof to, "%s/b", writable);
    return failure ? failure : outcome(rmdir(to));
}

static void what_is_listed_can_be_read_and_written(void **state) {
    (void)state;
    assert_int_equal(confined(read_inside, false), 0);
    assert_int_equal(confined(write_writable, false), 0);
    assert_int_equal(confined(move_within, false), 0);
}

static void nothing_else_can_be_read(void **state) {
    (void)state;
    need_files();
    assert_int_equal(confined(read_outside, false), EACCES);
    assert_int_equal(confined(list_outside, false), EACCES);
}

static void nothing_else_can_be_changed(void **state) {
    (void)state;
    need_files();
    assert_int_equal(confined(write_readable, false), EACCES);
    assert_int_equal(confined(truncate_readable, false), EACCES);
    assert_int_equal(confined(make_outside, false), EACCES);
    assert_int_equal(confined(remove_outside, false), EACCES);
    assert_true(confined(move_out, false) != 0);
}

static void *read_outside_in_a_thread(void *result) {
    *(int *)result = read_outside();
    return NULL;
}

static int read_in_a_new_thread(void) {
    pthread_t thread;
    int result = 0;
    if (pthread_create(&thread, NULL, read_outside_in_a_thread, &result) != 0)
        return 255;
    pthread_join(thread, NULL);
    return result;
}

static void threads_started_later_are_confined_too(void **state) {
    (void)state;
    need_files();
    assert_int_equal(confined(read_in_a_new_thread, false), EACCES);
}

/* ---- programs ---- */

static int execute(const char *program) {
    char *const arguments[] = {(char *)program, "--is-there", NULL}, *const none[] = {NULL};
    execve(program, arguments, none);
    return errno;
}
static int execute_itself(void) { return execute("/proc/self/exe"); }
static int execute_a_shell(void) { return execute("/bin/sh"); }

/* A name of its own: the kernel resolves /proc/self/exe as any other path. */
static void its_own_program_is_executed_where_that_is_wanted_and_no_other(void **state) {
    (void)state;
    assert_int_equal(confined(execute_itself, true), 0);
    need_files();
    assert_int_equal(confined(execute_a_shell, true), EACCES);
}

static void no_program_is_executed_where_none_is_wanted(void **state) {
    (void)state;
    need_calls();
    assert_int_equal(confined(execute_itself, false), EPERM);
    assert_int_equal(confined(execute_a_shell, false), EPERM);
}

static int become_root(void) {
    if (setuid(65534) != 0)
        return 254;
    struct stat about;
    if (stat(setuid_program, &about) != 0 || !(about.st_mode & S_ISUID))
        return 253;
    execl(setuid_program, setuid_program, "--who", NULL);
    return 252;
}

/* This very program, made setuid root, is executed by nobody, and tells who it runs as. */
static void a_setuid_program_raises_nobody(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    char command[512];
    snprintf(setuid_program, sizeof setuid_program, "%s/raise", root.path);
    snprintf(command, sizeof command, "chmod 755 %s && cp /proc/%d/exe %s && chmod 4755 %s",
             root.path, (int)getpid(), setuid_program, setuid_program);
    assert_int_equal(system(command), 0);
    for (int kept = 0; kept <= 1; kept++) {
        pid_t child = fork();
        if (child == 0) {
            if (kept)
                privileges_keep_down();
            _exit(become_root());
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (!kept && WEXITSTATUS(status) != 100)
            skip(); /* /tmp is mounted nosuid: nothing to see here */
        assert_int_equal(WEXITSTATUS(status), kept ? 101 : 100);
    }
}

/* ---- other processes, and the world ---- */

static int trace(void) { return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL)); }
static int attach(void) { return outcome(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)); }
static int signal_parent(void) { return outcome(kill(getppid(), 0)); }
static int make_namespace(void) { return outcome(unshare(CLONE_NEWUSER)); }
static int clone_namespace(void) {
    return outcome(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}
static int mount_something(void) { return outcome(mount("none", "/tmp", "tmpfs", 0, NULL)); }
static int call_somebody(void) { return outcome(socket(AF_INET, SOCK_STREAM, 0)); }
static int send_datagrams(void) { return outcome(socket(AF_INET6, SOCK_DGRAM, 0)); }
static int talk_within(void) {
    int pair[2];
    return outcome(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

static void calls_that_no_server_needs_fail(void **state) {
    (void)state;
    need_calls();
    assert_int_equal(confined(trace, true), EPERM);
    assert_int_equal(confined(attach, true), EPERM);
    assert_int_equal(confined(make_namespace, true), EPERM);
    assert_int_equal(confined(clone_namespace, true), EPERM);
    assert_int_equal(confined(mount_something, true), EPERM);
}

static void nobody_is_called(void **state) {
    (void)state;
    need_calls();
    assert_int_equal(confined(call_somebody, true), EPERM);
    assert_int_equal(confined(send_datagrams, true), EPERM);
    assert_int_equal(confined(talk_within, true), 0);
}

static int landlock_abi(void) { return held.landlock_abi; }

static void processes_outside_are_not_signalled(void **state) {
    (void)state;
    enum { ABI_SCOPES = 6 };
    if (confined(landlock_abi, false) < ABI_SCOPES)
        skip();
    assert_int_equal(confined(signal_parent, false), EPERM);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--is-there") == 0)
        return 0;
    if (argc == 2 && strcmp(argv[1], "--who") == 0)
        return geteuid() == 0 ? 100 : 101;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_listed_can_be_read_and_written),
        cmocka_unit_test(nothing_else_can_be_read),
        cmocka_unit_test(nothing_else_can_be_changed),
        cmocka_unit_test(threads_started_later_are_confined_too),
        cmocka_unit_test(its_own_program_is_executed_where_that_is_wanted_and_no_other),
        cmocka_unit_test(no_program_is_executed_where_none_is_wanted),
        cmocka_unit_test(a_setuid_program_raises_nobody),
        cmocka_unit_test(calls_that_no_server_needs_fail),
        cmocka_unit_test(nobody_is_called),
        cmocka_unit_test(processes_outside_are_not_signalled),
    };
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
