/* A few large blocks of memory, overwritten, kept for the next user.
 *
 * The service has malloc map each large block by itself and give it back to the kernel when it is
 * freed (cli/serve.c): what libraries leave in theirs is gone then, and heaps get no holes. For the
 * blocks that each request needs anew that is dear: the kernel zeroes every page when it is first
 * touched, only to take it away milliseconds later. Those of ours, which are overwritten anyway, go
 * round here instead.
 *
 * A spare is one thread's own: its blocks are taken and given on that thread, though any other may
 * use one in between. Wherever a spare is asked for it may be NULL: then a block comes from malloc,
 * is overwritten and freed, and nothing is kept.
 */
#ifndef FACEPAIR_SERVER_SPARE_H
#define FACEPAIR_SERVER_SPARE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Smaller blocks are never kept. It is also the size from which on the service has malloc map a
 * block: what is smaller lies on a heap, where the next malloc finds it without the kernel. */
enum { SPARE_BLOCK_MIN = 256 * 1024 };

struct spare;

/* bytes_max: of all blocks that are kept, which stay resident; 0 keeps none. NULL: out of memory.
 */
struct spare *spare_create(size_t bytes_max);
void spare_destroy(struct spare *spare); /* when all blocks were given back; NULL allowed */

/* A block of at least `size` bytes with anything in it: of those that are kept the one that fits
 * best, unless it is more than twice as large (whoever budgets by what was asked for is off by no
 * more than that); else from malloc. NULL: out of memory. */
void *spare_take(struct spare *spare, size_t size);
/* Overwrites the first `used` bytes, all that were written since it was taken, and keeps the block;
 * for that the oldest of the others are freed, or itself where it alone is too large. NULL allowed.
 */
void spare_give(struct spare *spare, void *block, size_t used);
size_t spare_bytes(const struct spare *spare); /* kept now; for tests */

#ifdef __cplusplus
}
#endif
#endif
