/* What a fine-tuning job may ask for, and how it is told what it may not. */
#include "tests/unit/folder.h"

#include "model/finetune/spec.h"

static const char SMALLEST[] = "{\"base_model\":\"dlib-resnet\",\"dataset\":\"cameras\"}";

static struct finetune_spec parsed(const char *text) {
    struct finetune_spec spec;
    struct spec_faults faults;
    assert_true(finetune_spec_parse(text, strlen(text), &spec, &faults));
    assert_int_equal(faults.count, 0);
    return spec;
}

static struct spec_faults refused(const char *text) {
    struct finetune_spec spec;
    struct spec_faults faults;
    assert_false(finetune_spec_parse(text, strlen(text), &spec, &faults));
    assert_true(faults.count > 0);
    return faults;
}

static void assert_fault(const struct spec_fault *fault, enum status status, const char *field) {
    assert_string_equal(fault->field, field);
    assert_int_equal(fault->status, status);
    assert_true(strlen(fault->detail) > 10);
}

/* The one fault of a body that has these hyperparameters. */
static void assert_parameter_fault(const char *parameters, enum status status, const char *field) {
    char text[512];
    snprintf(text, sizeof(text), "{\"base_model\":\"a\",\"dataset\":\"d\",\"hyperparameters\":%s}",
             parameters);
    struct spec_faults faults = refused(text);
    assert_int_equal(faults.count, 1);
    assert_fault(&faults.list[0], status, field);
}

static void a_model_and_a_data_set_are_enough(void **state) {
    (void)state;
    struct finetune_spec spec = parsed(SMALLEST);
    const struct finetune_hyperparameters *p = &spec.hyperparameters;
    assert_string_equal(spec.base_model, "dlib-resnet");
    assert_string_equal(spec.dataset, "cameras");
    assert_int_equal(spec.train.kind, FINETUNE_SAMPLED);
    assert_int_equal(spec.validation.kind, FINETUNE_SAMPLED);
    assert_int_equal(p->epochs, 20);
    assert_int_equal(p->batch_size, 32);
    assert_true(p->learning_rate == 1e-3 && p->margin == 1 && p->factor == 0.1);
    assert_true(p->average == 0 && p->blend == 1);
    assert_int_equal(p->patience, 5);
    assert_int_equal(p->loss, FINETUNE_CONTRASTIVE);
    assert_int_equal(p->mining, FINETUNE_MINING_NONE);
    assert_string_equal(p->trainable, "last_block");
    assert_int_equal(spec.promote, FINETUNE_PROMOTE_NEVER);
}

static void the_version_goes_to_the_base_models_name_unless_another_is_given(void **state) {
    (void)state;
    assert_string_equal(parsed("{\"base_model\":\"vit@3\",\"dataset\":\"d\"}").name, "vit");
    assert_string_equal(
        parsed("{\"base_model\":\"vit@3\",\"dataset\":\"d\",\"name\":\"own\"}").name, "own");
}

static void margins_have_the_default_of_their_loss(void **state) {
    (void)state;
    static const char BODY[] = "{\"base_model\":\"a\",\"dataset\":\"d\",\"hyperparameters\":{%s}}";
    char text[256];
    snprintf(text, sizeof(text), BODY, "\"loss\":\"cosface\"");
    assert_true(parsed(text).hyperparameters.margin == 0.35);
    snprintf(text, sizeof(text), BODY, "\"margin\":0.2,\"loss\":\"arcface\"");
    assert_true(parsed(text).hyperparameters.margin == 0.2);
}

