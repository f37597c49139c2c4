/* mr_interrupt.h: the host's interrupt hook, and the tick by which its thread comes to it while it runs JavaScript or waits. */
#ifndef MR_INTERRUPT_H_
#define MR_INTERRUPT_H_

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "mini_racer.h"

#define MR__TICK INT64_C(25000000) /* 25 ms: a call is interrupted when it has seen two of them */

/* What the tick looks at. Written by the hook's thread alone, but for `parked`. */
typedef struct mr__ticking {
  _Atomic(uint64_t) thread;    /* the hook's, as pthread_self() has it; 0: there is no hook */
  _Atomic(mr_context) running; /* what the hook's thread runs; 0: nothing */
  atomic_uint calls;           /* how many outermost calls it has made */
  atomic_bool parked;          /* nobody ticks: the next call sees to it */
} mr__ticking;
extern mr__ticking mr__ticking_now;

/* Whether this thread is the hook's. */
static inline bool
mr__is_hooked(void)
{
  uint64_t thread = atomic_load_explicit(&mr__ticking_now.thread, memory_order_relaxed);
  return thread && thread == (uint64_t)pthread_self();
}

/* Calls the hook; whether to stop. On the hook's thread, which holds no mutex. */
bool mr__hook_says_stop(void);

/* From now on there is no hook. */
void mr__hook_clear(void);

/* Makes the tick go on that was parked. */
void mr__tick_wake(void);

/* On the hook's thread: it goes into a context, and out again; between the two stands what mr__tick_enter() returned. Never waits; no system call unless the tick
 * was parked. */
static inline mr_context
mr__tick_enter(mr_context in)
{
  mr__ticking *now = &mr__ticking_now;
  mr_context outer = atomic_load_explicit(&now->running, memory_order_relaxed);
  atomic_store_explicit(&now->running, in, memory_order_relaxed);
  if (outer) return outer;
  atomic_store_explicit(&now->calls, atomic_load_explicit(&now->calls, memory_order_relaxed) + 1, memory_order_relaxed);
  if (atomic_load_explicit(&now->parked, memory_order_relaxed)) mr__tick_wake();
  return outer;
}

static inline void
mr__tick_leave(mr_context outer)
{
  atomic_store_explicit(&mr__ticking_now.running, outer, memory_order_relaxed);
}

#endif /* MR_INTERRUPT_H_ */
