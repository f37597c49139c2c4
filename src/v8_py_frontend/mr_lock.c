/* mr_lock.c: the lock of a context. Owns the queue of those who wait; any thread.
 *
 * FREE and HELD change by one atomic operation when nobody waits. A waiter makes it CONTENDED, under the mutex, and then the release takes the mutex, too. A free
 * lock goes to whoever comes first, which is fast, until the first in the queue has waited for PATIENCE: then the release hands the lock to that one. If the first
 * is one who does not wait here (mr__lock_claim), the lock is free, but for LEASE nobody else gets it. */
#include "mr_lock.h"

#include "mr_clock.h"
#include "mr_here.h"
#include "mr_interrupt.h"
#include "mr_level.h"
#include "mr_thread.h"
#include "mr_wait.h"

enum { FREE, HELD, CONTENDED };

#define PATIENCE 5000000 /* 5 ms: far below the 50 ms that a waiter may wait, far above a hand-over */
#define LEASE 20000000   /* 20 ms: far above what it takes to wake a thread; after it, nobody has come */

typedef struct mr__waiter {
  struct mr__waiter *next;
  pthread_cond_t wake;
  int64_t since;
  bool granted; /* the releaser gave the lock to this waiter; its state stays CONTENDED */
} mr__waiter;

const void *
mr__lock_self(void)
{
  return mr__this_thread();
}

uint32_t
mr__locks_held(void)
{
  return mr__this_thread()->locks;
}

void
mr__lock_init(mr__lock *lock)
{
  *lock = (mr__lock){.depth = 0};
  pthread_mutex_init(&lock->mutex, NULL);
}

void
mr__lock_destroy(mr__lock *lock)
{
  pthread_mutex_destroy(&lock->mutex);
}

/* True: it is free, and somebody wants it who does not wait here. */
static bool
set_free(mr__lock *lock)
{
  atomic_load_explicit(&lock->owner, memory_order_relaxed)->locks--;
  atomic_store_explicit(&lock->owner, NULL, memory_order_relaxed);
  int expected = HELD;
  if (atomic_compare_exchange_strong(&lock->state, &expected, FREE)) return false;
  pthread_mutex_lock(&lock->mutex);
  mr__waiter *first = lock->first;
  int64_t now = mr__now();
  bool wanted = lock->wanted_since && !lock->cancelled, before_first = wanted && (!first || lock->wanted_since < first->since);
  if (first && !before_first && !first->granted && !lock->cancelled && now - first->since >= PATIENCE) {
    first->granted = true;
    wanted = false; /* it is not free, and the next release is going to say so */
  } else {
    if (before_first && now - lock->wanted_since >= PATIENCE) atomic_store_explicit(&lock->kept_until, now + LEASE, memory_order_relaxed);
    atomic_store(&lock->state, FREE);
  }
  if (first) pthread_cond_signal(&first->wake);
  pthread_mutex_unlock(&lock->mutex);
  return wanted;
}

/* The state has just been changed, sequentially consistent, to one that shows that somebody is inside. */
static mr_status
own(mr__lock *lock, mr__here *here)
{
  atomic_store_explicit(&lock->owner, here, memory_order_relaxed);
  lock->depth = 1;
  here->locks++;
  mr_status status = mr__fork_pass(&lock->place, MR__AT_GATE);
  if (status != MR_OK) set_free(lock);
  return status;
}

bool
mr__lock_is_mine(mr__lock *lock)
{
  return atomic_load_explicit(&lock->owner, memory_order_relaxed) == mr__this_thread();
}

const void *
mr__lock_owner(const mr__lock *lock)
{
  return atomic_load_explicit(&lock->owner, memory_order_relaxed);
}

bool
mr__lock_is_held(const mr__lock *lock)
{
  return atomic_load(&lock->state) != FREE && !atomic_load_explicit(&lock->forked, memory_order_relaxed);
}

static void
enqueue(mr__lock *lock, mr__waiter *waiter)
{
  mr__cond_init(&waiter->wake);
  mr__waiter *before = lock->last && lock->last->since <= waiter->since ? lock->last : NULL;
  for (mr__waiter *at = before ? NULL : lock->first; at && at->since <= waiter->since; at = at->next) before = at; /* one that comes back has its old place */
  waiter->next = before ? before->next : lock->first;
  if (before) before->next = waiter;
  else lock->first = waiter;
  if (!waiter->next) lock->last = waiter;
}

