/* mr_fork.c: forks. Owns the gate before V8, under `gate_mutex`, and the order in which the core's mutexes are taken for a fork.
 *
 * A child has the memory of its parent and one of its threads. What another thread was in the middle of stays half done there for good; and a lock of V8's that it
 * held, for the whole process or for one heap, stays locked. So before the fork everybody leaves V8: the gate is closed, calls that are short come to their end, scripts
 * that are long are parked by an interrupt, V8's own threads stop between two tasks, and then the mutexes of the core are taken. After it the parent opens the gate,
 * and nobody has noticed but by the time. In the child a context whose JavaScript ran, or was in a callback, on another thread can never go on: its calls
 * return MR_FORKED. When not everybody was out in time, or V8 has kept its memory to the parent, all calls do.
 *
 * The handlers are pthread_atfork's, so that forks from C are seen, too. Python holds the GIL there: nobody who is in V8 may wait for it, which is why callbacks count as
 * outside. Threads do not start before somebody needs them (mr_resume(), the first entry): a child that only wants to exec() starts none. */
#include "mr_fork.h"

#include <pthread.h>
#include <time.h>

#include "mr_clock.h"
#include "mr_context.h"
#include "mr_heaps.h"
#include "mr_level.h"
#include "mr_library.h"
#include "mr_pool.h"
#include "mr_snapshot.h"
#include "mr_store.h"
#include "mr_text.h"
#include "mr_thread.h"
#include "mr_wait.h"
#include "mr_watchdog.h"

#define PATIENCE INT64_C(1000000000) /* 1 s for all to get out */
#define GRACE 1000000                /* 1 ms in which calls end by themselves, so that their contexts can be used in the child */
#define ASK_AGAIN 10000000           /* 10 ms: who was about to begin a script has begun it by then */

/* Bits of mr__fork_attention, beside MR__LOST. */
enum {
  CLOSED = 1, /* a fork is on its way: nobody enters */
  LOST = MR__LOST,
  RESUME = 4 /* in a child: threads that the parent had are missing */
};

atomic_int mr__fork_attention;
static pthread_mutex_t fork_mutex = PTHREAD_MUTEX_INITIALIZER; /* one fork at a time; held from before it until after */
static pthread_mutex_t gate_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened;
static pthread_t forker; /* while the gate is closed */
static bool everybody_out;
static bool no_v8;
static atomic_uint without_context; /* how many are in V8 without a context's lock */

/* --- the gate --- */

mr_status
mr__fork_gate(atomic_int *place, int where)
{
  for (;;) {
    int now = atomic_load(&mr__fork_attention);
    if (now & LOST) return MR_FORKED;
    if (now & RESUME) mr_resume();
    else if (!(now & CLOSED) || pthread_equal(forker, pthread_self())) return MR_OK;
    else {
      atomic_store(place, where);
      pthread_mutex_lock(&gate_mutex);
      while (atomic_load(&mr__fork_attention) & CLOSED) pthread_cond_wait(&opened, &gate_mutex);
      pthread_mutex_unlock(&gate_mutex);
      atomic_store(place, MR__INSIDE);
    }
  }
}

bool
mr__fork_begin(void)
{
  for (;;) {
    atomic_fetch_add(&without_context, 1);
    if (!atomic_load(&mr__fork_attention)) return true;
    atomic_fetch_sub(&without_context, 1);
    atomic_int place = MR__OUTSIDE;
    if (mr__fork_gate(&place, MR__OUTSIDE) != MR_OK) return false;
  }
}

void
mr__fork_end(void)
{
  atomic_fetch_sub(&without_context, 1);
}

bool
mr__fork_has_no_v8(void)
{
  return mr__fork_is_lost() && no_v8;
}

void
mr_resume(void)
{
  if (!(atomic_fetch_and(&mr__fork_attention, ~RESUME) & RESUME)) return;
  mr__watchdog_resume();
  mr__contexts_resume();
  mr__scheduler_resume();
  mr__pool_resume();
}

/* --- before the fork --- */

