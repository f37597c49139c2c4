/* mr_now.c: properties that can be read and written at once: no code runs, nobody is waited for. For clients with a lock of their own, which they then need not let go of.
 *
 * What mr__run() does for code is left out here: there is no call to stop, no limit of time, nothing to do afterwards. Where one of these would be needed, and at the least
 * doubt, the answer is MR_BUSY, and the client takes the long way. Any thread. */
#include "mr_context.h"
#include "mr_heaps.h"
#include "mr_result.h"

/* With the lock: nothing is to be done in the context before, by this thread or for another one; and there is so much room in the heap that no limit is near. */
static bool
is_quiet(const mr__context *in, const mr__here *here)
{
  return here->number && in->visits.last == here->number && !in->innermost && !in->interrupted && !in->crowded &&
         !atomic_load_explicit(&in->closing, memory_order_relaxed) && !atomic_load_explicit(&in->share.asked, memory_order_relaxed) && !mr__heaps_are_large();
}

/* What is asked for. */
typedef struct wish {
  mr_handle object;
  const void *in;
  size_t in_size;
  mr_result *result; /* NULL: to set the property */
} wish;

/* With the lock. */
static mr_status
fulfil(mr__context *in, const mr__here *here, const wish *asked)
{
  mr__context_drain(in);
  mrv8_property wanted = {mr__handles_get(&in->handles, asked->object), here->number, asked->in, asked->in_size};
  if (!wanted.of) return MR_BUSY;
  mr_status status = asked->result ? mrv8_get_now(in->isolate, &wanted, asked->result) : mrv8_set_now(in->isolate, &wanted);
  if (!asked->result) mr__context_changes(in);
  in->calls += status == MR_OK;
  return status;
}

static mr_status
now(mr_context context, const wish *asked)
{
  if (!asked->in) return MR_BAD_ARGUMENT;
  mr__here *here = mr__this_thread();
  mr__context *in = here->last;
  if (!in || in->id != context || here->innermost || here->callbacks) return MR_BUSY;
  if (atomic_load_explicit(&mr__fork_attention, memory_order_relaxed)) return MR_BUSY; /* who forks may have the client's lock next */
  if (!mr__lock_try_here(&in->lock, here)) return MR_BUSY;
  here->last = NULL; /* the reference is the call's meanwhile */
  mr_status status = is_quiet(in, here) ? fulfil(in, here, asked) : MR_BUSY;
  mr__context_leave(in);
  mr__context_keep_here(here, in);
  return status;
}

mr_status
mr_get_now(mr_context context, mr_handle object, const void *in, size_t in_size, mr_result *result)
{
  if (!result || result->struct_size < sizeof *result) return MR_BAD_ARGUMENT;
  mr__result_start(result);
  result->taken = 0;
  return now(context, &(wish){object, in, in_size, result});
}

mr_status
mr_set_now(mr_context context, mr_handle object, const void *in, size_t in_size)
{
  return now(context, &(wish){object, in, in_size, NULL});
}
