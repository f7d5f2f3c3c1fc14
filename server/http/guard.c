/* While no key exists, anybody who reaches the port may ask: every web page that the user visits
 * could then make the user's browser ask. Two headers that a page cannot forge tell: Host (a page
 * of another name whose DNS was turned to this address still sends its own name), and Origin or
 * Sec-Fetch-Site. */
#include "server/http/connection.h"

#include <string.h>
#include <strings.h>

static const char *header(const struct http_request *request, const char *name) {
    return http_request_header(request, name);
}

static bool listed(const char *const *list, const char *value) {
    for (; list && *list; list++)
        if (strcasecmp(*list, value) == 0)
            return true;
    return false;
}

/* "name", "name:port", "[::1]:port" -> the name; false when what follows is not a port. */
static bool host_name(const char *host, char *name, size_t name_size) {
    const char *end = host[0] == '[' ? strchr(host, ']') : NULL;
    end = end ? end + 1 : host + strcspn(host, ":");
    size_t size = (size_t)(end - host);
    if (size == 0 || size >= name_size)
        return false;
    if (*end == ':' && end[1 + strspn(end + 1, "0123456789")] != '\0')
        return false;
    if (*end != ':' && *end != '\0')
        return false;
    memcpy(name, host, size);
    name[size] = '\0';
    return true;
}

static bool host_allowed(const struct http_request *request) {
    static const char *const loopback[] = {"localhost", "127.0.0.1", "[::1]", NULL};
    const char *const *allowed = request->listener->application->allowed_hosts;
    const char *host = header(request, "Host");
    char name[256];
    return host && host_name(host, name, sizeof name) &&
           (listed(loopback, name) || listed(allowed, name) || listed(allowed, host));
}

static bool same_origin(const char *origin, const char *host) {
    const char *rest = strncasecmp(origin, "http://", 7) == 0    ? origin + 7
                       : strncasecmp(origin, "https://", 8) == 0 ? origin + 8
                                                                 : NULL;
    return rest && host && strcasecmp(rest, host) == 0;
}

const char *guard_allowed_origin(const struct http_request *request) {
    const char *origin = header(request, "Origin");
    const char *const *allowed = request->listener->application->allowed_origins;
    for (; origin && allowed && *allowed; allowed++)
        if (strcmp(*allowed, origin) == 0)
            return *allowed;
    return NULL;
}

enum status guard_check(const struct http_request *request, struct error *err) {
    if (!host_allowed(request))
        return error_set(err, STATUS_MISDIRECTED_REQUEST,
                         "Without a key only the hosts localhost, 127.0.0.1, [::1] and those "
                         "allowed by option are served.");
    const char *origin = header(request, "Origin"), *site = header(request, "Sec-Fetch-Site");
    if (guard_allowed_origin(request))
        return STATUS_OK;
    bool foreign = origin ? !same_origin(origin, header(request, "Host"))
                          : site && strcasecmp(site, "cross-site") == 0;
    if (foreign || (site && strcasecmp(site, "cross-site") == 0))
        return error_set(err, STATUS_ORIGIN_NOT_ALLOWED,
                         "Web pages of this origin may not call this service.");
    return STATUS_OK;
}
