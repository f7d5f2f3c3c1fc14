/* Asks of the store what the admin API asks, for tests of the trainer alone:
 *
 *     store_tool DATA create MODEL VERSION SPEC     prints the job's id; SPEC is completed
 *     store_tool DATA cancel|pause|resume|delete ID
 *
 * The exit code is 0, or 1 with the status's code on stdout. */
#include "model/finetune/spec.h"
#include "model/store/jobs.h"

#include "server/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUED_MAX = 1000 };

static enum status create(struct store *store, char **arguments, struct error *err) {
    struct finetune_spec spec;
    struct spec_faults faults;
    char id[UID_SIZE], *first;
    size_t size;
    if (!finetune_spec_parse(arguments[2], strlen(arguments[2]), &spec, &faults))
        return error_set(err, STATUS_INVALID_FIELD, "%s: %s", faults.list[0].field,
                         faults.list[0].detail);
    char *text = finetune_spec_write(&spec, &size);
    uid_make(UID_FINE_TUNE, id);
    const struct store_new_job job = {.id = id,
                                      .created_ms = clock_wall_ms(),
                                      .kind = JOB_FINE_TUNE,
                                      .base_model = arguments[0],
                                      .base_version = arguments[1],
                                      .resume_from = spec.resume_from[0] ? spec.resume_from : NULL,
                                      .spec = text,
                                      .queued_max = QUEUED_MAX};
    enum status status = store_job_create(store, &job, NULL, &first, err);
    free(text);
    if (status == STATUS_OK) {
        puts(id);
        fflush(stdout); /* now, so that it is seen what was done before it */
    }
    return status;
}

static enum status ask(struct store *store, const char *what, const char *id, struct error *err) {
    static const struct {
        const char *name;
        enum status (*how)(struct store *store, const char *id, struct error *err);
    } asks[] = {{"cancel", store_job_cancel},
                {"pause", store_job_pause},
                {"resume", store_job_resume},
                {"delete", store_job_delete}};
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
        if (strcmp(asks[i].name, what) == 0)
            return asks[i].how(store, id, err);
    return error_set(err, STATUS_INVALID_FIELD, "no such question");
}

int main(int argc, char **argv) {
    struct store *store = NULL;
    struct error err;
    if (argc < 4)
        return 2;
    const struct store_options options = {.data = argv[1]};
    enum status status = store_open(&options, &store, &err);
    if (status == STATUS_OK)
        status = strcmp(argv[2], "create") == 0 && argc == 6 ? create(store, argv + 3, &err)
                                                             : ask(store, argv[2], argv[3], &err);
    store_close(store);
    if (status != STATUS_OK) {
        puts(status_code(status));
        fprintf(stderr, "store_tool: %s\n", err.detail);
    }
    return status != STATUS_OK;
}
