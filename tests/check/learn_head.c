/* Learns a head and a "typical" from a gallery, so that test_whitening.py can hold both against
 * NumPy: learn_head GALLERY SHARE, where GALLERY is gallery_file.h's. Prints JSON. */
#include "tests/check/gallery_file.h"

#include "model/typical.h"
#include "model/whitening.h"

static bool print(const struct gallery *gallery, const float *head,
                  const struct card_typical *typical) {
    size_t size, values = (size_t)gallery->length * gallery->length;
    struct json_writer *json = json_writer_create_compact();
    if (!json)
        return false;
    json_write_object(json, NULL);
    json_write_array(json, "head");
    for (size_t i = 0; i < values; i++)
        json_write_float(json, NULL, head[i]);
    json_write_end(json);
    json_write_array(json, "mean");
    for (uint32_t i = 0; i < gallery->length; i++)
        json_write_float(json, NULL, typical->mean[i]);
    json_write_end(json);
    json_write_real(json, "distance_min", typical->distance_min);
    json_write_end(json);
    char *text = json_writer_finish(json, &size);
    bool well = text && fwrite(text, 1, size, stdout) == size;
    free(text);
    return well;
}

int main(int argc, char **argv) {
    struct gallery gallery;
    struct card_typical typical;
    struct error err;
    if (argc != 3 || !gallery_file_read(argv[1], &gallery))
        return 2;
    float *head = calloc((size_t)gallery.length * gallery.length, sizeof(*head));
    if (!head || whitening_learn(&gallery, head, &err) != STATUS_OK ||
        typical_measure(&gallery, strtod(argv[2], NULL), &typical, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", head ? err.detail : "out of memory");
        return 1;
    }
    bool well = print(&gallery, head, &typical);
    card_typical_release(&typical);
    free(head);
    gallery_release(&gallery);
    return well ? 0 : 1;
}
