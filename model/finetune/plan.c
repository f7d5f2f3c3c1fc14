#include "model/finetune/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- people ---- */

enum status plan_people_of(const struct album *album, const struct parts *parts, enum part part,
                           const struct views *views, struct plan_people *people,
                           struct error *err) {
    *people =
        (struct plan_people){.first = calloc((size_t)album->people + 1, sizeof(*people->first)),
                             .images = calloc((size_t)album->images + 1, sizeof(*people->images))};
    if (!people->first || !people->images) {
        plan_people_release(people);
        return error_set(err, STATUS_INTERNAL, "out of memory");
    }
    uint32_t filled = 0;
    for (uint32_t person = 0; person < album->people; person++) {
        const struct album_person *about = &album->list[person];
        uint32_t before = filled;
        for (uint32_t i = 0; i < about->images && parts->of[person] == part; i++)
            if (views->first[about->first + i] != VIEWS_NONE)
                people->images[filled++] = about->first + i;
        if (filled > before)
            people->first[++people->people] = filled;
    }
    return STATUS_OK;
}

void plan_people_release(struct plan_people *people) {
    free(people->first);
    free(people->images);
    *people = (struct plan_people){.first = NULL};
}

static uint32_t images_of(const struct plan_people *people, uint32_t person) {
    return people->first[person + 1] - people->first[person];
}

/* ---- a plan's memory ---- */

static bool reserve(struct plan *plan, size_t count, size_t batches) {
    plan->a = calloc(count + 1, sizeof(*plan->a));
    plan->batch_end = calloc(batches + 1, sizeof(*plan->batch_end));
    if (plan->pairs) {
        plan->b = calloc(count + 1, sizeof(*plan->b));
        plan->same = calloc(count + 1, sizeof(*plan->same));
    } else {
        plan->identity = calloc(count + 1, sizeof(*plan->identity));
    }
    return plan->a && plan->batch_end &&
           (plan->pairs ? plan->b && plan->same : plan->identity != 0);
}

void plan_release(struct plan *plan) {
    free(plan->a);
    free(plan->b);
    free(plan->same);
    free(plan->identity);
    free(plan->batch_end);
    *plan = (struct plan){.a = NULL};
}

static uint32_t draw_view(const struct views *views, uint32_t per_image, uint32_t image,
                          struct random_generator *generator) {
    return views->first[image] + (per_image > 1 ? random_below(generator, per_image) : 0);
}

/* ---- pairs ---- */

struct drawing {
    const struct plan_people *people;
    const struct views *views;
    uint32_t per_image;
    struct random_generator *generator;
    struct plan *plan;
};

static void add_pair(const struct drawing *drawing, uint32_t a, uint32_t b, bool same) {
    struct plan *plan = drawing->plan;
    plan->a[plan->count] = draw_view(drawing->views, drawing->per_image, a, drawing->generator);
    plan->b[plan->count] = draw_view(drawing->views, drawing->per_image, b, drawing->generator);
    plan->same[plan->count++] = same;
}

static uint32_t genuine_of(uint32_t images) {
    uint64_t pairs = (uint64_t)images * (images - 1) / 2;
    return images < 2 ? 0 : pairs < PLAN_GENUINE_MAX ? (uint32_t)pairs : PLAN_GENUINE_MAX;
}

static uint32_t draw_image(const struct drawing *drawing, uint32_t person) {
    const struct plan_people *people = drawing->people;
    return people->images[people->first[person] +
                          random_below(drawing->generator, images_of(people, person))];
}

static void draw_genuine(const struct drawing *drawing) {
    const struct plan_people *people = drawing->people;
    for (uint32_t person = 0; person < people->people; person++) {
        uint32_t images = images_of(people, person);
        for (uint32_t i = 0; i < genuine_of(images); i++) {
            uint32_t a = random_below(drawing->generator, images);
            uint32_t b = (a + 1 + random_below(drawing->generator, images - 1)) % images;
            const uint32_t *own = people->images + people->first[person];
            add_pair(drawing, own[a], own[b], true);
        }
    }
}

static void draw_impostors(const struct drawing *drawing, uint32_t count) {
    uint32_t people = drawing->people->people;
    assert(people > 1); /* parts_check */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t a = random_below(drawing->generator, people);
        uint32_t b = (a + 1 + random_below(drawing->generator, people - 1)) % people;
        uint32_t first = draw_image(drawing, a); /* in this order, whatever the compiler's */
        add_pair(drawing, first, draw_image(drawing, b), false);
    }
}

static void draw_listed(const struct drawing *drawing, const struct parts_pairs *listed) {
    const uint32_t *first = drawing->views->first;
    for (size_t i = 0; i < listed->count; i++)
        if (first[listed->list[i].a] != VIEWS_NONE && first[listed->list[i].b] != VIEWS_NONE)
            add_pair(drawing, listed->list[i].a, listed->list[i].b, listed->list[i].same);
}

