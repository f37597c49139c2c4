/* mr_watchdog.h: deadlines. One thread a process, started by the first deadline, calls `expired` for each that passes. */
#ifndef MR_WATCHDOG_H_
#define MR_WATCHDOG_H_

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct mr__watch {
  struct mr__watch *next, **link; /* the watchdog's */
  int64_t deadline;
  pthread_t thread;                         /* that armed it: after a fork, only the child's own are left */
  void (*expired)(struct mr__watch *watch); /* on the watchdog's thread, under its mutex: quick, and nothing that arms or disarms */
} mr__watch;

/* Arms it; the struct stays where it is until it is disarmed. False: the thread could not be started. No system call when an earlier deadline is there. */
bool mr__watch_arm(mr__watch *watch, int64_t deadline, void (*expired)(mr__watch *));

/* After this `expired` is not called and does not run. Also for one that expired. */
void mr__watch_disarm(mr__watch *watch);

#endif /* MR_WATCHDOG_H_ */
