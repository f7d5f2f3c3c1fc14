/* Two things go on: the child's life (start -> on_child_exit -> settle -> start), and a look at the
 * store three times a second, one at a time, of what the child holds there. Which child a look was
 * about is told by its runner's name, drawn anew for each: an answer that comes late harms no
 * other.
 *
 * The child is started with uv_spawn, without a session of its own (server/background.c says why),
 * and told whose child it is, so that it ends with this process however that ends. */
#include "api/supervisor.h"

#include "api/disk.h"
#include "model/store/runner.h"
#include "server/clock.h"
#include "server/log.h"
#include "server/privileges.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LOOK_MS = 300,
    LOOKS_TO_SETTLE = 4,
    BUSY_LOOKS_MAX = 2, /* each has waited for the store as long as it may */
    RESTART_MS_FIRST = 1000,
    RESTART_MS_MAX = 60000,
    LONG_LIFE_MS = 60000,
    LINE_MAX_BYTES = 4096,
    ARGUMENTS_MAX = 24 + 2 * SUPERVISOR_TRUSTED_MAX,
    NUMBER_SIZE = 24
};
#define RUNNER_PREFIX "tr_"

/* One look at the store, or the settling of a child that is gone. */
struct look {
    struct disk_task task; /* first */
    struct supervisor *supervisor;
    char runner[UID_SIZE];
    char gone[UID_SIZE]; /* a child before it, to be settled; "": none */
    bool settles;
    char held[UID_SIZE]; /* "": nothing */
    enum job_state state;
    bool lost; /* it was held before settling, and not after it */
    enum status status;
    struct error err;
};

struct supervisor {
    struct service *service;
    struct supervisor_options options;
    char program[PATH_MAX];

    uv_process_t child;
    uv_pipe_t pipe;
    uv_timer_t restart, looking, killing;
    bool alive, draining, stopped;
    bool listens;           /* the child has said that it has begun: a signal wakes it */
    bool starts;            /* as soon as the handles of the one before are closed */
    unsigned child_handles; /* of child and pipe, open or closing */
    unsigned timers;        /* likewise: the memory goes with the last handle */
    char runner[UID_SIZE];
    char gone[UID_SIZE]; /* the child before: its claims are to be settled; "": none */
    uint64_t started_us;
    unsigned restart_ms; /* the next wait after a failure */

    struct look look;
    bool look_out;
    unsigned busy_looks; /* of those that settle, one after the other: only they need the lock */
    unsigned looks;
    char cancelling[UID_SIZE]; /* the job that it is to leave, since … */
    uint64_t cancelling_us;
    bool killed; /* by this side, so that it is no failure */

    char line[LINE_MAX_BYTES];
    size_t line_bytes;

    void (*done)(void *context);
    void *done_context;
};

static void start_child(struct supervisor *supervisor);
static void look(struct supervisor *supervisor);

/* ---- what the child tells ---- */

/* The store has it all; a line is for who debugs. One that does not fit is dropped in pieces. */
static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)suggested;
    struct supervisor *supervisor = handle->data;
    if (supervisor->line_bytes == LINE_MAX_BYTES)
        supervisor->line_bytes = 0;
    *buffer = uv_buf_init(supervisor->line + supervisor->line_bytes,
                          (unsigned)(LINE_MAX_BYTES - supervisor->line_bytes));
}

static void on_read(uv_stream_t *stream, ssize_t bytes, const uv_buf_t *buffer) {
    (void)buffer;
    struct supervisor *supervisor = stream->data;
    if (bytes < 0) {
        uv_read_stop(stream);
        return;
    }
    char *line = supervisor->line, *end;
    size_t left = supervisor->line_bytes + (size_t)bytes;
    while ((end = memchr(line, '\n', left)) != NULL) {
        *end = '\0';
        supervisor->listens = true;
        log_event(LOG_DEBUG, "trainer_told", LOG_STR("line", line));
        left -= (size_t)(end - line) + 1;
        line = end + 1;
    }
    memmove(supervisor->line, line, left);
    supervisor->line_bytes = left;
}

/* ---- the child's life ---- */

static void free_with_last_handle(struct supervisor *supervisor) {
    if (supervisor->timers == 0 && supervisor->child_handles == 0)
        free(supervisor);
}

