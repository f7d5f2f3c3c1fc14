#include "cli/command.h"
#include "cli/data.h"
#include "cli/import.h"
#include "model/import/vit.h"

static const char *const INPUTS[] = {"chip", "frame", NULL}; /* as enum card_input_kind */

int import_kind_vit(int argc, char **argv) {
    const char *weights = NULL, *config = NULL, *name = NULL, *data = NULL;
    unsigned input = CARD_INPUT_FRAME;
    const struct option_spec table[] = {
        {"weights", "FILE", "timm's model.safetensors, or a state dict saved by torch.save (.pth)",
         OPTION_STRING, .to.string = &weights},
        {"config", "FILE", "timm's config.json (the siamese notebook's network)", OPTION_STRING,
         .to.string = &config},
        {"name", "NAME", "the model's name (vit)", OPTION_STRING, .to.string = &name},
        {"input", "KIND",
         "what it was trained on: the whole frame, as the notebook does, or the aligned chip "
         "(frame)",
         OPTION_CHOICE, .to.choice = &input, .choices = INPUTS},
        IMPORT_DATA_OPTION(&data),
    };
    const struct options options = {
        .command = "import vit",
        .summary = "Imports a vision transformer of timm's family as the next version of a model.\n"
                   "Keys that begin with \"model.\" are taken as well. Nothing in a .pth is run.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    if (!weights)
        return options_mistake(&options, "--weights is needed");
    struct error err;
    char directory[DATA_PATH_MAX];
    if (data_directory_find(data, directory, &err) != STATUS_OK)
        return cli_failed(options.command, err.detail);
    const struct import_vit_options import = {.weights_path = weights,
                                              .config_path = config,
                                              .data_directory = directory,
                                              .name = name,
                                              .input = (enum card_input_kind)input,
                                              .messages = stdout};
    if (import_vit(&import, &err) != STATUS_OK)
        return cli_failed(options.command, err.detail);
    return cli_flushed(options.command);
}
