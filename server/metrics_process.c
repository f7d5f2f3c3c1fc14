/* What is the process's and not one service's: process_*, as Prometheus' client libraries name
 * them, process_threads, and what the log has lost. What cannot be read is left out rather than
 * told as 0. Fields of /proc/self/stat are counted as proc(5) counts them.
 */
#include "server/log.h"
#include "server/metrics_store.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static void write_one(FILE *out, const char *name, const char *type, const char *help,
                      double value) {
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, type, name);
    metrics_write_number(out, value);
    fputc('\n', out);
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool read_small_file(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t got = fread(text, 1, size - 1, file);
    fclose(file);
    text[got] = '\0';
    return got > 0;
}

/* Field `number` (from 3) of the text of /proc/self/stat, whose second field, the name in
 * parentheses, may hold anything. */
static bool stat_field(const char *stat, int number, unsigned long long *value) {
    const char *at = strrchr(stat, ')');
    for (int field = 2; at && field < number; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return false;
    char *end;
    *value = strtoull(at, &end, 10);
    return end != at;
}

double metrics_process_start_s(void) {
    char stat[1024];
    unsigned long long start_ticks; /* since boot */
    if (!read_small_file("/proc/self/stat", stat, sizeof stat) ||
        !stat_field(stat, 22, &start_ticks))
        return 0;
    double age_s = seconds(CLOCK_BOOTTIME) - (double)start_ticks / (double)sysconf(_SC_CLK_TCK);
    double start_ms = (seconds(CLOCK_REALTIME) - age_s) * 1000;
    return (double)(long long)start_ms / 1000;
}

static void write_threads(FILE *out) {
    char stat[1024];
    unsigned long long threads;
    if (read_small_file("/proc/self/stat", stat, sizeof stat) && stat_field(stat, 20, &threads))
        write_one(out, "process_threads", "gauge", "Threads of the process.", (double)threads);
}

static void write_memory(FILE *out) {
    char statm[256], *end;
    if (!read_small_file("/proc/self/statm", statm, sizeof statm))
        return;
    double page_bytes = (double)sysconf(_SC_PAGESIZE);
    double virtual_pages = (double)strtoull(statm, &end, 10);
    double resident_pages = (double)strtoull(end, NULL, 10);
    write_one(out, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
              virtual_pages * page_bytes);
    write_one(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
              resident_pages * page_bytes);
}

static void write_descriptors(FILE *out) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        write_one(out, "process_max_fds", "gauge", "Maximum number of open file descriptors.",
                  limit.rlim_cur == RLIM_INFINITY ? -1 : (double)limit.rlim_cur);
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return;
    int count = -3; /* ".", ".." and the folder's own descriptor */
    while (readdir(folder))
        count++;
    closedir(folder);
    write_one(out, "process_open_fds", "gauge", "Number of open file descriptors.", count);
}

void metrics_write_process(FILE *out, double start_s) {
    write_one(out, "facepair_log_lines_dropped_total", "counter",
              "Lines of the log that stderr did not take.", (double)log_lines_dropped());
    write_one(out, "process_cpu_seconds_total", "counter",
              "Total user and system CPU time spent in seconds.",
              seconds(CLOCK_PROCESS_CPUTIME_ID));
    write_descriptors(out);
    write_memory(out);
    write_threads(out);
    if (start_s > 0)
        write_one(out, "process_start_time_seconds", "gauge",
                  "Start of the process since the Unix epoch, in seconds.", start_s);
}
