#ifndef FACEPAIR_SERVER_HTTP_HEARD_H
#define FACEPAIR_SERVER_HTTP_HEARD_H

#include <stdbool.h>

/* A byte has come on this TCP socket since it was connected, read or not. False, where the kernel
 * does not tell. */
bool socket_has_heard(int fd);

#endif
