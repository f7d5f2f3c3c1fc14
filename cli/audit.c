/* `facepair audit FILE…`: is this record one unbroken chain, and does it end where it should? */
#include "cli/command.h"
#include "server/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_hash(const char *text) {
    return strlen(text) == JOURNAL_HASH_TEXT &&
           strspn(text, "0123456789abcdef") == JOURNAL_HASH_TEXT;
}

static void print_chain(const struct journal_chain *chain) {
    printf("%" PRIu64 " lines, unbroken\n", chain->lines);
    if (chain->lines == 0)
        return;
    printf("first %" PRIu64 ", last %" PRIu64 ", whose hash is %s\n", chain->first, chain->last,
           chain->hash);
    if (chain->first > 1)
        printf("it does not begin at 1: lines 1 to %" PRIu64 " are not in these files\n",
               chain->first - 1);
}

static int audit(const struct options *options, const struct options_arguments *files,
                 const char *expected) {
    struct journal_chain chain;
    struct error err;
    if (journal_check(files->values, files->count, &chain, &err) != STATUS_OK)
        return cli_failed(options->command, err.detail);
    print_chain(&chain);
    int code = cli_flushed(options->command);
    if (code == EXIT_DONE && expected && strcmp(chain.hash, expected) != 0)
        return cli_failed(options->command,
                          "the last line has not the hash of --expect-last: lines "
                          "are missing at the end or were added, or it was changed");
    return code;
}

int cli_audit(int argc, char **argv) {
    const char *expected = NULL;
    const struct option_spec table[] = {
        {"expect-last", "HASH", "fail unless the last line has this hash, as it was printed before",
         OPTION_STRING, .to.string = &expected},
    };
    const struct options options = {
        .command = "audit",
        .arguments = "FILE …",
        .arguments_min = 1,
        .arguments_max = OPTIONS_ARGUMENTS_MAX,
        .summary =
            "Checks records that `facepair serve --audit FILE` wrote: that each line follows "
            "the one\nbefore it, unchanged. Several files: oldest first (FILE.0000…, then "
            "FILE).\nThe files alone cannot tell that lines are missing at the end or the "
            "beginning, or that\nthe last one was changed: keep the hash of the last line "
            "elsewhere.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    if (expected && !is_hash(expected))
        return options_mistake(&options, "--expect-last is 64 hexadecimal digits, small letters");
    return audit(&options, &arguments, expected);
}
