/* The subcommands of `facepair`: one file each, one line each in main.c's table. */
#ifndef FACEPAIR_CLI_COMMAND_H
#define FACEPAIR_CLI_COMMAND_H

#include "cli/options.h"

struct cli_command {
    const char *name;                  /* "serve" */
    const char *summary;               /* one line for `facepair --help` */
    int (*run)(int argc, char **argv); /* argv[0] is the name; returns the exit code */
};

int cli_serve(int argc, char **argv);
int cli_trainer(int argc, char **argv);
int cli_import(int argc, char **argv);
int cli_evaluate(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_calibrate(int argc, char **argv);
int cli_audit(int argc, char **argv);
int cli_key(int argc, char **argv);
int cli_subject(int argc, char **argv);
int cli_finetune(int argc, char **argv);

/* One line "facepair NAME: detail" on stderr; returns EXIT_FAILED. */
int cli_failed(const char *command, const char *detail);
/* At the end of a command that has printed: EXIT_DONE, or EXIT_FAILED when stdout took not all. */
int cli_flushed(const char *command);

#endif
