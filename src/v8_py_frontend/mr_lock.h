/* mr_lock.h: the lock of a context. Re-entrant, with a deadline, fair enough that nobody starves, and cancellable, which neither a mutex nor v8::Locker is. */
#ifndef MR_LOCK_H_
#define MR_LOCK_H_

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mr_fork.h"

struct mr__here;
struct mr__waiter;

typedef struct mr__lock {
  _Atomic(struct mr__here *) owner; /* the thread that holds it; only that thread ever finds its own */
  uint32_t depth;                   /* the owner's */
  atomic_int state;                 /* FREE, HELD, CONTENDED: see mr_lock.c */
  atomic_int place;                 /* the owner's: MR__INSIDE and so on, for a fork */
  uint32_t out_at;                  /* the depth at which the owner is in the host's code; 0: it is not */
  atomic_bool forked;               /* its owner is not in this process, and nobody gets it any more */
  pthread_mutex_t mutex;            /* protects what follows */
  struct mr__waiter *first, *last;
  int64_t wanted_since; /* by who asked with mr__lock_claim() and did not get it; 0: nobody */
  bool cancelled;
  _Atomic int64_t kept_until; /* the lock is free, and until then kept for the one that wants it; 0: it is not; written under the mutex */
  uint32_t waiting;           /* how many are in the queue */
  int64_t waited;             /* nanoseconds that those who were in it have waited, all together */
} mr__lock;

void mr__lock_init(mr__lock *lock);
void mr__lock_destroy(mr__lock *lock);

/* Takes the lock, once more if this thread has it. MR_OK; MR_TIMEOUT when the deadline came first; MR_CLOSED after mr__lock_cancel(); MR_FORKED; MR_DEADLOCK when this
 * thread has another lock, and the one that has this lock waits for it, by whatever detours; MR_INTERRUPTED when the interrupt hook said so meanwhile. Who has it may go
 * into V8, and does not get it while a fork is on its way. */
mr_status mr__lock_acquire(mr__lock *lock, int64_t deadline);
mr_status mr__lock_acquire_here(mr__lock *lock, struct mr__here *here, int64_t deadline); /* for who knows its thread */

/* Gives it back, once. True: it is free now, and somebody wants it who is not waiting here; see mr__lock_claim(). That it is free is said sequentially consistent. */
bool mr__lock_release(mr__lock *lock);

/* Takes the lock if it is free. If not, it is MR_TIMEOUT: the caller goes away and is told by who gives it back: mr__lock_release(). It has its turn as those have who
 * wait. MR_FORKED. For one caller at a time. */
mr_status mr__lock_claim(mr__lock *lock);

/* Takes the lock if it is free, also when it is cancelled. */
bool mr__lock_try(mr__lock *lock);
bool mr__lock_try_here(mr__lock *lock, struct mr__here *here);

/* How many locks this thread holds. */
uint32_t mr__locks_held(void);

/* A token of this thread, and of the one that holds the lock; NULL: nobody does. */
const void *mr__lock_self(void);
const void *mr__lock_owner(const mr__lock *lock);

/* Whether this thread holds it. */
bool mr__lock_is_mine(mr__lock *lock);

/* Whether some thread held it a moment ago. */
bool mr__lock_is_held(const mr__lock *lock);

/* How many wait for it now; and how long all that ever had to wait have waited. */
uint32_t mr__lock_waiting(mr__lock *lock, int64_t *waited);

/* From now on nobody gets the lock who does not have it, but for mr__lock_acquire_last(). Who waits gets MR_CLOSED. */
void mr__lock_cancel(mr__lock *lock);

/* Takes a cancelled lock, however long it takes. MR_OK; MR_FORKED: in this process nobody can; MR_INTERRUPTED when the interrupt hook said so meanwhile. */
mr_status mr__lock_acquire_last(mr__lock *lock);

/* Round what the owner does in the host's code, where it may stay for long and wait for anything: a fork does not wait for it. What the first returns, the second takes. */
uint32_t mr__lock_step_out(mr__lock *lock);
void mr__lock_step_in(mr__lock *lock, uint32_t before);

/* Whether a thread other than this one has the lock and is in V8. */
bool mr__lock_is_inside(mr__lock *lock);

/* In a child, with the lock's mutex: who waited is not here. Who had it is not either, but for this thread; then, and for `lost`, the lock is `forked`. */
void mr__lock_forked(mr__lock *lock, bool lost);

#endif /* MR_LOCK_H_ */
