/* Requests from many connections at once, and what became of them, as one line of JSON.
 *
 *     flood --port N --request FILE… --connections N --seconds S [--rate R] [--requests N]
 *
 * Each FILE is a whole request, header and body, that keeps its connection; they are sent in turn.
 *
 * With --rate the loop is open: requests fall due at even distances whatever became of those
 * before, and what is measured is the time from when a request fell due, not from when a connection
 * was free for it: so a server that stalls is charged for every request that it kept from being
 * sent (coordinated omission). Requests that are still due at the end are counted as unsent.
 * Without --rate each connection sends as soon as it is answered.
 *
 * Answers are ok (200), refused (503), late (504) or others; one is broken when its connection ends
 * or cannot be made. After the end what is under way is still waited for: in_time tells how many
 * answers came before. The gap is the longest time without any answer from the beginning to the
 * end.
 */
#include "server/clock.h"
#include <arpa/inet.h>

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER_MAX = 256 * 1024, EVENTS = 256, REQUESTS_MAX = 1024, LAST_S = 15 };

struct times { /* of answers, in ms */
    float *list;
    size_t count, in_time, capacity;
};

enum outcome { OK, REFUSED, LATE, OTHER, OUTCOMES };

struct request {
    char *bytes;
    size_t size;
};

struct client {
    int fd; /* −1: not connected */
    bool busy;
    const struct request *request;
    size_t sent, got, whole; /* whole: bytes of the answer, 0: not known yet */
    bool close;
    int status;
    uint64_t due_us;
    char answer[4096]; /* its beginning */
};

struct flood {
    struct sockaddr_in address;
    struct request requests[REQUESTS_MAX];
    size_t requests_count, next_request;
    struct client *clients;
    struct client **idle; /* a ring: who was idle for longest is next, so that all stay connected */
    size_t clients_count, idle_first, idle_count, busy_count;
    int epoll;
    double rate, seconds;
    uint64_t most, begun_us, end_us;
    uint64_t due_count, sent_count, answered_count, broken_count;
    struct times times[OUTCOMES];
    uint64_t last_us, gap_us;
};

/* ---- what is told ---- */

static void add_time(struct times *times, double ms) {
    if (times->count == times->capacity) {
        times->capacity = times->capacity ? 2 * times->capacity : 4096;
        times->list = realloc(times->list, times->capacity * sizeof *times->list);
        assert(times->list);
    }
    times->list[times->count++] = (float)ms;
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double quantile(const struct times *times, double share) {
    return times->count ? times->list[(size_t)(share * (double)(times->count - 1))] : 0;
}

static void tell(struct flood *flood) {
    static const char *const names[OUTCOMES] = {"ok", "refused", "late", "other"};
    printf("{\"seconds\": %.3f, \"sent\": %llu, \"unsent\": %llu, \"broken\": %llu, "
           "\"unanswered\": %zu, \"gap_ms\": %.1f",
           (double)(flood->end_us - flood->begun_us) / 1e6, (unsigned long long)flood->sent_count,
           (unsigned long long)(flood->due_count - flood->sent_count),
           (unsigned long long)flood->broken_count, flood->busy_count, (double)flood->gap_us / 1e3);
    for (int i = 0; i < OUTCOMES; i++) {
        struct times *times = &flood->times[i];
        if (times->count)
            qsort(times->list, times->count, sizeof *times->list, by_size);
        printf(", \"%s\": {\"count\": %zu, \"in_time\": %zu, \"p50\": %.3f, \"p99\": %.3f, "
               "\"max\": %.3f}",
               names[i], times->count, times->in_time, quantile(times, 0.5), quantile(times, 0.99),
               quantile(times, 1));
    }
    printf("}\n");
}

/* ---- a connection ---- */

static void watch(struct flood *flood, struct client *client, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = client};
    int failure = epoll_ctl(flood->epoll, operation, client->fd, &event);
    assert(!failure);
    (void)failure;
}

