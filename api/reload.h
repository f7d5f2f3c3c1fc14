/* A file that is read anew while it serves (the callers' keys, certificates), on a thread of its
 * own: the disk thread may be held for long, and for ever where a models volume hangs, and a key
 * that was revoked would be valid all the time.
 *
 * One reading at a time. Who asks meanwhile has it read once more, since the file may have changed
 * behind the reader. That a reading has not come back for RELOAD_LATE_MS is told by the log, once.
 */
#ifndef FACEPAIR_API_RELOAD_H
#define FACEPAIR_API_RELOAD_H

#include "server/loop.h"
#include "server/pool.h"

enum { RELOAD_LATE_MS = 3000 };

struct reload {
    struct pool_task task; /* first: the pool's own */
    struct loop_message message;
    uv_timer_t late;
    struct loop *loop;
    struct pool *pool;
    bool under_way, again;

    /* What follows is set before reload_start. */
    const char *file, *late_event;        /* as the log tells them */
    void (*read)(struct reload *reload);  /* on the thread */
    void (*apply)(struct reload *reload); /* on the loop, afterwards */
};

/* reload: from malloc, and the beginning of its owner's struct; zeroed but for what is to be set.
 * It is taken with STATUS_OK. name: the thread's. */
enum status reload_start(struct reload *reload, const char *name, struct loop *loop,
                         struct error *err);
/* Loop thread. NULL is allowed. */
void reload_ask(struct reload *reload);
/* As pool_end_by. NULL is allowed. */
bool reload_end_by(struct reload *reload, uint64_t until_us);
/* Loop thread, when the loop no longer runs: joins the thread. What it has read is still applied by
 * loop_flush or loop_destroy; the latter frees it. NULL is allowed. */
void reload_stop(struct reload *reload);

#endif
