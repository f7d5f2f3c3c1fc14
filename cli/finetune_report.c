#include "cli/finetune_report.h"

#include "model/json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_WIDTH = 40, BAR_CLEAR = 100 };

static void clear_bar(void) {
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%*s\r", BAR_CLEAR, "");
}

void finetune_report_progress(const struct finetune_progress *progress) {
    char bar[BAR_WIDTH + 1], left[32] = "";
    if (!isatty(STDERR_FILENO) || progress->steps == 0)
        return;
    size_t filled = (size_t)(progress->step * BAR_WIDTH / progress->steps);
    filled = filled < BAR_WIDTH ? filled : BAR_WIDTH;
    memset(bar, '#', filled);
    memset(bar + filled, '.', BAR_WIDTH - filled);
    bar[BAR_WIDTH] = '\0';
    if (progress->eta_s >= 0)
        snprintf(left, sizeof(left), ", %.0f s left", progress->eta_s);
    fprintf(stderr, "\r%-10s [%s] %llu/%llu%s   ", FINETUNE_PHASE_NAMES[progress->phase], bar,
            (unsigned long long)progress->step, (unsigned long long)progress->steps, left);
}

void finetune_report_epoch(const struct finetune_epoch *epoch) {
    clear_bar();
    fprintf(stderr, "epoch %3u   train %.5f   validation %.5f   rate %.1e%s\n", epoch->epoch,
            epoch->train_loss, epoch->validation_loss, epoch->learning_rate,
            epoch->best_epoch == epoch->epoch ? "   best so far" : "");
}

/* ---- the table ---- */

struct row {
    char model[CARD_NAME_MAX + 1], version[CARD_VERSION_MAX + 1];
    double threshold, fmr, fnmr, accuracy_threshold, accuracy;
};
struct difference {
    double value, low, high;
};

static void read_row(const struct json_node *comparison, const char *name, struct row *row) {
    struct json_node object = json_read_object(comparison, name);
    json_read_text(&object, "model", row->model, sizeof(row->model));
    json_read_text(&object, "version", row->version, sizeof(row->version));
    json_read_real(&object, "threshold", 0, 1e9, &row->threshold);
    json_read_real(&object, "fmr", 0, 1, &row->fmr);
    json_read_real(&object, "fnmr", 0, 1, &row->fnmr);
    json_read_real(&object, "accuracy_threshold", 0, 1e9, &row->accuracy_threshold);
    json_read_real(&object, "accuracy", 0, 1, &row->accuracy);
}

static void read_difference(const struct json_node *comparison, const char *name,
                            struct difference *difference) {
    struct json_node object = json_read_object(comparison, name);
    json_read_real(&object, "value", -1, 1, &difference->value);
    json_read_real(&object, "low", -1, 1, &difference->low);
    json_read_real(&object, "high", -1, 1, &difference->high);
}

static void print_row(const struct row *row) {
    char name[CARD_NAME_MAX + CARD_VERSION_MAX + 2];
    snprintf(name, sizeof(name), "%s@%s", row->model, row->version);
    printf("%-24s %9.5g %10.3g %9.2f %% %12.5g %9.2f %%\n", name, row->threshold, row->fmr,
           100 * row->fnmr, row->accuracy_threshold, 100 * row->accuracy);
}

static void print_difference(const char *what, const struct difference *difference) {
    printf("%-24s %+.2f points (%+.2f to %+.2f)\n", what, 100 * difference->value,
           100 * difference->low, 100 * difference->high);
}

static void print_comparison(const struct json_node *comparison, bool better) {
    struct row base = {.model = ""}, candidate = {.model = ""};
    struct difference fewer_refused = {0}, held = {0}, more_accurate = {0};
    double fmr = 0, confidence = 0;
    int64_t people = 0, images = 0, genuine = 0, impostor = 0, candidates = 0;
    read_row(comparison, "base", &base);
    read_row(comparison, "candidate", &candidate);
    read_difference(comparison, "fewer_refused", &fewer_refused);
    read_difference(comparison, "fewer_refused_held", &held);
    read_difference(comparison, "more_accurate", &more_accurate);
    json_read_real(comparison, "operating_fmr", 0, 1, &fmr);
    json_read_real(comparison, "confidence", 0, 1, &confidence);
    json_read_integer(comparison, "people", 0, INT64_MAX, &people);
    json_read_integer(comparison, "images", 0, INT64_MAX, &images);
    json_read_integer(comparison, "genuine_pairs_listed", 0, INT64_MAX, &genuine);
    json_read_integer(comparison, "impostor_pairs_listed", 0, INT64_MAX, &impostor);
    json_read_integer(comparison, "candidates", 0, INT64_MAX, &candidates);
    printf("On %lld photographs of %lld people that neither was trained on; thresholds for a "
           "false-match rate of %g\nand for accuracy (%lld pairs of one person, %lld of two) from "
           "others:\n\n",
           (long long)images, (long long)people, fmr, (long long)genuine, (long long)impostor);
    printf("%-24s %9s %10s %11s %12s %11s\n", "version", "threshold", "FMR", "FNMR", "threshold",
           "accuracy");
    print_row(&base);
    print_row(&candidate);
    printf("\n");
    print_difference("fewer refused", &fewer_refused);
    print_difference("… at no higher FMR", &held);
    print_difference("more accurate", &more_accurate);
    printf(
        "(intervals of %.4g %%, by a bootstrap over people; %lld candidate%s tried on them)\n%s\n",
        100 * confidence, (long long)candidates, candidates == 1 ? "" : "s",
        better ? "Better." : "Not shown to be better.");
}

enum status finetune_report_result(const struct finetune_result *result, struct error *err) {
    struct json_reader *reader;
    enum status status =
        json_reader_open(result->evaluation, result->evaluation_size, &reader, err);
    if (status != STATUS_OK)
        return status;
    clear_bar();
    struct json_node root = json_root(reader), comparison = json_read_object(&root, "comparison");
    printf("%s@%s: published\n", result->model, result->version);
    print_comparison(&comparison, result->better);
    return json_reader_close(reader, err);
}
