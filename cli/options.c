/* Two passes over two sources: the command line first, which marks what it has set, then the
 * environment for what is left. Both end in set_value(), so a value means the same in both. */
#include "cli/options.h"

#include "server/log.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPTIONS_MAX = 96, VARIABLE_SIZE = 64, MISTAKE_SIZE = 256, COLUMN = 28, USAGE_WIDTH = 100 };

struct parse {
    const struct options *options;
    bool seen[OPTIONS_MAX];
    char mistake[MISTAKE_SIZE];
};

static bool mistaken(struct parse *parse, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool mistaken(struct parse *parse, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parse->mistake, sizeof(parse->mistake), format, arguments);
    va_end(arguments);
    return false;
}

static int print_mistake(const struct options *options, const char *mistake) {
    fprintf(stderr, "facepair %s: %s\nTry `facepair %s --help`.\n", options->command, mistake,
            options->command);
    return EXIT_USAGE;
}

int options_mistake(const struct options *options, const char *format, ...) {
    char mistake[MISTAKE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(mistake, sizeof(mistake), format, arguments);
    va_end(arguments);
    return print_mistake(options, mistake);
}

/* ---- usage ---- */

/* "max-fmr" -> "FACEPAIR_MAX_FMR" */
static void variable_name(const char *option, char name[VARIABLE_SIZE]) {
    int length = snprintf(name, VARIABLE_SIZE, "FACEPAIR_%s", option);
    assert(length > 0 && length < VARIABLE_SIZE);
    for (char *p = name; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

/* Wraps the help at word ends into the column right of the names. */
static void print_help_text(const char *help) {
    size_t room = USAGE_WIDTH - COLUMN;
    while (strlen(help) > room) {
        size_t cut = room;
        while (cut > 0 && help[cut] != ' ')
            cut--;
        if (cut == 0)
            break;
        printf("%.*s\n%*s", (int)cut, help, COLUMN, "");
        help += cut + 1;
    }
    printf("%s\n", help);
}

static void print_option(const struct option_spec *option) {
    char name[128];
    int length = snprintf(name, sizeof(name), "  --%s%s%s", option->name,
                          option->argument ? " " : "", option->argument ? option->argument : "");
    if (length >= COLUMN - 1)
        printf("%s\n%*s", name, COLUMN, "");
    else
        printf("%-*s", COLUMN, name);
    print_help_text(option->help);
}

static void print_usage(const struct options *options) {
    printf("Usage: facepair %s%s%s%s\n\n%s\n\n", options->command, options->arguments ? " " : "",
           options->arguments ? options->arguments : "", options->count ? " [options]" : "",
           options->summary);
    for (size_t i = 0; i < options->count; i++)
        print_option(&options->table[i]);
    print_option(&(struct option_spec){.name = "help", .help = "print this and leave"});
    if (options->count > 0) {
        char variable[VARIABLE_SIZE];
        variable_name(options->table[0].name, variable);
        printf("\nEvery option is also an environment variable: --%s is %s. There a flag is 1 or\n"
               "0, and a list is separated by commas. The command line wins.\n",
               options->table[0].name, variable);
    }
}

static bool asks_for_help(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* ---- values ---- */

void option_list_release(struct option_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free((char *)list->values[i]);
    memset(list, 0, sizeof(*list));
}

static bool add_to_list(struct parse *parse, const char *called, struct option_list *list,
                        const char *text) {
    while (*text) {
        size_t length = strcspn(text, ",");
        if (length > 0 && list->count == OPTION_LIST_MAX)
            return mistaken(parse, "%s takes at most %d values", called, OPTION_LIST_MAX);
        if (length > 0) {
            char *copy = strndup(text, length);
            if (!copy)
                return mistaken(parse, "out of memory");
            list->values[list->count++] = copy;
        }
        text += length + (text[length] == ',');
    }
    return true;
}

static bool set_integer(struct parse *parse, const char *called, const struct option_spec *option,
                        const char *text) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end || isspace((unsigned char)*text) || value < option->integer.min ||
        value > option->integer.max)
        return mistaken(parse, "%s must be a whole number from %lld to %lld", called,
                        (long long)option->integer.min, (long long)option->integer.max);
    *option->to.integer = value;
    return true;
}

/* Decimal only: strtod would also take nan, inf and hexadecimal. */
static bool set_real(struct parse *parse, const char *called, const struct option_spec *option,
                     const char *text) {
    char *end;
    double value = strtod(text, &end);
    bool decimal = strspn(text, "0123456789.eE+-") == strlen(text);
    if (!decimal || *end || !isfinite(value) || value < option->real.min ||
        value > option->real.max)
        return mistaken(parse, "%s must be a number from %g to %g", called, option->real.min,
                        option->real.max);
    *option->to.real = value;
    return true;
}

static bool set_choice(struct parse *parse, const char *called, const struct option_spec *option,
                       const char *text) {
    char known[128] = "";
    for (unsigned i = 0; option->choices[i]; i++) {
        if (strcmp(text, option->choices[i]) == 0) {
            *option->to.choice = i;
            return true;
        }
        size_t length = strlen(known);
        snprintf(known + length, sizeof(known) - length, "%s%s", i ? ", " : "", option->choices[i]);
    }
    return mistaken(parse, "%s must be one of %s", called, known);
}

static bool set_flag(struct parse *parse, const char *called, const struct option_spec *option,
                     const char *text) {
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            *option->to.flag = i % 2 == 1;
            return true;
        }
    }
    return mistaken(parse, "%s must be 1 or 0", called);
}

