/* How many connections an address has, and how often it asks: limits of a listener, off unless they
 * are asked for, since behind a proxy or a translator many people share one address.
 *
 * An IPv6 address stands for its /64, which is what one customer is given. At most CLIENTS_MAX are
 * known at once; beyond that those who asked longest ago, and have no connection, are forgotten:
 * they may begin anew. */
#ifndef FACEPAIR_SERVER_HTTP_CLIENTS_H
#define FACEPAIR_SERVER_HTTP_CLIENTS_H

#include "server/ip.h"
#include "server/rate_limit.h"

enum { CLIENTS_MAX = 65536 }; /* more than any listener has connections */

struct clients_limits {
    unsigned connections_max; /* 0: no limit */
    struct rate_limit rate;   /* per_s 0: no limit */
};

struct clients;
struct clients *clients_create(const struct clients_limits *limits); /* NULL: out of memory */
void clients_destroy(struct clients *clients);                       /* NULL is allowed */

/* Whether it may open one more. */
bool clients_may_connect(const struct clients *clients, const struct ip *ip);
/* False: out of memory; nothing was counted. */
bool clients_connect(struct clients *clients, const struct ip *ip);
void clients_disconnect(struct clients *clients, const struct ip *ip); /* that was counted */

/* False: it asks too often, and may again after *wait_s seconds. */
bool clients_may_ask(struct clients *clients, const struct ip *ip, uint64_t now_us,
                     unsigned *wait_s);
size_t clients_count(const struct clients *clients);

#endif
