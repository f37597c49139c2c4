/* mr_timers.h: the timers of one context (setTimeout, setInterval). Used under the context's lock. */
#ifndef MR_TIMERS_H_
#define MR_TIMERS_H_

#include <stdint.h>

#include "mrv8_bridge.h"

struct mr__context;
struct mr__timer;

/* Start with all bytes 0. */
typedef struct mr__timers {
  struct mr__timer *heap; /* by time, then by number: the next one first */
  uint32_t count, capacity;
  uint32_t last_number;
  uint32_t running; /* the number of the one whose callback runs; 0: none, or it was cleared meanwhile */
} mr__timers;

/* Returns its number, and takes the callback over; 0: there are too many, or no memory. `delay` in nanoseconds. */
uint32_t mr__timers_add(mr__timers *timers, int64_t delay, int repeats, mrv8_timer *callback);

/* Takes the callback of a timer back, so that it does not run again; NULL: there is none of this number, or it runs just now (and will be the last time). */
mrv8_timer *mr__timers_take(mr__timers *timers, uint32_t number);

/* When the next one is due; MR__NEVER. */
int64_t mr__timers_next(const mr__timers *timers);

/* Takes any callback out; NULL when there is none. */
mrv8_timer *mr__timers_drain(mr__timers *timers);

/* With the lock: runs the first one if it is due, and says when the next one is. On a thread of the scheduler's. */
void mr__timers_run(struct mr__context *in);

#endif /* MR_TIMERS_H_ */
