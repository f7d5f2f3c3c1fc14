/* What an evaluation or a calibration may ask for, and how it is told what it may not. */
#include "tests/unit/folder.h"

#include "model/measure/spec.h"

#define NEEDED "\"base_model\":\"dlib-resnet\",\"dataset\":\"cameras\""

static struct measure_spec parsed(enum measure_kind kind, const char *text) {
    struct measure_spec spec;
    struct spec_faults faults;
    assert_true(measure_spec_parse(kind, text, strlen(text), &spec, &faults));
    assert_int_equal(faults.count, 0);
    return spec;
}

/* It has this one fault. */
static void assert_fault(enum measure_kind kind, const char *text, enum status status,
                         const char *field) {
    struct measure_spec spec;
    struct spec_faults faults;
    assert_false(measure_spec_parse(kind, text, strlen(text), &spec, &faults));
    assert_int_equal(faults.count, 1);
    assert_string_equal(faults.list[0].field, field);
    assert_int_equal(faults.list[0].status, status);
    assert_true(strlen(faults.list[0].detail) > 10);
}

static void a_model_and_a_data_set_are_enough(void **state) {
    (void)state;
    struct measure_spec spec = parsed(MEASURE_EVALUATION, "{" NEEDED "}");
    assert_string_equal(spec.base_model, "dlib-resnet");
    assert_string_equal(spec.dataset, "cameras");
    assert_int_equal(spec.source, MEASURE_ALL);
    assert_int_equal(spec.face + spec.no_face, 0);
    assert_int_equal(spec.replicates, 1000);
    assert_int_equal(spec.seed, 1);
    assert_true(spec.threshold == 0.6 && !spec.view2);
    spec = parsed(MEASURE_CALIBRATION, "{" NEEDED "}");
    assert_true(!spec.mirror && !spec.normalise && !spec.head_file[0]);
}

static void figures_are_called_after_the_list_or_the_data_set(void **state) {
    (void)state;
    assert_string_equal(parsed(MEASURE_EVALUATION, "{" NEEDED "}").protocol, "cameras");
    assert_string_equal(parsed(MEASURE_EVALUATION,
                               "{" NEEDED ",\"source\":{\"kind\":\"pairs\",\"file\":\"a.b.txt\"}}")
                            .protocol,
                        "a.b");
    assert_string_equal(parsed(MEASURE_EVALUATION, "{" NEEDED ",\"protocol\":\"mine\"}").protocol,
                        "mine");
}

static void what_is_written_reads_as_the_same(void **state) {
    (void)state;
    static const struct {
        enum measure_kind kind;
        const char *text;
    } bodies[] = {
        {MEASURE_EVALUATION, "{" NEEDED "}"},
        {MEASURE_EVALUATION,
         "{" NEEDED ",\"source\":{\"kind\":\"pairs\",\"file\":\"pairs.txt\"},\"face\":\"centre\","
         "\"no_face\":\"centre\",\"replicates\":64,\"seed\":9007199254740991,\"threshold\":0.25,"
         "\"view2\":true,\"protocol\":\"p\",\"deadline_s\":7}"},
        {MEASURE_CALIBRATION,
         "{" NEEDED ",\"source\":{\"kind\":\"people\",\"file\":\"people.txt\"},\"mirror\":true,"
         "\"normalise\":true,\"head\":{\"file\":\"others.txt\"}}"},
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        size_t size;
        struct measure_spec spec = parsed(bodies[i].kind, bodies[i].text);
        char *written = measure_spec_write(&spec, &size);
        assert_int_equal(strlen(written), size);
        struct measure_spec again = parsed(bodies[i].kind, written);
        char *rewritten = measure_spec_write(&again, &size);
        assert_string_equal(rewritten, written);
        free(written);
        free(rewritten);
    }
}

static void each_kind_has_members_of_its_own(void **state) {
    (void)state;
    assert_fault(MEASURE_EVALUATION, "{" NEEDED ",\"mirror\":true}", STATUS_UNKNOWN_FIELD,
                 "mirror");
    assert_fault(MEASURE_CALIBRATION, "{" NEEDED ",\"threshold\":1}", STATUS_UNKNOWN_FIELD,
                 "threshold");
}

static void a_source_and_its_file_go_together(void **state) {
    (void)state;
    assert_fault(MEASURE_EVALUATION, "{" NEEDED ",\"source\":{\"kind\":\"people\"}}",
                 STATUS_MISSING_FIELD, "source.file");
    assert_fault(MEASURE_EVALUATION, "{" NEEDED ",\"source\":{\"file\":\"people.txt\"}}",
                 STATUS_INVALID_FIELD, "source.file");
    assert_fault(MEASURE_EVALUATION,
                 "{" NEEDED ",\"source\":{\"kind\":\"people\",\"file\":\"../people.txt\"}}",
                 STATUS_INVALID_NAME, "source.file");
}

static void folds_are_of_a_list_of_pairs_and_a_head_is_of_people(void **state) {
    (void)state;
    assert_fault(MEASURE_EVALUATION, "{" NEEDED ",\"view2\":true}", STATUS_INVALID_FIELD, "view2");
    assert_fault(MEASURE_CALIBRATION,
                 "{" NEEDED ",\"source\":{\"kind\":\"pairs\",\"file\":\"pairs.txt\"},"
                 "\"head\":{\"file\":\"people.txt\"}}",
                 STATUS_INVALID_FIELD, "head");
    assert_fault(MEASURE_CALIBRATION, "{" NEEDED ",\"head\":{}}", STATUS_MISSING_FIELD,
                 "head.file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_and_a_data_set_are_enough),
        cmocka_unit_test(figures_are_called_after_the_list_or_the_data_set),
        cmocka_unit_test(what_is_written_reads_as_the_same),
        cmocka_unit_test(each_kind_has_members_of_its_own),
        cmocka_unit_test(a_source_and_its_file_go_together),
        cmocka_unit_test(folds_are_of_a_list_of_pairs_and_a_head_is_of_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
