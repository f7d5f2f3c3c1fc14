/* `facepair audit FILE…`: is this record one unbroken chain? */
#include "cli/command.h"
#include "server/journal.h"

#include <inttypes.h>
#include <stdio.h>

int cli_audit(int argc, char **argv) {
    const struct options options = {
        .command = "audit",
        .arguments = "FILE …",
        .arguments_min = 1,
        .arguments_max = OPTIONS_ARGUMENTS_MAX,
        .summary =
            "Checks records that `facepair serve --audit FILE` wrote: that each line follows "
            "the one\nbefore it, unchanged. Several files: oldest first (FILE.0000…, then "
            "FILE)."};
    struct options_arguments arguments;
    struct error err;
    uint64_t lines;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    if (journal_check(arguments.values, arguments.count, &lines, &err) != STATUS_OK)
        return cli_failed(options.command, err.detail);
    printf("%" PRIu64 " lines, unbroken\n", lines);
    return cli_flushed(options.command);
}
