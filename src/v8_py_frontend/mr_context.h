/* mr_context.h: a context, as the core's own files see it, and how to get hold of one. What protects what stands at each part. */
#ifndef MR_CONTEXT_H_
#define MR_CONTEXT_H_

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "mr_heaps.h"
#include "mr_handles.h"
#include "mr_lock.h"
#include "mr_here.h"
#include "mr_queue.h"
#include "mr_spin.h"
#include "mr_timers.h"
#include "mr_visit.h"
#include "mrv8_bridge.h"

struct mr__level;

typedef struct mr__context {
  mr_context id; /* this and the next three never change */
  mr_host_call call;
  mr_host_event event;
  void *data;
  atomic_uint references; /* one for being open, one for each call that uses it */
  atomic_bool closing;

  mr__lock lock; /* protects what follows, up to the next lock */
  mrv8_isolate *isolate;
  mr__visits visits; /* mr_visit.c's */
  mr__handles handles;
  mr__timers timers;
  int64_t timeout, cpu_time; /* of who has none of their own; 0: none. Never change */
  uint64_t max_memory;       /* of the heap; never changes */
  uint64_t left_behind;      /* bytes of heap in use when a collection outside of calls ended */
  uint64_t soft_limit;       /* bytes; 0: none */
  uint64_t calls;            /* that were begun, timers' callbacks and calls within callbacks included */
  _Atomic uint64_t changes;  /* how often JavaScript was entered or returned to; anybody reads it */
  int64_t js_time;           /* nanoseconds that outermost calls have taken */
  mrv8_blob **becomes;       /* where to put the snapshot of it when it goes; NULL: there is to be none */
  mr_status became;
  bool becomes_fresh;
  bool soft_limit_reached;
  mr_handle *drained;    /* an empty list that is to be `released` next, of MOST_KEPT; NULL: there is none */
  bool crowded;          /* after the last collection the heap was half full, or more */
  bool interrupted;      /* it stands still while the interrupt hook runs: V8 must not be entered */
  atomic_bool has_tasks; /* V8 has posted one while somebody had the lock; anybody */

  atomic_uint_fast64_t timeouts, cpu_timeouts, memory_stops; /* calls that a limit has stopped; anybody */

  mr__spin levels_lock; /* protects the chain for those who look at it from outside; who has the lock writes it under both */
  struct mr__level *innermost;
  struct mr__level *coming; /* calls with a number that wait for the lock; under levels_lock alone */

  mr__spin release_lock; /* protects what follows */
  mr_handle *released;
  size_t released_count, released_capacity;
  atomic_bool has_released;

  mr__share share; /* mr_heaps.c's */
  mr__queue queue; /* mr_queue.c's */

  struct mr__context *next_alive, **link_alive; /* of all that there are, closed or not; under alive_mutex */
} mr__context;

/* mr_init() has come to its end. */
void mr__contexts_open_for_use(void);
bool mr__contexts_usable(void);

/* The open context of an id, with a reference for the caller; NULL when there is none. */
mr__context *mr__context_find(mr_context id);
void mr__context_unreference(mr__context *context);

/* The same for a call: without a look into the table, when it is the context that this thread has used last. The reference then stays with the thread. */
mr__context *mr__context_find_here(mr__here *here, mr_context id);
void mr__context_keep_here(mr__here *here, mr__context *context);

/* The process is about to end, on this thread: other threads open no more contexts. */
void mr__contexts_end(void);

/* Whether a thread is in any of them. */
bool mr__contexts_busy(void);

/* Closes a context, or all that threads are busy in, without waiting for these. */
void mr__context_abandon(mr_context id);
void mr__contexts_abandon(void);

/* In a child that is going to go on: what was to be woken in the parent is to be woken here. */
void mr__contexts_resume(void);

/* With the lock: JavaScript is about to run. */
static inline void
mr__context_changes(mr__context *context)
{
  atomic_store_explicit(&context->changes, atomic_load_explicit(&context->changes, memory_order_relaxed) + 1, memory_order_release);
}

/* Gives the lock back. The outermost one to leave a closed context destroys it. */
void mr__context_leave(mr__context *context);

/* With the lock, once: closes the context, of which a blob is made when it goes, and gives the lock back. MR_CLOSED: somebody has closed it before. */
mr_status mr__context_become(mr__context *context, bool fresh, mrv8_blob **blob);

/* With the lock: has the scheduler wake the context when a timer is due, or a task of V8's. */
void mr__context_schedule(mr__context *context);

/* With the lock: drops what the client has released since the last entry. */
void mr__context_drain(mr__context *context);

/* For mr_fork.c. The list of all contexts that there are, for who has its mutex; then their own mutexes and the table's. All are given back by one function, before which
 * the child decides for each context whether it can be used. */
void mr__contexts_lock_for_fork(void);
mr__context *mr__contexts_alive(void);
void mr__contexts_lock_all_for_fork(void);
void mr__contexts_forked(void);
void mr__contexts_unlock_after_fork(void);

/* What the bridge may ask of a context; mr_host.c. */
extern const mrv8_host mr__host;

/* Tells the client that a submission has come to its end. Without the context's lock. */
void mr__host_done(mr__context *in, mr_status status, uint64_t call, const mr_result *result);

#endif /* MR_CONTEXT_H_ */
