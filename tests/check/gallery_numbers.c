/* Prints the evaluation of a made-up gallery, so that test_gallery_numbers.py can hold every number
 * against NumPy and scikit-learn: gallery_numbers VERSION_DIRECTORY GALLERY, where GALLERY is
 * gallery_file.h's. Person i is in the group "even" or "odd". */
#include "tests/check/gallery_file.h"

#include "model/evaluation_gallery.h"

static void group(struct people *people, const struct gallery *gallery) {
    people->count = gallery->people;
    people->list = calloc(gallery->people, sizeof(*people->list));
    people->groups_count = 2;
    people->groups[0] = strdup("even");
    people->groups[1] = strdup("odd");
    for (uint32_t i = 0; people->list && i < gallery->people; i++)
        people->list[i].group = i % 2;
}

static bool print(const struct evaluation_gallery *evaluation, const struct card *card) {
    const struct evaluation_gallery_report report = {.protocol = "a check",
                                                     .face = "centre",
                                                     .no_face = "reject",
                                                     .card = card,
                                                     .people_file_sha256 = "-",
                                                     .people_sha256 = "-",
                                                     .people_listed = evaluation->histogram.people,
                                                     .images_listed =
                                                         evaluation->histogram.images + 10,
                                                     .images_left_out = 10,
                                                     .faces_not_found = 10,
                                                     .replicates = 1024,
                                                     .seed = 1};
    size_t size;
    char *json = evaluation_gallery_json(evaluation, &report, &size);
    bool well = json && fwrite(json, 1, size, stdout) == size;
    free(json);
    return well;
}

int main(int argc, char **argv) {
    struct gallery gallery;
    struct card card;
    struct people people = {0};
    struct error err;
    struct evaluation_gallery evaluation;
    if (argc != 3 || !gallery_file_read(argv[2], &gallery))
        return 2;
    if (card_read(argv[1], &card, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.detail);
        return 1;
    }
    group(&people, &gallery);
    const struct evaluation_gallery_options options = {0.6, {1024, 1, {.threads = 0}}};
    if (evaluation_gallery_measure(&gallery, &card, &people, &options, &evaluation, &err) !=
        STATUS_OK) {
        fprintf(stderr, "%s\n", err.detail);
        return 1;
    }
    bool well = print(&evaluation, &card);
    evaluation_gallery_release(&evaluation);
    people_release(&people);
    card_release(&card);
    gallery_release(&gallery);
    return well ? 0 : 1;
}
