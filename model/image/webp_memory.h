/* libwebp's memory, bounded. A lossless picture, or the alpha of a lossy one, may bring up to
 * 65,536 groups of prefix codes, each with tables of some 9 KiB, in a file of 300 KB: no limit on
 * pixels bounds that. libwebp itself bounds a single allocation (WEBP_MAX_ALLOCABLE_MEMORY), but
 * only when it is built. Each goes through its own WebPSafeMalloc or WebPSafeCalloc, though, which
 * a program may put its own in the place of.
 *
 * What is small must not be refused: 1.2.4 does not bear it everywhere (VP8LHuffmanTablesAllocate
 * leaves `next` unset). */
#ifndef FACEPAIR_MODEL_IMAGE_WEBP_MEMORY_H
#define FACEPAIR_MODEL_IMAGE_WEBP_MEMORY_H

#include <stdint.h>

/* From now on the calling thread is refused whatever is larger. */
void webp_memory_limit(uint64_t bytes);
/* What has become of its requests since: the last one that was refused counts. */
enum webp_memory { WEBP_MEMORY_GIVEN, WEBP_MEMORY_TOO_LARGE, WEBP_MEMORY_NOT_THERE };
enum webp_memory webp_memory_outcome(void);

#endif
