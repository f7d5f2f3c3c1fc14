/* A client of a listener on 127.0.0.1, of plain sockets: it says what no library would. */
#ifndef FACEPAIR_TESTS_HTTP_CLIENT_H
#define FACEPAIR_TESTS_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct response {
    int status; /* 0: the connection ended before an answer */
    char head[4096];
    char body[4096]; /* its beginning */
    size_t body_size;
};

int client_connect(unsigned port);
bool client_send(int fd, const void *bytes, size_t size); /* false: the server has closed */
bool client_send_zeros(int fd, size_t size);              /* likewise */
void client_say(int fd, const char *text);
/* The next answer on the connection; `head_only` for the answer to HEAD. */
void client_read(int fd, struct response *response, bool head_only);
bool client_ended(int fd); /* the server closes without another byte, within 10 s */
/* The value of a header of the answer into `value`; "" when absent. */
const char *response_header(const struct response *response, const char *name, char *value,
                            size_t value_size);
/* Connects, says `text`, reads one answer, closes. */
void client_ask(unsigned port, const char *text, struct response *response);

#endif