static void closed(uv_handle_t *handle) {
    struct supervisor *supervisor = handle->data;
    supervisor->timers--;
    free_with_last_handle(supervisor);
}

/* The child's two handles are made anew with the next one. */
static void closed_childs(uv_handle_t *handle) {
    struct supervisor *supervisor = handle->data;
    if (--supervisor->child_handles == 0 && supervisor->starts)
        start_child(supervisor);
    else
        free_with_last_handle(supervisor);
}

static void begin_restart(struct supervisor *supervisor) {
    supervisor->starts = !supervisor->draining;
    if (supervisor->starts && supervisor->child_handles == 0)
        start_child(supervisor);
}

static void on_restart(uv_timer_t *timer) { begin_restart(timer->data); }

/* Zero where the child has done its work, or had to be stopped. */
static unsigned wait_before_restart(struct supervisor *supervisor, int64_t code, int signal) {
    bool did_its_work = code == 0 && signal == 0;
    bool lived_long =
        clock_monotonic_us() - supervisor->started_us >= LONG_LIFE_MS * UINT64_C(1000);
    if (did_its_work || lived_long)
        supervisor->restart_ms = RESTART_MS_FIRST;
    if (did_its_work || supervisor->killed)
        return 0;
    unsigned wait_ms = supervisor->restart_ms;
    supervisor->restart_ms = wait_ms < RESTART_MS_MAX / 2 ? wait_ms * 2 : (unsigned)RESTART_MS_MAX;
    return wait_ms;
}

static void failed(struct supervisor *supervisor, int64_t code, int signal, const char *cause) {
    unsigned wait_ms = wait_before_restart(supervisor, code, signal);
    log_event(code == 0 && signal == 0 ? LOG_INFO : LOG_WARN, "trainer_ended",
              LOG_INT("code", code), LOG_INT("signal", signal), LOG_STR("cause", cause),
              LOG_INT("restart_ms", wait_ms));
    if (!supervisor->draining)
        uv_timer_start(&supervisor->restart, on_restart, wait_ms, 0);
}

static void tell_done(struct supervisor *supervisor) {
    void (*done)(void *context) = supervisor->done;
    supervisor->done = NULL;
    if (done)
        done(supervisor->done_context);
}

static void on_child_exit(uv_process_t *child, int64_t code, int signal) {
    struct supervisor *supervisor = child->data;
    supervisor->alive = false;
    uv_timer_stop(&supervisor->killing);
    uv_close((uv_handle_t *)&supervisor->child, closed_childs);
    uv_close((uv_handle_t *)&supervisor->pipe, closed_childs);
    memcpy(supervisor->gone, supervisor->runner, sizeof supervisor->gone);
    supervisor->busy_looks = 0;
    look(supervisor);
    failed(supervisor, code, signal, NULL);
    tell_done(supervisor);
}

static void kill_child(struct supervisor *supervisor, const char *why) {
    if (!supervisor->alive || supervisor->killed)
        return;
    log_event(LOG_WARN, "trainer_killed", LOG_STR("cause", why),
              LOG_INT("pid", supervisor->child.pid));
    supervisor->killed = true;
    uv_process_kill(&supervisor->child, SIGKILL);
}

/* ---- starting ---- */

struct arguments {
    char *list[ARGUMENTS_MAX + 1];
    char numbers[4][NUMBER_SIZE];
    size_t count, numbers_count;
};

static void add(struct arguments *arguments, const char *argument) {
    assert(arguments->count < ARGUMENTS_MAX);
    arguments->list[arguments->count++] = (char *)argument;
}

static void add_number(struct arguments *arguments, const char *name, uint64_t value) {
    char *text = arguments->numbers[arguments->numbers_count++];
    snprintf(text, NUMBER_SIZE, "%llu", (unsigned long long)value);
    add(arguments, name);
    add(arguments, text);
}

/* What the service was told in its environment the child would hear too: each such option is said.
 */
