#include "server/journal.h"

#include "server/journal_line.h"
#include "server/log.h"
#include "server/thread.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RETRY_MS = 1000 };

struct line {
    STAILQ_ENTRY(line) entry;
    size_t size;
    char members[];
};
STAILQ_HEAD(lines, line);

/* An end of the file. */
struct place {
    uint64_t bytes, seq; /* of the file; of the next line */
    char prev[JOURNAL_HASH_TEXT + 1];
};

struct journal {
    char path[PATH_MAX];
    bool is_stdout;
    uint64_t bytes_max;

    /* the writer's */
    int fd;
    struct place end, flushed; /* what is written, and what of it is on disk */
    struct lines written;      /* between the two */
    size_t line_written;       /* bytes of the next line that stdout has taken already */
    bool cut_due;              /* more stands behind `end` than was written */
    bool folder_due;           /* its name is not on disk */

    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct lines waiting;
    size_t waiting_count;
    bool failing, closing;
};

static enum status failed(const char *path, struct error *err) {
    return error_set(err, STATUS_INTERNAL, "%.180s: %.60s", path, strerror(errno));
}

/* ---- opening ---- */

/* The last whole line of the file, and how many bytes come after it. False: there is none. */
static bool read_last_line(int fd, uint64_t bytes, char line[JOURNAL_WHOLE_LINE_MAX + 1],
                           size_t *size, uint64_t *torn) {
    char tail[2 * JOURNAL_WHOLE_LINE_MAX];
    size_t want = bytes < sizeof tail ? (size_t)bytes : sizeof tail;
    ssize_t have = pread(fd, tail, want, (off_t)(bytes - want));
    if (have != (ssize_t)want)
        return false;
    char *end = memrchr(tail, '\n', want);
    *torn = end ? (uint64_t)(tail + want - end - 1) : want;
    if (!end)
        return false;
    char *begin = memrchr(tail, '\n', (size_t)(end - tail));
    begin = begin ? begin + 1 : tail;
    *size = (size_t)(end - begin);
    if (*size > JOURNAL_WHOLE_LINE_MAX)
        return false;
    memcpy(line, begin, *size);
    return true;
}

static enum status follow_line(struct journal *journal, const char *path, const char *line,
                               size_t size, struct error *err) {
    if (!journal_line_seq(line, size, &journal->end.seq))
        return error_set(err, STATUS_INTERNAL, "%.200s: is no journal", path);
    journal->end.seq++;
    journal_line_hash(line, size, journal->end.prev);
    return STATUS_OK;
}

/* The file with the largest number that was renamed, if any; for a process that ended between the
 * renaming and the first line of the next file. */
static enum status follow_renamed(struct journal *journal, struct error *err) {
    char folder[PATH_MAX], name[PATH_MAX], found[PATH_MAX] = "", line[JOURNAL_WHOLE_LINE_MAX + 1];
    snprintf(folder, sizeof folder, "%s", journal->path);
    snprintf(name, sizeof name, "%s", journal->path);
    const char *parent = dirname(folder), *base = basename(name);
    size_t length = strlen(base), size;
    uint64_t largest = 0, torn;
    DIR *directory = opendir(parent);
    if (!directory)
        return failed(parent, err);
    for (struct dirent *entry; (entry = readdir(directory));) {
        const char *suffix = entry->d_name + length + 1;
        if (strncmp(entry->d_name, base, length) != 0 || entry->d_name[length] != '.' ||
            !suffix[0] || suffix[strspn(suffix, "0123456789")])
            continue;
        uint64_t number = strtoull(suffix, NULL, 10);
        if (number >= largest) {
            largest = number;
            snprintf(found, sizeof found, "%.2000s/%.255s", parent, entry->d_name);
        }
    }
    closedir(directory);
    if (!found[0])
        return STATUS_OK;
    struct stat about;
    int fd = open(found, O_RDONLY | O_CLOEXEC);
    bool read = fd >= 0 && fstat(fd, &about) == 0 &&
                read_last_line(fd, (uint64_t)about.st_size, line, &size, &torn);
    if (fd >= 0)
        close(fd);
    return read ? follow_line(journal, found, line, size, err)
                : error_set(err, STATUS_INTERNAL, "%.200s: is no journal", found);
}

