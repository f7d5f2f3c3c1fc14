/* The raw text is looked over first (json_scan), so that jansson never builds a tree out of
 * proportion to what a request can mean. */
#include "api/json_body.h"

#include "api/json_scan.h"
#include "model/json.h"

#include <string.h>

static void refuse_text(const json_error_t *error, const struct json_scan *scan,
                        struct faults *faults) {
    if (json_error_code(error) == json_error_duplicate_key) {
        const struct json_key *key = json_scan_duplicate(scan);
        char name[FAULT_FIELD_SIZE] = "";
        if (key && key->size < sizeof name)
            memcpy(name, key->text, key->size);
        faults_add(faults, STATUS_DUPLICATE_FIELD, name, "The member is given more than once.");
    } else if (json_error_code(error) == json_error_null_character ||
               json_error_code(error) == json_error_null_byte_in_key) {
        faults_add(faults, STATUS_INVALID_JSON, NULL,
                   "The text before line %d, column %d holds U+0000, which is not taken.",
                   error->line, error->column);
    } else {
        faults_add(faults, STATUS_INVALID_JSON, NULL, "The body is not JSON at line %d, column %d.",
                   error->line, error->column);
    }
}

json_t *json_body_read(const uint8_t *json, size_t size, size_t values_max, struct faults *faults) {
    if (size == 0) {
        faults_add(faults, STATUS_INVALID_JSON, NULL, "The body is empty.");
        return NULL;
    }
    struct json_scan scan;
    struct error err;
    if (json_scan((const char *)json, size, values_max, &scan, &err) != STATUS_OK) {
        faults_add_error(faults, STATUS_INVALID_JSON, NULL, &err);
        return NULL;
    }
    json_error_t error;
    (void)json_lacked_memory();
    json_t *root = json_loadb((const char *)json, size,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    if (json_lacked_memory()) {
        json_decref(root);
        faults_add(faults, STATUS_INTERNAL, NULL, "out of memory for a JSON body");
        return NULL;
    }
    if (!root) {
        refuse_text(&error, &scan, faults);
        return NULL;
    }
    if (!json_is_object(root)) {
        faults_add(faults, STATUS_INVALID_JSON, NULL, "The body must be a JSON object.");
        json_decref(root);
        return NULL;
    }
    return root;
}

json_t *json_body_read_only(const uint8_t *json, size_t size, size_t values_max, const char *name,
                            struct faults *faults) {
    json_t *root = json_body_read(json, size, values_max, faults), *value;
    const char *member;
    if (!root)
        return NULL;
    json_object_foreach(root, member, value) {
        if (strcmp(member, name) != 0)
            faults_add(faults, STATUS_UNKNOWN_FIELD, member,
                       "There is no member of this name; the only one is \"%s\".", name);
    }
    value = json_incref(json_object_get(root, name));
    if (!value)
        faults_add(faults, STATUS_MISSING_FIELD, name, "%s is needed.", name);
    json_decref(root);
    return value;
}
