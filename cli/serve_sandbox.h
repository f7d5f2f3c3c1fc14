/* How `facepair serve` gives up what it does not need: --user, --no-sandbox, --core-dumps. */
#ifndef FACEPAIR_CLI_SERVE_SANDBOX_H
#define FACEPAIR_CLI_SERVE_SANDBOX_H

#include "cli/serve_settings.h"
#include "server/status.h"

/* Becomes --user for good, gains nothing by what it executes, and may not be dumped. Once the ports
 * are bound, and before there are threads. STATUS_INTERNAL. */
enum status serve_give_up(const struct serve_settings *settings, struct error *err);

/* Is confined to reading what the settings name and changing the record of decisions and, where
 * changes_data, the data directory. The log tells what of it holds. Before any file is opened that
 * must not be reachable by another way, and before there are threads. */
void serve_confine(const struct serve_settings *settings, const char *data, bool changes_data,
                   bool starts_trainer);

#endif
