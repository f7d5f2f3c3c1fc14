/* --allow-torchscript: which modules, which are programs, may run in this process. */
#ifndef FACEPAIR_CLI_TRUST_H
#define FACEPAIR_CLI_TRUST_H

#include "cli/options.h"
#include "server/status.h"

#define TRUST_OPTION(destination)                                                                  \
    {                                                                                              \
        "allow-torchscript", "SHA256",                                                             \
            "run the TorchScript module whose card has this hash; repeatable", OPTION_LIST,        \
            .to.list = (destination)                                                               \
    }

/* Before the first model is opened. STATUS_INTERNAL for what is no SHA-256. */
enum status trust_modules(const struct option_list *hashes, struct error *err);

#endif
