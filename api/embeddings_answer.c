#include "api/embeddings.h"

#include "model/token.h"
#include "server/clock.h"
#include "server/wipe.h"

#include <stdio.h>
#include <string.h>

static void write_model(struct json_writer *json, const struct card *card) {
    json_write_object(json, "model");
    json_write_text(json, "name", card->name);
    json_write_text(json, "version", card->version);
    json_write_end(json);
}

static void write_error(struct json_writer *json, const struct photo *photo) {
    json_write_object(json, NULL);
    json_write_text(json, "object", "error");
    json_write_text(json, "field", BODY_IMAGE_FIELDS[photo->index]);
    json_write_text(json, "code", status_code(photo->status));
    json_write_text(json, "detail", photo->error.detail);
    json_write_end(json);
}

static void write_values(struct json_writer *json, const float *values, uint32_t length) {
    json_write_array(json, "embedding");
    for (uint32_t i = 0; i < length; i++)
        json_write_float(json, NULL, values[i]);
    json_write_end(json);
}

/* False: out of memory for the token. */
static bool write_face(struct json_writer *json, const struct embeddings_face *face,
                       uint64_t expires_ms) {
    const struct work *work = &face->embeddings->work;
    const struct card *card = &work->version->card;
    struct token token = {
        .expires_ms = expires_ms, .length = card->embedding_length, .values = face->values};
    snprintf(token.name, sizeof token.name, "%s", card->name);
    snprintf(token.version, sizeof token.version, "%s", card->version);
    char *text = token_seal(work->service->token_keys, &token);
    if (!text)
        return false;
    char expires[CLOCK_TEXT_SIZE];
    clock_text(expires_ms, expires);
    json_write_object(json, NULL);
    json_write_text(json, "object", "embedding");
    json_write_text(json, "field", BODY_IMAGE_FIELDS[face->photo.index]);
    json_write_text(json, "token", text);
    json_write_text(json, "expires_at", expires);
    if (work->body.options.raw)
        write_values(json, face->values, card->embedding_length);
    photo_write(json, "image", &face->photo);
    json_write_end(json);
    wipe_and_free(text);
    return true;
}

void embeddings_write(struct embeddings *embeddings) {
    const struct work *work = &embeddings->work;
    struct json_writer *json = json_writer_create_compact();
    if (!json)
        return;
    uint64_t expires_ms =
        clock_wall_ms() + (uint64_t)work->service->options.token_lifetime_s * 1000;
    bool sealed = true;
    json_write_object(json, NULL);
    json_write_text(json, "object", "list");
    write_model(json, &work->version->card);
    json_write_array(json, "data");
    for (unsigned i = 0; i < embeddings->count; i++) {
        const struct embeddings_face *face = &embeddings->faces[i];
        if (face->photo.status == STATUS_OK)
            sealed = write_face(json, face, expires_ms) && sealed;
        else
            write_error(json, &face->photo);
    }
    json_write_end(json);
    json_write_end(json);
    embeddings->text = json_writer_finish(json, &embeddings->text_size);
    if (!sealed) {
        wipe_and_free(embeddings->text);
        embeddings->text = NULL;
    }
}
