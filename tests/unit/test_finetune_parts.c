/* Who of a data set is for what: by place, by files, and never for two things. */
#include "tests/unit/folder.h"

#include "model/finetune/parts.h"

static const char *const NOBODY_LEARNED[] = {NULL};

/* people folders P000 …, with so many photographs each (empty files: nothing is decoded here). */
static struct folder photographs(uint32_t people, uint32_t images) {
    struct folder folder = folder_create();
    for (uint32_t p = 0; p < people; p++)
        for (uint32_t i = 1; i <= images; i++) {
            char name[64];
            snprintf(name, sizeof(name), "P%03u/P%03u_%04u.jpg", p, p, i);
            folder_write_text(&folder, name, "");
        }
    return folder;
}

static struct album album_of(const struct folder *folder) {
    struct album album;
    struct error err;
    assert_int_equal(album_read(folder->path, &album, &err), STATUS_OK);
    return album;
}

static struct finetune_spec sampled(void) {
    struct finetune_spec spec;
    finetune_spec_default(&spec);
    return spec;
}

static struct finetune_source file(enum finetune_source_kind kind, const char *name) {
    struct finetune_source source = {.kind = kind};
    snprintf(source.file, sizeof(source.file), "%s", name);
    return source;
}

static void assert_refused(const struct folder *folder, const struct finetune_spec *spec,
                           const char *because) {
    struct album album = album_of(folder);
    struct parts parts;
    struct error err;
    assert_int_equal(parts_read(&album, spec, folder->path, NOBODY_LEARNED, &parts, &err),
                     STATUS_INVALID_FIELD);
    assert_non_null(strstr(err.detail, because));
    album_release(&album);
}

static struct parts parts_of(const struct folder *folder, const struct album *album,
                             const struct finetune_spec *spec, const char *const *learned) {
    struct parts parts;
    struct error err = {""};
    if (parts_read(album, spec, folder->path, learned, &parts, &err) != STATUS_OK)
        fail_msg("%s", err.detail);
    return parts;
}

static uint32_t count(const struct album *album, const struct parts *parts, enum part part) {
    uint32_t people = 0;
    for (uint32_t p = 0; p < album->people; p++)
        people += parts->of[p] == part;
    return people;
}

/* ---- albums ---- */

static void an_album_is_sorted_and_holds_photographs_only(void **state) {
    (void)state;
    struct folder folder = folder_create();
    folder_write_text(&folder, "Zoe/b.PNG", "");
    folder_write_text(&folder, "Zoe/a.jpg", "");
    folder_write_text(&folder, "Zoe/notes.txt", "");
    folder_write_text(&folder, "Zoe/.hidden.jpg", "");
    folder_write_text(&folder, "Ada/a.webp", "");
    folder_write_text(&folder, "Empty/notes.txt", "");
    folder_write_text(&folder, ".trash/a.jpg", "");
    folder_write_text(&folder, "pairs.txt", "");
    struct album album = album_of(&folder);
    assert_int_equal(album.people, 2);
    assert_int_equal(album.images, 3);
    assert_string_equal(album.list[0].name, "Ada");
    assert_string_equal(album.paths[1], "Zoe/a.jpg");
    assert_string_equal(album.paths[2], "Zoe/b.PNG");
    assert_int_equal(album.person_of[2], 1);
    assert_int_equal(album_find_person(&album, "Zoe"), 1);
    assert_int_equal(album_find_person(&album, "Bob"), ALBUM_NOBODY);
    assert_int_equal(album_find_image(&album, "Zoe/b.PNG"), 2);
    assert_int_equal(album_find_image(&album, "Zoe/c.jpg"), ALBUM_NOBODY);
    album_release(&album);
    folder_remove(&folder);
}

static void a_folder_that_is_not_there_is_told(void **state) {
    (void)state;
    struct album album;
    struct error err;
    assert_int_equal(album_read("/nowhere/at/all", &album, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "/nowhere"));
}

/* ---- sampled ---- */

