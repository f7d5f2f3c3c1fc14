#include "cli/serve_tls.h"

#include "api/disk.h"
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

struct reload {
    struct disk_task task; /* first: work() and back() get it */
    const struct serve_settings *settings;
    struct http_listener *const *listeners;
    size_t count;
    struct tls *tls;
    enum status status;
    struct error err;
};

static void read_anew(struct disk_task *task) {
    struct reload *reload = (struct reload *)task;
    reload->status = serve_tls_read(reload->settings, &reload->tls, &reload->err);
}

static void put_in_force(struct disk_task *task) {
    struct reload *reload = (struct reload *)task;
    if (reload->status == STATUS_OK) {
        for (size_t i = 0; i < reload->count; i++)
            if (reload->listeners[i])
                http_listener_renew(reload->listeners[i], reload->tls);
        tls_release(reload->tls);
        log_event(LOG_INFO, "certificate_reloaded",
                  LOG_STR("file", reload->settings->tls_certificate));
    } else {
        log_event(LOG_ERROR, "certificate_not_reloaded", LOG_STR("detail", reload->err.detail));
    }
    free(reload);
}

void serve_tls_reload(struct service *service, const struct serve_settings *settings,
                      struct http_listener *const *listeners, size_t count) {
    if (!settings->tls_certificate)
        return;
    struct reload *reload = calloc(1, sizeof *reload);
    if (!reload) {
        log_event(LOG_ERROR, "certificate_not_reloaded", LOG_STR("detail", "out of memory"));
        return;
    }
    *reload = (struct reload){.task = {.service = service, .work = read_anew, .back = put_in_force},
                              .settings = settings,
                              .listeners = listeners,
                              .count = count};
    if (!disk_submit_or_wait(&reload->task))
        log_event(LOG_WARN, "certificate_reload_waits",
                  LOG_STR("detail", "too much waits for the disk"));
}