static void
dequeue(mr__lock *lock, mr__waiter *waiter)
{
  mr__waiter *before = NULL;
  for (mr__waiter *at = lock->first; at != waiter; at = at->next) before = at;
  if (before) before->next = waiter->next;
  else lock->first = waiter->next;
  if (lock->last == waiter) lock->last = before;
  pthread_cond_destroy(&waiter->wake);
}

/* Until when nobody gets the free lock but the one that it is kept for; 0: there is none. */
static int64_t
kept_until(const mr__lock *lock)
{
  int64_t until = atomic_load_explicit(&lock->kept_until, memory_order_relaxed);
  return until && mr__now() < until ? until : 0;
}

/* Under the mutex: sleeps until it is woken, or until then; or for a tick. On the interrupt hook's thread it asks the hook then: without the mutex, and out of the
 * queue, so that nobody hands it the lock meanwhile. In a callback it looks whether the call that it is in must end. */
static mr_status
sleep_until(mr__lock *lock, mr__waiter *waiter, int64_t then)
{
  bool hooked = mr__is_hooked(), inside = mr__level_is_inside();
  mr_status over = mr__level_must_end();
  if (over != MR_OK) return over;
  if (then == MR__NEVER && !hooked && !inside) {
    pthread_cond_wait(&waiter->wake, &lock->mutex);
    return MR_OK;
  }
  int64_t now = mr__now();
  bool looks = (hooked || inside) && then - now > MR__TICK, ask = hooked && looks;
  if (looks) then = now + MR__TICK;
  struct timespec until = mr__timespec(then);
  pthread_cond_timedwait(&waiter->wake, &lock->mutex, &until);
  if (!ask || waiter->granted || mr__now() < then) return MR_OK;
  dequeue(lock, waiter);
  if (lock->first) pthread_cond_signal(&lock->first->wake); /* a signal that was meant for the lock, not for us, goes on */
  pthread_mutex_unlock(&lock->mutex);
  bool stop = mr__hook_says_stop();
  pthread_mutex_lock(&lock->mutex);
  enqueue(lock, waiter);
  return stop ? MR_INTERRUPTED : MR_OK;
}

/* Waits in the queue. `even_if_cancelled` is the closing thread's way. */
static mr_status
wait_in_queue(mr__lock *lock, int64_t deadline, bool even_if_cancelled)
{
  mr_status status = MR_OK;
  mr__waiter waiter = {.since = mr__now()};
  pthread_mutex_lock(&lock->mutex);
  lock->waiting++;
  enqueue(lock, &waiter);
  while (!waiter.granted && status == MR_OK) {
    if (lock->cancelled && !even_if_cancelled) {
      status = MR_CLOSED;
      break;
    }
    if (atomic_load(&lock->forked)) {
      status = MR_FORKED;
      break;
    }
    int64_t kept = kept_until(lock);
    if (!kept && atomic_exchange(&lock->state, CONTENDED) == FREE) break;
    if (mr__now() < deadline) status = sleep_until(lock, &waiter, kept && kept < deadline ? kept : deadline);
    else status = MR_TIMEOUT;
  }
  dequeue(lock, &waiter);
  lock->waiting--;
  lock->waited += mr__now() - waiter.since;
  if (status != MR_OK && lock->first) pthread_cond_signal(&lock->first->wake); /* a signal that was meant for the lock, not for us, goes on */
  pthread_mutex_unlock(&lock->mutex);
  return status;
}

static mr_status
wait_for(mr__lock *lock, mr__here *here, int64_t deadline)
{
  mr__wait noted;
  bool others = here->locks != 0;
  if (others && !mr__wait_begin(&noted, lock)) return MR_DEADLOCK;
  mr_status status = wait_in_queue(lock, deadline, false);
  if (others) mr__wait_end(&noted); /* before it owns the lock: nobody waits for what is theirs */
  return status == MR_OK ? own(lock, here) : status;
}

bool
mr__lock_try_here(mr__lock *lock, mr__here *here)
{
  int expected = FREE;
  return !kept_until(lock) && atomic_compare_exchange_strong(&lock->state, &expected, HELD) && own(lock, here) == MR_OK;
}

bool
mr__lock_try(mr__lock *lock)
{
  return mr__lock_try_here(lock, mr__this_thread());
}

