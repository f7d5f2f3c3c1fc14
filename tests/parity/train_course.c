#include "tests/parity/train_course.h"

#include "model/import/vit.h"
#include "model/network/network.h"
#include "model/safetensors.h"

#include <fnmatch.h>

const struct recipe RECIPES[RECIPES_COUNT] = {
    {"vit", "blocks.1.*", 1, 8, 1, 2, 1e-3},
    {"dlib-resnet", "blocks.13.*", 10, 4, 3, 4, 3e-5},
};

static void import_notebook(const struct folder *data) {
    struct error err;
    const struct import_vit_options options = {.weights_path =
                                                   PARITY "vit/notebook/weights.safetensors",
                                               .config_path = PARITY "vit/notebook/config.json",
                                               .data_directory = data->path,
                                               .input = CARD_INPUT_FRAME};
    if (import_vit(&options, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
}

void subject_open(struct subject *s, const struct recipe *recipe) {
    *s = (struct subject){.recipe = recipe, .folder = folder_create()};
    bool vit = strcmp(recipe->name, "vit") == 0;
    char version[PATH_MAX - 32];
    struct error err;
    if (vit)
        import_notebook(&s->folder);
    snprintf(version, sizeof(version), "%s/models/%s/1",
             vit ? s->folder.path : FACEPAIR_PARITY_DATA, recipe->name);
    snprintf(s->weights, sizeof(s->weights), "%s/weights.safetensors", version);
    if (card_read(version, &s->card, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    s->people = made_up_people_draw(recipe->images_seed, s->card.input.side, recipe->cell);
}

void subject_close(struct subject *s) {
    made_up_people_release(&s->people);
    card_release(&s->card);
    folder_remove(&s->folder);
}

int subjects_open(void **state) {
    struct subject *subjects = calloc(RECIPES_COUNT, sizeof(*subjects));
    struct error err;
    if (!subjects || network_runtime_open("cpu", 1, &err) != STATUS_OK)
        return -1;
    for (size_t i = 0; i < RECIPES_COUNT; i++)
        subject_open(&subjects[i], &RECIPES[i]);
    *state = subjects;
    return 0;
}

int subjects_close(void **state) {
    for (size_t i = 0; i < RECIPES_COUNT; i++)
        subject_close((struct subject *)*state + i);
    free(*state);
    return 0;
}

struct network_train_options subject_options(const struct subject *s) {
    struct network_train_options options = NETWORK_TRAIN_OPTIONS_DEFAULT;
    options.learning_rate = s->recipe->learning_rate;
    return options;
}

static struct made_up_people freeze(struct network_train *train,
                                    const struct made_up_people *people) {
    enum { IMAGES = MADE_UP_PEOPLE * MADE_UP_IMAGES };
    struct made_up_people rows = {.image_floats = network_train_row_values(train)};
    struct error err;
    rows.images = calloc(IMAGES * rows.image_floats, sizeof(float));
    assert_non_null(rows.images);
    if (network_train_freeze(train, people->images, IMAGES, rows.images, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return rows;
}

struct course course_begin(const struct subject *s, const struct network_train_options *options) {
    struct course course = {.n = s->recipe->pairs};
    struct error err;
    if (network_train_begin(&s->card, s->weights, options, &course.train, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    course.rows = freeze(course.train, &s->people);
    course.pairs = made_up_pairs_create(s->recipe->pairs_seed, &course.rows);
    return course;
}

void course_end(struct course *course) {
    network_train_end(course->train);
    made_up_people_release(&course->rows);
    made_up_pairs_release(&course->pairs);
}

struct network_train_batch course_draw(struct course *course) {
    return made_up_pairs_draw(&course->pairs, &course->rows, course->n);
}

struct network_train_batch course_draw_people(struct course *course) {
    return made_up_people_batch(&course->pairs, &course->rows, 2 * course->n);
}

double course_step(struct course *course, const struct network_train_batch *batch) {
    double loss;
    struct error err;
    if (network_train_step(course->train, batch, &loss, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return loss;
}

double course_evaluate(struct course *course, const struct network_train_batch *batch) {
    double loss;
    struct error err;
    if (network_train_evaluate(course->train, batch, &loss, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return loss;
}

void course_save(const struct course *course, const char *path) {
    struct error err;
    if (network_train_save(course->train, path, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
}

static size_t tensor_bytes(const struct safetensors_tensor *tensor) {
    size_t bytes = sizeof(float);
    for (uint32_t i = 0; i < tensor->rank; i++)
        bytes *= tensor->shape[i];
    return bytes;
}

static bool any_matches(const char *patterns, const char *name) {
    char list[256], *rest = list;
    snprintf(list, sizeof(list), "%s", patterns);
    for (const char *pattern; (pattern = strsep(&rest, ","));)
        if (fnmatch(pattern, name, FNM_NOESCAPE) == 0)
            return true;
    return false;
}

/* Adding the same to both embeddings leaves their distance: this tensor has no gradient. */
static bool cancels(const char *name) { return strcmp(name, "fc_norm.bias") == 0; }

void assert_moved(const char *before_path, const char *after_path, const char *moved) {
    struct safetensors *before = NULL, *after = NULL;
    struct error err;
    if (safetensors_open(before_path, &before, &err) != STATUS_OK ||
        safetensors_open(after_path, &after, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    assert_int_equal(safetensors_count(before), safetensors_count(after));
    for (size_t i = 0; i < safetensors_count(before); i++) {
        const struct safetensors_tensor *was = &safetensors_all(before)[i];
        const struct safetensors_tensor *is = safetensors_find(after, was->name);
        assert_non_null(is);
        assert_int_equal(was->rank, is->rank);
        assert_memory_equal(was->shape, is->shape, sizeof(was->shape));
        bool equal = memcmp(was->data, is->data, tensor_bytes(was)) == 0;
        if (!cancels(was->name) && equal == any_matches(moved, was->name))
            fail_msg("%s has %s", was->name, equal ? "not moved" : "moved");
    }
    safetensors_close(before);
    safetensors_close(after);
}
