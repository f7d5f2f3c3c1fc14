/* facepair trainer: the process that `serve` starts beside itself for jobs and data sets, or that
 * an operator runs apart. */
#include "model/trainer/trainer.h"
#include "cli/command.h"
#include "cli/data.h"
#include "cli/trust.h"
#include "model/network/network.h"
#include "model/uid.h"
#include "server/cpus.h"
#include "server/log.h"
#include "server/memory.h"
#include "server/privileges.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNNER_PREFIX "tr_"

struct trainer_settings {
    const char *data, *device, *runner;
    int64_t threads, memory_max, lease_ms, idle_ms, jobs, parent;
    unsigned log_level;
    bool core_dumps;
    struct option_list trusted_modules;
};

static const char *const LOG_LEVELS[] = {"debug", "info", "warn", "error", "off", NULL};
#define GIB (INT64_C(1024) * 1024 * 1024)

static bool parse(struct trainer_settings *s, int argc, char **argv, int *code) {
    const struct option_spec table[] = {
        {"data", "DIR", "the data directory", OPTION_STRING, .to.string = &s->data},
        {"device", "DEVICE", "cpu or cuda:N (cpu)", OPTION_STRING, .to.string = &s->device},
        {"trainer-threads", "N", "threads that compute; 0: one for each CPU granted (0)",
         OPTION_INTEGER, .to.integer = &s->threads, .integer = {0, 256}},
        {"trainer-memory-max", "N",
         "bytes of memory beyond which a job fails; 0: half the memory granted (0)", OPTION_INTEGER,
         .to.integer = &s->memory_max, .integer = {0, 1024 * 1024 * GIB}},
        {"lease-ms", "N", "how long a job is held without a sign of life (30000)", OPTION_INTEGER,
         .to.integer = &s->lease_ms, .integer = {500, 3600000}},
        {"idle-ms", "N", "between two looks for work (1000)", OPTION_INTEGER,
         .to.integer = &s->idle_ms, .integer = {10, 60000}},
        {"jobs", "N", "end after so many jobs, so that their memory goes too; 0: never (0)",
         OPTION_INTEGER, .to.integer = &s->jobs, .integer = {0, 1000000}},
        {"runner", "NAME", "what its claims say; one for each process (drawn)", OPTION_STRING,
         .to.string = &s->runner},
        {"parent", "PID", "end with this process, which has started this one; 0: with none (0)",
         OPTION_INTEGER, .to.integer = &s->parent, .integer = {0, INT32_MAX}},
        TRUST_OPTION(&s->trusted_modules),
        {"core-dumps", NULL, "let a crash write a core, which may hold photographs", OPTION_FLAG,
         .to.flag = &s->core_dumps},
        {"log-level", "LEVEL", "debug, info, warn, error or off (info)", OPTION_CHOICE,
         .to.choice = &s->log_level, .choices = LOG_LEVELS},
    };
    const struct options options = {
        .command = "trainer",
        .summary =
            "Runs jobs and decodes data sets of the store in DATA, until SIGTERM.\n"
            "What happens is told on stdout, a JSON object a line. `facepair serve` starts one\n"
            "itself, unless it is given --no-trainer.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    if (!options_parse(&options, argc, argv, &arguments, code))
        return false;
    log_set_level((enum log_level)s->log_level);
    if (!s->parent) /* which has its own options in the environment */
        options_warn_of_variables(&options);
    return true;
}

/* Nobody waits for whoever reads it. Other files than pipes take what they get. */
static void do_not_wait_for_reader(int fd) {
    struct stat about;
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && fstat(fd, &about) == 0 && S_ISFIFO(about.st_mode))
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static enum status compute(const struct trainer_settings *s, const struct trainer_options *options,
                           struct error *err) {
    struct trainer *trainer = NULL;
    enum status status = trainer_begin(options, &trainer, err);
    /* Before a photograph is touched; and not sooner, since files of /proc/self that it writes to
     * as it begins belong to root from here on. */
    privileges_settle_dumps(s->core_dumps);
    if (status == STATUS_OK)
        status = network_runtime_open(s->device, options->threads, err);
    if (status == STATUS_OK)
        status = trust_modules(&s->trusted_modules, err);
    if (status == STATUS_OK)
        status = trainer_run(trainer, err);
    trainer_end(trainer);
    return status;
}

static int run(const struct trainer_settings *s) {
    struct error err;
    char data[DATA_PATH_MAX], runner[UID_SIZE];
    uid_make(RUNNER_PREFIX, runner);
    do_not_wait_for_reader(STDOUT_FILENO);
    privileges_keep_down(); /* archives that anybody may have made are decoded here */
    const struct trainer_options options = {
        .data = data,
        .runner = s->runner ? s->runner : runner,
        .background = {.memory_bytes_max =
                           s->memory_max ? (uint64_t)s->memory_max : memory_granted() / 2,
                       .parent = (pid_t)s->parent},
        .threads = s->threads ? (unsigned)s->threads : cpus_granted(),
        .lease_ms = (uint64_t)s->lease_ms,
        .idle_ms = (uint64_t)s->idle_ms,
        .jobs_max = (unsigned)s->jobs,
        .events = STDOUT_FILENO,
        .limits = IMAGE_LIMITS_DEFAULT,
    };
    enum status status = data_directory_find(s->data, data, &err);
    if (status == STATUS_OK)
        status = compute(s, &options, &err);
    return status == STATUS_OK ? EXIT_DONE : cli_failed("trainer", err.detail);
}

int cli_trainer(int argc, char **argv) {
    struct trainer_settings settings = {
        .device = "cpu", .lease_ms = 30000, .idle_ms = 1000, .log_level = LOG_INFO};
    int code;
    if (parse(&settings, argc, argv, &code)) {
        signal(SIGPIPE, SIG_IGN);
        code = run(&settings);
    }
    option_list_release(&settings.trusted_modules);
    return code;
}
