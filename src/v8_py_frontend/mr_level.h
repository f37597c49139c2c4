/* mr_level.h: running calls. Those of one context form a chain, as a call made in a host function is inside of another; each can be stopped by itself. */
#ifndef MR_LEVEL_H_
#define MR_LEVEL_H_

#include "mr_budget.h"
#include "mr_context.h"

/* Which limit stopped a call. */
typedef struct mr__stop {
  const char *limit;  /* a field of mr_options or mr_context_options; NULL: it was none */
  double value, used; /* in its unit; `used` below 0: unknown */
} mr__stop;

/* One running call. Among those of the thread that made it, and not on its stack: a host that switches coroutines in a callback (greenlet) swaps the stack, while
 * other threads look at the chain. */
typedef struct mr__level {
  mr__budget budget; /* first, so that the one can be had from the other */
  mr__context *context;
  struct mr__level *outer;  /* of those that wait for the lock: the next one */
  struct mr__level *around; /* the call that this thread makes it in, of whatever context */
  mr_status stopped;        /* why it must end; MR_OK: it need not. levels_lock */
  mr__stop stop;            /* the limit that this was for; levels_lock */
  int64_t timeout;          /* what it was to be, for who asks; the deadline is the budget's */
  uint64_t max_memory;
  uint64_t call;     /* mr_options.call */
  const void *frame; /* where on its stack the thread was */
  mr__here *here;    /* the thread */
} mr__level;

/* Makes it a level for a call with these options, which are complete. */
void mr__level_init(mr__level *level, mr__context *context, const mr_options *options);

/* A level for a call that this thread is about to make. MR_OK; MR_NO_MEMORY; MR_BUSY: this is another coroutine than that of
 * the call which the thread is in. The last one taken is the first to be given back. */
mr_status mr__level_take(mr__context *in, mr__here *here, const mr_options *options, mr__level **taken);
void mr__level_give_back(mr__level *taken);

/* With the context's lock: puts the call on the chain and arms its budget. MR_OK, or why it must not even begin. */
mr_status mr__level_push(mr__level *entered);

/* Takes it off again, and says why it was to end. V8 goes on unwinding just when a call further out is to end, too. */
mr_status mr__level_pop(mr__level *left);

/* Makes the call, and so all inside of it in its context, end. Any thread, while the call is on its chain. What it does in other contexts ends with
 * mr__budgets_look(), which who calls this on another thread calls after it, without the mutex. */
void mr__level_stop(mr__level *running, mr_status why);

/* The same because of a limit. */
void mr__level_stop_at(mr__level *running, mr_status why, mr__stop limit);

/* Under levels_lock: makes the calls that run in the context end, from the one given outwards-in, or all for NULL. */
void mr__levels_stop(mr__context *in, mr__level *outermost, mr_status why);

/* Does one thing in a context, from the client's call to its answer: finds the context, waits for its lock, watches the clock, runs, and says what became of it.
 * `target` 0: the request is for the context itself. Fills in the request's target, options and outermost. */
mr_status mr__run(mr_context id, mr_handle target, mrv8_request *request, const mr_options *options, mr_result *result);

/* The same for who has the lock already: looks whether the context is to close, drops what was released, finds the target. The request's options are complete. */
mr_status mr__run_locked(mr__level *entered, mrv8_request *request, mr_result *result);

/* Only runs it. */
mr_status mr__run_inside(mr__level *entered, mrv8_request *request, mr_result *result);

/* After a call that ended with this status: a message that says which limit it was, if it was one; else none. */
void mr__level_explain(const mr__level *left, mr_status status, mr_result *result);

/* The same for a call that did not even come to run. */
void mr__level_waited(mr__level *left, mr_status status, mr_result *result);

/* Lets mr_cancel() find a call with a number that is not on the chain yet; until mr__level_push() or mr__level_withdraw(). */
void mr__level_announce(mr__level *coming);
void mr__level_withdraw(mr__level *arrived);

/* Fills `full` with the defaults, and over them what the client's struct says. MR_OK or MR_BAD_ARGUMENT. */
mr_status mr__options_complete(const mr_options *given, mr_options *full);

/* Fills in the context's limits where a call names none. */
void mr__limit_by(const mr__context *context, mr_options *options);

/* Round a callback that is made without a level. */
void mr__level_begin_callback(void);
void mr__level_end_callback(void);

/* Whether this thread runs JavaScript, in any context: it is then in a host function's callback. */
bool mr__level_is_inside(void);

/* Why what this thread runs is to end, or what that is in; MR_OK: it is not. For who waits in a host function. */
mr_status mr__level_must_end(void);

#endif /* MR_LEVEL_H_ */
