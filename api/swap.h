/* What a change of the loaded versions means for the service: the registry, the metrics, the log.
 */
#ifndef FACEPAIR_API_SWAP_H
#define FACEPAIR_API_SWAP_H

#include "api/service.h"
#include "model/keeper.h"

/* Loop thread. request_id: who asked; NULL: the disk was followed. KEEPER_NOTHING is allowed. */
void swap_apply(struct service *service, struct keeper_change *change, const char *request_id);
/* facepair_model_info of every loaded version of the model, or of all (NULL). Loop thread. */
void swap_describe(struct service *service, const char *name);
/* The series that tell of one version's answers, or of a model's batches, end. Any thread. */
void swap_forget_version(struct metrics *metrics, const struct card *card);
void swap_forget_model(struct metrics *metrics, const struct card *card);

#endif
