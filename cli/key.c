/* `facepair key`: who may call a service that listens beyond loopback. */
#include "api/keys.h"
#include "api/scopes.h"
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#define KEYS_FILE_OPTION(destination)                                                              \
    { "keys-file", "FILE", "the file of keys", OPTION_STRING, .to.string = (destination) }

/* Prints the list of scopes of a key, separated by commas as --scope takes them. */
static void print_scopes(unsigned scopes) {
    const char *comma = "";
    for (unsigned place = 0; place < SCOPES_COUNT; place++)
        if (scopes & (1u << place)) {
            printf("%s%s", comma, scope_text((enum scope_place)place));
            comma = ",";
        }
}

static bool add_scopes(const struct option_list *list, unsigned *scopes, const char **unknown) {
    for (size_t i = 0; i < list->count; i++) {
        unsigned scope = scope_of(list->values[i]);
        if (scope == 0) {
            *unknown = list->values[i];
            return false;
        }
        *scopes |= scope;
    }
    return true;
}

struct create_arguments {
    const char *file, *name;
    struct option_list scopes;
    double rate, burst;
};

static int create(const struct options *options, const struct create_arguments *a) {
    struct key key = {.limit = {a->rate, a->burst > 0 ? a->burst : a->rate > 1 ? a->rate : 1}};
    const char *unknown;
    if (!a->file)
        return options_mistake(options, "--keys-file is needed");
    if (a->scopes.count == 0)
        return options_mistake(options, "--scope is needed: what may the key do?");
    if (!add_scopes(&a->scopes, &key.scopes, &unknown))
        return options_mistake(options, "there is no scope \"%s\"", unknown);
    if (a->name && strlen(a->name) >= sizeof key.name)
        return options_mistake(options, "--name has at most %zu bytes", sizeof key.name - 1);
    if (a->name && a->name[strcspn(a->name, "\t\n\r\033")])
        return options_mistake(options, "--name must fit a line of `facepair key list`");
    if (a->burst > 0 && a->rate <= 0)
        return options_mistake(options, "--burst needs --rate");
    if (a->name)
        snprintf(key.name, sizeof key.name, "%s", a->name);
    char text[KEY_TEXT_SIZE];
    struct error err;
    if (keys_create(a->file, &key, text, &err) != STATUS_OK)
        return cli_failed(options->command, err.detail);
    puts(text);
    return cli_flushed(options->command);
}

static int key_create(int argc, char **argv) {
    struct create_arguments a = {0};
    const struct option_spec table[] = {
        KEYS_FILE_OPTION(&a.file),
        {"scope", "SCOPE", "what it may do; repeatable, or several separated by commas",
         OPTION_LIST, .to.list = &a.scopes},
        {"name", "TEXT", "whose it is, for those who keep the file", OPTION_STRING,
         .to.string = &a.name},
        {"rate", "N", "requests a second in the long run (no limit)", OPTION_REAL,
         .to.real = &a.rate, .real = {1e-3, 1e6}},
        {"burst", "N", "requests at once (as many as --rate, at least 1)", OPTION_REAL,
         .to.real = &a.burst, .real = {1, 1e6}},
    };
    const struct options options = {
        .command = "key create",
        .summary = "Adds a key to the file and prints it: the only time that it is told.\nScopes: "
                   "verify, embed, embed:raw, models:read, metrics:read, datasets:write,\n"
                   "jobs:write, models:promote, subjects:write.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    int code;
    if (options_parse(&options, argc, argv, &arguments, &code))
        code = create(&options, &a);
    option_list_release(&a.scopes);
    return code;
}

static int key_list(int argc, char **argv) {
    const char *file = NULL;
    const struct option_spec table[] = {KEYS_FILE_OPTION(&file)};
    const struct options options = {.command = "key list",
                                    .summary = "Prints the keys of the file, without secrets: id, "
                                               "when made, limit, scopes, name.",
                                    .table = table,
                                    .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    struct keys *keys;
    struct error err;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    if (!file)
        return options_mistake(&options, "--keys-file is needed");
    if (keys_read(file, &keys, &err) != STATUS_OK)
        return cli_failed(options.command, err.detail);
    for (size_t i = 0; i < keys_count(keys); i++) {
        const struct key *key = keys_at(keys, i);
        printf("%s\t%s\t", key->id, key->created_at);
        if (key->limit.per_s > 0)
            printf("%g/s, %g at once\t", key->limit.per_s, key->limit.burst);
        else
            printf("no limit\t");
        print_scopes(key->scopes);
        printf("\t%s\n", key->name);
    }
    keys_destroy(keys);
    return cli_flushed(options.command);
}

static int key_revoke(int argc, char **argv) {
    const char *file = NULL;
    const struct option_spec table[] = {KEYS_FILE_OPTION(&file)};
    const struct options options = {
        .command = "key revoke",
        .arguments = "ID",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Takes a key out of the file. A running service forgets it at SIGHUP.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    struct error err;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    if (!file)
        return options_mistake(&options, "--keys-file is needed");
    if (keys_revoke(file, arguments.values[0], &err) != STATUS_OK)
        return cli_failed(options.command, err.detail);
    return EXIT_DONE;
}

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
} VERBS[] = {{"create", key_create}, {"list", key_list}, {"revoke", key_revoke}};

int cli_key(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof(VERBS) / sizeof(VERBS[0]); i++)
        if (strcmp(argv[1], VERBS[i].name) == 0)
            return VERBS[i].run(argc - 1, argv + 1);
    const struct options options = {
        .command = "key",
        .arguments = "create|list|revoke …",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Keeps the keys of those who may call (`facepair serve --keys-file`).\n"
                   "`facepair key VERB --help` tells more."};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    return options_mistake(&options, "\"%s\" is not known; create, list and revoke are",
                           arguments.values[0]);
}
