/* A registry for a process that loads once: the command line and its tests. */
#include "model/registry.h"

#include "model/catalog.h"
#include "model/keeper.h"

#include <string.h>

enum status registry_open(const char *data_directory, const char *default_model,
                          struct registry **registry, struct error *err) {
    const struct keeper_options options = {.data_directory = data_directory,
                                           .default_model = default_model,
                                           .memory_bytes_max = UINT64_MAX};
    struct keeper *keeper;
    struct registry *opened = registry_create();
    if (!opened)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = keeper_open(&options, opened, &keeper, err);
    if (status != STATUS_OK) {
        registry_close(opened);
        return status;
    }
    keeper_close(keeper);
    *registry = opened;
    return STATUS_OK;
}

static enum status load(const char *data, const char *name, const char *number,
                        struct model_version **version, struct error *err) {
    char directory[PATH_MAX];
    enum status status = catalog_directory(data, name, number, directory, err);
    if (status == STATUS_OK)
        status = model_version_read(directory, version, err);
    if (status != STATUS_OK)
        return status;
    status = model_version_load(directory, *version, err);
    if (status != STATUS_OK)
        model_version_close(*version);
    return status;
}

enum status registry_open_one(const char *data_directory, const char *model,
                              struct registry **registry, struct error *err) {
    char name[CARD_NAME_MAX + 1], number[CARD_VERSION_MAX + 1], active[CARD_VERSION_MAX + 1];
    struct model_version *version;
    if (!catalog_parse(model, name, number))
        return error_set(err, STATUS_INVALID_NAME, CATALOG_REFERENCE_RULE);
    enum status status = catalog_active(data_directory, name, active, err);
    if (status == STATUS_OK)
        status = load(data_directory, name, number[0] ? number : active, &version, err);
    if (status != STATUS_OK)
        return status;
    struct registry *opened = registry_create();
    if (!opened) {
        model_version_close(version);
        return error_set(err, STATUS_INTERNAL, "out of memory");
    }
    registry_publish(opened, version);
    if (!number[0] || strcmp(number, active) == 0) {
        registry_activate(opened, name, active);
        registry_set_default(opened, name);
    }
    *registry = opened;
    return STATUS_OK;
}
