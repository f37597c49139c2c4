/* mr_spin.h: a lock for what takes nanoseconds and hardly ever meets anybody. One atomic operation, where a mutex takes two and two calls: each short call into
 * JavaScript takes two of these. Who does meet somebody sleeps in between, so that whoever holds it comes to its end whatever their priorities. */
#ifndef MR_SPIN_H_
#define MR_SPIN_H_

#include <stdatomic.h>

typedef struct mr__spin {
  atomic_int held;
} mr__spin;

/* Waits until it is free; mr_thread.c. */
void mr__spin_wait(mr__spin *lock);

static inline void
mr__spin_lock(mr__spin *lock)
{
  if (atomic_exchange_explicit(&lock->held, 1, memory_order_acquire)) mr__spin_wait(lock);
}

static inline void
mr__spin_unlock(mr__spin *lock)
{
  atomic_store_explicit(&lock->held, 0, memory_order_release);
}

#endif /* MR_SPIN_H_ */