mr_status
mr__lock_acquire_here(mr__lock *lock, mr__here *here, int64_t deadline)
{
  if (atomic_load_explicit(&lock->owner, memory_order_relaxed) == here) {
    if (lock->depth == lock->out_at) { /* from the host's code, with V8's frames below it */
      atomic_store(&lock->place, MR__INSIDE);
      mr_status status = mr__fork_pass(&lock->place, MR__OUTSIDE);
      if (status != MR_OK) atomic_store(&lock->place, MR__OUTSIDE);
      if (status != MR_OK) return status;
    }
    lock->depth++;
    return MR_OK;
  }
  int expected = FREE;
  if (!kept_until(lock) && atomic_compare_exchange_strong(&lock->state, &expected, HELD)) return own(lock, here);
  return wait_for(lock, here, deadline);
}

mr_status
mr__lock_acquire(mr__lock *lock, int64_t deadline)
{
  return mr__lock_acquire_here(lock, mr__this_thread(), deadline);
}

mr_status
mr__lock_acquire_last(mr__lock *lock)
{
  mr_status status = wait_in_queue(lock, MR__NEVER, true);
  return status == MR_OK ? own(lock, mr__this_thread()) : status;
}

mr_status
mr__lock_claim(mr__lock *lock)
{
  if (atomic_load(&lock->forked)) return MR_FORKED;
  pthread_mutex_lock(&lock->mutex);
  bool mine = !lock->cancelled && atomic_exchange(&lock->state, CONTENDED) == FREE; /* CONTENDED: the release looks here */
  if (mine) {
    lock->wanted_since = 0;
    atomic_store_explicit(&lock->kept_until, 0, memory_order_relaxed);
  } else if (!lock->wanted_since) {
    lock->wanted_since = mr__now();
  }
  pthread_mutex_unlock(&lock->mutex);
  return mine ? own(lock, mr__this_thread()) : MR_TIMEOUT;
}

bool
mr__lock_release(mr__lock *lock)
{
  if (!--lock->depth) return set_free(lock);
  if (lock->depth == lock->out_at) atomic_store_explicit(&lock->place, MR__OUTSIDE, memory_order_release);
  return false;
}

uint32_t
mr__lock_step_out(mr__lock *lock)
{
  uint32_t before = lock->out_at;
  lock->out_at = lock->depth;
  atomic_store_explicit(&lock->place, MR__OUTSIDE, memory_order_release);
  return before;
}

void
mr__lock_step_in(mr__lock *lock, uint32_t before)
{
  lock->out_at = before;
  atomic_store(&lock->place, MR__INSIDE);
  mr__fork_pass(&lock->place, MR__OUTSIDE); /* where V8 is lost, the caller has to go back into it nevertheless */
}

bool
mr__lock_is_inside(mr__lock *lock)
{
  return atomic_load(&lock->state) != FREE && atomic_load(&lock->place) == MR__INSIDE && !atomic_load(&lock->forked) && !mr__lock_is_mine(lock);
}

void
mr__lock_forked(mr__lock *lock, bool lost)
{
  lock->first = lock->last = NULL;
  lock->wanted_since = 0;
  atomic_store(&lock->kept_until, 0);
  if (mr__lock_is_mine(lock)) return;
  bool entered = atomic_load(&lock->state) != FREE && atomic_load(&lock->place) != MR__AT_GATE;
  atomic_store(&lock->forked, entered || lost);
  atomic_store(&lock->state, entered || lost ? HELD : FREE);
  atomic_store(&lock->place, MR__INSIDE);
  atomic_store(&lock->owner, NULL);
  lock->depth = lock->out_at = 0;
}

uint32_t
mr__lock_waiting(mr__lock *lock, int64_t *waited)
{
  pthread_mutex_lock(&lock->mutex);
  uint32_t waiting = lock->waiting;
  *waited = lock->waited;
  pthread_mutex_unlock(&lock->mutex);
  return waiting;
}

void
mr__lock_cancel(mr__lock *lock)
{
  pthread_mutex_lock(&lock->mutex);
  lock->cancelled = true;
  atomic_store_explicit(&lock->kept_until, 0, memory_order_relaxed);
  for (mr__waiter *at = lock->first; at; at = at->next) pthread_cond_signal(&at->wake);
  pthread_mutex_unlock(&lock->mutex);
}
