/* The data directory that the parity and bench programs read, made from the cached downloads.
 *
 *   import_fixture WEIGHTS.dat PREDICTOR.dat DATA_DIRECTORY */
#include "model/import/dlib.h"

int main(int argc, char **argv) {
    struct error err;
    if (argc != 4) {
        fprintf(stderr, "usage: import_fixture WEIGHTS.dat PREDICTOR.dat DATA_DIRECTORY\n");
        return 2;
    }
    struct import_dlib_options options = {.weights_path = argv[1],
                                          .predictor_path = argv[2],
                                          .data_directory = argv[3],
                                          .messages = stdout};
    if (import_dlib(&options, &err) != STATUS_OK) {
        fprintf(stderr, "import_fixture: %s\nRun `make setup` to fetch the weights.\n", err.detail);
        return 1;
    }
    return 0;
}
