/* mr_watchdog.h: who looks when. One thread a process, started by the first watch, calls `look` for each that is due. */
#ifndef MR_WATCHDOG_H_
#define MR_WATCHDOG_H_

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct mr__watch {
  struct mr__watch *next, **link; /* the watchdog's */
  int64_t due;
  pthread_t thread; /* that armed it: after a fork, only the child's own are left */
  /* Under the watchdog's mutex, on its thread as a rule: quick, and nothing that arms or disarms. Returns when it is due again: MR__NEVER for a plain deadline. */
  int64_t (*look)(struct mr__watch *watch, int64_t now);
} mr__watch;

/* Arms it; the struct stays where it is until it is disarmed. False: the thread could not be started. No system call when another is due earlier, or `due` is
 * MR__NEVER. */
bool mr__watch_arm(mr__watch *watch, int64_t due, int64_t (*look)(mr__watch *, int64_t));

/* Calls `look` for all that have this one, due or not, on this thread: which has no mutex that `look` takes. */
void mr__watches_look(int64_t (*look)(mr__watch *, int64_t));

/* After this `look` is not called and does not run. Also for one that is not due any more. */
void mr__watch_disarm(mr__watch *watch);

/* For mr_fork.c. After it, in a child, there is no thread; resuming starts it, if there are deadlines. */
void mr__watchdog_lock_for_fork(void);
void mr__watchdog_unlock_after_fork(bool child);
void mr__watchdog_resume(void);

#endif /* MR_WATCHDOG_H_ */
