/* mr_heaps.h: what the heaps of all contexts may hold together. Any thread. */
#ifndef MR_HEAPS_H_
#define MR_HEAPS_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mr__context;

/* Of one context. Start with all bytes 0. The budget's. */
typedef struct mr__share {
  struct mr__share *next, **link; /* in the list of contexts that have a heap */
  struct mr__context *context;
  uint64_t heap;     /* bytes, at the end of the last collection */
  bool gone;         /* it will not be in the list again */
  bool stopped;      /* its call is on the way out because of the budget */
  atomic_bool asked; /* to collect its garbage, and has not come to it yet; not the mutex's */
} mr__share;

/* Once, when the library starts. 0: no budget. */
void mr__heaps_set(uint64_t bytes);

/* Whether there is room for one more context. */
bool mr__heaps_has_room(void);

/* With the context's lock: a collection ended with so many bytes of heap. */
void mr__heap_note(struct mr__context *context, uint64_t heap);

/* With the context's lock: it is about to go. */
void mr__heap_forget(struct mr__context *context);

/* With the context's lock, outside of its calls: collects its garbage if that was asked for. */
void mr__heap_settle(struct mr__context *context);

/* For mr_fork.c. */
void mr__heaps_lock_for_fork(void);
void mr__heaps_unlock_after_fork(void);

/* Whether the sum of all is so near the budget that each has to be looked at. Any thread. */
extern atomic_bool mr__heaps_large;

static inline bool
mr__heaps_are_large(void)
{
  return atomic_load_explicit(&mr__heaps_large, memory_order_relaxed);
}

/* Bytes of heap of all contexts. */
uint64_t mr__heaps_used(void);

#endif /* MR_HEAPS_H_ */
