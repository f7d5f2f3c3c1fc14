/* `facepair import KIND`: other projects' weights -> a version in the data directory. */
#include "cli/import.h"
#include "cli/command.h"
#include "cli/data.h"
#include "model/import/dlib.h"

#include <string.h>

static int import_kind_dlib(int argc, char **argv) {
    const char *weights = NULL, *landmarks = NULL, *data = NULL;
    const struct option_spec table[] = {
        {"weights", "FILE", "dlib_face_recognition_resnet_model_v1.dat", OPTION_STRING,
         .to.string = &weights},
        {"landmarks", "FILE", "shape_predictor_5_face_landmarks.dat", OPTION_STRING,
         .to.string = &landmarks},
        IMPORT_DATA_OPTION(&data),
    };
    const struct options options = {
        .command = "import dlib",
        .summary =
            "Imports dlib's face recognition network and five-point landmarks as the models\n"
            "dlib-resnet and dlib-resnet-plus. What is already there is left alone.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    if (!weights || !landmarks)
        return options_mistake(&options, "--weights and --landmarks are needed");
    struct error err;
    char directory[DATA_PATH_MAX];
    if (data_directory_find(data, directory, &err) != STATUS_OK)
        return cli_failed(options.command, err.detail);
    const struct import_dlib_options import = {.weights_path = weights,
                                               .predictor_path = landmarks,
                                               .data_directory = directory,
                                               .messages = stdout};
    if (import_dlib(&import, &err) != STATUS_OK)
        return cli_failed(options.command, err.detail);
    return cli_flushed(options.command);
}

static const struct kind {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the kind */
} KINDS[] = {
    {"dlib", import_kind_dlib},
    {"vit", import_kind_vit},
    {"torchscript", import_kind_torchscript},
};

int cli_import(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof(KINDS) / sizeof(KINDS[0]); i++)
        if (strcmp(argv[1], KINDS[i].name) == 0)
            return KINDS[i].run(argc - 1, argv + 1);
    const struct options options = {
        .command = "import",
        .arguments = "dlib|vit|torchscript …",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Takes in a model's weights. What is imported, and so what is asked for, comes "
                   "first:\n  dlib         dlib's own network and landmarks, the default model\n"
                   "  vit          a vision transformer of timm's, or the siamese notebook's "
                   ".pth\n  torchscript  a traced or scripted module, which is a program\n"
                   "`facepair import KIND --help` tells more."};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    return options_mistake(&options, "\"%s\" is not known; it can import dlib, vit and torchscript",
                           arguments.values[0]);
}