static void everybody_has_one_part_in_the_shares_told(void **state) {
    (void)state;
    struct folder folder = photographs(400, 2);
    struct album album = album_of(&folder);
    struct finetune_spec spec = sampled();
    struct parts parts = parts_of(&folder, &album, &spec, NOBODY_LEARNED);
    assert_in_range(count(&album, &parts, PART_EVALUATION), 100, 140);
    assert_in_range(count(&album, &parts, PART_CALIBRATION), 14, 44);
    assert_in_range(count(&album, &parts, PART_VALIDATION), 14, 44);
    assert_in_range(count(&album, &parts, PART_TRAINING), 200, 250);
    assert_int_equal(count(&album, &parts, PART_NOBODY), 0);
    parts_release(&parts);
    album_release(&album);
    folder_remove(&folder);
}

static void a_place_depends_on_the_name_and_the_seed_alone(void **state) {
    (void)state;
    /* hashlib: int.from_bytes(sha256(b"1:Ada").digest()[:8], "big") >> 11, over 2 ** 53 */
    assert_true(parts_place(1, "Ada") == 3932140026973611.0 / (1ull << 53));
    assert_true(parts_place(2, "Ada") != parts_place(1, "Ada"));
}

static void whom_an_earlier_version_knows_is_trained_on(void **state) {
    (void)state;
    struct folder folder = photographs(400, 2);
    struct album album = album_of(&folder);
    struct finetune_spec spec = sampled();
    struct parts before = parts_of(&folder, &album, &spec, NOBODY_LEARNED);
    uint32_t someone = 0;
    while (before.of[someone] != PART_EVALUATION)
        someone++;
    char hash[PERSON_HASH_SIZE], text[PERSON_HASH_SIZE + 1];
    person_hash(album.list[someone].name, hash);
    snprintf(text, sizeof(text), "%s\n", hash);
    const char *const learned[] = {text, NULL};
    struct parts after = parts_of(&folder, &album, &spec, learned);
    assert_int_equal(after.of[someone], PART_TRAINING);
    assert_int_equal(count(&album, &after, PART_EVALUATION),
                     count(&album, &before, PART_EVALUATION) - 1);
    parts_release(&before);
    parts_release(&after);
    album_release(&album);
    folder_remove(&folder);
}

/* ---- files ---- */

static void a_people_file_says_who_is_trained_on_and_the_others_measure(void **state) {
    (void)state;
    struct folder folder = photographs(60, 2);
    char text[2048] = "40\n";
    for (int i = 0; i < 40; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "P%03d\t2\n", i);
    folder_write_text(&folder, "people.txt", text);
    struct album album = album_of(&folder);
    struct finetune_spec spec = sampled();
    spec.train = file(FINETUNE_PEOPLE, "people.txt");
    struct parts parts = parts_of(&folder, &album, &spec, NOBODY_LEARNED);
    for (uint32_t p = 0; p < 60; p++)
        assert_true(p < 40 ? parts.of[p] == PART_TRAINING || parts.of[p] == PART_VALIDATION
                           : parts.of[p] == PART_CALIBRATION || parts.of[p] == PART_EVALUATION);
    assert_true(count(&album, &parts, PART_VALIDATION) >= 2);
    parts_release(&parts);
    album_release(&album);
    folder_remove(&folder);
}

static void a_pairs_file_says_which_photographs_are_used(void **state) {
    (void)state;
    struct folder folder = photographs(60, 3);
    folder_write_text(&folder, "pairs.txt",
                      "2\nP000 1 2\nP001 1 2\nP000 1 P001 2\nP002 1 P001 1\n");
    folder_write_text(&folder, "validation.txt", "1\nP003 1 3\nP003 1 P004 2\n");
    struct album album = album_of(&folder);
    struct finetune_spec spec = sampled();
    spec.train = file(FINETUNE_PAIRS, "pairs.txt");
    spec.validation = file(FINETUNE_PAIRS, "validation.txt");
    struct parts parts = parts_of(&folder, &album, &spec, NOBODY_LEARNED);
    assert_int_equal(parts.training.count, 4);
    assert_int_equal(parts.validation.count, 2);
    assert_int_equal(parts.validation.list[0].b, album_find_image(&album, "P003/P003_0003.jpg"));
    assert_true(parts.listed[album_find_image(&album, "P000/P000_0001.jpg")]);
    assert_false(parts.listed[album_find_image(&album, "P000/P000_0003.jpg")]);
    assert_int_equal(count(&album, &parts, PART_TRAINING), 3);
    assert_int_equal(count(&album, &parts, PART_VALIDATION), 2);
    parts_release(&parts);
    album_release(&album);
    folder_remove(&folder);
}

