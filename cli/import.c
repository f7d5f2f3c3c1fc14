/* `facepair import`: other projects' weights -> a version in the data directory. */
#include "cli/command.h"
#include "cli/data.h"
#include "model/import/dlib.h"

#include <string.h>

int cli_import(int argc, char **argv) {
    const char *weights = NULL, *landmarks = NULL, *data = NULL;
    const struct option_spec table[] = {
        {"weights", "FILE", "dlib_face_recognition_resnet_model_v1.dat", OPTION_STRING,
         .to.string = &weights},
        {"landmarks", "FILE", "shape_predictor_5_face_landmarks.dat", OPTION_STRING,
         .to.string = &landmarks},
        {"data", "DIR", "the data directory; made when it is not there", OPTION_STRING,
         .to.string = &data},
    };
    const struct options options = {
        .command = "import",
        .arguments = "dlib --weights FILE --landmarks FILE",
        .arguments_min = 1,
        .arguments_max = 1,
        .summary = "Imports dlib's face recognition network and five-point landmarks as the model\n"
                   "dlib-resnet. What is already there is left alone.",
        .table = table,
        .count = OPTIONS_COUNT(table)};
    struct options_arguments arguments;
    int code;
    if (!options_parse(&options, argc, argv, &arguments, &code))
        return code;
    if (strcmp(arguments.values[0], "dlib") != 0)
        return options_mistake(&options, "\"%s\" is not known; it can import dlib",
                               arguments.values[0]);
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