static void make_arguments(const struct supervisor *supervisor, struct arguments *arguments) {
    const struct supervisor_options *options = &supervisor->options;
    *arguments = (struct arguments){.count = 0};
    add(arguments, supervisor->program);
    add(arguments, "trainer");
    add(arguments, "--data");
    add(arguments, supervisor->service->options.data_directory);
    add(arguments, "--runner");
    add(arguments, supervisor->runner);
    add(arguments, "--jobs");
    add(arguments, "1");
    add(arguments, "--device");
    add(arguments, "cpu");
    add(arguments, "--log-level");
    add(arguments, log_level_name());
    add_number(arguments, "--trainer-threads", options->threads);
    add_number(arguments, "--trainer-memory-max", options->memory_bytes);
    add_number(arguments, "--lease-ms", options->lease_ms);
    add_number(arguments, "--parent", (uint64_t)getpid());
    if (privileges_allow_dumps()) /* here, so there too: executing would allow it in any case */
        add(arguments, "--core-dumps");
    for (const char *const *hash = options->trusted; hash && *hash; hash++) {
        add(arguments, "--allow-torchscript");
        add(arguments, *hash);
    }
}

static void start_child(struct supervisor *supervisor) {
    uv_loop_t *loop = loop_uv(supervisor->service->loop);
    struct arguments arguments;
    supervisor->starts = false;
    uid_make(RUNNER_PREFIX, supervisor->runner);
    make_arguments(supervisor, &arguments);
    uv_pipe_init(loop, &supervisor->pipe, 0);
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&supervisor->pipe},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
    };
    const uv_process_options_t options = {.file = supervisor->program,
                                          .args = arguments.list,
                                          .exit_cb = on_child_exit,
                                          .stdio = stdio,
                                          .stdio_count = 3};
    supervisor->child.data = supervisor->pipe.data = supervisor;
    supervisor->line_bytes = 0;
    supervisor->killed = supervisor->listens = false;
    supervisor->cancelling[0] = '\0';
    supervisor->started_us = clock_monotonic_us();
    supervisor->child_handles = 2;
    background_place_worst(&supervisor->options.place);
    int failure = uv_spawn(loop, &supervisor->child, &options);
    background_place_own(&supervisor->options.place);
    if (failure) {
        uv_close((uv_handle_t *)&supervisor->child, closed_childs);
        uv_close((uv_handle_t *)&supervisor->pipe, closed_childs);
        failed(supervisor, -1, 0, uv_strerror(failure));
        return;
    }
    supervisor->alive = true;
    uv_read_start((uv_stream_t *)&supervisor->pipe, allocate, on_read);
    log_event(LOG_INFO, "trainer_started", LOG_INT("pid", supervisor->child.pid));
}

/* ---- looking ---- */

/* On the disk thread. What a child that is gone has held is settled before what this one holds is
 * asked for. */
static void work(struct disk_task *task) {
    struct look *look = (struct look *)task;
    struct store *store = look->task.service->store;
    struct store_settled settled;
    char after[UID_SIZE] = "";
    enum job_state state;
    look->lost = false;
    look->status = store_held(store, look->runner, look->held, &look->state, &look->err);
    if (look->status == STATUS_OK && look->settles)
        look->status = store_settle(store, look->gone[0] ? look->gone : NULL, &settled, &look->err);
    if (look->status == STATUS_OK && look->settles && look->held[0]) {
        look->status = store_held(store, look->runner, after, &state, &look->err);
        look->lost = look->status == STATUS_OK && !after[0];
    }
}

/* A job that it does not leave, though it is cancelling; or that it has lost, since it hangs. */
static void judge(struct supervisor *supervisor, const struct look *look) {
    uint64_t now_us = clock_monotonic_us();
    if (strcmp(look->runner, supervisor->runner) != 0)
        return;
    if (look->lost) {
        kill_child(supervisor, "it has lost its lease");
    } else if (!look->held[0] || look->state != JOB_CANCELLING) {
        supervisor->cancelling[0] = '\0';
    } else if (strcmp(supervisor->cancelling, look->held) != 0) {
        memcpy(supervisor->cancelling, look->held, sizeof supervisor->cancelling);
        supervisor->cancelling_us = now_us;
    } else if (now_us - supervisor->cancelling_us >= SUPERVISOR_CANCEL_MS * UINT64_C(1000)) {
        kill_child(supervisor, "it does not leave a job that is cancelled");
    }
}