static void nobody_may_be_named_by_both_files(void **state) {
    (void)state;
    struct folder folder = photographs(60, 2);
    folder_write_text(&folder, "train.txt", "2\nP000\t2\nP001\t2\n");
    folder_write_text(&folder, "validation.txt", "2\nP001\t2\nP002\t2\n");
    struct finetune_spec spec = sampled();
    spec.train = file(FINETUNE_PEOPLE, "train.txt");
    spec.validation = file(FINETUNE_PEOPLE, "validation.txt");
    assert_refused(&folder, &spec, "P001 is among the training people and among the validation");
    folder_remove(&folder);
}

static void a_file_that_names_what_is_not_there_is_refused(void **state) {
    (void)state;
    struct folder folder = photographs(60, 2);
    folder_write_text(&folder, "people.txt", "1\nNobody\t2\n");
    folder_write_text(&folder, "pairs.txt", "1\nP000 1 9\nP000 1 P001 1\n");
    struct finetune_spec spec = sampled();
    spec.train = file(FINETUNE_PEOPLE, "people.txt");
    assert_refused(&folder, &spec, "Nobody");
    spec.train = file(FINETUNE_PAIRS, "pairs.txt");
    assert_refused(&folder, &spec, "P000/P000_0009.jpg");
    folder_remove(&folder);
}

/* ---- too little ---- */

static void one_person_is_not_enough(void **state) {
    (void)state;
    struct folder folder = photographs(1, 5);
    struct finetune_spec spec = sampled();
    assert_refused(&folder, &spec, "too few photographs");
    folder_remove(&folder);
}

static void one_photograph_of_each_is_not_enough(void **state) {
    (void)state;
    struct folder folder = photographs(100, 1);
    struct finetune_spec spec = sampled();
    assert_refused(&folder, &spec, "0 with two or more");
    folder_remove(&folder);
}

static void pairs_of_one_kind_alone_are_not_enough(void **state) {
    (void)state;
    struct folder folder = photographs(100, 2);
    struct album album = album_of(&folder);
    struct finetune_spec spec = sampled();
    folder_write_text(&folder, "pairs.txt", "1\nP000 1 2\nP000 1 P001 1\n");
    folder_write_text(&folder, "validation.txt", "1\nP003 1 2\nP003 1 P004 2\n");
    spec.validation = file(FINETUNE_PAIRS, "validation.txt");
    spec.train = file(FINETUNE_PAIRS, "pairs.txt");
    struct parts parts = parts_of(&folder, &album, &spec, NOBODY_LEARNED);
    bool usable[200];
    struct error err;
    memset(usable, true, sizeof(usable));
    usable[album_find_image(&album, "P001/P001_0001.jpg")] = false; /* no face was found */
    assert_int_equal(parts_check(&album, &parts, PART_TRAINING, usable, &err),
                     STATUS_INVALID_FIELD);
    assert_non_null(strstr(err.detail, "1 pairs of one person and 0 of two"));
    parts_release(&parts);
    album_release(&album);
    folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_album_is_sorted_and_holds_photographs_only),
        cmocka_unit_test(a_folder_that_is_not_there_is_told),
        cmocka_unit_test(everybody_has_one_part_in_the_shares_told),
        cmocka_unit_test(a_place_depends_on_the_name_and_the_seed_alone),
        cmocka_unit_test(whom_an_earlier_version_knows_is_trained_on),
        cmocka_unit_test(a_people_file_says_who_is_trained_on_and_the_others_measure),
        cmocka_unit_test(a_pairs_file_says_which_photographs_are_used),
        cmocka_unit_test(nobody_may_be_named_by_both_files),
        cmocka_unit_test(a_file_that_names_what_is_not_there_is_refused),
        cmocka_unit_test(one_person_is_not_enough),
        cmocka_unit_test(one_photograph_of_each_is_not_enough),
        cmocka_unit_test(pairs_of_one_kind_alone_are_not_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
