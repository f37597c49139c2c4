/* mr_clock.h: the one clock of the core: monotonic, in nanoseconds, never 0. */
#ifndef MR_CLOCK_H_
#define MR_CLOCK_H_

#include <stdint.h>
#include <time.h>

#define MR__NEVER INT64_MAX /* a deadline that does not come */

static inline int64_t
mr__now(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The same clock as of its last tick, some milliseconds ago at most, for a quarter of the price. A span that is shorter than a tick comes out as none or as a whole one,
 * so that many of them add up to what they were. */
static inline int64_t
mr__now_coarse(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
#else
  return mr__now();
#endif
}

/* The deadline `timeout` nanoseconds from now; 0 and what would overflow: never. */
static inline int64_t
mr__deadline(int64_t timeout)
{
  if (timeout <= 0) return MR__NEVER;
  int64_t now = mr__now();
  return timeout > MR__NEVER - now ? MR__NEVER : now + timeout;
}

static inline struct timespec
mr__timespec(int64_t when)
{
  return (struct timespec){.tv_sec = (time_t)(when / 1000000000), .tv_nsec = (long)(when % 1000000000)};
}

#endif /* MR_CLOCK_H_ */
