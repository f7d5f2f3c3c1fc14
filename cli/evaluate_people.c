#include "cli/evaluate.h"
#include "cli/master_faces.h"
#include "model/measure/people.h"
#include "model/plot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_rate(const char *name, double rate, struct interval interval) {
    printf("%-17s %.4g (%.4g to %.4g)\n", name, rate, interval.low, interval.high);
}

static void print_calibration(const struct evaluation_gallery *evaluation) {
    if (!evaluation->calibrated)
        return;
    printf("probabilities     error %.4f, log loss %.4f (%.4f knowing the decision alone)\n",
           evaluation->calibration.error, evaluation->calibration.log_loss,
           evaluation->calibration.two_valued_log_loss);
}

static void print_kinds(const struct master_faces *faces, const char *name,
                        const struct master_face *kinds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        printf("%s %-3g match %.4f of the people, at most %.4f", name, kinds[i].parameter,
               kinds[i].rate, kinds[i].rate_max);
        if (faces->checked)
            printf("; %u of %u refused as atypical", kinds[i].refused, kinds[i].tried);
        printf("\n");
    }
}

static void print_master_faces(const struct master_faces *faces) {
    if (faces->threshold <= 0)
        return;
    printf("mean embedding    matches %.4f of the people at %g%s\n", faces->mean_rate,
           faces->threshold,
           !faces->checked       ? ""
           : faces->mean_refused ? "; refused as atypical"
                                 : "; not refused");
    print_kinds(faces, "averages of", faces->averaged, faces->averaged_count);
    print_kinds(faces, "blurs of   ", faces->blurred, faces->blurred_count);
}

static void print_groups(const struct evaluation_gallery *evaluation) {
    for (size_t i = 0; i < evaluation->groups_count; i++) {
        const struct evaluation_group *group = &evaluation->groups[i];
        printf("group %-11s %u people, at %g: ", group->name, group->people,
               evaluation->groups_threshold);
        if (group->measured)
            printf("FMR %.3g (%.3g to %.3g), FNMR %.4f (%.4f to %.4f)\n", group->rates.fmr,
                   group->rates.fmr_interval.low, group->rates.fmr_interval.high, group->rates.fnmr,
                   group->rates.fnmr_interval.low, group->rates.fnmr_interval.high);
        else
            printf("too few to measure\n");
    }
}

static void print_for_people(const struct evaluate_settings *settings, const struct card *card,
                             const struct people_gallery *people,
                             const struct evaluation_gallery *evaluation) {
    const struct evaluation *e = &evaluation->at_threshold;
    printf("model             %s@%s\n", card->name, card->version);
    printf("protocol          %s, all pairs%s%s (face: %s; without a face: %s)\n",
           settings->protocol_name, settings->part ? ", part " : "",
           settings->part ? settings->part : "", FACES_WHICH[settings->face],
           FACES_WITHOUT[settings->no_face]);
    printf("people            %u, %u with two images or more\n", evaluation->histogram.people,
           evaluation->histogram.people_paired);
    printf("images            %u of %zu, %zu without the face asked for\n",
           evaluation->histogram.images, people->images_listed, people->faces_not_found);
    printf("pairs             %zu genuine, %zu impostor, weighted by person\n", e->genuine,
           e->impostor);
    printf("threshold         %g\n", e->threshold);
    printf("accuracy          %.4f\n", e->accuracy);
    print_rate("FMR", evaluation->at_threshold_rates.fmr,
               evaluation->at_threshold_rates.fmr_interval);
    print_rate("FNMR", evaluation->at_threshold_rates.fnmr,
               evaluation->at_threshold_rates.fnmr_interval);
    printf("ROC AUC           %.6f\n", e->roc_auc);
    printf("EER               %.4f (at threshold %.4f)\n", e->eer, e->eer_threshold);
    print_calibration(evaluation);
    print_master_faces(&evaluation->master_faces);
    printf("Thresholds from these people:\n");
    evaluate_print_points(evaluation->points, evaluation->points_count);
    if (evaluation->card_points_count) {
        printf("The card's thresholds on these people:\n");
        evaluate_print_points(evaluation->card_points, evaluation->card_points_count);
    }
    print_groups(evaluation);
}