/* Under the list's mutex. `ask`: those who run scripts are asked to come out. */
static bool
anybody_inside(bool ask)
{
  bool found = atomic_load(&without_context) != 0;
  for (mr__context *at = mr__contexts_alive(); at; at = at->next_alive) {
    if (!mr__lock_is_inside(&at->lock)) continue;
    found = true;
    if (!ask) continue;
    mr__spin_lock(&at->levels_lock);
    if (at->innermost) mrv8_interrupt(at->isolate); /* which keeps the isolate alive, too */
    mr__spin_unlock(&at->levels_lock);
  }
  return found;
}

static bool
wait_for_all(int64_t start)
{
  int64_t ask_at = start + GRACE;
  long pause = 20000;
  for (;;) {
    int64_t now = mr__now();
    bool ask = now >= ask_at;
    if (ask) ask_at = now + ASK_AGAIN;
    if (!anybody_inside(ask)) return true;
    if (now - start > PATIENCE) return false;
    const struct timespec moment = {.tv_nsec = pause};
    nanosleep(&moment, NULL);
    if (pause < 500000) pause *= 2;
  }
}

static void
prepare(void)
{
  pthread_mutex_lock(&fork_mutex);
  mr__library_lock_for_fork();
  mr__contexts_lock_for_fork();
  forker = pthread_self();
  atomic_fetch_or(&mr__fork_attention, CLOSED);
  int64_t start = mr__now();
  everybody_out = mr__fork_is_lost() || wait_for_all(start); /* where V8 is lost, nobody is in it */
  everybody_out = mr__pool_stop(start + PATIENCE) && everybody_out;
  mr__heaps_lock_for_fork();
  mr__queues_lock_for_fork();
  mr__watchdog_lock_for_fork();
  mr__scheduler_lock_for_fork();
  mr__contexts_lock_all_for_fork();
  mr__stores_lock_for_fork();
  mr__texts_lock_for_fork();
  mr__snapshots_lock_for_fork();
  mr__waits_lock_for_fork();
  mr__pool_lock_for_fork();
  pthread_mutex_lock(&gate_mutex);
}

/* --- after it --- */

static void
in_parent(void)
{
  atomic_fetch_and(&mr__fork_attention, ~CLOSED);
  pthread_cond_broadcast(&opened);
  pthread_mutex_unlock(&gate_mutex);
  mr__pool_unlock_after_fork(false);
  mr__waits_unlock_after_fork(false);
  mr__snapshots_unlock_after_fork();
  mr__texts_unlock_after_fork();
  mr__stores_unlock_after_fork();
  mr__contexts_unlock_after_fork();
  mr__scheduler_unlock_after_fork(false);
  mr__watchdog_unlock_after_fork(false);
  mr__queues_unlock_after_fork(false);
  mr__heaps_unlock_after_fork();
  mr__library_unlock_after_fork();
  pthread_mutex_unlock(&fork_mutex);
}

static void
in_child(void)
{
  no_v8 = mrv8_has_no_heap();
  if (!everybody_out || no_v8) atomic_fetch_or(&mr__fork_attention, LOST);
  atomic_fetch_or(&mr__fork_attention, RESUME);
  atomic_fetch_and(&mr__fork_attention, ~CLOSED);
  atomic_store(&without_context, 0);
  mr__cond_init(&opened); /* to the old one, those who are not here would still wait */
  pthread_mutex_unlock(&gate_mutex);
  mr__pool_unlock_after_fork(true);
  mr__waits_unlock_after_fork(true);
  mr__snapshots_unlock_after_fork();
  mr__texts_unlock_after_fork();
  mr__stores_unlock_after_fork();
  mr__contexts_forked();
  mr__contexts_unlock_after_fork();
  mr__scheduler_unlock_after_fork(true);
  mr__watchdog_unlock_after_fork(true);
  mr__queues_unlock_after_fork(true);
  mr__heaps_unlock_after_fork();
  mr__library_unlock_after_fork();
  pthread_mutex_unlock(&fork_mutex);
}

static void
watch(void)
{
  mr__cond_init(&opened);
  pthread_atfork(prepare, in_parent, in_child);
}

void
mr__fork_watch(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, watch);
}
