#include "model/finetune/finetune.h"

#include <stdlib.h>

const char *const FINETUNE_PHASE_NAMES[] = {
#define X(name, text) text,
    FINETUNE_PHASES(X)
#undef X
};

enum status finetune_run(const struct finetune_place *place, const struct finetune_spec *spec,
                         const struct finetune_hooks *hooks, struct finetune_result *result,
                         struct error *err) {
    (void)place, (void)spec, (void)hooks, (void)result;
    return error_set(err, STATUS_INTERNAL, "fine-tuning is not built yet");
}

void finetune_result_release(struct finetune_result *result) {
    free(result->evaluation);
    *result = (struct finetune_result){.evaluation = NULL};
}
