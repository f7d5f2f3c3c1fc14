/* facepair-stub: `facepair serve` with a network and a preparation that compute nothing, so that
 * HTTP, batching, overload and drain are tested and measured without their time in the way. */
#include "cli/command.h"

#include <stdio.h>

int cli_failed(const char *command, const char *detail) {
    fprintf(stderr, "facepair-stub %s: %s\n", command, detail);
    return EXIT_FAILED;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "Usage: facepair-stub serve …\n");
        return EXIT_USAGE;
    }
    return cli_serve(argc - 1, argv + 1);
}