static void append_recovery(struct journal *journal, uint64_t torn) {
    char text[64];
    int size =
        snprintf(text, sizeof text, "{\"event\":\"recovered\",\"torn_bytes\":%" PRIu64 "}", torn);
    journal_append(journal, text, (size_t)size);
}

static bool flush_folder(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    int fd = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool flushed = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return flushed;
}

/* The lock ends with the process, whatever it dies of. Between the opening and the lock the file
 * may have been renamed, and is another's then. */
static enum status lock_file(const struct journal *journal, const struct stat *about,
                             struct error *err) {
    struct stat named;
    if (flock(journal->fd, LOCK_EX | LOCK_NB) == 0 && stat(journal->path, &named) == 0 &&
        named.st_ino == about->st_ino && named.st_dev == about->st_dev)
        return STATUS_OK;
    return error_set(err, STATUS_INTERNAL, "%.200s: another process writes it", journal->path);
}

static enum status open_file(struct journal *journal, struct error *err) {
    char line[JOURNAL_WHOLE_LINE_MAX + 1];
    struct stat about;
    size_t size;
    uint64_t torn = 0;
    journal->fd = open(journal->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (journal->fd < 0 || fstat(journal->fd, &about) != 0)
        return failed(journal->path, err);
    if (!S_ISREG(about.st_mode))
        return error_set(err, STATUS_INTERNAL, "%.200s: is no regular file", journal->path);
    enum status status = lock_file(journal, &about, err);
    if (status != STATUS_OK)
        return status;
    if (fstat(journal->fd, &about) != 0) /* its last writer may have ended since */
        return failed(journal->path, err);
    if (about.st_size == 0 && !flush_folder(journal->path)) /* it may be new */
        return failed(journal->path, err);
    journal->end.bytes = (uint64_t)about.st_size;
    if (read_last_line(journal->fd, journal->end.bytes, line, &size, &torn))
        status = follow_line(journal, journal->path, line, size, err);
    else if (torn < journal->end.bytes)
        status = error_set(err, STATUS_INTERNAL, "%.200s: is no journal", journal->path);
    else
        status = follow_renamed(journal, err);
    if (status == STATUS_OK && torn > 0) {
        journal->end.bytes -= torn;
        if (ftruncate(journal->fd, (off_t)journal->end.bytes) != 0)
            return failed(journal->path, err);
        append_recovery(journal, torn);
    }
    journal->flushed = journal->end;
    return status;
}

/* ---- writing ---- */

static void free_lines(struct lines *lines) {
    struct line *line;
    while ((line = STAILQ_FIRST(lines))) {
        STAILQ_REMOVE_HEAD(lines, entry);
        free(line);
    }
}

/* Nothing stands behind the end any more. To make a file shorter needs no room, but a disk that is
 * gone refuses that too; then it is due before anything else is written, since a line behind what
 * should not be there would break the chain. */
static bool cut(struct journal *journal) {
    journal->cut_due = ftruncate(journal->fd, (off_t)journal->end.bytes) != 0;
    return !journal->cut_due;
}

/* What was written is on disk; or stands before the other lines again, as if it had never been
 * written. */
static bool flush(struct journal *journal, struct lines *lines) {
    if (!journal->is_stdout && journal->fd >= 0 && fdatasync(journal->fd) != 0) {
        int cause = errno;
        journal->end = journal->flushed;
        cut(journal);
        STAILQ_CONCAT(&journal->written, lines);
        STAILQ_CONCAT(lines, &journal->written);
        errno = cause;
        return false;
    }
    journal->flushed = journal->end;
    free_lines(&journal->written);
    return true;
}

static bool rotate(struct journal *journal, struct lines *lines) {
    char name[PATH_MAX + 32];
    snprintf(name, sizeof name, "%s.%012" PRIu64, journal->path, journal->end.seq - 1);
    if (!flush(journal, lines))
        return false;
    if (rename(journal->path, name) != 0)
        return false;
    close(journal->fd);
    journal->fd = -1;
    journal->end.bytes = journal->flushed.bytes = 0;
    return true;
}

/* Whoever has opened a new one before it was locked here has it, and keeps its name. */
static bool make_file(struct journal *journal) {
    int fd = open(journal->path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        return false;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int cause = errno;
        close(fd);
        errno = cause;
        return false;
    }
    journal->fd = fd;
    journal->folder_due = true;
    return true;
}

static bool has_file(struct journal *journal) {
    if (journal->fd < 0 && !make_file(journal))
        return false;
    if (journal->folder_due)
        journal->folder_due = !flush_folder(journal->path);
    return !journal->folder_due;
}

/* How many of the bytes were written. Whoever shares stdout may have made it non-blocking. */
static size_t write_some(int fd, const char *bytes, size_t size) {
    size_t written = 0;
    while (written < size) {
        ssize_t n = write(fd, bytes + written, size - written);
        if (n >= 0)
            written += (size_t)n;
        else if (errno == EAGAIN &&
                 poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, RETRY_MS) == 1)
            continue;
        else if (errno != EINTR)
            break;
    }
    return written;
}

