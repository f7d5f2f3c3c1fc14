/* Memory that held what a client sent or is told: photographs, embeddings, keys. */
#ifndef FACEPAIR_SERVER_WIPE_H
#define FACEPAIR_SERVER_WIPE_H

/* Overwrites all of a block from malloc, whatever was asked for of it, and frees it. NULL is
 * allowed. Fits where a free() is asked for. */
void wipe_and_free(void *memory);

#endif
