/* A bounded queue between threads, first in, first out, intrusive: an item embeds a struct
 * queue_item, so pushing allocates nothing.
 *
 * Limit: `capacity` items, declared at creation; a full queue refuses (the caller answers 503), it
 * never blocks a producer. The consumer detaches what it takes. Items are inserted under the lock
 * and the consumer is signalled after unlocking. Ownership: a pushed item belongs to the queue
 * until it is taken; after a refused push it still belongs to the caller. Any thread may call any
 * function but queue_destroy.
 */
#ifndef FACEPAIR_SERVER_QUEUE_H
#define FACEPAIR_SERVER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct queue;
struct queue_item {
    struct queue_item *next;
};

struct queue *queue_create(size_t capacity); /* NULL: out of memory */
void queue_destroy(struct queue *queue);     /* must be empty; NULL is allowed */

bool queue_push(struct queue *queue, struct queue_item *item); /* false: full or closed */
/* Before all that queue_push() has queued, and behind what came ahead earlier. */
bool queue_push_ahead(struct queue *queue, struct queue_item *item);
/* Waits for at least one item and detaches up to `most`, oldest first, as a list. NULL: closed and
 * empty. */
struct queue_item *queue_take(struct queue *queue, size_t most);
/* No push succeeds any more; takers get what is left and then NULL. */
void queue_close(struct queue *queue);

size_t queue_length(struct queue *queue);
size_t queue_capacity(const struct queue *queue);

#endif
