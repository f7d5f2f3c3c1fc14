/* What `facepair serve` makes of its settings for the service (api/service.h) and its trainer. All
 * that these options point to is the settings' or the caller's own. */
#ifndef FACEPAIR_CLI_SERVE_SERVICE_H
#define FACEPAIR_CLI_SERVE_SERVICE_H

#include "api/service.h"
#include "api/supervisor.h"
#include "cli/serve_settings.h"

/* Whether data sets and jobs are kept in this data directory. A program that may only read it, as
 * an installed one, keeps none, and the log warns; whether it serves all the same is for
 * serve_find_lockout() to say. */
bool serve_may_keep_store(const struct serve_settings *settings, const char *data);
/* Where refusals of subjects are counted; *folder NULL: nowhere, as asked for. STATUS_INTERNAL:
 * nothing names a place for them. */
enum status serve_find_lockout(const struct serve_settings *settings, const char *data,
                               bool keeps_store, const char **folder, struct error *err);
struct supervisor_options serve_trainer_options(const struct serve_settings *settings,
                                                const struct background_place *place);
/* lockout: the folder found above. */
struct service_options serve_service_options(const struct serve_settings *settings,
                                             const char *data, bool keeps_store,
                                             const char *lockout,
                                             const struct supervisor_options *trainer);

#endif
