/* mr_scheduler.h: when which context is to be woken. Any thread. */
#ifndef MR_SCHEDULER_H_
#define MR_SCHEDULER_H_

#include <stdbool.h>
#include <stdint.h>

#include "mini_racer.h"

/* Of one context. Start with all bytes 0. The scheduler's. */
typedef struct mr__wakeup {
  mr_context context;
  int64_t due;
  uint32_t place; /* in the queue, plus 1; 0: not in it */
} mr__wakeup;

/* At `due`, and no earlier, mr__queue_run() is called for the context. It replaces what was scheduled before; MR__NEVER: nothing is. */
void mr__schedule(mr__wakeup *wakeup, mr_context context, int64_t due);

/* The same, unless it is scheduled for that time or an earlier one already. */
void mr__wake(mr__wakeup *wakeup, mr_context context, int64_t due);

/* It is no longer scheduled, and the struct may go. */
void mr__unschedule(mr__wakeup *wakeup);

/* For mr_fork.c. After it, in a child, there are no runners; resuming starts one, if contexts are to be woken. */
void mr__scheduler_lock_for_fork(void);
void mr__scheduler_unlock_after_fork(bool child);
void mr__scheduler_resume(void);

#endif /* MR_SCHEDULER_H_ */
