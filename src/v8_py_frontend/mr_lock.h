/* mr_lock.h: the lock of a context. Re-entrant, with a deadline, fair enough that nobody starves, and cancellable, which neither a mutex nor v8::Locker is. */
#ifndef MR_LOCK_H_
#define MR_LOCK_H_

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mini_racer.h"

struct mr__waiter;

typedef struct mr__lock {
  _Atomic(const void *) owner; /* a token of the thread that holds it; only that thread ever finds its own */
  uint32_t depth;              /* the owner's */
  atomic_int state;            /* FREE, HELD, CONTENDED: see mr_lock.c */
  pthread_mutex_t mutex;       /* protects what follows */
  struct mr__waiter *first, *last;
  bool cancelled;
} mr__lock;

void mr__lock_init(mr__lock *lock);
void mr__lock_destroy(mr__lock *lock);

/* Takes the lock, once more if this thread has it. MR_OK; MR_TIMEOUT when the deadline came first; MR_CLOSED after mr__lock_cancel(). */
mr_status mr__lock_acquire(mr__lock *lock, int64_t deadline);
void mr__lock_release(mr__lock *lock);

/* Takes the lock if it is free, also when it is cancelled. */
bool mr__lock_try(mr__lock *lock);

/* Whether this thread holds it. */
bool mr__lock_is_mine(mr__lock *lock);

/* Whether some thread held it a moment ago. */
bool mr__lock_is_held(const mr__lock *lock);

/* From now on nobody gets the lock who does not have it, but for mr__lock_acquire_last(). Who waits gets MR_CLOSED. */
void mr__lock_cancel(mr__lock *lock);

/* Takes a cancelled lock, however long it takes. */
void mr__lock_acquire_last(mr__lock *lock);

#endif /* MR_LOCK_H_ */