/* A line that went half to a full disk is cut off again; of one that went half to stdout only the
 * rest is still to be written. */
static bool write_line(struct journal *journal, const struct line *line) {
    char text[JOURNAL_WHOLE_LINE_MAX + 1];
    struct place *end = &journal->end;
    int frame = snprintf(text, sizeof text, "{\"seq\":%" PRIu64 ",\"prev\":\"%s\"%s", end->seq,
                         end->prev, line->size > 2 ? "," : "");
    memcpy(text + frame, line->members + 1, line->size - 1);
    size_t size = (size_t)frame + line->size - 1, before = journal->line_written;
    text[size] = '\n';
    size_t written = before + write_some(journal->fd, text + before, size + 1 - before);
    journal->line_written = 0;
    if (written < size + 1) {
        int cause = errno;
        if (journal->is_stdout)
            journal->line_written = written;
        else
            cut(journal);
        errno = cause;
        return false;
    }
    journal_line_hash(text, size, end->prev);
    end->bytes += size + 1;
    end->seq++;
    return true;
}

static bool is_full(const struct journal *journal) {
    return !journal->is_stdout && journal->end.bytes > 0 &&
           journal->end.bytes >= journal->bytes_max;
}

/* Writes and flushes, and leaves in *lines what must be written again. False: there is some, for
 * errno's cause. */
static bool write_lines(struct journal *journal, struct lines *lines) {
    struct line *line;
    bool going = true;
    if (journal->cut_due && !cut(journal))
        return false;
    while (going && (line = STAILQ_FIRST(lines))) {
        going = (!is_full(journal) || rotate(journal, lines)) && has_file(journal) &&
                write_line(journal, line);
        if (going) {
            STAILQ_REMOVE_HEAD(lines, entry);
            STAILQ_INSERT_TAIL(&journal->written, line, entry);
        }
    }
    int cause = errno;
    if (!flush(journal, lines))
        return false;
    errno = cause;
    return going;
}

/* Waits, but not when the journal is being closed. Under the lock. */
static void pause_ms(struct journal *journal, unsigned ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    while (!journal->closing &&
           pthread_cond_timedwait(&journal->wake, &journal->lock, &until) != ETIMEDOUT)
        ; /* a line was appended */
}

static size_t count_lines(const struct lines *lines) {
    const struct line *line;
    size_t count = 0;
    STAILQ_FOREACH(line, lines, entry)
    count++;
    return count;
}

/* Once for each time that it begins and ends. */
static void tell(const struct journal *journal, bool failing, int cause) {
    if (failing && !journal->failing)
        log_event(LOG_ERROR, "audit_not_written",
                  LOG_STR("file", journal->is_stdout ? "stdout" : journal->path),
                  LOG_STR("cause", strerror(cause)));
    else if (!failing && journal->failing)
        log_event(LOG_INFO, "audit_written", LOG_STR("meaning", "nothing was lost"));
}

