/* A data directory with small models in it, for the stub network. */
#ifndef FACEPAIR_TESTS_MODEL_FOLDER_H
#define FACEPAIR_TESTS_MODEL_FOLDER_H

#include "tests/unit/folder.h"

#include "model/digest.h"

#define MODEL_WEIGHTS "not really weights"
enum { MODEL_SIDE = 16, MODEL_LENGTH = 4 };

/* model.json of NAME/VERSION; `text` takes the place of `part`, to make a faulty one. */
static inline void model_card_text(char *json, size_t size, const char *name, const char *version,
                                   const char *part, const char *text) {
    char sha256[DIGEST_TEXT_SIZE], whole[2048];
    digest_bytes(MODEL_WEIGHTS, strlen(MODEL_WEIGHTS), sha256);
    snprintf(whole, sizeof(whole),
             "{\"format\":1,\"name\":\"%s\",\"version\":\"%s\",\"architecture\":\"dlib-resnet\","
             "\"description\":\"a test's\",\"license\":\"CC0-1.0\",\"source\":{},"
             "\"input\":{\"kind\":\"chip\",\"side\":%d,\"padding\":0.25,"
             "\"mean\":[122.782,117.001,104.298],\"std\":[256,256,256]},"
             "\"embedding\":{\"length\":%d,\"distance\":\"euclidean\"},"
             "\"weights\":{\"file\":\"weights.safetensors\",\"sha256\":\"%s\"},"
             "\"thresholds\":{\"source\":\"a test\",\"values\":["
             "{\"fmr\":0.01,\"threshold\":0.618,\"fnmr\":null},"
             "{\"fmr\":0.001,\"threshold\":0.544,\"fnmr\":null},"
             "{\"fmr\":0.0001,\"threshold\":0.4755,\"fnmr\":0.32}]},\"probability\":null}",
             name, version, MODEL_SIDE, MODEL_LENGTH, sha256);
    char *at = part ? strstr(whole, part) : NULL;
    if (part)
        assert_non_null(at);
    if (at)
        snprintf(json, size, "%.*s%s%s", (int)(at - whole), whole, text, at + strlen(part));
    else
        snprintf(json, size, "%s", whole);
}

static inline void model_folder_add(const struct folder *folder, const char *name,
                                    const char *version) {
    char json[2048], path[128];
    model_card_text(json, sizeof(json), name, version, NULL, NULL);
    snprintf(path, sizeof(path), "models/%s/%s/model.json", name, version);
    folder_write_text(folder, path, json);
    snprintf(path, sizeof(path), "models/%s/%s/weights.safetensors", name, version);
    folder_write_text(folder, path, MODEL_WEIGHTS);
    snprintf(path, sizeof(path), "models/%s/active", name);
    char line[32];
    snprintf(line, sizeof(line), "%s\n", version);
    folder_write_text(folder, path, line);
}

#endif
