#include "tests/unit/folder.h"

#include "model/plot.h"

/* Two kinds of ten distances, and their curve. */
static void sample(struct distance_histogram *histogram, struct error_rates *rates) {
    const struct error_rates_extra none = {0};
    assert_int_equal(distance_histogram_create(50000, histogram, NULL), STATUS_OK);
    histogram->genuine_pairs = histogram->impostor_pairs = 10;
    for (unsigned i = 0; i < 10; i++) {
        histogram->genuine[10000 + 1000 * i] = 0.1;
        histogram->impostor[18000 + 2000 * i] = 0.1;
    }
    error_rates_of_pairs(histogram, &none, rates);
}

static char *draw(const struct plot *plot) {
    struct folder folder = folder_create();
    char path[128];
    static char text[1 << 18];
    snprintf(path, sizeof(path), "%s/plot.svg", folder.path);
    assert_int_equal(plot_write(path, plot, NULL), STATUS_OK);
    FILE *file = fopen(path, "r");
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    folder_remove(&folder);
    text[size] = '\0';
    return text;
}

/* Every element that opens also closes, in order. */
static bool well_formed(const char *text) {
    char open[16][16];
    int depth = 0;
    for (const char *p = strchr(text, '<'); p; p = strchr(p + 1, '<')) {
        const char *end = strchr(p, '>');
        size_t length = strcspn(p + 1, " >/");
        if (!end || length >= 16 || depth >= 16)
            return false;
        if (p[1] == '/') {
            length = strcspn(p + 2, ">");
            if (depth == 0 || strncmp(open[--depth], p + 2, length) != 0)
                return false;
        } else if (end[-1] != '/') {
            snprintf(open[depth++], 16, "%.*s", (int)length, p + 1);
        }
    }
    return depth == 0;
}

static void draws_four_panels(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct error_rates rates;
    sample(&histogram, &rates);
    struct calibration_quality calibration = {.bins = {{1, 0.9, 0.8}}};
    const struct plot plot = {"net@1", &rates, &histogram, &calibration, 0.4};
    const char *text = draw(&plot);
    assert_true(well_formed(text));
    static const char *const titles[] = {"ROC",    "DET",    "Distances", "Reliability",  "net@1",
                                         ">1e-5<", ">0.02<", ">0.2<",     "threshold 0.4"};
    for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        assert_non_null(strstr(text, titles[i]));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_null(strstr(text, "not calibrated"));
    distance_histogram_release(&histogram);
}

static void says_when_there_is_no_calibration(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct error_rates rates;
    sample(&histogram, &rates);
    const struct plot plot = {"net@1", &rates, &histogram, NULL, 0};
    assert_non_null(strstr(draw(&plot), "not calibrated"));
    distance_histogram_release(&histogram);
}

static void a_title_cannot_break_out_of_its_element(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct error_rates rates;
    sample(&histogram, &rates);
    const struct plot plot = {"</text><script>&\x01", &rates, &histogram, NULL, 0};
    const char *text = draw(&plot);
    assert_true(well_formed(text));
    assert_null(strstr(text, "<script"));
    assert_null(strchr(text, '\x01'));
    assert_non_null(strstr(text, "&lt;/text>&lt;script>&amp;"));
    distance_histogram_release(&histogram);
}

static void a_place_that_cannot_be_written_is_named(void **state) {
    (void)state;
    struct distance_histogram histogram;
    struct error_rates rates;
    struct error err;
    sample(&histogram, &rates);
    const struct plot plot = {"net@1", &rates, &histogram, NULL, 0};
    assert_int_equal(plot_write("/nowhere/plot.svg", &plot, &err), STATUS_INTERNAL);
    assert_non_null(strstr(err.detail, "/nowhere/plot.svg"));
    distance_histogram_release(&histogram);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_four_panels),
        cmocka_unit_test(says_when_there_is_no_calibration),
        cmocka_unit_test(a_title_cannot_break_out_of_its_element),
        cmocka_unit_test(a_place_that_cannot_be_written_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
