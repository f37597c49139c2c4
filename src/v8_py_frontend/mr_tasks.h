/* mr_tasks.h: V8's tasks for the threads that have a context's lock. Any thread puts tasks in. */
#ifndef MR_TASKS_H_
#define MR_TASKS_H_

#include "mrv8_bridge.h"

/* NULL: out of memory. */
mrv8_queue *mr__tasks_new(void);

/* Tasks are told to the host from now on, as host->posted(owner, due). NULL: to nobody, and what is there is dropped. */
void mr__tasks_tell(mrv8_queue *queue, const mrv8_host *host, void *owner);

/* Puts a task in, to be run in so many nanoseconds. */
void mr__tasks_post(mrv8_queue *queue, mrv8_task *task, int64_t delay);

/* Takes out what can be run now; NULL. */
mrv8_task *mr__tasks_take(mrv8_queue *queue);

/* When there will be something; INT64_MAX. */
int64_t mr__tasks_next(const mrv8_queue *queue);

/* Nobody puts anything in any more. */
void mr__tasks_delete(mrv8_queue *queue);

#endif /* MR_TASKS_H_ */
