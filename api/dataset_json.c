#include "api/dataset_json.h"

#include "server/clock.h"

json_t *time_json(uint64_t wall_ms) {
    char text[CLOCK_TEXT_SIZE];
    if (wall_ms == 0)
        return json_null();
    clock_text(wall_ms, text);
    return json_string(text);
}

static json_t *error_json(const struct store_dataset *dataset) {
    return dataset->error_code[0] ? json_pack("{s:s, s:s}", "code", dataset->error_code, "message",
                                              dataset->error_message)
                                  : json_null();
}

/* What only the check finds out. */
static json_t *count_json(const struct store_dataset *dataset, size_t count) {
    return dataset->checked_ms ? json_integer((json_int_t)count) : json_null();
}

json_t *dataset_json(const struct store_dataset *dataset) {
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o}", "id",
        dataset->id, "object", "dataset", "name", dataset->name, "status",
        dataset_state_word(dataset->state), "sha256", dataset->sha256, "purpose",
        dataset->purpose[0] ? json_string(dataset->purpose) : json_null(), "created_at",
        time_json(dataset->created_ms), "checked_at", time_json(dataset->checked_ms),
        "retain_until", time_json(dataset->retain_until_ms), "bytes", (json_int_t)dataset->bytes,
        "files", (json_int_t)dataset->files, "people", count_json(dataset, dataset->people),
        "images", count_json(dataset, dataset->images), "undecodable",
        count_json(dataset, dataset->undecodable), "error", error_json(dataset));
}