static enum status emit(const struct evaluate_settings *settings, const struct session *session,
                        const struct people_gallery *people,
                        const struct evaluation_gallery *evaluation, struct error *err) {
    const struct measure_options options = evaluate_options(settings);
    const struct measure_place place = session_place(session);
    size_t size = 0;
    char *json = measure_people_json(&place, &options, people, evaluation, &size);
    return evaluate_emit(settings, session, json, size, err);
}

static enum status draw(const struct evaluate_settings *settings, const struct card *card,
                        const struct evaluation_gallery *evaluation, struct error *err) {
    char title[256];
    snprintf(title, sizeof(title), "%s@%s, %s: all pairs of %u people", card->name, card->version,
             settings->protocol_name, evaluation->histogram.people);
    const struct plot plot = {.title = title,
                              .rates = &evaluation->rates,
                              .histogram = &evaluation->histogram,
                              .calibration =
                                  evaluation->calibrated ? &evaluation->calibration : NULL,
                              .threshold = settings->threshold};
    return plot_write(settings->plot, &plot, err);
}

static enum status tell(const struct evaluate_settings *settings, const struct session *session,
                        const struct people_gallery *people,
                        const struct evaluation_gallery *evaluation, struct error *err) {
    enum status status = STATUS_OK;
    if (settings->plot)
        status = draw(settings, &session->version->card, evaluation, err);
    if (status == STATUS_OK)
        status = emit(settings, session, people, evaluation, err);
    if (status == STATUS_OK && !settings->json)
        print_for_people(settings, &session->version->card, people, evaluation);
    return status;
}

static enum status try_master_faces(const struct evaluate_settings *settings,
                                    const struct measure_place *place,
                                    const struct people_gallery *people,
                                    struct evaluation_gallery *evaluation, struct error *err) {
    const struct measure_options options = evaluate_options(settings);
    struct people_gallery_options others = measure_people_of(&options);
    others.part = settings->master_part;
    others.groups = NULL;
    if (!settings->master_part)
        return STATUS_OK;
    if (evaluation->master_faces.threshold <= 0)
        return error_set(err, STATUS_INVALID_FIELD,
                         "--master-faces needs a model that is calibrated");
    if (strcmp(settings->master_part, settings->part) == 0)
        return error_set(err, STATUS_INVALID_FIELD,
                         "--master-faces takes another part than the one that is measured");
    return master_faces_measure(place, &others, &people->gallery, &evaluation->master_faces, err);
}

static enum status measure(const struct evaluate_settings *settings, struct session *session,
                           struct people_gallery *people, struct error *err) {
    const struct measure_options options = evaluate_options(settings);
    const struct measure_place place = session_place(session);
    struct evaluation_gallery *evaluation = calloc(1, sizeof(*evaluation));
    if (!evaluation)
        return error_set(err, STATUS_INTERNAL, "out of memory");
    enum status status = measure_people_compute(&place, &options, people, evaluation, err);
    if (status == STATUS_OK) {
        status = try_master_faces(settings, &place, people, evaluation, err);
        if (status == STATUS_OK)
            status = tell(settings, session, people, evaluation, err);
        evaluation_gallery_release(evaluation);
    }
    free(evaluation);
    return status;
}

enum status evaluate_people(const struct evaluate_settings *settings, const char *model,
                            struct error *err) {
    const struct measure_options options = evaluate_options(settings);
    const struct people_gallery_options whose = measure_people_of(&options);
    struct people_gallery people;
    struct session session;
    enum status status = people_gallery_read(&whose, &people, err);
    if (status != STATUS_OK)
        return status;
    status = evaluate_open(settings, model, &session, err);
    if (status == STATUS_OK) {
        status = measure(settings, &session, &people, err);
        session_close(&session);
    }
    people_gallery_release(&people);
    return status;
}
