#include "model/measure/people.h"

#include "model/measure/version_people.h"

struct people_gallery_options measure_people_of(const struct measure_options *options) {
    return (struct people_gallery_options){.people = options->people,
                                           .split = options->split,
                                           .part = options->part,
                                           .groups = options->groups,
                                           .faces = options->faces};
}

enum status measure_people_compute(const struct measure_place *place,
                                   const struct measure_options *options,
                                   struct people_gallery *people,
                                   struct evaluation_gallery *evaluation, struct error *err) {
    const struct people_gallery_options whose = measure_people_of(options);
    const struct evaluation_gallery_options how = {
        options->threshold, {options->replicates, options->seed, measure_crew(place)}};
    /* Fitted and reported never on the same people. */
    enum status status =
        version_people_refuse(place, VERSION_CALIBRATION_PEOPLE, &people->people, err);
    if (status == STATUS_OK)
        status = version_people_refuse_learned(place, &people->people, err);
    if (status == STATUS_OK)
        status = people_gallery_embed(place, &whose, people, err);
    if (status != STATUS_OK)
        return status;
    return evaluation_gallery_measure(&people->gallery, &place->version->card, &people->people,
                                      &how, evaluation, err);
}

char *measure_people_json(const struct measure_place *place, const struct measure_options *options,
                          const struct people_gallery *people,
                          const struct evaluation_gallery *evaluation, size_t *size) {
    const struct evaluation_gallery_report report = {.protocol = options->protocol,
                                                     .face = FACES_WHICH[options->faces.which],
                                                     .no_face =
                                                         FACES_WITHOUT[options->faces.without],
                                                     .card = &place->version->card,
                                                     .people_file_sha256 = people->file_sha256,
                                                     .people_sha256 = people->people_sha256,
                                                     .part = options->part,
                                                     .people_listed = people->people_listed,
                                                     .images_listed = people->images_listed,
                                                     .faces_not_found = people->faces_not_found,
                                                     .images_left_out = people->images_left_out,
                                                     .replicates = options->replicates,
                                                     .seed = options->seed};
    return evaluation_gallery_json(evaluation, &report, size);
}
