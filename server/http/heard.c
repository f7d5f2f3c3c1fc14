/* Whether a client has said anything yet. The kernel counts what has come; the C library's own
 * struct tcp_info ends before that count, and the two cannot be included side by side. */
#include "server/http/heard.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

bool socket_has_heard(int fd) {
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_bytes_received > 0;
}
