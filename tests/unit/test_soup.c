/* The mean of several trainings' weights. */
#include "tests/unit/folder.h"

#include "model/finetune/soup.h"
#include "model/safetensors.h"

static const float A[] = {1, 2, 3, 4, 5, 6}, B[] = {3, 2, 1, 0, -1, -2}, SCALAR[] = {8};

struct files {
    struct folder folder;
    char path[3][96];
};

static struct files write_files(const struct safetensors_tensor *first, size_t first_count,
                                const struct safetensors_tensor *second, size_t second_count) {
    struct files files = {.folder = folder_create()};
    for (int i = 0; i < 3; i++)
        snprintf(files.path[i], sizeof(files.path[i]), "%s/%d", files.folder.path, i);
    assert_int_equal(safetensors_write(files.path[0], first, first_count, NULL), STATUS_OK);
    assert_int_equal(safetensors_write(files.path[1], second, second_count, NULL), STATUS_OK);
    return files;
}

static void it_is_the_mean_of_each_tensor(void **state) {
    (void)state;
    const struct safetensors_tensor first[] = {{"a", 2, {2, 3}, A}, {"s", 0, {0}, SCALAR}};
    const struct safetensors_tensor second[] = {{"s", 0, {0}, SCALAR}, {"a", 2, {2, 3}, B}};
    struct files files = write_files(first, 2, second, 2);
    const char *ingredients[] = {files.path[0], files.path[1]};
    struct safetensors *mean;
    assert_int_equal(soup_write(ingredients, 2, files.path[2], NULL), STATUS_OK);
    assert_int_equal(safetensors_open(files.path[2], &mean, NULL), STATUS_OK);
    assert_int_equal(safetensors_count(mean), 2);
    const struct safetensors_tensor *a = safetensors_find(mean, "a");
    assert_int_equal(a->rank, 2);
    assert_int_equal(a->shape[1], 3);
    for (int i = 0; i < 6; i++)
        assert_true(a->data[i] == 2);
    assert_true(safetensors_find(mean, "s")->data[0] == 8);
    safetensors_close(mean);
    folder_remove(&files.folder);
}

static void ingredients_of_other_tensors_are_refused(void **state) {
    (void)state;
    const struct safetensors_tensor whole[] = {{"a", 2, {2, 3}, A}};
    const struct safetensors_tensor turned[] = {{"a", 2, {3, 2}, A}};
    const struct safetensors_tensor other[] = {{"b", 2, {2, 3}, A}};
    const struct safetensors_tensor *const wrong[] = {turned, other};
    for (int i = 0; i < 2; i++) {
        struct files files = write_files(whole, 1, wrong[i], 1);
        const char *ingredients[] = {files.path[0], files.path[1]};
        struct error err;
        assert_int_equal(soup_write(ingredients, 2, files.path[2], &err), STATUS_INTERNAL);
        assert_non_null(strstr(err.detail, "a is missing or has another shape"));
        assert_int_not_equal(access(files.path[2], F_OK), 0);
        folder_remove(&files.folder);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_mean_of_each_tensor),
        cmocka_unit_test(ingredients_of_other_tensors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
