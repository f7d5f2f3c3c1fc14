/* facepair_jobs and facepair_jobs_finished_total. Jobs end in another process, so they are counted
 * by looking: what is final now and was not at the last look has finished since. Disk thread. */
#ifndef FACEPAIR_API_JOB_METRICS_H
#define FACEPAIR_API_JOB_METRICS_H

#include "api/service.h"

/* What there is now is where counting begins; also after jobs were removed. */
void job_metrics_begin(struct service *service);
void job_metrics_look(struct service *service);

#endif