static void disconnect(struct client *client) {
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

static void rest(struct flood *flood, struct client *client) {
    client->busy = false;
    flood->busy_count--;
    flood->idle[(flood->idle_first + flood->idle_count++) % flood->clients_count] = client;
}

static void broken(struct flood *flood, struct client *client) {
    flood->broken_count++;
    disconnect(client);
    rest(flood, client);
}

static bool connect_client(struct flood *flood, struct client *client) {
    int on = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (client->fd < 0)
        return false;
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (struct sockaddr *)&flood->address, sizeof flood->address) != 0 &&
        errno != EINPROGRESS)
        return false;
    watch(flood, client, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT | EPOLLET);
    return true;
}

static void send_more(struct flood *flood, struct client *client) {
    while (client->sent < client->request->size) {
        ssize_t sent = send(client->fd, client->request->bytes + client->sent,
                            client->request->size - client->sent, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN))
            return;
        if (sent < 0) /* it may have been answered early: reading tells */
            return;
        client->sent += (size_t)sent;
    }
    (void)flood;
}

static void begin(struct flood *flood, uint64_t due_us) {
    struct client *client = flood->idle[flood->idle_first];
    flood->idle_first = (flood->idle_first + 1) % flood->clients_count;
    flood->idle_count--;
    client->busy = true;
    flood->busy_count++;
    client->request = &flood->requests[flood->next_request++ % flood->requests_count];
    client->sent = client->got = client->whole = 0;
    client->due_us = due_us;
    flood->sent_count++;
    if (client->fd < 0 && !connect_client(flood, client))
        broken(flood, client);
    else
        send_more(flood, client);
}

/* ---- an answer ---- */

static void read_head(struct client *client) {
    size_t kept = client->got < sizeof client->answer - 1 ? client->got : sizeof client->answer - 1;
    client->answer[kept] = '\0';
    const char *end = strstr(client->answer, "\r\n\r\n");
    if (!end)
        return;
    client->status = (int)strtol(client->answer + strlen("HTTP/1.1 "), NULL, 10);
    const char *length = strcasestr(client->answer, "\r\nContent-Length:");
    const char *close = strcasestr(client->answer, "\r\nConnection: close");
    client->close = close && close < end;
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    client->whole = (size_t)(end + 4 - client->answer) + body;
}

static void answered(struct flood *flood, struct client *client) {
    uint64_t now = clock_monotonic_us();
    enum outcome outcome = client->status == 200   ? OK
                           : client->status == 503 ? REFUSED
                           : client->status == 504 ? LATE
                                                   : OTHER;
    add_time(&flood->times[outcome], (double)(now - client->due_us) / 1e3);
    bool in_time = now < flood->end_us;
    flood->times[outcome].in_time += in_time;
    if (in_time && now - flood->last_us > flood->gap_us)
        flood->gap_us = now - flood->last_us;
    flood->last_us = now;
    flood->answered_count++;
    if (client->close || client->sent < client->request->size)
        disconnect(client);
    rest(flood, client);
}

static void receive(struct flood *flood, struct client *client) {
    static char dropped[ANSWER_MAX];
    while (client->fd >= 0) {
        bool head = client->got < sizeof client->answer - 1;
        char *to = head ? client->answer + client->got : dropped;
        size_t room = head ? sizeof client->answer - 1 - client->got : sizeof dropped;
        ssize_t got = recv(client->fd, to, room, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0 && client->busy) {
            broken(flood, client);
            return;
        }
        if (got <= 0 || !client->busy) { /* closed between two requests */
            disconnect(client);
            return;
        }
        client->got += (size_t)got;
        if (!client->whole)
            read_head(client);
        if (client->whole && client->got >= client->whole) {
            answered(flood, client);
            return;
        }
    }
}

/* ---- the run ---- */

static bool over(const struct flood *flood, uint64_t now) {
    return now >= flood->end_us || (flood->most && flood->sent_count >= flood->most);
}

