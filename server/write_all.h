/* write() until all is written. */
#ifndef FACEPAIR_SERVER_WRITE_ALL_H
#define FACEPAIR_SERVER_WRITE_ALL_H

#include <stdbool.h>
#include <stddef.h>

/* False: errno says why; some of it may have been written. */
bool write_all(int fd, const char *bytes, size_t size);

#endif
