/* facepair-stub: `facepair serve` and `facepair trainer` with a network, a preparation and a
 * fine-tuning that compute nothing, so that HTTP, batching, overload, drain and jobs are tested and
 * measured without their time in the way. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

int cli_failed(const char *command, const char *detail) {
    fprintf(stderr, "facepair-stub %s: %s\n", command, detail);
    return EXIT_FAILED;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "Usage: facepair-stub serve|trainer …\n");
        return EXIT_USAGE;
    }
    return strcmp(argv[1], "trainer") == 0 ? cli_trainer(argc - 1, argv + 1)
                                           : cli_serve(argc - 1, argv + 1);
}
