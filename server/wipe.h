/* Memory that held what a client sent or is told: photographs, embeddings, keys. */
#ifndef FACEPAIR_SERVER_WIPE_H
#define FACEPAIR_SERVER_WIPE_H

/* Overwrites all of a block from malloc, whatever was asked for of it, and frees it. NULL is
 * allowed. Fits where a free() is asked for. */
void wipe_and_free(void *memory);

/* Overwrites what calls that have returned left on this thread's stack, 64 KiB down from here:
 * registers full of pixels or of an embedding are saved there. To be called when a piece of work is
 * done; it takes two microseconds. */
void wipe_stack(void);

#endif
