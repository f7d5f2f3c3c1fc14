#include "model/card_embedding.h"

#include "model/json.h"

#include <string.h>

static bool read_normalise(const struct json_node *object) {
    char word[16] = "";
    json_read_text(object, "normalise", word, sizeof(word));
    if (word[0] && strcmp(word, "l2") != 0)
        json_fault(object, "normalise \"%s\" is not known (only \"l2\")", word);
    return strcmp(word, "l2") == 0;
}

static uint32_t read_head(const struct json_node *object) {
    struct json_node head = json_read_object(object, "head");
    int64_t length = 0;
    json_read_integer(&head, "input_length", 1, CARD_EMBEDDING_LENGTH_MAX, &length);
    return (uint32_t)length;
}

void card_embedding_read(const struct json_node *object, uint32_t length,
                         struct card_embedding *embedding) {
    *embedding = (struct card_embedding){.network_length = length};
    if (json_read_has(object, "mirror"))
        json_read_bool(object, "mirror", &embedding->mirror);
    if (json_read_has(object, "normalise"))
        embedding->normalise = read_normalise(object);
    embedding->head = json_read_has(object, "head");
    if (embedding->head)
        embedding->network_length = read_head(object);
}

void card_embedding_write(struct json_writer *json, const struct card_embedding *embedding) {
    if (embedding->mirror)
        json_write_bool(json, "mirror", true);
    if (embedding->normalise)
        json_write_text(json, "normalise", "l2");
}
