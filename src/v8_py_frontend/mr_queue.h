/* mr_queue.h: what the scheduler's runners do for one context: timers that are due, and submissions. What protects it: mr_queue.c. */
#ifndef MR_QUEUE_H_
#define MR_QUEUE_H_

#include <stdbool.h>
#include <stdint.h>

#include "mr_scheduler.h"

struct mr__context;
struct mr__submission;

/* Of one context. Start with all bytes 0. */
typedef struct mr__queue {
  struct mr__submission *first, *last; /* wait to run, in order */
  struct mr__submission *over;         /* came to their end without having begun; nobody has been told yet */
  int64_t timers;                      /* when the first timer, or task of V8's, is due; 0: there is none */
  int64_t deadline;                    /* no submission that waits must be told sooner; 0: none must */
  bool awake;                          /* a runner sees to this context */
  bool blocked;                        /* the lock was not to be had; who gives it back says so */
  bool closed;
  uint64_t process; /* in which the rest of this came about */
  mr__wakeup wakeup;
} mr__queue;

/* With the context's lock: its first timer, or task of V8's, is due then; MR__NEVER: it has none. */
void mr__queue_timers(struct mr__context *in, int64_t due);

/* V8 has a task for it that is due then. Without the lock. */
void mr__queue_wake(struct mr__context *in, int64_t due);

/* The lock has been given back while a runner wanted it. */
void mr__queue_unblock(struct mr__context *in);

/* A runner's work: what is due in the context. */
void mr__queue_run(mr_context id);

/* Ends the submission with this number, if it has not begun to run. */
void mr__queue_cancel(struct mr__context *in, uint64_t call);

/* From now on nothing more is submitted, nor woken. */
void mr__queue_close(struct mr__context *in);

/* Tells of everything that a closed queue still holds; waits, if told so, until all has been told. */
void mr__queue_end(struct mr__context *in, bool wait);

/* Whether somebody is about to run, or to tell of, what came from any of them. */
bool mr__queues_busy(void);

/* For mr_fork.c. In a child, all that was submitted before is gone. */
void mr__queues_lock_for_fork(void);
void mr__queues_unlock_after_fork(bool child);

/* Gives back what a closed queue still holds. */
void mr__queue_destroy(mr__queue *queue);

#endif /* MR_QUEUE_H_ */
