/* mr_interrupt.c: the interrupt hook and its tick. The hook is set once and called on its own thread; the tick runs on the watchdog's, under the watchdog's mutex.
 *
 * The tick looks every 25 ms whether the hook's thread is in the same call as the last time. Then it asks V8 for an interrupt in the context that this thread runs,
 * and there the hook is called. A call costs two stores and no more, as nothing is armed for it. When no call was made for a second, the tick parks, and the next
 * call wakes it. Lock order: the watchdog's mutex, then table_mutex, then a context's levels_lock. */
#include "mr_interrupt.h"

#include "mr_clock.h"
#include "mr_level.h"

#define IDLE_TICKS 40 /* a second */

mr__ticking mr__ticking_now = {.parked = true};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* protects the hook's setting */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int (*_Atomic hook)(void *);
static void *hook_data;

static mr__watch watch;
static bool linked;                     /* the watch is with the watchdog; the hook's thread */
static unsigned seen_calls, idle_ticks; /* the tick's, under the watchdog's mutex */

/* Asks V8 for an interrupt of what runs in the context. */
static void
interrupt(mr_context id)
{
  mr__context *in = mr__context_find(id);
  if (!in) return;
  mr__spin_lock(&in->levels_lock);
  if (in->innermost) mrv8_interrupt(in->isolate); /* which lives as long as a level is on the chain */
  mr__spin_unlock(&in->levels_lock);
  mr__context_unreference(in);
}

/* On the watchdog's thread. The tick that parks is followed by one more: a call that did not see `parked` any more is seen by that one. */
static int64_t
tick(mr__watch *ticking, int64_t time)
{
  (void)ticking;
  mr__ticking *now = &mr__ticking_now;
  unsigned calls = atomic_load_explicit(&now->calls, memory_order_relaxed);
  mr_context running = atomic_load_explicit(&now->running, memory_order_relaxed);
  if (running && calls == seen_calls) interrupt(running);
  idle_ticks = running || calls != seen_calls ? 0 : idle_ticks + 1;
  seen_calls = calls;
  atomic_store_explicit(&now->parked, idle_ticks >= IDLE_TICKS, memory_order_relaxed);
  return idle_ticks <= IDLE_TICKS ? time + MR__TICK : MR__NEVER;
}

void
mr__tick_wake(void)
{
  if (linked) mr__watch_disarm(&watch);
  atomic_store_explicit(&mr__ticking_now.parked, false, memory_order_relaxed);
  linked = mr__watch_arm(&watch, mr__now() + MR__TICK, tick);
  if (!linked) atomic_store_explicit(&mr__ticking_now.parked, true, memory_order_relaxed); /* no thread to be had: the next call tries again */
}

/* A child has one thread, and to the host that is the one that its signals are for. The watch is left with the watchdog just when it is this thread's. */
static void
reset_in_child(void)
{
  mr__ticking *now = &mr__ticking_now;
  bool same = atomic_load(&now->thread) == (uint64_t)pthread_self();
  linked = linked && pthread_equal(watch.thread, pthread_self());
  atomic_store(&now->parked, true);
  if (!atomic_load(&now->thread) || same) return;
  atomic_store(&now->thread, (uint64_t)pthread_self());
  atomic_store(&now->running, 0);
}

static void
prepare(void)
{
  pthread_atfork(NULL, NULL, reset_in_child);
}

mr_status
mr_interrupt_hook(mr_hook called, void *data, uint64_t thread)
{
  if (!called) return MR_BAD_ARGUMENT;
  pthread_once(&once, prepare);
  pthread_mutex_lock(&mutex);
  bool first = !atomic_load(&hook);
  if (first) {
    hook_data = data;
    atomic_store(&hook, called);
    atomic_store(&mr__ticking_now.thread, thread ? thread : (uint64_t)pthread_self());
  }
  pthread_mutex_unlock(&mutex);
  return first ? MR_OK : MR_ALREADY_INITIALIZED;
}

void
mr__hook_clear(void)
{
  atomic_store(&mr__ticking_now.thread, 0);
}

bool
mr__hook_says_stop(void)
{
  return atomic_load(&hook)(hook_data) != 0;
}