/* called: "--listen" or "FACEPAIR_LISTEN", for the sentence about a mistake. */
static bool set_value(struct parse *parse, const char *called, const struct option_spec *option,
                      const char *text) {
    if (!*text)
        return mistaken(parse, "%s must not be empty", called);
    switch (option->type) {
    case OPTION_FLAG:
        return set_flag(parse, called, option, text);
    case OPTION_STRING:
        *option->to.string = text;
        return true;
    case OPTION_INTEGER:
        return set_integer(parse, called, option, text);
    case OPTION_REAL:
        return set_real(parse, called, option, text);
    case OPTION_CHOICE:
        return set_choice(parse, called, option, text);
    case OPTION_LIST:
        return add_to_list(parse, called, option->to.list, text);
    }
    return false;
}

/* ---- the two passes ---- */

static const struct option_spec *find(const struct options *options, const char *name,
                                      size_t length) {
    for (size_t i = 0; i < options->count; i++)
        if (strlen(options->table[i].name) == length &&
            memcmp(options->table[i].name, name, length) == 0)
            return &options->table[i];
    return NULL;
}

/* Takes argv[*index], which begins with "--", and its value, which may be the next one. */
static bool take_option(struct parse *parse, int argc, char **argv, int *index) {
    const char *text = argv[*index] + 2;
    size_t length = strcspn(text, "=");
    const struct option_spec *option = find(parse->options, text, length);
    if (!option)
        return mistaken(parse, "there is no option --%.*s", (int)length, text);
    char called[VARIABLE_SIZE];
    snprintf(called, sizeof(called), "--%s", option->name);
    bool *seen = &parse->seen[option - parse->options->table];
    if (*seen && option->type != OPTION_LIST)
        return mistaken(parse, "%s is given twice", called);
    *seen = true;
    const char *value = text[length] == '=' ? text + length + 1 : NULL;
    if (option->type == OPTION_FLAG && value)
        return mistaken(parse, "%s takes no value", called);
    if (option->type == OPTION_FLAG)
        value = "1";
    if (!value && *index + 1 == argc)
        return mistaken(parse, "%s needs a value: %s", called, option->argument);
    if (!value)
        value = argv[++*index];
    return set_value(parse, called, option, value);
}

static bool take_argument(struct parse *parse, const char *text,
                          struct options_arguments *arguments) {
    if (arguments->count == parse->options->arguments_max)
        return mistaken(parse, "the argument \"%s\" is one too many", text);
    arguments->values[arguments->count++] = text;
    return true;
}