static void what_is_written_reads_as_the_same(void **state) {
    (void)state;
    static const char FULL[] =
        "{\"base_model\":\"vit@3\",\"dataset\":\"d\",\"train\":{\"kind\":\"pairs\",\"file\":"
        "\"pairsDevTrain.txt\"},\"validation\":{\"kind\":\"people\",\"file\":\"people.txt\"},"
        "\"name\":\"own\",\"compare_to\":\"vit@2\",\"hyperparameters\":{\"epochs\":3,\"batch_"
        "size\":"
        "8,\"learning_rate\":0.01,\"loss\":\"arcface\",\"margin\":0.4,\"blend\":0.7,\"scale\":64,"
        "\"trainable\":"
        "\"blocks.1?.*\",\"scheduler\":{\"factor\":0.5,\"patience\":2},\"augment\":{\"flip\":false,"
        "\"colour\":0.1,\"rotation_degrees\":3,\"scale\":0.02,\"shift\":0.03,\"views\":2},\"seed\":"
        "9007199254740991,"
        "\"cache_bytes_max\":0},\"promote\":\"if_better\",\"resume_from\":\"ft_018f\",\"deadline_"
        "s\":"
        "60,\"disk_bytes_max\":1048576}";
    struct finetune_spec spec = parsed(FULL);
    size_t size;
    char *once = finetune_spec_write(&spec, &size);
    assert_int_equal(strlen(once), size);
    struct finetune_spec again = parsed(once);
    assert_true(again.hyperparameters.blend == 0.7);
    char *twice = finetune_spec_write(&again, &size);
    assert_string_equal(once, twice);
    assert_non_null(strstr(once, "9007199254740991"));
    assert_non_null(strstr(once, "\"file\":\"pairsDevTrain.txt\""));
    assert_null(strchr(once, '\n'));
    free(once);
    free(twice);
}

static void null_is_as_good_as_absent(void **state) {
    (void)state;
    struct finetune_spec spec = parsed(
        "{\"base_model\":\"a\",\"dataset\":\"d\",\"hyperparameters\":null,\"promote\":null}");
    assert_int_equal(spec.hyperparameters.epochs, 20);
}

static void every_fault_is_told(void **state) {
    (void)state;
    struct spec_faults faults =
        refused("{\"dataset\":\"../d\",\"epochs\":3,\"turbo\":1,\"hyperparameters\":{\"epochs\":0,"
                "\"learning_rate\":\"fast\",\"scheduler\":{\"factor\":1}},\"promote\":\"always\"}");
    assert_int_equal(faults.count, 8);
    assert_fault(&faults.list[0], STATUS_UNKNOWN_FIELD, "epochs");
    assert_fault(&faults.list[1], STATUS_UNKNOWN_FIELD, "turbo");
    assert_fault(&faults.list[2], STATUS_MISSING_FIELD, "base_model");
    assert_fault(&faults.list[3], STATUS_INVALID_NAME, "dataset");
    assert_fault(&faults.list[4], STATUS_INVALID_FIELD, "hyperparameters.epochs");
    assert_fault(&faults.list[5], STATUS_INVALID_FIELD, "hyperparameters.learning_rate");
    assert_fault(&faults.list[6], STATUS_INVALID_FIELD, "hyperparameters.scheduler.factor");
    assert_fault(&faults.list[7], STATUS_INVALID_FIELD, "promote");
}

static void more_faults_than_there_is_room_for_are_cut(void **state) {
    (void)state;
    char text[1024] = "{\"base_model\":\"a\",\"dataset\":\"d\"";
    for (int i = 0; i < 40; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), ",\"x%d\":1", i);
    snprintf(text + strlen(text), sizeof(text) - strlen(text), "}");
    assert_int_equal(refused(text).count, SPEC_FAULTS_MAX);
}

static void a_file_cannot_leave_its_folder(void **state) {
    (void)state;
    static const char *const NAMES[] = {"../pairs.txt", "/etc/pairs.txt", ".pairs.txt", "pairs.csv",
                                        ".txt"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "{\"base_model\":\"a\",\"dataset\":\"d\",\"train\":{\"kind\":\"pairs\",\"file\":"
                 "\"%s\"}}",
                 NAMES[i]);
        struct spec_faults faults = refused(text);
        assert_int_equal(faults.count, 1);
        assert_fault(&faults.list[0], STATUS_INVALID_NAME, "train.file");
    }
}

