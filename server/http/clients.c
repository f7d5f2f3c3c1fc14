/* A hash table with chains, and a list from who asked last to who asked longest ago. The hash is
 * keyed by chance: whoever may choose his addresses cannot choose those that fall together. */
#include "server/http/clients.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { CHAINS = 16384, V6_BYTES = 8 };

struct client {
    LIST_ENTRY(client) chained;
    TAILQ_ENTRY(client) aged;
    struct ip ip;
    unsigned connections;
    struct rate_bucket bucket;
};
LIST_HEAD(chain, client);

struct clients {
    struct clients_limits limits;
    uint8_t key[crypto_shorthash_KEYBYTES];
    struct chain chains[CHAINS];
    TAILQ_HEAD(ages, client) ages; /* who asked last stands first */
    size_t count;
};

struct clients *clients_create(const struct clients_limits *limits) {
    struct clients *clients = sodium_init() < 0 ? NULL : calloc(1, sizeof *clients);
    if (!clients)
        return NULL;
    clients->limits = *limits;
    randombytes_buf(clients->key, sizeof clients->key);
    TAILQ_INIT(&clients->ages);
    return clients;
}

static void forget(struct clients *clients, struct client *client) {
    LIST_REMOVE(client, chained);
    TAILQ_REMOVE(&clients->ages, client, aged);
    clients->count--;
    free(client);
}

void clients_destroy(struct clients *clients) {
    struct client *client;
    if (!clients)
        return;
    while ((client = TAILQ_FIRST(&clients->ages)))
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): forget() takes out of the list what it frees.
        forget(clients, client);
    free(clients);
}

static struct ip network_of(const struct ip *ip) {
    struct ip network = *ip;
    if (!ip_is_v4(ip))
        memset(network.bytes + V6_BYTES, 0, IP_BYTES - V6_BYTES);
    return network;
}

static size_t chain_of(const struct clients *clients, const struct ip *network) {
    uint64_t hash;
    static_assert(sizeof hash == crypto_shorthash_BYTES, "SipHash-2-4 has 64 bits");
    crypto_shorthash((unsigned char *)&hash, network->bytes, IP_BYTES, clients->key);
    return hash % CHAINS;
}

static struct client *find(const struct clients *clients, const struct ip *ip) {
    struct ip network = network_of(ip);
    struct client *client;
    LIST_FOREACH(client, &clients->chains[chain_of(clients, &network)], chained)
    if (memcmp(&client->ip, &network, sizeof network) == 0)
        return client;
    return NULL;
}

static void make_room(struct clients *clients) {
    struct client *client = TAILQ_LAST(&clients->ages, ages);
    while (client && client->connections > 0)
        client = TAILQ_PREV(client, ages, aged);
    assert(client && "there are fewer connections than CLIENTS_MAX");
    forget(clients, client);
}

/* The one that is there, or a new one; NULL: out of memory. */
static struct client *take(struct clients *clients, const struct ip *ip) {
    struct client *client = find(clients, ip);
    if (client) {
        TAILQ_REMOVE(&clients->ages, client, aged);
        TAILQ_INSERT_HEAD(&clients->ages, client, aged);
        return client;
    }
    if (clients->count == CLIENTS_MAX)
        make_room(clients);
    client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->ip = network_of(ip);
    LIST_INSERT_HEAD(&clients->chains[chain_of(clients, &client->ip)], client, chained);
    TAILQ_INSERT_HEAD(&clients->ages, client, aged);
    clients->count++;
    return client;
}

bool clients_may_connect(const struct clients *clients, const struct ip *ip) {
    unsigned most = clients->limits.connections_max;
    const struct client *client = most > 0 ? find(clients, ip) : NULL;
    return !client || client->connections < most;
}

bool clients_connect(struct clients *clients, const struct ip *ip) {
    struct client *client = take(clients, ip);
    if (client)
        client->connections++;
    return client != NULL;
}

void clients_disconnect(struct clients *clients, const struct ip *ip) {
    struct client *client = find(clients, ip);
    assert(client && client->connections > 0);
    client->connections--;
    if (client->connections == 0 && client->bucket.filled_us == 0) /* it has asked nothing */
        forget(clients, client);
}

bool clients_may_ask(struct clients *clients, const struct ip *ip, uint64_t now_us,
                     unsigned *wait_s) {
    if (clients->limits.rate.per_s <= 0)
        return true;
    struct client *client = take(clients, ip);
    *wait_s = 1;
    return client && rate_bucket_take(&client->bucket, &clients->limits.rate, now_us, wait_s);
}

size_t clients_count(const struct clients *clients) { return clients->count; }