static bool take_command_line(struct parse *parse, int argc, char **argv,
                              struct options_arguments *arguments) {
    bool options_ended = false;
    for (int i = 1; i < argc; i++) {
        bool taken = true;
        if (!options_ended && strcmp(argv[i], "--") == 0)
            options_ended = true;
        else if (!options_ended && strncmp(argv[i], "--", 2) == 0)
            taken = take_option(parse, argc, argv, &i);
        else if (!options_ended && argv[i][0] == '-' && argv[i][1])
            taken = mistaken(parse, "there is no option %s", argv[i]);
        else
            taken = take_argument(parse, argv[i], arguments);
        if (!taken)
            return false;
    }
    if (arguments->count < parse->options->arguments_min)
        return mistaken(parse, "expected %s", parse->options->arguments);
    return true;
}

/* An empty variable counts as unset, as in most programs. */
static bool take_environment(struct parse *parse) {
    for (size_t i = 0; i < parse->options->count; i++) {
        char variable[VARIABLE_SIZE];
        variable_name(parse->options->table[i].name, variable);
        const char *value = getenv(variable);
        if (!parse->seen[i] && value && *value &&
            !set_value(parse, variable, &parse->options->table[i], value))
            return false;
    }
    return true;
}

/* ---- variables that are no option ---- */

/* What tests, examples and the set-up are told by. */
static bool is_of_the_tree(const char *name) {
    static const char *const names[] = {"CACHE", "LFW", "BUILD", "KEY"};
    static const char *const families[] = {"TEST_", "STUB_", "FAIL_"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        if (strncmp(name, families[i], strlen(families[i])) == 0)
            return true;
    return false;
}

/* Kubernetes tells every container of each Service in its namespace; of one called facepair-control
 * by CONTROL_SERVICE_HOST, CONTROL_SERVICE_PORT_ADMIN, CONTROL_PORT=tcp://… and
 * CONTROL_PORT_8081_TCP_ADDR. */
static bool is_of_a_service(const char *name, const char *value) {
    const char *host = strstr(name, "SERVICE_HOST"), *port = strstr(name, "PORT");
    if (host && !host[strlen("SERVICE_HOST")])
        return true;
    if (!port || (port > name && port[-1] != '_'))
        return false;
    const char *rest = port + strlen("PORT");
    return strstr(name, "SERVICE_PORT") || (!*rest && strstr(value, "://")) ||
           (*rest == '_' && isdigit((unsigned char)rest[1]));
}

static bool is_option(const struct options *options, const char *variable) {
    for (size_t i = 0; i < options->count; i++) {
        char name[VARIABLE_SIZE];
        variable_name(options->table[i].name, name);
        if (strcmp(name, variable) == 0)
            return true;
    }
    return false;
}

void options_warn_of_variables(const struct options *options) {
    static const char prefix[] = "FACEPAIR_";
    for (char **entry = environ; entry && *entry; entry++) { /* NULL after clearenv() */
        char variable[2 * VARIABLE_SIZE];
        size_t length = strcspn(*entry, "=");
        const char *value = *entry + length + ((*entry)[length] == '=');
        if (strncmp(*entry, prefix, sizeof(prefix) - 1) != 0 || !*value)
            continue;
        snprintf(variable, sizeof(variable), "%.*s", (int)length, *entry);
        const char *name = variable + sizeof(prefix) - 1;
        if (!is_option(options, variable) && !is_of_the_tree(name) && !is_of_a_service(name, value))
            log_event(LOG_WARN, "unknown_variable", LOG_STR("variable", variable),
                      LOG_STR("command", options->command),
                      LOG_STR("meaning", "the command has no such option: it does nothing"));
    }
}

bool options_parse(const struct options *options, int argc, char **argv,
                   struct options_arguments *arguments, int *exit_code) {
    assert(options->count <= OPTIONS_MAX && options->arguments_max <= OPTIONS_ARGUMENTS_MAX);
    memset(arguments, 0, sizeof(*arguments));
    if (asks_for_help(argc, argv)) {
        print_usage(options);
        *exit_code = EXIT_DONE;
        return false;
    }
    struct parse parse = {.options = options};
    if (take_command_line(&parse, argc, argv, arguments) && take_environment(&parse))
        return true;
    *exit_code = print_mistake(options, parse.mistake);
    return false;
}