static void a_kind_and_its_file_go_together(void **state) {
    (void)state;
    struct spec_faults faults = refused(
        "{\"base_model\":\"a\",\"dataset\":\"d\",\"train\":{\"kind\":\"people\"},\"validation\":{"
        "\"kind\":\"sampled\",\"file\":\"pairs.txt\"}}");
    assert_int_equal(faults.count, 2);
    assert_fault(&faults.list[0], STATUS_MISSING_FIELD, "train.file");
    assert_fault(&faults.list[1], STATUS_INVALID_FIELD, "validation.file");
}

static void values_keep_to_their_ranges(void **state) {
    (void)state;
    assert_parameter_fault("{\"batch_size\":1}", STATUS_INVALID_FIELD,
                           "hyperparameters.batch_size");
    assert_parameter_fault("{\"batch_size\":513}", STATUS_INVALID_FIELD,
                           "hyperparameters.batch_size");
    assert_parameter_fault("{\"learning_rate\":0}", STATUS_INVALID_FIELD,
                           "hyperparameters.learning_rate");
    assert_parameter_fault("{\"margin\":-1}", STATUS_INVALID_FIELD, "hyperparameters.margin");
    assert_parameter_fault("{\"blend\":0}", STATUS_INVALID_FIELD, "hyperparameters.blend");
    assert_parameter_fault("{\"blend\":1.01}", STATUS_INVALID_FIELD, "hyperparameters.blend");
    assert_parameter_fault("{\"augment\":{\"views\":0}}", STATUS_INVALID_FIELD,
                           "hyperparameters.augment.views");
    assert_parameter_fault("{\"augment\":{\"blur\":1}}", STATUS_UNKNOWN_FIELD,
                           "hyperparameters.augment.blur");
    assert_parameter_fault("{\"trainable\":\"a b\"}", STATUS_INVALID_FIELD,
                           "hyperparameters.trainable");
    assert_parameter_fault("{\"seed\":9007199254740992}", STATUS_INVALID_FIELD,
                           "hyperparameters.seed");
    assert_parameter_fault("7", STATUS_INVALID_FIELD, "hyperparameters");
}

static void hard_pairs_are_mined_for_the_contrastive_loss_and_need_two_of_two(void **state) {
    (void)state;
    assert_parameter_fault("{\"mining\":\"batch_hard\",\"loss\":\"cosface\"}", STATUS_INVALID_FIELD,
                           "hyperparameters.mining");
    assert_parameter_fault("{\"mining\":\"batch_hard\",\"batch_size\":3}", STATUS_INVALID_FIELD,
                           "hyperparameters.batch_size");
}

static void what_is_not_an_object_is_refused(void **state) {
    (void)state;
    assert_int_equal(refused("[]").list[0].status, STATUS_INVALID_FIELD);
    assert_int_equal(refused("{").list[0].status, STATUS_INVALID_JSON);
    assert_int_equal(refused("").list[0].status, STATUS_INVALID_JSON);
    assert_int_equal(refused("{\"dataset\":\"a\",\"dataset\":\"b\"}").list[0].status,
                     STATUS_INVALID_JSON);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_and_a_data_set_are_enough),
        cmocka_unit_test(the_version_goes_to_the_base_models_name_unless_another_is_given),
        cmocka_unit_test(margins_have_the_default_of_their_loss),
        cmocka_unit_test(what_is_written_reads_as_the_same),
        cmocka_unit_test(null_is_as_good_as_absent),
        cmocka_unit_test(every_fault_is_told),
        cmocka_unit_test(more_faults_than_there_is_room_for_are_cut),
        cmocka_unit_test(a_file_cannot_leave_its_folder),
        cmocka_unit_test(a_kind_and_its_file_go_together),
        cmocka_unit_test(values_keep_to_their_ranges),
        cmocka_unit_test(hard_pairs_are_mined_for_the_contrastive_loss_and_need_two_of_two),
        cmocka_unit_test(what_is_not_an_object_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
