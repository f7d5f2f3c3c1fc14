/* The options of a subcommand: one table says what they are called, what they mean, what they
 * accept and where the value goes; usage, parsing and the environment all follow from it.
 *
 * Every option "listen" is also the environment variable FACEPAIR_LISTEN ("max-fmr":
 * FACEPAIR_MAX_FMR); the command line wins over it, and it over the destination's initial value,
 * which is the default. Accepted: --name value, --name=value, a flag as --name; "--" ends the
 * options. A flag's environment variable is 1/true/yes/on or 0/false/no/off. An option given twice
 * on the command line is wrong usage, except a list, which collects.
 *
 *     struct serve_settings s = {.listen = "127.0.0.1:8080", .pairs_max = 64};
 *     const struct option_spec table[] = {
 *         {"listen", "A:P", "address of the public listener", OPTION_STRING, .to.string =
 * &s.listen},
 *         {"queue", "N", "pairs that may wait", OPTION_INTEGER, .to.integer = &s.pairs_max,
 *          .integer = {1, 100000}},
 *         {"insecure", NULL, "listen beyond loopback without keys", OPTION_FLAG,
 *          .to.flag = &s.insecure},
 *         {"role", "ROLE", "what this process does", OPTION_CHOICE, .to.choice = &s.role,
 *          .choices = ROLES},
 *     };
 *     const struct options options = {.command = "serve", .summary = "Serves …",
 *                                     .table = table, .count = OPTIONS_COUNT(table)};
 *     struct options_arguments arguments;
 *     int code;
 *     if (!options_parse(&options, argc, argv, &arguments, &code))
 *         return code;
 */
#ifndef FACEPAIR_CLI_OPTIONS_H
#define FACEPAIR_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the program exits with. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NOT_ONE_PERSON = 3 };

enum { OPTION_LIST_MAX = 32, OPTIONS_ARGUMENTS_MAX = 64 };

enum option_type {
    OPTION_FLAG,
    OPTION_STRING,  /* not empty */
    OPTION_INTEGER, /* decimal, within .integer */
    OPTION_REAL,    /* finite decimal, within .real */
    OPTION_CHOICE,  /* one of .choices; the destination gets its index */
    OPTION_LIST     /* repeatable, and each value may be several separated by commas */
};

/* values ends with NULL, so that it can be handed on as a `const char *const *`. */
struct option_list {
    const char *values[OPTION_LIST_MAX + 1]; /* owned */
    size_t count;
};
void option_list_release(struct option_list *list);

struct option_spec {
    const char *name;
    const char *argument; /* as the usage calls it; NULL for a flag */
    const char *help;     /* the default is told here where it matters */
    enum option_type type;
    union {
        bool *flag;
        const char **string; /* borrowed from argv or the environment */
        int64_t *integer;
        double *real;
        unsigned *choice;
        struct option_list *list;
    } to;
    struct {
        int64_t min, max;
    } integer;
    struct {
        double min, max;
    } real;
    const char *const *choices; /* NULL at the end */
};
#define OPTIONS_COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct options {
    const char *command;   /* "evaluate" */
    const char *arguments; /* the positional ones, as the usage shows them: "MODEL"; NULL: none */
    size_t arguments_min, arguments_max;
    const char *summary; /* what the subcommand does, for --help */
    const struct option_spec *table;
    size_t count;
};

struct options_arguments {
    const char *values[OPTIONS_ARGUMENTS_MAX]; /* borrowed from argv */
    size_t count;
};

/* argv[0] is the subcommand's name. True: go on. False: leave with *exit_code; --help has been
 * printed to stdout (0), or one line about the mistake and a hint to stderr (2). */
bool options_parse(const struct options *options, int argc, char **argv,
                   struct options_arguments *arguments, int *exit_code);

/* Warns in the log of each FACEPAIR_… variable that is no option of this command's, and of nothing
 * else's that is known here: one that is misspelt would do nothing, unseen. It is no mistake, since
 * Kubernetes names variables after a Service called facepair. */
void options_warn_of_variables(const struct options *options);

/* A mistake that the table cannot express ("--max-fmr and --threshold exclude each other"): the
 * line and the hint on stderr; returns EXIT_USAGE. */
int options_mistake(const struct options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
