/* mr_fork.h: who is in V8, and how all of them are out of it when the process forks. Any thread. See mr_fork.c. */
#ifndef MR_FORK_H_
#define MR_FORK_H_

#include <stdatomic.h>
#include <stdbool.h>

#include "mini_racer.h"

/* Where the thread is that has a context's lock. */
enum {
  MR__INSIDE,  /* in V8, or about to be */
  MR__OUTSIDE, /* in the host's code, or parked, with V8's frames below it on the stack */
  MR__AT_GATE  /* waits to enter, without any */
};

/* Not 0 while a fork is on its way, and in a child that has something to make up for. */
extern atomic_int mr__fork_attention;
#define MR__LOST 2 /* a bit of it: V8 cannot be used in this process */

/* What who enters V8 does when there is something to attend to: waits at `where` until the fork has been. `place` is MR__INSIDE before and after. MR_FORKED: V8
 * cannot be used in this process. */
mr_status mr__fork_gate(atomic_int *place, int where);

/* To be called with `place` at MR__INSIDE, by an operation before which it was not, or by a sequentially consistent one on something else that shows the thread. */
static inline mr_status
mr__fork_pass(atomic_int *place, int where)
{
  return atomic_load(&mr__fork_attention) ? mr__fork_gate(place, where) : MR_OK;
}

/* Round what needs no context's lock and is in V8 nevertheless. False: V8 cannot be used in this process, and there is nothing to end. */
bool mr__fork_begin(void);
void mr__fork_end(void);

/* This process is a child in which V8 cannot be used; then, whether V8's memory is not even there. */
static inline bool
mr__fork_is_lost(void)
{
  return atomic_load_explicit(&mr__fork_attention, memory_order_relaxed) & MR__LOST;
}

bool mr__fork_has_no_v8(void);

/* From now on forks are seen. Once, from mr_init(). */
void mr__fork_watch(void);

#endif /* MR_FORK_H_ */
