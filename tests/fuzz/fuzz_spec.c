/* The body of POST /admin/v1/fine-tunes: it has faults, each with a sentence, or it is a job that
 * is written and read as the same one. */
#include "model/finetune/spec.h"
#include "model/spec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char *written(const struct finetune_spec *spec, size_t *size) {
    char *text = finetune_spec_write(spec, size);
    assert(text && *size <= SPEC_BYTES_MAX);
    return text;
}

static void check_round(const struct finetune_spec *spec) {
    size_t size, size_again;
    char *text = written(spec, &size);
    struct finetune_spec again;
    struct spec_faults faults = {0};
    bool parsed = finetune_spec_parse(text, size, &again, &faults);
    assert(parsed);
    char *text_again = written(&again, &size_again);
    assert(size == size_again && memcmp(text, text_again, size) == 0);
    free(text);
    free(text_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct finetune_spec spec;
    struct spec_faults faults = {0};
    if (finetune_spec_parse((const char *)bytes, size, &spec, &faults)) {
        check_round(&spec);
        return 0;
    }
    assert(faults.count > 0 && faults.count <= SPEC_FAULTS_MAX);
    for (size_t i = 0; i < faults.count; i++)
        assert(status_http(faults.list[i].status) == 400 && faults.list[i].detail[0]);
    return 0;
}
