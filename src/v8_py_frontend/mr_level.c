/* mr_level.c: the one way into JavaScript, and who must leave it when. Owns nothing but what is on the stacks of callers. */
#include "mr_level.h"

#include "mr_clock.h"
#include "mr_options.h"
#include "mr_result.h"

const mr_options mr__default_options = {.struct_size = sizeof(mr_options), .max_depth = 400, .max_bytes = UINT64_C(1) << 30};

/* Why the call must end: its own reason, else that of the nearest call around it. levels_mutex. */
static mr_status
reason(const mr__level *running)
{
  for (; running; running = running->outer)
    if (running->stopped != MR_OK) return running->stopped;
  return MR_OK;
}

void
mr__levels_stop(mr__context *in, mr__level *outermost, mr_status why)
{
  if (!in->innermost) return;
  for (mr__level *running = outermost ? outermost : in->innermost; running; running = outermost ? NULL : running->outer)
    if (running->stopped == MR_OK || why == MR_CLOSED) running->stopped = why;
  mrv8_terminate(in->isolate);
}

void
mr__level_stop(mr__level *running, mr_status why)
{
  mr__context *in = running->context;
  pthread_mutex_lock(&in->levels_mutex);
  mr__levels_stop(in, running, why);
  pthread_mutex_unlock(&in->levels_mutex);
}

static void
expired(mr__watch *watch)
{
  mr__level_stop((mr__level *)watch, MR_TIMEOUT);
}

/* Lets mr_cancel() find a call that waits for the lock. */
static void
announce(mr__level *coming)
{
  mr__context *in = coming->context;
  pthread_mutex_lock(&in->levels_mutex);
  coming->outer = in->coming;
  in->coming = coming;
  pthread_mutex_unlock(&in->levels_mutex);
}

/* Under levels_mutex: it waits no more. */
static void
withdraw(mr__level *arrived)
{
  mr__level **link = &arrived->context->coming;
  while (*link && *link != arrived) link = &(*link)->outer;
  if (*link) *link = arrived->outer;
}

mr_status
mr__level_push(mr__level *entered, int64_t deadline)
{
  mr__context *in = entered->context;
  pthread_mutex_lock(&in->levels_mutex);
  if (entered->call) withdraw(entered);
  entered->outer = in->innermost;
  in->innermost = entered;
  mr_status why = atomic_load(&in->closing) ? MR_CLOSED : reason(entered); /* who closes has looked at the chain already, or will find this call on it */
  pthread_mutex_unlock(&in->levels_mutex);
  if (why == MR_OK && deadline != MR__NEVER && !mr__watch_arm(&entered->watch, deadline, expired)) why = MR_NO_MEMORY;
  return why;
}

mr_status
mr__level_pop(mr__level *left)
{
  mr__context *in = left->context;
  if (left->watch.expired) mr__watch_disarm(&left->watch);
  pthread_mutex_lock(&in->levels_mutex);
  in->innermost = left->outer;
  mr_status why = reason(left);
  if (why != MR_OK) {
    if (reason(left->outer) == MR_OK) mrv8_cancel_terminate(in->isolate);
    else mrv8_terminate(in->isolate);
  }
  pthread_mutex_unlock(&in->levels_mutex);
  return why;
}

mr_status
mr_terminate(mr_context id)
{
  mr__context *found = mr__context_find(id);
  if (!found) return MR_BAD_CONTEXT;
  pthread_mutex_lock(&found->levels_mutex);
  mr__levels_stop(found, found->innermost, MR_TERMINATED);
  pthread_mutex_unlock(&found->levels_mutex);
  mr__context_unreference(found);
  return MR_OK;
}

mr_status
mr_cancel(mr_context id, uint64_t call)
{
  mr__context *found = mr__context_find(id);
  if (!found) return MR_BAD_CONTEXT;
  pthread_mutex_lock(&found->levels_mutex);
  for (mr__level *running = found->innermost; running && call; running = running->outer)
    if (running->call == call) mr__levels_stop(found, running, MR_TERMINATED);
  for (mr__level *coming = found->coming; coming && call; coming = coming->outer)
    if (coming->call == call) coming->stopped = MR_TERMINATED;
  pthread_mutex_unlock(&found->levels_mutex);
  mr__context_unreference(found);
  return MR_OK;
}

/* Fills `full` with the defaults, and over them what the caller's struct says. */
static mr_status
complete(const mr_options *given, mr_options *full)
{
  *full = mr__default_options;
  if (!given) return MR_OK;
  if (!mr__options_copy(full, sizeof *full, given) || full->timeout < 0 || full->encoding > MR_UTF16) return MR_BAD_ARGUMENT;
  if (full->buffer_count && !full->buffers) return MR_BAD_ARGUMENT;
  if (!full->max_depth) full->max_depth = mr__default_options.max_depth;
  if (!full->max_bytes) full->max_bytes = mr__default_options.max_bytes;
  return MR_OK;
}

static _Thread_local unsigned levels_of_this_thread;

bool
mr__level_is_inside(void)
{
  return levels_of_this_thread != 0;
}

mr_status
mr__run_inside(mr__level *entered, mrv8_request *request, int64_t deadline, mr_result *result)
{
  mr_status status = mr__level_push(entered, deadline);
  request->outermost = entered->outer == NULL;
  levels_of_this_thread++;
  if (status == MR_OK) status = mrv8_run(entered->context->isolate, request, result);
  levels_of_this_thread--;
  mr_status why = mr__level_pop(entered);
  return status != MR_OK && why != MR_OK ? why : status; /* a call that was to end did not end because of what it says */
}

/* What holds the path to the place with some failures; with others there is nothing. */
static void
keep_detail(mr_status status, mr_result *result)
{
  if (status < 0 && status != MR_TOO_DEEP && status != MR_TOO_LARGE && status != MR_BAD_MESSAGE && status != MR_BAD_HANDLE) mr__result_start(result);
}

mr_status
mr__run(mr_context id, mr_handle target, mrv8_request *request, const mr_options *options, mr_result *result)
{
  mr_options full;
  if (!result || result->struct_size < sizeof *result) return MR_BAD_ARGUMENT;
  mr__result_start(result);
  if (!mr__contexts_usable()) return MR_NOT_INITIALIZED;
  mr_status status = complete(options, &full);
  if (status != MR_OK) return status;
  request->options = &full;
  request->target_handle = target;
  int64_t deadline = mr__deadline(full.timeout);
  mr__context *in = mr__context_find(id);
  if (!in) return MR_BAD_CONTEXT;
  mr__level entered = {.context = in, .max_memory = full.max_memory, .call = full.call};
  if (full.call) announce(&entered);
  status = mr__lock_acquire(&in->lock, deadline);
  if (status == MR_OK) {
    if (atomic_load(&in->closing)) status = MR_CLOSED;
    else mr__context_drain(in);
    if (status == MR_OK && target && !(request->target = mr__handles_get(&in->handles, target))) status = MR_BAD_HANDLE;
    if (status == MR_OK) status = mr__run_inside(&entered, request, deadline, result);
    mr__context_leave(in);
  }
  if (full.call) {
    pthread_mutex_lock(&in->levels_mutex);
    withdraw(&entered); /* where it did not come so far as to run */
    pthread_mutex_unlock(&in->levels_mutex);
  }
  keep_detail(status, result);
  mr__context_unreference(in);
  return status;
}
