/* A programmer's error stops the program, in a release build too. */
#ifndef FACEPAIR_TESTS_EXPECT_ABORT_H
#define FACEPAIR_TESTS_EXPECT_ABORT_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs act(argument) in a child with stderr thrown away; true when abort() ended it. */
static inline bool aborts(void (*act)(void *argument), void *argument) {
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        int null = open("/dev/null", O_WRONLY);
        if (null >= 0)
            dup2(null, STDERR_FILENO);
        signal(SIGABRT, SIG_DFL); /* cmocka would catch it */
        act(argument);
        _exit(0);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGABRT;
}

#endif
