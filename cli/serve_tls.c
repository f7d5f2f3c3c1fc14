#include "cli/serve_tls.h"

#include "server/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* False also for a file that cannot be read. Unbuffered: what stands below is a key's secret. */
static bool is_pem(const char *path) {
    FILE *file = fopen(path, "re");
    if (file)
        setvbuf(file, NULL, _IONBF, 0);
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    while (file && !found && getline(&line, &room, file) > 0)
        found = strncmp(line, "-----BEGIN ", strlen("-----BEGIN ")) == 0;
    free(line);
    if (file)
        fclose(file);
    return found;
}

/* GnuTLS says of a key that is none that "the requested data were not available". */
static void name_what_is_no_pem(const struct tls_files *files, struct error *err) {
    const char *const paths[] = {files->certificate, files->key};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (access(paths[i], R_OK) == 0 && !is_pem(paths[i])) {
            (void)error_set(err, STATUS_INTERNAL, "%.200s: is no PEM file", paths[i]);
            return;
        }
}

enum status serve_tls_read(const struct serve_settings *s, struct tls **tls, struct error *err) {
    const struct tls_files files = {
        .certificate = s->tls_certificate, .key = s->tls_key, .client_ca = s->admin_client_ca};
    *tls = NULL;
    if (!files.certificate)
        return STATUS_OK;
    enum status status = tls_read(&files, tls, err);
    if (status != STATUS_OK)
        name_what_is_no_pem(&files, err);
    return status;
}

struct tls_reload {
    struct reload reload; /* first: read() and apply() get it */
    const struct serve_settings *settings;
    struct http_listener *const *listeners;
    size_t count;
    struct tls *tls;
    enum status status;
    struct error err;
};

static void read_anew(struct reload *reload) {
    struct tls_reload *anew = (struct tls_reload *)reload;
    anew->status = serve_tls_read(anew->settings, &anew->tls, &anew->err);
}

static void put_in_force(struct reload *reload) {
    struct tls_reload *anew = (struct tls_reload *)reload;
    if (anew->status == STATUS_OK) {
        for (size_t i = 0; i < anew->count; i++)
            if (anew->listeners[i])
                http_listener_renew(anew->listeners[i], anew->tls);
        tls_release(anew->tls);
        log_event(LOG_INFO, "certificate_reloaded", LOG_STR("file", reload->file));
    } else {
        log_event(LOG_ERROR, "certificate_not_reloaded", LOG_STR("detail", anew->err.detail));
    }
}

enum status serve_tls_start(const struct serve_settings *settings,
                            struct http_listener *const *listeners, size_t count, struct loop *loop,
                            struct reload **started, struct error *err) {
    if (!settings->tls_certificate)
        return STATUS_OK;
    struct tls_reload *anew = calloc(1, sizeof *anew);
    if (!anew)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    *anew = (struct tls_reload){.reload = {.file = settings->tls_certificate,
                                           .late_event = "certificate_reload_waits",
                                           .read = read_anew,
                                           .apply = put_in_force},
                                .settings = settings,
                                .listeners = listeners,
                                .count = count};
    enum status status = reload_start(&anew->reload, "certificate", loop, err);
    if (status == STATUS_OK)
        *started = &anew->reload;
    else
        free(anew);
    return status;
}
