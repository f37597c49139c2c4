/* mr_job.h: jobs: work that several threads of the pool do at once, as many as it has use for. Any thread; see v8::JobHandle, whose functions these are. */
#ifndef MR_JOB_H_
#define MR_JOB_H_

#include "mrv8_bridge.h"

/* Takes the work over, and calls work->free() when nobody needs it any more. NULL (and nothing taken): out of memory. */
mrv8_job *mr__job_new(const mrv8_work *work, int urgent);

/* There is more to do than there was. */
void mr__job_notify(mrv8_job *job);

/* Helps until all is done. The job is the caller's no more. */
void mr__job_join(mrv8_job *job);

/* Nobody begins any more, and who works is to come to an end, which is waited for if `wait`. The job is the caller's no more. */
void mr__job_cancel(mrv8_job *job, int wait);

/* Whether there is work, or somebody at it. */
int mr__job_is_active(mrv8_job *job);

/* For who is at a job: whether to come to an end; a number that nobody else has who is at it. */
int mr__turn_must_end(const mrv8_turn *turn);
uint8_t mr__turn_number(mrv8_turn *turn);

#endif /* MR_JOB_H_ */
