/* What writers that died have left in DATA/models or DATA/datasets, and how a dead writer is told
 * from a live one.
 *
 * Whatever is not finished has a name that no model and no version has: ".new-XXXXXX" while it is
 * filled, ".gone-VERSION" while it is removed, "active.XXXXXX" while a line is written. Readers
 * pass over such names. A writer holds DATA/models by a shared lock for as long as it has such a
 * name, and the kernel drops the lock with the process; whoever gets the lock for itself alone
 * knows that every such name is a dead writer's. Where the file system knows no locks nothing is
 * swept.
 *
 * Disk: for the disk thread and the command line.
 */
#ifndef FACEPAIR_MODEL_LEFTOVERS_H
#define FACEPAIR_MODEL_LEFTOVERS_H

#include <stdbool.h>

/* Before the first temporary name in `models`, which exists; for as long as there may be one. Waits
 * while others sweep. The handle may be -1 (no lock to be had), and is given back by release. */
int leftovers_hold(const char *models);
void leftovers_release(int hold);

/* Removes every unfinished thing in `models` and in the models there, unless somebody holds it.
 * What cannot be removed (a volume that is read-only here) stays. */
void leftovers_sweep(const char *models);
/* The same in one folder, of which the folders below are nobody's business: DATA/datasets. */
void leftovers_sweep_flat(const char *directory);

/* Removes a directory with all that is in it; no symbolic link is followed. False: something
 * stays. */
bool leftovers_remove(const char *path);

#endif
