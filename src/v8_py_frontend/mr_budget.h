/* mr_budget.h: the time that one call may take, by the clock on the wall and by its thread's CPU clock. Armed and disarmed by the thread that makes the call. */
#ifndef MR_BUDGET_H_
#define MR_BUDGET_H_

#include "mini_racer.h"
#include "mr_watchdog.h"

typedef struct mr__budget {
  mr__watch watch;   /* first, so that the one can be had from the other; `look` is NULL where there is nothing to watch */
  int64_t deadline;  /* MR__NEVER: none */
  int64_t cpu_time;  /* nanoseconds; MR__NEVER: no limit */
  int64_t cpu_start; /* what the thread's CPU clock said at the watchdog's first look */
  bool cpu_known;    /* whether it has had one */
  bool elsewhere;    /* a call around this one runs in another isolate: to stop that one does not stop this one, so its budget is watched from here, too */
  struct mr__budget *around; /* of the call that this one was made in; NULL: none */
  /* On the watchdog's thread, under its mutex: MR_TIMEOUT, or MR_CPU_TIME and how much was used, of this budget or of one around. Once, for what is over first. */
  void (*spent)(struct mr__budget *budget, const struct mr__budget *whose, mr_status which, int64_t used);
} mr__budget;

/* Starts to watch; all but `watch` is set. False: the watchdog's thread could not be started. */
bool mr__budget_arm(mr__budget *budget);

/* After this `spent` is not called and does not run. */
void mr__budget_disarm(mr__budget *budget);

#endif /* MR_BUDGET_H_ */
