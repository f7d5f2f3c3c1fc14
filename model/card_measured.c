#include "model/card_measured.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double DISTANCE_MAX = 1e9, LLR_MAX = 100;

/* A column: of `count` numbers, or, for the first one of a table, as many as there are. */
struct column {
    size_t count;
    double values[ERROR_RATES_POINTS_MAX];
};

static_assert((int)CALIBRATION_POINTS_MAX <= (int)ERROR_RATES_POINTS_MAX, "a column holds both");

static void read_column(const struct json_node *table, const char *name, double min, double max,
                        size_t rows, size_t rows_max, struct column *column) {
    column->count = json_read_reals(table, name, min, max, rows_max, column->values);
    if (column->count < 2 || (rows && column->count != rows))
        json_fault(table, "%s has %zu numbers", name, column->count);
}

enum direction { RISING, NOT_FALLING, NOT_RISING };

static void expect_order(const struct json_node *table, const char *name,
                         const struct column *column, enum direction direction) {
    for (size_t i = 1; i < column->count; i++) {
        double step = column->values[i] - column->values[i - 1];
        if ((direction == RISING && step <= 0) || (direction == NOT_FALLING && step < 0) ||
            (direction == NOT_RISING && step > 0))
            json_fault(table, "%s goes the wrong way at number %zu", name, i + 1);
    }
}

enum { ERROR_RATE_COLUMNS = 7 };
static const struct {
    const char *name;
    enum direction direction;
} ERROR_RATES[ERROR_RATE_COLUMNS] = {
    {"threshold", RISING},     {"fmr", NOT_FALLING}, {"fmr_low", NOT_FALLING},
    {"fmr_high", NOT_FALLING}, {"fnmr", NOT_RISING}, {"fnmr_low", NOT_RISING},
    {"fnmr_high", NOT_RISING},
};

/* The numbers of a point, in the order of the columns. */
static void spread(const struct error_rates_point *point, double cells[ERROR_RATE_COLUMNS]) {
    const double values[ERROR_RATE_COLUMNS] = {
        point->threshold,         point->fmr,  point->fmr_interval.low,
        point->fmr_interval.high, point->fnmr, point->fnmr_interval.low,
        point->fnmr_interval.high};
    memcpy(cells, values, sizeof(values));
}

static struct error_rates_point gather(const double cells[ERROR_RATE_COLUMNS]) {
    return (struct error_rates_point){.threshold = cells[0],
                                      .fmr = cells[1],
                                      .fmr_interval = {cells[2], cells[3]},
                                      .fnmr = cells[4],
                                      .fnmr_interval = {cells[5], cells[6]}};
}

static void read_error_rates(const struct json_node *root, struct error_rates *rates) {
    struct json_node table = json_read_object(root, "error_rates");
    double cells[ERROR_RATES_POINTS_MAX][ERROR_RATE_COLUMNS];
    struct column column;
    size_t rows = 0;
    for (int i = 0; i < ERROR_RATE_COLUMNS; i++) {
        const char *name = ERROR_RATES[i].name;
        read_column(&table, name, 0, i == 0 ? DISTANCE_MAX : 1, rows, ERROR_RATES_POINTS_MAX,
                    &column);
        expect_order(&table, name, &column, ERROR_RATES[i].direction);
        rows = i == 0 || column.count < rows ? column.count : rows;
        for (size_t row = 0; row < rows; row++)
            cells[row][i] = column.values[row];
    }
    rates->count = rows;
    for (size_t row = 0; row < rows; row++)
        rates->points[row] = gather(cells[row]);
}

static void read_calibration(const struct json_node *root, struct calibration *calibration) {
    struct json_node table = json_read_object(root, "probability");
    struct column distance, llr;
    read_column(&table, "distance", 0, DISTANCE_MAX, 0, CALIBRATION_POINTS_MAX, &distance);
    expect_order(&table, "distance", &distance, RISING);
    read_column(&table, "log_likelihood_ratio", -LLR_MAX, LLR_MAX, distance.count,
                CALIBRATION_POINTS_MAX, &llr);
    expect_order(&table, "log_likelihood_ratio", &llr, NOT_RISING);
    calibration->count = distance.count;
    for (size_t i = 0; i < distance.count && i < llr.count; i++)
        calibration->points[i] = (struct calibration_point){distance.values[i], llr.values[i]};
}

void card_measured_read(const struct json_node *root, struct card_measured *measured) {
    if (json_read_has(root, "error_rates"))
        read_error_rates(root, &measured->error_rates);
    if (json_read_has(root, "probability"))
        read_calibration(root, &measured->calibration);
}

/* ---- writing ---- */

/* To 6 significant digits, which is far finer than any interval; rounding keeps the order. */
static void write_rounded(struct json_writer *json, double value) {
    char digits[32];
    snprintf(digits, sizeof(digits), "%.6g", value);
    json_write_real(json, NULL, strtod(digits, NULL));
}

static void write_error_rates(struct json_writer *json, const struct error_rates *rates,
                              const char *method) {
    json_write_object(json, "error_rates");
    json_write_text(json, "method", method);
    for (int i = 0; i < ERROR_RATE_COLUMNS; i++) {
        json_write_array(json, ERROR_RATES[i].name);
        for (size_t row = 0; row < rates->count; row++) {
            double cells[ERROR_RATE_COLUMNS];
            spread(&rates->points[row], cells);
            write_rounded(json, cells[i]);
        }
        json_write_end(json);
    }
    json_write_end(json);
}

void card_measured_write(struct json_writer *json, const struct card_measured *measured,
                         const char *method) {
    const struct calibration *calibration = &measured->calibration;
    if (measured->error_rates.count)
        write_error_rates(json, &measured->error_rates, method);
    if (!calibration->count) {
        json_write_null(json, "probability");
        return;
    }
    json_write_object(json, "probability");
    json_write_text(json, "method",
                    "log-likelihood ratio (natural logarithm) over the distance, both classes "
                    "weighted equally; straight lines between the points, constant beyond them; "
                    "probability = 1 / (1 + exp(-(ratio + logit prior)))");
    json_write_array(json, "distance");
    for (size_t i = 0; i < calibration->count; i++)
        write_rounded(json, calibration->points[i].distance);
    json_write_end(json);
    json_write_array(json, "log_likelihood_ratio");
    for (size_t i = 0; i < calibration->count; i++)
        write_rounded(json, calibration->points[i].llr);
    json_write_end(json);
    json_write_end(json);
}
