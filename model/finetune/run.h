/* What the phases of a run share. Theirs alone. */
#ifndef FACEPAIR_MODEL_FINETUNE_RUN_H
#define FACEPAIR_MODEL_FINETUNE_RUN_H

#include "model/crew.h"
#include "model/finetune/course.h"
#include "model/finetune/parts.h"
#include "model/finetune/source.h"
#include "model/photographs.h"

struct run {
    const struct finetune_place *place;
    const struct finetune_spec *spec; /* pinned */
    const struct finetune_hooks *hooks;
    unsigned threads;
    char id[33]; /* of this run, in its work directory and in the card of its version */
    struct source base, compared; /* compared: closed when it is the base */
    struct album album;
    struct parts parts;
    struct course *course;
    uint32_t learned_images, left_out; /* of training and validation people; those without a face */
    /* The phase under way, and how an interruption was wished. */
    enum finetune_phase phase;
    uint64_t phase_begun_us;
    enum finetune_wish wish;
};

static inline const struct source *run_compared(const struct run *run) {
    return run->compared.version ? &run->compared : &run->base;
}

void run_begin_phase(struct run *run, enum finetune_phase phase);
void run_log(const struct run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Goes on until something else is wished. A phase that ends by it with STATUS_DRAINING ends the run
 * as it was wished. */
struct go_on run_go_on(struct run *run);
struct crew run_crew(struct run *run);
/* How photographs are prepared: options of model/photographs.h that tell the phase's progress. */
struct photographs_options run_photographs(struct run *run);

/* After the best weights have been saved at `weights`: both versions are measured on the people
 * that are left, and the new one published. */
enum status run_publish(struct run *run, const char *weights, struct finetune_result *result,
                        struct error *err);
/* A version that this run has published before its process died; outcome FINISHED: there is one. */
enum status run_find_published(const struct run *run, struct finetune_result *result,
                               struct error *err);

#endif
