/* The kinds of `facepair import`, each with its own options. */
#ifndef FACEPAIR_CLI_IMPORT_H
#define FACEPAIR_CLI_IMPORT_H

int import_kind_vit(int argc, char **argv);
int import_kind_torchscript(int argc, char **argv);

#define IMPORT_DATA_OPTION(destination)                                                            \
    {                                                                                              \
        "data", "DIR", "the data directory; made when it is not there", OPTION_STRING,             \
            .to.string = (destination)                                                             \
    }

#endif