/* Fisher and Yates, on the three columns at once. */
static void shuffle_pairs(struct plan *plan, struct random_generator *generator) {
    for (uint32_t i = plan->count; i > 1; i--) {
        uint32_t j = random_below(generator, i), k = i - 1;
        uint32_t a = plan->a[k], b = plan->b[k];
        uint8_t same = plan->same[k];
        plan->a[k] = plan->a[j], plan->b[k] = plan->b[j], plan->same[k] = plan->same[j];
        plan->a[j] = a, plan->b[j] = b, plan->same[j] = same;
    }
}

enum status plan_pairs(const struct plan_people *people, const struct parts_pairs *listed,
                       const struct views *views, uint32_t per_image, uint32_t batch_size,
                       struct random_generator *generator, struct plan *plan, struct error *err) {
    size_t room = 0;
    *plan = (struct plan){.pairs = true};
    for (uint32_t person = 0; person < people->people; person++)
        room += 2 * (size_t)genuine_of(images_of(people, person));
    if (listed->list)
        room = listed->count;
    if (!reserve(plan, room, room / batch_size + 1)) {
        plan_release(plan);
        return error_set(err, STATUS_INTERNAL, "out of memory");
    }
    const struct drawing drawing = {people, views, per_image, generator, plan};
    if (listed->list) {
        draw_listed(&drawing, listed);
    } else {
        draw_genuine(&drawing);
        draw_impostors(&drawing, plan->count);
    }
    shuffle_pairs(plan, generator);
    for (uint32_t end = batch_size; plan->batches * batch_size < plan->count; end += batch_size)
        plan->batch_end[plan->batches++] = end < plan->count ? end : plan->count;
    return STATUS_OK;
}

/* ---- identities ---- */

/* Behind the only photograph of the person, as another of its views. */
static void add_other_view(const struct drawing *drawing, uint32_t person) {
    struct plan *plan = drawing->plan;
    uint32_t first = drawing->views->first[drawing->people->images[drawing->people->first[person]]];
    uint32_t view = plan->a[plan->count - 1] - first;
    view =
        (view + 1 + random_below(drawing->generator, drawing->per_image - 1)) % drawing->per_image;
    plan->a[plan->count] = first + view;
    plan->identity[plan->count++] = person;
}

/* Up to PLAN_IMAGES_MAX of the person's photographs, each once (a partial shuffle). */
static void add_person(const struct drawing *drawing, uint32_t person, uint32_t *images) {
    struct plan *plan = drawing->plan;
    uint32_t count = images_of(drawing->people, person);
    uint32_t taken = count < PLAN_IMAGES_MAX ? count : PLAN_IMAGES_MAX;
    memcpy(images, drawing->people->images + drawing->people->first[person],
           count * sizeof(*images));
    for (uint32_t i = 0; i < taken; i++) {
        uint32_t j = i + random_below(drawing->generator, count - i), image = images[j];
        images[j] = images[i];
        plan->a[plan->count] =
            draw_view(drawing->views, drawing->per_image, image, drawing->generator);
        plan->identity[plan->count++] = person;
    }
    if (count == 1 && drawing->per_image > 1)
        add_other_view(drawing, person);
}

/* Whole people, as many as fit; a batch of one person alone is left out. */
static void draw_batches(const struct drawing *drawing, uint32_t batch_size, const uint32_t *order,
                         uint32_t *images) {
    struct plan *plan = drawing->plan;
    uint32_t start = 0, in_batch = 0;
    for (uint32_t i = 0; i < drawing->people->people; i++) {
        uint32_t count = images_of(drawing->people, order[i]);
        uint32_t adds = count < PLAN_IMAGES_MAX ? count : PLAN_IMAGES_MAX;
        adds += count == 1 && drawing->per_image > 1;
        if (plan->count - start + adds > batch_size && in_batch > 1) {
            plan->batch_end[plan->batches++] = start = plan->count;
            in_batch = 0;
        }
        add_person(drawing, order[i], images);
        in_batch++;
    }
    if (in_batch > 1)
        plan->batch_end[plan->batches++] = plan->count;
    else
        plan->count = start;
}

enum status plan_identities(const struct plan_people *people, const struct views *views,
                            uint32_t batch_size, struct random_generator *generator,
                            struct plan *plan, struct error *err) {
    uint32_t images = people->first[people->people] + people->people;
    *plan = (struct plan){.pairs = false};
    uint32_t *order = calloc((size_t)people->people + 1, sizeof(*order));
    uint32_t *room = calloc((size_t)images + 1, sizeof(*room));
    enum status status = STATUS_OK;
    if (reserve(plan, images, people->people) && order && room) {
        const struct drawing drawing = {people, views, views->per_image, generator, plan};
        for (uint32_t i = 0; i < people->people; i++)
            order[i] = i;
        random_shuffle(generator, order, people->people);
        draw_batches(&drawing, batch_size, order, room);
        if (plan->batches == 0)
            status = error_set(err, STATUS_INVALID_FIELD, "the training people are fewer than two");
    } else {
        status = error_set(err, STATUS_INTERNAL, "out of memory");
    }
    free(order);
    free(room);
    if (status != STATUS_OK)
        plan_release(plan);
    return status;
}
