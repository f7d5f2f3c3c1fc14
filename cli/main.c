/* The program: a table of subcommands, and what must hold before any of them runs. */
#include "cli/command.h"
#include "model/face/face.h"

#include <stdio.h>
#include <string.h>

static const struct cli_command COMMANDS[] = {
    {"serve", "answer over HTTP", cli_serve},
    {"trainer", "run jobs and decode data sets", cli_trainer},
    {"import", "take in a model's weights", cli_import},
    {"evaluate", "measure a model on labelled pairs of photographs", cli_evaluate},
    {"calibrate", "measure thresholds and probabilities, as a new version", cli_calibrate},
    {"finetune", "learn from photographs, as a new version", cli_finetune},
    {"key", "keep the keys of those who may call", cli_key},
    {"subject", "let one who was refused too often be tried again", cli_subject},
    {"audit", "check that a record of decisions is whole", cli_audit},
    {"verify", "compare two photographs", cli_verify},
};
enum { COMMANDS_COUNT = sizeof(COMMANDS) / sizeof(COMMANDS[0]) };

int cli_failed(const char *command, const char *detail) {
    fprintf(stderr, "facepair %s: %s\n", command, detail);
    return EXIT_FAILED;
}

int cli_flushed(const char *command) {
    if (fflush(stdout) != 0 || ferror(stdout))
        return cli_failed(command, "the output cannot be written");
    return EXIT_DONE;
}

static void print_usage(FILE *out) {
    fprintf(out, "Usage: facepair COMMAND …\n\nTells whether two photographs show the same "
                 "person.\n\n");
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        fprintf(out, "  %-12s%s\n", COMMANDS[i].name, COMMANDS[i].summary);
    fprintf(out, "\n`facepair COMMAND --help` tells more; `facepair --version` which one this "
                 "is.\n");
}

static int run_command(int argc, char **argv) {
    for (size_t i = 0; i < COMMANDS_COUNT; i++)
        if (strcmp(argv[0], COMMANDS[i].name) == 0)
            return COMMANDS[i].run(argc, argv);
    fprintf(stderr, "facepair: there is no command \"%s\"\nTry `facepair --help`.\n", argv[0]);
    return EXIT_USAGE;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return cli_flushed("--help");
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("facepair %s\n", FACEPAIR_VERSION);
        return cli_flushed("--version");
    }
    if (!face_cpu_supported()) {
        fprintf(stderr, "facepair: this processor lacks the AVX2 instructions that this build was "
                        "compiled for; build with -DFACEPAIR_X86_64_V3=OFF\n");
        return EXIT_FAILED;
    }
    return run_command(argc - 1, argv + 1);
}
