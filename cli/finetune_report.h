/* What `facepair finetune` prints: a bar while it runs, a line an epoch, a table at the end. */
#ifndef FACEPAIR_CLI_FINETUNE_REPORT_H
#define FACEPAIR_CLI_FINETUNE_REPORT_H

#include "model/finetune/finetune.h"

/* On stderr: the bar, where that is a terminal. */
void finetune_report_progress(const struct finetune_progress *progress);
/* On stderr. */
void finetune_report_epoch(const struct finetune_epoch *epoch);
/* On stdout: both versions, their difference, what it means. STATUS_INTERNAL: the text is no
 * evaluation.json of a comparison. */
enum status finetune_report_result(const struct finetune_result *result, struct error *err);

#endif
