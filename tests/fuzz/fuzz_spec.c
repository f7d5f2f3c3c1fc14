/* The bodies of POST /admin/v1/fine-tunes, …/evaluations and …/calibrations; every input is read as
 * each of them. It has faults, each with a sentence, or it is a job that is written and read as the
 * same one. */
#include "model/finetune/spec.h"
#include "model/measure/spec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The text that a job is kept as, from malloc; NULL: it has faults. */
typedef char *reader(const char *text, size_t size, size_t *written, struct spec_faults *faults);

static char *read_finetune(const char *text, size_t size, size_t *written,
                           struct spec_faults *faults) {
    struct finetune_spec spec;
    return finetune_spec_parse(text, size, &spec, faults) ? finetune_spec_write(&spec, written)
                                                          : NULL;
}

static char *read_measure(enum measure_kind kind, const char *text, size_t size, size_t *written,
                          struct spec_faults *faults) {
    struct measure_spec spec;
    return measure_spec_parse(kind, text, size, &spec, faults) ? measure_spec_write(&spec, written)
                                                               : NULL;
}

static char *read_evaluation(const char *text, size_t size, size_t *written,
                             struct spec_faults *faults) {
    return read_measure(MEASURE_EVALUATION, text, size, written, faults);
}

static char *read_calibration(const char *text, size_t size, size_t *written,
                              struct spec_faults *faults) {
    return read_measure(MEASURE_CALIBRATION, text, size, written, faults);
}

static void check_round(reader *read, char *text, size_t size) {
    size_t size_again;
    struct spec_faults faults = {0};
    assert(size <= SPEC_BYTES_MAX);
    char *text_again = read(text, size, &size_again, &faults);
    assert(text_again && size == size_again && memcmp(text, text_again, size) == 0);
    free(text_again);
}

static void check(reader *read, const uint8_t *bytes, size_t size) {
    size_t written;
    struct spec_faults faults = {0};
    char *text = read((const char *)bytes, size, &written, &faults);
    assert(!text == (faults.count > 0) && faults.count <= SPEC_FAULTS_MAX);
    for (size_t i = 0; i < faults.count; i++)
        assert(status_http(faults.list[i].status) == 400 && faults.list[i].detail[0]);
    if (text)
        check_round(read, text, written);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    check(read_finetune, bytes, size);
    check(read_evaluation, bytes, size);
    check(read_calibration, bytes, size);
    return 0;
}
