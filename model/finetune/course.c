#include "model/finetune/course.h"

#include "model/json.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SIZE = 65, HEX_SIZE = 17 };

void course_begin(const struct finetune_hyperparameters *parameters, struct course *course) {
    memset(course, 0, sizeof(*course));
    course->generator = random_seeded(parameters->seed);
    course->plateau =
        plateau_begin(parameters->learning_rate, parameters->factor, parameters->patience);
    course->best_loss = INFINITY;
}

/* ---- writing ---- */

static void write_generator(struct json_writer *json, const struct random_generator *generator) {
    json_write_object(json, "generator");
    for (int i = 0; i < 4; i++) {
        char name[2] = {(char)('0' + i), '\0'}, hex[HEX_SIZE];
        snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)generator->state[i]);
        json_write_text(json, name, hex);
    }
    json_write_end(json);
}

char *course_write(const struct course *course, const char *key, size_t *size) {
    struct json_writer *json = json_writer_create();
    if (!json)
        return NULL;
    json_write_object(json, NULL);
    json_write_text(json, "key", key);
    json_write_integer(json, "batches_done", course->batches_done);
    json_write_real(json, "loss_sum", course->loss_sum);
    write_generator(json, &course->generator);
    json_write_object(json, "plateau");
    json_write_real(json, "learning_rate", course->plateau.learning_rate);
    json_write_real(json, "best", course->plateau.best); /* null: infinite */
    json_write_integer(json, "bad_epochs", course->plateau.bad_epochs);
    json_write_end(json);
    json_write_array(json, "epochs");
    for (uint32_t i = 0; i < course->epochs_done; i++) {
        const struct finetune_epoch *epoch = &course->history[i];
        json_write_object(json, NULL);
        json_write_real(json, "train_loss", epoch->train_loss);
        json_write_real(json, "validation_loss", epoch->validation_loss);
        json_write_real(json, "learning_rate", epoch->learning_rate);
        json_write_integer(json, "best_epoch", epoch->best_epoch);
        json_write_real(json, "best_validation_loss", epoch->best_validation_loss);
        json_write_end(json);
    }
    json_write_end(json);
    json_write_end(json);
    return json_writer_finish(json, size);
}

/* ---- reading ---- */

/* null: what is not finite is written so. */
static void read_real(const struct json_node *object, const char *name, double otherwise,
                      double *value) {
    *value = otherwise;
    if (json_read_has(object, name))
        json_read_real(object, name, -DBL_MAX, DBL_MAX, value);
}

static void read_count(const struct json_node *object, const char *name, uint32_t *value) {
    int64_t read = 0;
    json_read_integer(object, name, 0, UINT32_MAX, &read);
    *value = (uint32_t)read;
}

static void read_generator(const struct json_node *root, struct random_generator *generator) {
    struct json_node object = json_read_object(root, "generator");
    for (int i = 0; i < 4; i++) {
        char name[2] = {(char)('0' + i), '\0'}, hex[HEX_SIZE] = "";
        json_read_text(&object, name, hex, sizeof(hex));
        generator->state[i] = strtoull(hex, NULL, 16);
    }
}

static void read_epoch(const struct json_node *array, uint32_t number,
                       struct finetune_epoch *epoch) {
    struct json_node object = json_read_item(array, number);
    epoch->epoch = number + 1;
    read_real(&object, "train_loss", NAN, &epoch->train_loss);
    read_real(&object, "validation_loss", NAN, &epoch->validation_loss);
    read_real(&object, "learning_rate", 0, &epoch->learning_rate);
    read_count(&object, "best_epoch", &epoch->best_epoch);
    read_real(&object, "best_validation_loss", INFINITY, &epoch->best_validation_loss);
}

static void read_members(const struct json_node *root, const char *key, struct course *course) {
    char own_key[KEY_SIZE] = "";
    json_read_text(root, "key", own_key, sizeof(own_key));
    if (strcmp(own_key, key) != 0)
        json_fault(root, "is of another training: the data, the base model or an option differ");
    read_count(root, "batches_done", &course->batches_done);
    read_real(root, "loss_sum", NAN, &course->loss_sum);
    read_generator(root, &course->generator);
    struct json_node plateau = json_read_object(root, "plateau");
    read_real(&plateau, "learning_rate", 0, &course->plateau.learning_rate);
    read_real(&plateau, "best", INFINITY, &course->plateau.best);
    read_count(&plateau, "bad_epochs", &course->plateau.bad_epochs);
    struct json_node epochs = json_read_array(root, "epochs");
    size_t count = json_read_length(&epochs);
    if (count > FINETUNE_EPOCHS_MAX)
        json_fault(&epochs, "has more than %d epochs", FINETUNE_EPOCHS_MAX);
    for (uint32_t i = 0; i < count && i < FINETUNE_EPOCHS_MAX; i++)
        read_epoch(&epochs, i, &course->history[i]);
    course->epochs_done = (uint32_t)count;
    if (count > 0 && count <= FINETUNE_EPOCHS_MAX) {
        course->best_epoch = course->history[count - 1].best_epoch;
        course->best_loss = course->history[count - 1].best_validation_loss;
    }
}

enum status course_read(const char *text, size_t size, const char *key, struct course *course,
                        struct error *err) {
    struct json_reader *reader;
    struct error cause;
    enum status status = json_reader_open(text, size, &reader, &cause);
    if (status == STATUS_OK) {
        struct json_node root = json_root(reader);
        read_members(&root, key, course);
        status = json_reader_close(reader, &cause);
    }
    return status == STATUS_OK ? STATUS_OK
                               : error_set(err, STATUS_INTERNAL, "%.250s", cause.detail);
}
