/* What must survive the process: jobs, their events and checkpoints, data sets, promotions. One
 * SQLite file, DATA/store.sqlite, that several processes of one host share: the service and its
 * trainer.
 *
 *     job_state.h  the states and the ways between them
 *     jobs.h       what a caller asks of jobs: create, list, cancel, pause, resume, delete
 *     runner.h     what the process that runs them does: claim, renew, tell, finish
 *     events.h     what happened to a job, numbered
 *     datasets.h   data sets, and who uses them
 *     promotions.h what became active and why; the wishes of jobs that wait for it
 *
 * Every call that changes something is one transaction, on disk when it returns (write-ahead log,
 * synchronous FULL). Processes wait for each other, at most `busy_ms`, then the call is
 * STATUS_OVERLOADED. In common to all calls: STATUS_STORAGE_FULL when the disk is full (nothing has
 * changed, and the store goes on once there is room), STATUS_INTERNAL with SQLite's cause; neither
 * is repeated below. err->detail of a status below 500 may be shown to a client.
 *
 * A handle belongs to one thread at a time and waits for disks: for the disk thread, the trainer
 * and the command line, never for the loop. Times are milliseconds since the Unix epoch, 0 where
 * there is none yet. Texts are UTF-8. What a call hands out is the caller's and ends with its
 * release; a call that fails hands out nothing (NULL).
 */
#ifndef FACEPAIR_MODEL_STORE_STORE_H
#define FACEPAIR_MODEL_STORE_STORE_H

#include "server/status.h"

#include <stdint.h>

struct store;

struct store_options {
    const char *data;         /* the data directory, which exists; borrowed during the open */
    unsigned busy_ms;         /* 0: 5,000 */
    uint64_t (*now_ms)(void); /* NULL: clock_wall_ms */
};

/* Opens or makes the file, and brings one of an older version forward. STATUS_INTERNAL, with a line
 * for the operator: a newer version than this program knows, a network file system (locks and the
 * write-ahead log's shared memory do not work there), a file that is no store. */
enum status store_open(const struct store_options *options, struct store **store,
                       struct error *err);
void store_close(struct store *store); /* NULL is allowed */

/* The name of a file system that the store refuses by its statfs f_type ("NFS"); NULL: it is not
 * refused. */
const char *store_refused_file_system(unsigned long f_type);

#endif
