/* mr_context.h: contexts, and the one way into JavaScript. Any thread; what protects what is said in mr_context.c. */
#ifndef MR_CONTEXT_H_
#define MR_CONTEXT_H_

#include <stdbool.h>
#include <string.h>

#include "mrv8_bridge.h"

/* Copies what a client's option struct holds, which may be of an older or a newer header, over the defaults in `full`; NULL: nothing. False: no header had a
 * struct of that size. In the middle of a field it would let half a pointer through. */
static inline bool
mr__options_copy(void *full, uint32_t size, const void *given)
{
  uint32_t given_size;
  if (!given) return true;
  memcpy(&given_size, given, sizeof given_size);
  if (given_size < 2 * sizeof(uint32_t) || given_size % sizeof(void *)) return false;
  memcpy(full, given, given_size < size ? given_size : size);
  memcpy(full, &size, sizeof size);
  return true;
}

/* Set once by mr_init(). */
void mr__contexts_open_for_use(void);

/* Does one thing in a context, from the client's call to its answer: finds the context, waits for its lock, watches the clock, runs, and says what became of it.
 * `target` 0: the request is for the context itself. Fills in the request's target, options and outermost. */
mr_status mr__run(mr_context id, mr_handle target, mrv8_request *request, const mr_options *options, mr_result *result);

#endif /* MR_CONTEXT_H_ */
