/* mr_context.h: contexts, and the one way into JavaScript. Any thread; what protects what is said in mr_context.c. */
#ifndef MR_CONTEXT_H_
#define MR_CONTEXT_H_

#include "mrv8_bridge.h"

/* Set once by mr_init(). */
void mr__contexts_open_for_use(void);

/* Does one thing in a context, from the client's call to its answer: finds the context, waits for its lock, watches the clock, runs, and says what became of it.
 * `target` 0: the request is for the context itself. Fills in the request's target, options and outermost. */
mr_status mr__run(mr_context id, mr_handle target, mrv8_request *request, const mr_options *options, mr_result *result);

#endif /* MR_CONTEXT_H_ */
