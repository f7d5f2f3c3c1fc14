/* `facepair subject lift`: for who has no admin listener to ask, as processes of --role serve. */
#include "api/request_options.h"
#include "cli/command.h"
#include "model/store/subjects.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct subject {
    char text[SUBJECT_BYTES_MAX + 2]; /* and one byte too many, and the line's end or the text's */
    size_t size;
};

/* An argument stands in the shell's history, and in the list of processes while this one lasts. */
static bool read_line(struct subject *subject) {
    if (!fgets(subject->text, sizeof subject->text, stdin))
        return false;
    subject->size = strlen(subject->text);
    if (subject->size > 0 && subject->text[subject->size - 1] == '\n')
        subject->size--;
    return true;
}

static bool take_subject(const char *argument, struct subject *subject) {
    if (strcmp(argument, "-") == 0)
        return read_line(subject);
    subject->size = strlen(argument);
    if (subject->size <= SUBJECT_BYTES_MAX)
        memcpy(subject->text, argument, subject->size);
    return true;
}

/* To open one that is not there would make it, and a key of its own. */
static enum status find_counts(const char *folder, struct error *err) {
    char path[PATH_MAX];
    int size = snprintf(path, sizeof path, "%s/subjects.sqlite", folder);
    if (size >= 0 && size < (int)sizeof path && access(path, R_OK | W_OK) == 0)
        return STATUS_OK;
    return error_set(err, STATUS_INTERNAL, "%.180s/subjects.sqlite: %s", folder, strerror(errno));
}

static enum status lift(const char *folder, const struct subject *subject,
                        struct subject_state *before, struct error *err) {
    struct subjects_options options = SUBJECTS_OPTIONS_DEFAULT;
    struct subjects *subjects = NULL;
    options.folder = folder;
    enum status status = find_counts(folder, err);
    if (status == STATUS_OK)
        status = subjects_open(&options, &subjects, err);
    if (status != STATUS_OK)
        return status;
    status = subjects_begin(subjects, true, err);
    if (status == STATUS_OK) {
        status = subjects_lift(subjects, subject->text, subject->size, before, err);
        status = subjects_end(subjects, status, err);
    }
    subjects_close(subjects);
    return status;
}

static int run(const struct options *options, const char *folder, const char *argument) {
    struct subject subject = {.size = 0};
    struct subject_state before = {0};
    struct error err;
    if (!folder)
        return options_mistake(options, "--lockout-data is needed");
    if (!take_subject(argument, &subject) || subject.size == 0 || subject.size > SUBJECT_BYTES_MAX)
        return options_mistake(options, "a subject has 1 to %d bytes", SUBJECT_BYTES_MAX);
    enum status status = lift(folder, &subject, &before, &err);
    explicit_bzero(&subject, sizeof subject);
    if (status != STATUS_OK)
        return cli_failed(options->command, err.detail);
    printf("%u refusals in a row are forgotten\n", before.refusals);
    return cli_flushed(options->command);
}

static int subject_lift(int argc, char **argv) {
    const char *folder = NULL;
    const struct option_spec table[] = {
        {"lockout-data", "DIR",
         "where refusals are counted: --lockout-data of `serve`, or without one its --data",
         OPTION_STRING, .to.string = &folder},
    };
    const struct options options = {
        .command = "subject lift",
        .arguments = "SUBJECT",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary =
            "Lets a subject be tried again: its refusals are forgotten, disabled or not.\n"
            "SUBJECT \"-\" is read from stdin, a line. Services that run know at once; their\n"
            "record (--audit) does not tell of it, since it is theirs alone to write.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    return run(&options, folder, arguments.values[0]);
}

int cli_subject(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "lift") == 0)
        return subject_lift(argc - 1, argv + 1);
    const struct options options = {.command = "subject",
                                    .arguments = "lift …",
                                    .arguments_min = 1,
                                    .arguments_max = 1,
                                    .summary =
                                        "Lets one who was refused too often be tried again.\n"
                                        "`facepair subject lift --help` tells more."};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    return options_mistake(&options, "\"%s\" is not known; lift is", arguments.values[0]);
}