static void *run(void *argument) {
    struct journal *journal = argument;
    struct lines taken = STAILQ_HEAD_INITIALIZER(taken);
    pthread_mutex_lock(&journal->lock);
    for (;;) {
        while (STAILQ_EMPTY(&journal->waiting) && !journal->closing)
            pthread_cond_wait(&journal->wake, &journal->lock);
        if (STAILQ_EMPTY(&journal->waiting))
            break;
        STAILQ_CONCAT(&taken, &journal->waiting);
        size_t count = journal->waiting_count;
        bool last = journal->closing;
        pthread_mutex_unlock(&journal->lock);
        bool failing = !write_lines(journal, &taken);
        tell(journal, failing, errno);
        size_t left = count_lines(&taken);
        pthread_mutex_lock(&journal->lock);
        STAILQ_CONCAT(&taken, &journal->waiting);
        STAILQ_CONCAT(&journal->waiting, &taken); /* what is left stays in front */
        journal->waiting_count -= count - left;
        journal->failing = failing;
        if (last && failing)
            break;
        pause_ms(journal, failing ? RETRY_MS : JOURNAL_FLUSH_MS);
    }
    pthread_mutex_unlock(&journal->lock);
    return NULL;
}

/* ---- the rest ---- */

static enum status start(struct journal *journal, struct error *err) {
    int failure = thread_start(&journal->thread, "journal", run, journal);
    return failure ? error_set(err, STATUS_INTERNAL, "the journal's thread: %s", strerror(failure))
                   : STATUS_OK;
}

static void release(struct journal *journal) {
    if (journal->waiting_count > 0)
        log_event(LOG_ERROR, "audit_lost", LOG_INT("lines", journal->waiting_count));
    free_lines(&journal->waiting);
    free_lines(&journal->written);
    if (!journal->is_stdout && journal->fd >= 0)
        close(journal->fd);
    pthread_cond_destroy(&journal->wake);
    pthread_mutex_destroy(&journal->lock);
    free(journal);
}

/* A wall clock that is set back would keep lines waiting for as long as that. */
static void create_wake(pthread_cond_t *wake) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

enum status journal_open(const char *path, uint64_t bytes_max, struct journal **created,
                         struct error *err) {
    struct journal *journal = sodium_init() < 0 ? NULL : calloc(1, sizeof(*journal));
    if (!journal)
        return error_set(err, STATUS_INTERNAL, "Out of memory.");
    snprintf(journal->path, sizeof journal->path, "%s", path);
    journal->bytes_max = bytes_max;
    journal->is_stdout = strcmp(path, "-") == 0;
    journal->fd = STDOUT_FILENO;
    journal->end.seq = 1;
    memset(journal->end.prev, '0', JOURNAL_HASH_TEXT);
    STAILQ_INIT(&journal->waiting);
    STAILQ_INIT(&journal->written);
    pthread_mutex_init(&journal->lock, NULL);
    create_wake(&journal->wake);
    enum status status = journal->is_stdout ? STATUS_OK : open_file(journal, err);
    if (status == STATUS_OK)
        status = start(journal, err);
    if (status == STATUS_OK)
        *created = journal;
    else
        release(journal);
    return status;
}

void journal_close(struct journal *journal) {
    if (!journal)
        return;
    pthread_mutex_lock(&journal->lock);
    journal->closing = true;
    pthread_mutex_unlock(&journal->lock);
    pthread_cond_signal(&journal->wake);
    pthread_join(journal->thread, NULL);
    release(journal);
}

bool journal_append(struct journal *journal, const char *members, size_t size) {
    assert(size >= 2 && members[0] == '{' && members[size - 1] == '}');
    struct line *line = size <= JOURNAL_LINE_MAX ? malloc(sizeof(*line) + size) : NULL;
    if (!line)
        return false;
    line->size = size;
    memcpy(line->members, members, size);
    pthread_mutex_lock(&journal->lock);
    bool taken = journal->waiting_count < JOURNAL_LINES_MAX;
    if (taken) {
        STAILQ_INSERT_TAIL(&journal->waiting, line, entry);
        journal->waiting_count++;
    }
    pthread_mutex_unlock(&journal->lock);
    if (taken)
        pthread_cond_signal(&journal->wake);
    else
        free(line);
    return taken;
}

bool journal_ready(struct journal *journal) {
    pthread_mutex_lock(&journal->lock);
    bool ready = !journal->failing && journal->waiting_count <= JOURNAL_LINES_MAX / 2;
    pthread_mutex_unlock(&journal->lock);
    return ready;
}
