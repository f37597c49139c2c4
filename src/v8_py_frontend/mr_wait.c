/* mr_wait.c: the graph of waits. Owns the list of threads that wait for promises, or for a context's lock while they have another one; all under `mutex`, a leaf.
 *
 * A thread is noted down before it waits, and looks then whether it closes a circle: it waits for a lock whose owner waits for a lock whose owner ... is this
 * thread. That is enough, as a lock never goes to somebody who waits. Who holds no lock cannot be part of a circle and is not noted, so that threads which merely
 * queue for a context do not meet here. What an owner has written of locks before it was noted is seen by all who look later, by the mutex. */
#include "mr_wait.h"

#include <stdatomic.h>

#include "mr_clock.h"
#include "mr_interrupt.h"
#include "mr_level.h"
#include "mr_thread.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static mr__wait *waits; /* the newest first: a signal's handler may wait while its thread waits already */
static atomic_uint promise_waits;

/* What the thread waits for; NULL: it does not. */
static const mr__lock *
waited_for_by(const void *thread)
{
  for (const mr__wait *at = waits; at && thread; at = at->next)
    if (at->thread == thread) return at->lock;
  return NULL;
}

static bool
closes_a_circle(const mr__lock *lock, const void *thread)
{
  for (; lock; lock = waited_for_by(mr__lock_owner(lock)))
    if (mr__lock_owner(lock) == thread) return true;
  return false;
}

/* Under the mutex. */
static bool
note(mr__wait *wait, const mr__lock *lock, const void *thread)
{
  if (closes_a_circle(lock, thread)) return false;
  *wait = (mr__wait){.next = waits, .link = &waits, .thread = thread, .lock = lock};
  if (waits) waits->link = &wait->next;
  waits = wait;
  return true;
}

static void
forget(mr__wait *wait)
{
  *wait->link = wait->next;
  if (wait->next) wait->next->link = wait->link;
}

bool
mr__wait_begin(mr__wait *wait, const mr__lock *lock)
{
  pthread_mutex_lock(&mutex);
  bool noted = note(wait, lock, mr__lock_self());
  pthread_mutex_unlock(&mutex);
  return noted;
}

void
mr__wait_end(mr__wait *wait)
{
  pthread_mutex_lock(&mutex);
  forget(wait);
  pthread_mutex_unlock(&mutex);
}

void
mr__waits_lock_for_fork(void)
{
  pthread_mutex_lock(&mutex);
}

void
mr__waits_unlock_after_fork(bool in_child)
{
  for (mr__wait *at = waits; at && in_child; at = at->next)
    if (at->thread != mr__lock_self()) forget(at);
  pthread_mutex_unlock(&mutex);
}

void
mr__wait_tell(const mr__lock *lock)
{
  if (!atomic_load(&promise_waits)) return;
  pthread_mutex_lock(&mutex);
  for (mr__wait *at = waits; at; at = at->next) {
    if (!at->promise || at->lock != lock) continue;
    at->thread = NULL; /* until it has looked: it may have nothing to wait for any more */
    pthread_cond_signal(&at->wake);
  }
  pthread_mutex_unlock(&mutex);
}

/* Under the mutex: waits for a moment. MR_OK: look again. */
static mr_status
sleep_until(mr__wait *wait, int64_t deadline)
{
  int64_t now = mr__now();
  if (now >= deadline) return MR_TIMEOUT;
  bool hooked = mr__is_hooked(), looks = hooked || mr__level_is_inside();
  mr_status over = mr__level_must_end();
  if (over != MR_OK) return over == MR_TIMEOUT ? MR_TERMINATED : over; /* it is not this wait's time that is over */
  int64_t until = looks && deadline - now > MR__TICK ? now + MR__TICK : deadline;
  if (until == MR__NEVER) {
    pthread_cond_wait(&wait->wake, &mutex);
    return MR_OK;
  }
  struct timespec then = mr__timespec(until);
  pthread_cond_timedwait(&wait->wake, &mutex, &then);
  if (!hooked || mr__now() < until) return MR_OK;
  pthread_mutex_unlock(&mutex);
  bool stop = mr__hook_says_stop();
  pthread_mutex_lock(&mutex);
  return stop ? MR_INTERRUPTED : MR_OK;
}

/* Under the mutex. */
static mr_status
wait_here(mr__wait *wait, mr__context *of, const _Atomic(int32_t) *done, int64_t deadline)
{
  const void *thread = mr__lock_self();
  if (!note(wait, &of->lock, thread)) return MR_DEADLOCK;
  mr__cond_init(&wait->wake);
  wait->promise = true;
  mr_status status = MR_OK;
  while (status == MR_OK && !atomic_load(done)) {
    if (!wait->thread) { /* somebody said to look again */
      if (closes_a_circle(wait->lock, thread)) status = MR_DEADLOCK;
      else wait->thread = thread;
      if (status != MR_OK) break;
    }
    status = atomic_load(&of->lock.forked) ? MR_FORKED : atomic_load(&of->closing) ? MR_CLOSED : sleep_until(wait, deadline);
  }
  forget(wait);
  pthread_cond_destroy(&wait->wake);
  return atomic_load(done) && status != MR_INTERRUPTED ? MR_OK : status;
}

mr_status
mr_wait(mr_context id, const int32_t *done, int64_t timeout)
{
  if (!done || timeout < 0) return MR_BAD_ARGUMENT;
  const _Atomic(int32_t) *flag = (const _Atomic(int32_t) *)done;
  int64_t deadline = mr__deadline(timeout);
  mr__context *of = mr__contexts_usable() ? mr__context_find(id) : NULL;
  if (!of) return !mr__contexts_usable() ? MR_NOT_INITIALIZED : atomic_load(flag) ? MR_OK : MR_BAD_CONTEXT;
  mr__wait wait;
  atomic_fetch_add(&promise_waits, 1);
  pthread_mutex_lock(&mutex);
  mr_status status = atomic_load(flag) ? MR_OK : wait_here(&wait, of, flag, deadline);
  pthread_mutex_unlock(&mutex);
  atomic_fetch_sub(&promise_waits, 1);
  mr__context_unreference(of);
  return status;
}
