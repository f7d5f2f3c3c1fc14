/* Two small trainings, each of the last block of a network on images of people who do not exist:
 * what the tests of train.h share. Failures fail the test. */
#ifndef FACEPAIR_TESTS_PARITY_TRAIN_COURSE_H
#define FACEPAIR_TESTS_PARITY_TRAIN_COURSE_H

#include "tests/unit/folder.h"

#include "model/card.h"
#include "tests/parity/made_up_people.h"

#define PARITY FACEPAIR_SOURCE_DIR "/tests/parity/"

/* A network, and how train/golden.py trained it. */
struct recipe {
    const char *name, *last_block;
    uint32_t cell, pairs; /* pairs in a batch */
    uint64_t images_seed, pairs_seed;
    double learning_rate;
};
enum { RECIPES_COUNT = 2 };
extern const struct recipe RECIPES[RECIPES_COUNT];

/* The network on disk, and the people whose images it learns. */
struct subject {
    const struct recipe *recipe;
    struct folder folder; /* for what the test writes */
    struct card card;
    char weights[PATH_MAX];
    struct made_up_people people;
};
void subject_open(struct subject *subject, const struct recipe *recipe);
void subject_close(struct subject *subject);
/* For cmocka_run_group_tests: every recipe's subject (RECIPES_COUNT) as the state, on one thread of
 * the CPU, where the same steps give the same bits. */
int subjects_open(void **state);
int subjects_close(void **state);
/* The defaults at the recipe's learning rate. */
struct network_train_options subject_options(const struct subject *subject);

/* A training under way on rows that were computed once, as fine-tuning does it, and its batches. */
struct course {
    struct network_train *train;
    struct made_up_people rows; /* of the people's images */
    struct made_up_pairs pairs;
    uint32_t n; /* pairs in a batch; half of the rows in a batch of people */
};
struct course course_begin(const struct subject *subject,
                           const struct network_train_options *options);
void course_end(struct course *course);
struct network_train_batch course_draw(struct course *course);
struct network_train_batch course_draw_people(struct course *course);
double course_step(struct course *course, const struct network_train_batch *batch);
double course_evaluate(struct course *course, const struct network_train_batch *batch);
void course_save(const struct course *course, const char *path);

/* Two files hold tensors of the same names and shapes; those whose names match one of the patterns
 * (the shell's, separated by commas) differ in some bit, the others in none. */
void assert_moved(const char *before_path, const char *after_path, const char *moved);

#endif