static void back(struct disk_task *task) {
    struct look *done = (struct look *)task;
    struct supervisor *supervisor = done->supervisor;
    bool ok = done->status == STATUS_OK;
    supervisor->look_out = false;
    if (done->status == STATUS_OVERLOADED)
        supervisor->busy_looks++;
    else if (done->settles)
        supervisor->busy_looks = 0;
    if (!ok)
        log_event(LOG_WARN, "store", LOG_STR("cause", done->err.detail));
    else if (strcmp(supervisor->gone, done->gone) == 0)
        supervisor->gone[0] = '\0';
    if (ok)
        judge(supervisor, done);
    else if (supervisor->busy_looks >= BUSY_LOOKS_MAX)
        kill_child(supervisor, "it seems to keep the store's lock");
    if (ok && supervisor->gone[0])
        look(supervisor);
}

static void look(struct supervisor *supervisor) {
    struct look *next = &supervisor->look;
    if (supervisor->look_out || supervisor->stopped)
        return;
    next->settles = supervisor->gone[0] != '\0' || ++supervisor->looks % LOOKS_TO_SETTLE == 0;
    memcpy(next->runner, supervisor->runner, sizeof next->runner);
    memcpy(next->gone, supervisor->gone, sizeof next->gone);
    supervisor->look_out = disk_submit(&next->task);
}

static void on_look(uv_timer_t *timer) { look(timer->data); }

void supervisor_wake(struct supervisor *supervisor) {
    if (!supervisor)
        return;
    if (supervisor->alive && supervisor->listens)
        uv_process_kill(&supervisor->child, SIGUSR1);
    look(supervisor);
}

/* ---- beginning and end ---- */

static enum status find_program(char program[PATH_MAX], struct error *err) {
    ssize_t length = readlink("/proc/self/exe", program, PATH_MAX - 1);
    if (length < 0)
        return error_set(err, STATUS_INTERNAL, "/proc/self/exe: %s", strerror(errno));
    program[length] = '\0';
    return STATUS_OK;
}

enum status supervisor_start(struct service *service, const struct supervisor_options *options,
                             struct supervisor **started, struct error *err) {
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    if (!supervisor)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = find_program(supervisor->program, err);
    if (status != STATUS_OK) {
        free(supervisor);
        return status;
    }
    supervisor->service = service;
    supervisor->options = *options;
    supervisor->restart_ms = RESTART_MS_FIRST;
    supervisor->look = (struct look){.task = {.service = service, .work = work, .back = back},
                                     .supervisor = supervisor};
    uv_timer_t *const timers[] = {&supervisor->restart, &supervisor->looking, &supervisor->killing};
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++) {
        uv_timer_init(loop_uv(service->loop), timers[i]);
        timers[i]->data = supervisor;
        supervisor->timers++;
    }
    uv_timer_start(&supervisor->looking, on_look, LOOK_MS, LOOK_MS);
    uv_timer_start(&supervisor->restart, on_restart, 0, 0); /* once the loop runs */
    *started = supervisor;
    return STATUS_OK;
}

static void on_late(uv_timer_t *timer) { kill_child(timer->data, "it does not end"); }

void supervisor_drain(struct supervisor *supervisor, void (*done)(void *context), void *context) {
    supervisor->draining = true;
    supervisor->done = done;
    supervisor->done_context = context;
    uv_timer_stop(&supervisor->restart);
    if (!supervisor->alive) {
        tell_done(supervisor);
        return;
    }
    uv_process_kill(&supervisor->child, SIGTERM);
    uv_timer_start(&supervisor->killing, on_late, SUPERVISOR_DRAIN_MS, 0);
}

/* The loop does not run, so nobody else waits for the child. */
static void end_child(struct supervisor *supervisor) {
    if (!supervisor->alive)
        return;
    kill(supervisor->child.pid, SIGKILL);
    while (waitpid(supervisor->child.pid, NULL, 0) < 0 && errno == EINTR) {
    }
    supervisor->alive = false;
    uv_close((uv_handle_t *)&supervisor->child, closed_childs);
    uv_close((uv_handle_t *)&supervisor->pipe, closed_childs);
}

void supervisor_stop(struct supervisor *supervisor) {
    if (!supervisor)
        return;
    supervisor->draining = supervisor->stopped = true;
    supervisor->starts = false;
    end_child(supervisor);
    uv_close((uv_handle_t *)&supervisor->restart, closed);
    uv_close((uv_handle_t *)&supervisor->looking, closed);
    uv_close((uv_handle_t *)&supervisor->killing, closed);
}
