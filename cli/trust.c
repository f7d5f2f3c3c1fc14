#include "cli/trust.h"

#include "model/network/network.h"

#include <string.h>

enum { HASH_LENGTH = 64 };

enum status trust_modules(const struct option_list *hashes, struct error *err) {
    for (size_t i = 0; i < hashes->count; i++) {
        const char *hash = hashes->values[i];
        if (strlen(hash) != HASH_LENGTH || strspn(hash, "0123456789abcdef") != HASH_LENGTH)
            return error_set(err, STATUS_INTERNAL,
                             "--allow-torchscript takes the SHA-256 of a module, 64 lower-case "
                             "hexadecimal digits");
        enum status status = network_trust_torchscript(hash, err);
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}
