/* mr_budget.h: the time that one call may take, by the clock on the wall and by its thread's CPU clock. Armed and disarmed by the thread that makes the call. */
#ifndef MR_BUDGET_H_
#define MR_BUDGET_H_

#include <stdatomic.h>

#include "mini_racer.h"
#include "mr_watchdog.h"

typedef struct mr__budget {
  mr__watch watch;           /* first, so that the one can be had from the other; `look` is NULL where there is nothing to watch */
  int64_t deadline;          /* MR__NEVER: none */
  int64_t cpu_time;          /* nanoseconds; MR__NEVER: no limit */
  int64_t cpu_start;         /* what the thread's CPU clock said at the watchdog's first look */
  bool cpu_known;            /* whether it has had one */
  bool elsewhere;            /* a call around this one runs in another isolate: to stop that one does not stop this one, so it is watched from here, too */
  _Atomic(mr_status) over;   /* why the call must end, whatever the reason; MR_OK: it need not */
  struct mr__budget *around; /* of the call that this one was made in; NULL: none */
  /* Under the watchdog's mutex: MR_TIMEOUT, or MR_CPU_TIME and how much was used, of this budget or of one around, on the watchdog's thread; or why the call of a budget
   * around must end, on the thread that has said so. For what is over first. */
  void (*spent)(struct mr__budget *budget, const struct mr__budget *whose, mr_status which, int64_t used);
} mr__budget;

/* Starts to watch; all but `watch` is set. False: the watchdog's thread could not be started. */
bool mr__budget_arm(mr__budget *budget);

/* A call was told to end: those that it has made in other isolates are, too. On any thread that has neither the watchdog's mutex nor a levels_lock. */
void mr__budgets_look(void);

/* After this `spent` is not called and does not run. */
void mr__budget_disarm(mr__budget *budget);

#endif /* MR_BUDGET_H_ */
