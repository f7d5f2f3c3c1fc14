/* What the parser says on stderr goes to the test's log; only its decision is checked here. */
#include "tests/unit/folder.h"

#include "cli/options.h"

static const char *const COLOURS[] = {"red", "green", NULL};

struct values {
    bool quiet;
    const char *listen;
    int64_t count;
    double max_fmr;
    unsigned colour;
    struct option_list hosts;
};

/* Parses a command line of up to 8 words, NULL at the end; -1: go on, else the exit code. */
static int parse(struct values *values, struct options_arguments *arguments,
                 const char *const words[]) {
    const struct option_spec table[] = {
        {"quiet", NULL, "h", OPTION_FLAG, .to.flag = &values->quiet},
        {"listen", "A:P", "h", OPTION_STRING, .to.string = &values->listen},
        {"count", "N", "h", OPTION_INTEGER, .to.integer = &values->count, .integer = {-5, 10}},
        {"max-fmr", "R", "h", OPTION_REAL, .to.real = &values->max_fmr, .real = {0, 1}},
        {"colour", "C", "h", OPTION_CHOICE, .to.choice = &values->colour, .choices = COLOURS},
        {"host", "H", "h", OPTION_LIST, .to.list = &values->hosts},
    };
    const struct options options = {.command = "test",
                                    .arguments = "FILE",
                                    .arguments_min = 1,
                                    .arguments_max = 2,
                                    .summary = "s",
                                    .table = table,
                                    .count = OPTIONS_COUNT(table)};
    char *argv[16] = {"test"};
    int argc = 1, code = 0;
    for (; words[argc - 1]; argc++)
        argv[argc] = (char *)words[argc - 1];
    return options_parse(&options, argc, argv, arguments, &code) ? -1 : code;
}
#define PARSE(values, arguments, ...)                                                              \
    parse((values), (arguments), (const char *const[]){__VA_ARGS__, NULL})

