#include "server/queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* A singly linked list under one mutex. `last` is meaningful only while `first` is not NULL. The
 * first `ahead_length` items were pushed ahead, and the last of them is `ahead`. */
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t filled; /* an item was pushed, or the queue was closed */
    struct queue_item *first, *last, *ahead;
    size_t length, capacity, ahead_length;
    bool closed;
};

struct queue *queue_create(size_t capacity) {
    assert(capacity > 0);
    struct queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    queue->capacity = capacity;
    /* With default attributes neither of these can fail on Linux. */
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->filled, NULL);
    return queue;
}

void queue_destroy(struct queue *queue) {
    if (!queue)
        return;
    assert(!queue->first && queue->length == 0);
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

/* Under the lock: behind `before`, NULL: at the front. */
static void insert(struct queue *queue, struct queue_item *before, struct queue_item *item) {
    struct queue_item **place = before ? &before->next : &queue->first;
    if (queue->length == 0 || before == queue->last)
        queue->last = item;
    item->next = queue->length == 0 ? NULL : *place;
    *place = item;
    queue->length++;
}

static bool push(struct queue *queue, struct queue_item *item, bool ahead) {
    pthread_mutex_lock(&queue->lock);
    bool accepted = !queue->closed && queue->length < queue->capacity;
    if (accepted && ahead) {
        insert(queue, queue->ahead_length > 0 ? queue->ahead : NULL, item);
        queue->ahead = item;
        queue->ahead_length++;
    } else if (accepted) {
        insert(queue, queue->length > 0 ? queue->last : NULL, item);
    }
    pthread_mutex_unlock(&queue->lock);
    if (accepted)
        pthread_cond_signal(&queue->filled);
    return accepted;
}

bool queue_push(struct queue *queue, struct queue_item *item) { return push(queue, item, false); }

bool queue_push_ahead(struct queue *queue, struct queue_item *item) {
    return push(queue, item, true);
}

/* Under the lock: cuts up to `most` items from the front. */
static struct queue_item *detach(struct queue *queue, size_t most) {
    struct queue_item *list = queue->first;
    if (!list)
        return NULL;
    queue->ahead_length -= most < queue->ahead_length ? most : queue->ahead_length;
    if (most >= queue->length) {
        queue->first = NULL;
        queue->length = 0;
        return list;
    }
    struct queue_item *end = list;
    for (size_t taken = 1; taken < most; taken++)
        end = end->next;
    queue->first = end->next;
    queue->length -= most;
    end->next = NULL;
    return list;
}

struct queue_item *queue_take(struct queue *queue, size_t most) {
    assert(most > 0);
    pthread_mutex_lock(&queue->lock);
    while (!queue->first && !queue->closed)
        pthread_cond_wait(&queue->filled, &queue->lock);
    struct queue_item *list = detach(queue, most);
    pthread_mutex_unlock(&queue->lock);
    return list;
}

void queue_close(struct queue *queue) {
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    pthread_mutex_unlock(&queue->lock);
    pthread_cond_broadcast(&queue->filled);
}

size_t queue_length(struct queue *queue) {
    pthread_mutex_lock(&queue->lock);
    size_t length = queue->length;
    pthread_mutex_unlock(&queue->lock);
    return length;
}

size_t queue_capacity(const struct queue *queue) { return queue->capacity; }
