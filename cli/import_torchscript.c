#include "cli/command.h"
#include "cli/data.h"
#include "cli/import.h"
#include "model/import/torchscript.h"

int import_kind_torchscript(int argc, char **argv) {
    const char *module = NULL, *card = NULL, *name = NULL, *data = NULL;
    bool trust = false;
    const struct option_spec table[] = {
        {"module", "FILE", "the module: (n, 3, side, side) in, (n, length) out", OPTION_STRING,
         .to.string = &module},
        {"card", "FILE", "its card in JSON: input, embedding, description, license", OPTION_STRING,
         .to.string = &card},
        {"name", "NAME", "the model's name", OPTION_STRING, .to.string = &name},
        {"trust", NULL, "I know where this module comes from", OPTION_FLAG, .to.flag = &trust},
        IMPORT_DATA_OPTION(&data),
    };
    const struct options options = {
        .command = "import torchscript",
        .summary =
            "Imports a traced or scripted module as the next version of a model. Such a file "
            "is a\nprogram with all rights of the process that runs it: --trust is needed "
            "here, and\n--allow-torchscript with its hash where it is to run.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    if (!module || !card || !name)
        return options_mistake(&options, "--module, --card and --name are needed");
    if (!trust)
        return options_mistake(&options, "a module is a program: --trust says that you trust it");
    struct error err;
    char directory[DATA_PATH_MAX];
    if (data_directory_find(data, directory, &err) != STATUS_OK)
        return cli_failed(options.command, err.detail);
    const struct import_torchscript_options import = {.module_path = module,
                                                      .card_path = card,
                                                      .data_directory = directory,
                                                      .name = name,
                                                      .messages = stdout};
    if (import_torchscript(&import, &err) != STATUS_OK)
        return cli_failed(options.command, err.detail);
    return cli_flushed(options.command);
}