/* Request number n, from 0, falls due n / rate seconds after the beginning. */
static void send_what_is_due(struct flood *flood, uint64_t now) {
    if (flood->rate > 0) {
        uint64_t due = 1 + (uint64_t)((double)(now - flood->begun_us) / 1e6 * flood->rate);
        flood->due_count = due > flood->due_count ? due : flood->due_count;
        while (flood->sent_count < flood->due_count && flood->idle_count > 0)
            begin(flood,
                  flood->begun_us + (uint64_t)((double)flood->sent_count / flood->rate * 1e6));
        return;
    }
    for (size_t n = flood->idle_count; n-- > 0 && !over(flood, now);)
        begin(flood, clock_monotonic_us());
    flood->due_count = flood->sent_count;
}

static void turn(struct flood *flood, uint64_t wait_us) {
    struct epoll_event events[EVENTS];
    struct timespec timeout = {.tv_sec = (time_t)(wait_us / 1000000),
                               .tv_nsec = (long)(wait_us % 1000000) * 1000};
    int count = epoll_pwait2(flood->epoll, events, EVENTS, &timeout, NULL);
    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;
        if (client->busy && client->fd >= 0 && (events[i].events & EPOLLOUT))
            send_more(flood, client);
        if (client->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT))
            receive(flood, client);
    }
}

static void run(struct flood *flood) {
    flood->begun_us = flood->last_us = clock_monotonic_us();
    flood->end_us = flood->begun_us + (uint64_t)(flood->seconds * 1e6);
    uint64_t now;
    while (!over(flood, now = clock_monotonic_us())) {
        send_what_is_due(flood, now);
        uint64_t next =
            flood->rate > 0 && flood->idle_count > 0
                ? flood->begun_us + (uint64_t)((double)flood->due_count / flood->rate * 1e6)
                : now + 100000;
        now = clock_monotonic_us();
        turn(flood, next > now ? next - now : 0);
    }
    if (now < flood->end_us)
        flood->end_us = now;
    if (flood->end_us > flood->last_us + flood->gap_us)
        flood->gap_us = flood->end_us - flood->last_us;
    uint64_t last = now + (uint64_t)LAST_S * 1000000;
    while (flood->busy_count > 0 && clock_monotonic_us() < last)
        turn(flood, 100000);
}

static void read_request(struct flood *flood, const char *path) {
    assert(flood->requests_count < REQUESTS_MAX);
    struct request *request = &flood->requests[flood->requests_count++];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    request->size = (size_t)ftell(file);
    rewind(file);
    request->bytes = malloc(request->size);
    if (!request->bytes || fread(request->bytes, 1, request->size, file) != request->size) {
        perror(path);
        exit(2);
    }
    fclose(file);
}

static void open_clients(struct flood *flood) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    flood->epoll = epoll_create1(0);
    flood->clients = calloc(flood->clients_count, sizeof *flood->clients);
    flood->idle = calloc(flood->clients_count, sizeof *flood->idle);
    assert(flood->epoll >= 0 && flood->clients && flood->idle);
    for (size_t i = 0; i < flood->clients_count; i++) {
        flood->clients[i].fd = -1;
        flood->idle[flood->idle_count++] = &flood->clients[i];
    }
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"request", required_argument, NULL, 'f'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"connections", required_argument, NULL, 'c'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"requests", required_argument, NULL, 'n'},
                                            {NULL, 0, NULL, 0}};
    static struct flood flood = {.address = {.sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f},
                                 .clients_count = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'p':
            flood.address.sin_port = htons((uint16_t)strtoul(optarg, NULL, 10));
            break;
        case 'f':
            read_request(&flood, optarg);
            break;
        case 's':
            flood.seconds = strtod(optarg, NULL);
            break;
        case 'c':
            flood.clients_count = (size_t)atol(optarg);
            break;
        case 'r':
            flood.rate = strtod(optarg, NULL);
            break;
        case 'n':
            flood.most = (uint64_t)atoll(optarg);
            break;
        default:
            return 2;
        }
    if (flood.requests_count == 0 || flood.seconds <= 0)
        return 2;
    open_clients(&flood);
    run(&flood);
    tell(&flood);
    return 0;
}
