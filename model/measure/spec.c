#include "model/measure/spec.h"

#include "model/bootstrap.h"
#include "model/measure/faces.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const SOURCES[] = {"all", "people", "pairs", NULL};

static void set_defaults(enum measure_kind kind, struct measure_spec *spec) {
    *spec = (struct measure_spec){.kind = kind,
                                  .replicates = BOOTSTRAP_REPLICATES,
                                  .deadline_s = 24 * 60 * 60,
                                  .seed = 1,
                                  .threshold = 0.6};
}

/* ---- reading ---- */

static void name_protocol(struct measure_spec *spec) {
    const char *name = spec->source == MEASURE_ALL ? spec->dataset : spec->file;
    const char *dot = spec->source == MEASURE_ALL ? NULL : strrchr(name, '.');
    snprintf(spec->protocol, sizeof(spec->protocol), "%.*s",
             dot ? (int)(dot - name) : MEASURE_PROTOCOL_MAX, name);
}

static void take_evaluation(const struct spec_reading *reading, const struct json_node *root,
                            struct measure_spec *spec) {
    spec_take_real(reading, root, "threshold", 1e-6, 1e9, &spec->threshold);
    spec_take_flag(reading, root, "view2", &spec->view2);
    if (spec->view2 && spec->source != MEASURE_PAIRS)
        spec_refuse(reading, STATUS_INVALID_FIELD, root, "view2",
                    "view2 goes with a source of the kind \"pairs\".");
    if (!spec_take_text(reading, root, "protocol", spec->protocol, sizeof(spec->protocol)))
        name_protocol(spec);
}

static void take_head(const struct spec_reading *reading, const struct json_node *root,
                      struct measure_spec *spec) {
    static const char *const KNOWN[] = {"file", NULL};
    struct json_node head;
    if (!spec_take_object(reading, root, "head", KNOWN, &head))
        return;
    spec_need(reading, &head, "file");
    (void)spec_take_file(reading, &head, "file", spec->head_file);
    if (spec->source == MEASURE_PAIRS)
        spec_refuse(reading, STATUS_INVALID_FIELD, root, "head",
                    "A head goes with all pairs of people, not with a list of pairs.");
}

static void take_calibration(const struct spec_reading *reading, const struct json_node *root,
                             struct measure_spec *spec) {
    spec_take_flag(reading, root, "mirror", &spec->mirror);
    spec_take_flag(reading, root, "normalise", &spec->normalise);
    take_head(reading, root, spec);
}

#define COMMON                                                                                     \
    "base_model", "dataset", "source", "face", "no_face", "replicates", "seed", "deadline_s"

static void take_spec(const struct spec_reading *reading, const struct json_node *root,
                      struct measure_spec *spec) {
    static const char *const EVALUATION[] = {COMMON, "threshold", "view2", "protocol", NULL};
    static const char *const CALIBRATION[] = {COMMON, "mirror", "normalise", "head", NULL};
    bool evaluates = spec->kind == MEASURE_EVALUATION;
    unsigned source = MEASURE_ALL;
    spec_refuse_unknown(reading, root, evaluates ? EVALUATION : CALIBRATION);
    spec_need(reading, root, "base_model");
    spec_need(reading, root, "dataset");
    spec_take_model(reading, root, "base_model", spec->base_model);
    spec_take_name(reading, root, "dataset", spec->dataset);
    spec_take_source(reading, root, "source", SOURCES, &source, spec->file);
    spec->source = source;
    spec->face = spec_take_word(reading, root, "face", FACES_WHICH, 0);
    spec->no_face = spec_take_word(reading, root, "no_face", FACES_WITHOUT, 0);
    spec_take_count(reading, root, "replicates", 64, BOOTSTRAP_REPLICATES_MAX, &spec->replicates);
    spec_take_seed(reading, root, &spec->seed);
    spec_take_count(reading, root, "deadline_s", 1, 30 * 24 * 60 * 60, &spec->deadline_s);
    if (evaluates)
        take_evaluation(reading, root, spec);
    else
        take_calibration(reading, root, spec);
}

bool measure_spec_parse(enum measure_kind kind, const char *text, size_t size,
                        struct measure_spec *spec, struct spec_faults *faults) {
    struct spec_reading reading;
    struct json_node root;
    set_defaults(kind, spec);
    if (!spec_reading_open(text, size, faults, &reading, &root))
        return false;
    take_spec(&reading, &root, spec);
    return spec_reading_close(&reading);
}

/* ---- writing ---- */

static void write_evaluation(struct json_writer *json, const struct measure_spec *spec) {
    json_write_real(json, "threshold", spec->threshold);
    json_write_bool(json, "view2", spec->view2);
    json_write_text(json, "protocol", spec->protocol);
}

static void write_calibration(struct json_writer *json, const struct measure_spec *spec) {
    json_write_bool(json, "mirror", spec->mirror);
    json_write_bool(json, "normalise", spec->normalise);
    if (!spec->head_file[0])
        return;
    json_write_object(json, "head");
    json_write_text(json, "file", spec->head_file);
    json_write_end(json);
}

char *measure_spec_write(const struct measure_spec *spec, size_t *size) {
    struct json_writer *json = json_writer_create_compact();
    if (!json)
        return NULL;
    json_write_object(json, NULL);
    json_write_text(json, "base_model", spec->base_model);
    json_write_text(json, "dataset", spec->dataset);
    json_write_object(json, "source");
    json_write_text(json, "kind", SOURCES[spec->source]);
    if (spec->source != MEASURE_ALL)
        json_write_text(json, "file", spec->file);
    json_write_end(json);
    json_write_text(json, "face", FACES_WHICH[spec->face]);
    json_write_text(json, "no_face", FACES_WITHOUT[spec->no_face]);
    json_write_integer(json, "replicates", spec->replicates);
    json_write_integer(json, "seed", (int64_t)spec->seed);
    json_write_integer(json, "deadline_s", spec->deadline_s);
    if (spec->kind == MEASURE_EVALUATION)
        write_evaluation(json, spec);
    else
        write_calibration(json, spec);
    json_write_end(json);
    return json_writer_finish(json, size);
}