static int clear_environment(void **state) {
    (void)state;
    static const char *const names[] = {"FACEPAIR_QUIET",   "FACEPAIR_LISTEN", "FACEPAIR_COUNT",
                                        "FACEPAIR_MAX_FMR", "FACEPAIR_COLOUR", "FACEPAIR_HOST"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    return 0;
}

static void takes_values_of_each_type_in_both_spellings(void **state) {
    (void)state;
    struct values v = {0};
    struct options_arguments a;
    assert_int_equal(PARSE(&v, &a, "--listen", "x:1", "file", "--count=-5", "--quiet", "--max-fmr",
                           "1e-3", "--colour=green", "--host", "a,b", "--host=c"),
                     -1);
    assert_string_equal(v.listen, "x:1");
    assert_true(v.quiet);
    assert_int_equal(v.count, -5);
    assert_true(v.max_fmr == 1e-3);
    assert_int_equal(v.colour, 1);
    assert_int_equal(v.hosts.count, 3);
    assert_string_equal(v.hosts.values[0], "a");
    assert_string_equal(v.hosts.values[2], "c");
    assert_null(v.hosts.values[3]);
    assert_int_equal(a.count, 1);
    assert_string_equal(a.values[0], "file");
    option_list_release(&v.hosts);
    assert_int_equal(v.hosts.count, 0);
}

static void what_is_not_given_keeps_its_default(void **state) {
    (void)state;
    struct values v = {.listen = "default", .count = 7, .max_fmr = 0.5};
    struct options_arguments a;
    assert_int_equal(PARSE(&v, &a, "file"), -1);
    assert_string_equal(v.listen, "default");
    assert_int_equal(v.count, 7);
    assert_true(v.max_fmr == 0.5);
}

static void the_environment_fills_in_and_the_command_line_wins(void **state) {
    (void)state;
    struct values v = {0};
    struct options_arguments a;
    setenv("FACEPAIR_LISTEN", "environment", 1);
    setenv("FACEPAIR_MAX_FMR", "0.25", 1);
    setenv("FACEPAIR_QUIET", "yes", 1);
    setenv("FACEPAIR_HOST", "h1,h2", 1);
    setenv("FACEPAIR_COUNT", "", 1); /* as unset */
    assert_int_equal(PARSE(&v, &a, "file", "--listen", "line"), -1);
    assert_string_equal(v.listen, "line");
    assert_true(v.max_fmr == 0.25);
    assert_true(v.quiet);
    assert_int_equal(v.hosts.count, 2);
    option_list_release(&v.hosts);
}

static void a_mistake_in_the_environment_is_one_too(void **state) {
    (void)state;
    struct values v = {0};
    struct options_arguments a;
    setenv("FACEPAIR_COUNT", "many", 1);
    assert_int_equal(PARSE(&v, &a, "file"), EXIT_USAGE);
    assert_int_equal(PARSE(&v, &a, "file", "--count", "3"), -1);
}

static void wrong_usage_is_refused(void **state) {
    (void)state;
    static const char *const lines[][4] = {
        {NULL},
        {"a", "b", "c", NULL},
        {"a", "--nope", NULL},
        {"a", "-x", NULL},
        {"a", "--lis", "x", NULL},
        {"a", "--listen", NULL},
        {"a", "--listen=", NULL},
        {"a", "--quiet=1", NULL},
        {"a", "--quiet", "--quiet", NULL},
        {"a", "--count=1", "--count=2", NULL},
        {"a", "--count", "11", NULL},
        {"a", "--count", "-6", NULL},
        {"a", "--count", "1x", NULL},
        {"a", "--count", " 1", NULL},
        {"a", "--count", "99999999999999999999", NULL},
        {"a", "--max-fmr", "nan", NULL},
        {"a", "--max-fmr", "inf", NULL},
        {"a", "--max-fmr", "0x1p-1", NULL},
        {"a", "--max-fmr", "0,5", NULL},
        {"a", "--max-fmr", "1.5", NULL},
        {"a", "--max-fmr", "e", NULL},
        {"a", "--colour", "blue", NULL},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct values v = {0};
        struct options_arguments a;
        if (parse(&v, &a, lines[i]) != EXIT_USAGE)
            fail_msg("line %zu was not refused", i);
    }
}

static void two_dashes_end_the_options(void **state) {
    (void)state;
    struct values v = {0};
    struct options_arguments a;
    assert_int_equal(PARSE(&v, &a, "--quiet", "--", "--listen", "-"), -1);
    assert_true(v.quiet);
    assert_int_equal(a.count, 2);
    assert_string_equal(a.values[0], "--listen");
    assert_string_equal(a.values[1], "-");
}

static void help_is_no_mistake(void **state) {
    (void)state;
    struct values v = {0};
    struct options_arguments a;
    assert_int_equal(PARSE(&v, &a, "--nope", "--help"), EXIT_DONE);
    assert_int_equal(PARSE(&v, &a, "-h"), EXIT_DONE);
}

static void a_list_is_bounded(void **state) {
    (void)state;
    struct values v = {0};
    struct options_arguments a;
    char many[2 * (OPTION_LIST_MAX + 1) + 1] = "";
    for (int i = 0; i <= OPTION_LIST_MAX; i++)
        memcpy(many + 2 * i, "h,", sizeof "h,");
    assert_int_equal(PARSE(&v, &a, "file", "--host", many), EXIT_USAGE);
    option_list_release(&v.hosts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(takes_values_of_each_type_in_both_spellings, clear_environment),
        cmocka_unit_test_setup(what_is_not_given_keeps_its_default, clear_environment),
        cmocka_unit_test_setup(the_environment_fills_in_and_the_command_line_wins,
                               clear_environment),
        cmocka_unit_test_setup(a_mistake_in_the_environment_is_one_too, clear_environment),
        cmocka_unit_test_setup(wrong_usage_is_refused, clear_environment),
        cmocka_unit_test_setup(two_dashes_end_the_options, clear_environment),
        cmocka_unit_test_setup(help_is_no_mistake, clear_environment),
        cmocka_unit_test_setup(a_list_is_bounded, clear_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
