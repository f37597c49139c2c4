/* mr_pool.h: the threads that V8 compiles and collects on. Any thread. */
#ifndef MR_POOL_H_
#define MR_POOL_H_

#include <stdbool.h>
#include <stdint.h>

#include "mrv8_bridge.h"

/* What the bridge posts by; its `workers` are as many as the pool may have. */
extern mrv8_pool mr__pool;

/* How many threads there are to be for V8's flags and this machine. Before V8 starts. */
void mr__pool_size(const char *flags);

/* Runs task->run(task), which frees it, on one of the threads; before all that wait if `urgent`. */
void mr__pool_post(mrv8_task *task, int urgent);

/* The same, in so many nanoseconds. */
void mr__pool_post_later(mrv8_task *task, int64_t delay);

/* Whether who works at something that can be put off is to come to an end. */
bool mr__pool_is_stopping(void);

/* For mr_fork.c. Waits until every thread is between two tasks, where it stays, and no longer than until `deadline`: then false. After the fork they go on; a child has none, and
 * resuming starts one if there are tasks. */
bool mr__pool_stop(int64_t deadline);
void mr__pool_lock_for_fork(void);
void mr__pool_unlock_after_fork(bool child);
void mr__pool_resume(void);

#endif /* MR_POOL_H_ */
