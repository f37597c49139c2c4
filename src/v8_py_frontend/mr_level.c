/* mr_level.c: the one way into JavaScript, and who must leave it when. Owns nothing but what is on the stacks of callers. */
#include "mr_level.h"

#include <stdlib.h>

#include "mr_clock.h"
#include "mr_interrupt.h"
#include "mr_options.h"
#include "mr_result.h"
#include "mr_wire.h"

const mr_options mr__default_options = {.struct_size = sizeof(mr_options), .max_depth = 400, .max_bytes = UINT64_C(1) << 30};

/* What describing an unhandled error to the host may take: its toString and its getters are the script's, and the call that it happens in may have no limit. */
#define TELLING_TIME INT64_C(10000000000)
#define TELLING_CPU_TIME INT64_C(1000000000)

/* The call that must end: this one, else the nearest around it; NULL: none. levels_lock. */
static const mr__level *
to_end(const mr__level *running)
{
  while (running && running->stopped == MR_OK) running = running->outer;
  return running;
}

void
mr__levels_stop(mr__context *in, mr__level *outermost, mr_status why)
{
  if (!in->innermost) return;
  for (mr__level *running = outermost ? outermost : in->innermost; running; running = outermost ? NULL : running->outer)
    if (running->stopped == MR_OK || why == MR_INTERRUPTED || ((why == MR_CLOSED || why == MR_FORKED) && running->stopped != MR_INTERRUPTED)) {
      running->stopped = why;
      atomic_store(&running->budget.over, why);
    }
  mrv8_terminate(in->isolate);
}

void
mr__level_stop(mr__level *running, mr_status why)
{
  mr__context *in = running->context;
  mr__spin_lock(&in->levels_lock);
  mr__levels_stop(in, running, why);
  mr__spin_unlock(&in->levels_lock);
}

static void
count_stop(mr__context *in, mr_status why)
{
  atomic_uint_fast64_t *counter = why == MR_TIMEOUT ? &in->timeouts : why == MR_CPU_TIME ? &in->cpu_timeouts : &in->memory_stops;
  atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void
mr__level_stop_at(mr__level *running, mr_status why, mr__stop limit)
{
  mr__context *in = running->context;
  mr__spin_lock(&in->levels_lock);
  if (running->stopped == MR_OK) {
    running->stop = limit;
    count_stop(in, why);
  }
  mr__levels_stop(in, running, why);
  mr__spin_unlock(&in->levels_lock);
}

static mr__stop
timed_out(const mr__level *late)
{
  return (mr__stop){"timeout", (double)late->timeout, (double)(mr__now() - late->budget.deadline + late->timeout)};
}

/* Why it must end, and the limit. */
static mr_status
stop_of(const mr__level *over, mr__stop *limit)
{
  mr__spin_lock(&over->context->levels_lock);
  mr_status why = over->stopped;
  *limit = over->stop;
  mr__spin_unlock(&over->context->levels_lock);
  return why;
}

/* A call around it, in another context, is to end: so is this one, for the same reason. */
static mr_status
follow(mr__level *inner, const mr__level *around)
{
  mr__stop limit;
  mr_status why = stop_of(around, &limit);
  mr__spin_lock(&inner->context->levels_lock);
  if (inner->stopped == MR_OK) inner->stop = limit;
  mr__levels_stop(inner->context, inner, why);
  mr__spin_unlock(&inner->context->levels_lock);
  return why;
}

static void
spent(mr__budget *budget, const mr__budget *whose, mr_status which, int64_t used)
{
  if (atomic_load(&whose->over) != MR_OK) {
    follow((mr__level *)budget, (const mr__level *)whose);
    return;
  }
  mr__stop limit = {"cpu_time", (double)whose->cpu_time, (double)used};
  if (which == MR_TIMEOUT) limit = timed_out((const mr__level *)whose);
  mr__level_stop_at((mr__level *)budget, which, limit);
}

void
mr__level_init(mr__level *level, mr__context *context, const mr_options *options)
{
  *level = (mr__level){
      .budget = {.deadline = mr__deadline(options->timeout), .cpu_time = options->cpu_time ? options->cpu_time : MR__NEVER, .spent = spent},
      .context = context,
      .timeout = options->timeout,
      .max_memory = options->max_memory,
      .call = options->call,
  };
}

void
mr__level_announce(mr__level *coming)
{
  mr__context *in = coming->context;
  mr__spin_lock(&in->levels_lock);
  coming->outer = in->coming;
  in->coming = coming;
  mr__spin_unlock(&in->levels_lock);
}

/* The nearest call that must end, of this one and those that this thread makes it in, whatever their contexts; NULL: none. */
static const mr__level *
over_around(const mr__level *at)
{
  while (at && atomic_load_explicit(&at->budget.over, memory_order_relaxed) == MR_OK) at = at->around;
  return at;
}

/* Under levels_lock: it waits no more. */
static void
withdraw(mr__level *arrived)
{
  mr__level **link = &arrived->context->coming;
  while (*link && *link != arrived) link = &(*link)->outer;
  if (*link) *link = arrived->outer;
}

void
mr__level_withdraw(mr__level *arrived)
{
  mr__spin_lock(&arrived->context->levels_lock);
  withdraw(arrived);
  mr__spin_unlock(&arrived->context->levels_lock);
}

mr_status
mr__level_push(mr__level *entered)
{
  mr__context *in = entered->context;
  mr__spin_lock(&in->levels_lock);
  if (entered->call) withdraw(entered);
  entered->outer = in->innermost;
  in->innermost = entered;
  const mr__level *ends = to_end(entered);
  mr_status why = atomic_load(&in->closing) ? MR_CLOSED
                  : ends                    ? ends->stopped
                                            : MR_OK; /* who closes has looked at the chain already, or will find this call on it */
  mr__spin_unlock(&in->levels_lock);
  if (why == MR_OK && !mr__budget_arm(&entered->budget)) why = MR_NO_MEMORY;
  const mr__level *over = why == MR_OK ? over_around(entered->around) : NULL; /* who ends one later finds this one's watch */
  if (over) why = follow(entered, over);
  return why;
}

mr_status
mr__level_pop(mr__level *left)
{
  mr__context *in = left->context;
  mr__budget_disarm(&left->budget);
  mr__spin_lock(&in->levels_lock);
  in->innermost = left->outer;
  const mr__level *ends = to_end(left);
  mr_status why = MR_OK;
  if (ends) {
    why = ends->stopped;
    left->stop = ends->stop;
    if (why == MR_MEMORY_LIMIT) atomic_store(&in->share.asked, true); /* what it leaves behind must not burden the next call */
    if (to_end(left->outer)) mrv8_terminate(in->isolate);
    else mrv8_cancel_terminate(in->isolate);
  }
  mr__spin_unlock(&in->levels_lock);
  return why;
}

mr_status
mr_terminate(mr_context id)
{
  mr__context *found = mr__context_find(id);
  if (!found) return MR_BAD_CONTEXT;
  mr__spin_lock(&found->levels_lock);
  mr__levels_stop(found, NULL, MR_TERMINATED);
  mr__spin_unlock(&found->levels_lock);
  mr__budgets_look();
  mr__context_unreference(found);
  return MR_OK;
}

mr_status
mr_cancel(mr_context id, uint64_t call)
{
  mr__context *found = mr__context_find(id);
  if (!found) return MR_BAD_CONTEXT;
  mr__queue_cancel(found, call); /* first, as from there it goes to the levels */
  mr__spin_lock(&found->levels_lock);
  for (mr__level *running = found->innermost; running && call; running = running->outer)
    if (running->call == call) mr__levels_stop(found, running, MR_TERMINATED);
  for (mr__level *coming = found->coming; coming && call; coming = coming->outer)
    if (coming->call == call) coming->stopped = MR_TERMINATED;
  mr__spin_unlock(&found->levels_lock);
  mr__budgets_look();
  mr__context_unreference(found);
  return MR_OK;
}

mr_status
mr__options_complete(const mr_options *given, mr_options *full)
{
  *full = mr__default_options;
  if (!given) return MR_OK;
  if (!mr__options_copy(full, sizeof *full, given) || full->timeout < 0 || full->cpu_time < 0 || full->encoding > MR_UTF16) return MR_BAD_ARGUMENT;
  if ((full->buffer_count && !full->buffers) || (full->text_count && !full->texts)) return MR_BAD_ARGUMENT;
  if (!full->max_depth) full->max_depth = mr__default_options.max_depth;
  if (!full->max_bytes) full->max_bytes = mr__default_options.max_bytes;
  return MR_OK;
}

void
mr__limit_by(const mr__context *context, mr_options *options)
{
  if (!options->timeout) options->timeout = context->timeout;
  if (!options->cpu_time) options->cpu_time = context->cpu_time;
}

/* --- the levels of a thread --- */

#define READY 4 /* a call in a callback of a call in a callback of a call is rare already */

static _Thread_local mr__level ready[READY];

mr_status
mr__level_take(mr__context *in, mr__here *here, const mr_options *options, mr__level **taken)
{
  const void *frame = __builtin_frame_address(0);
  /* What runs in a callback is further down the stack. Else the host has put another coroutine's stack in place of the one that V8 is going to return to. */
  if (here->innermost && (uintptr_t)frame >= (uintptr_t)here->innermost->frame) return MR_BUSY;
  if (!here->ready) here->ready = ready;
  mr__level *level = here->levels < READY ? &here->ready[here->levels] : malloc(sizeof *level);
  if (!level) return MR_NO_MEMORY;
  here->levels++;
  mr__level_init(level, in, options);
  level->frame = frame;
  level->here = here;
  *taken = level;
  return MR_OK;
}

void
mr__level_give_back(mr__level *taken)
{
  mr__here *here = taken->here;
  here->levels--;
  if (taken < here->ready || taken >= here->ready + READY) free(taken);
}

mr_status
mr_interrupt(mr_context id)
{
  mr__level *running = mr__this_thread()->innermost;
  if (!running || running->context->id != id) return MR_BAD_CONTEXT;
  mr__level_stop(running, MR_INTERRUPTED);
  return MR_OK;
}

bool
mr__level_is_inside(void)
{
  const mr__here *here = mr__this_thread();
  return here->innermost || here->callbacks;
}

mr_status
mr__level_must_end(void)
{
  const mr__level *over = over_around(mr__this_thread()->innermost);
  return over ? atomic_load(&over->budget.over) : MR_OK;
}

/* What the last run has left to be told, which takes more of the script's code: it has a budget of its own, within the call's. */
static mr_status
tell(const mr__level *after)
{
  mr_result result = {.struct_size = sizeof result};
  mrv8_request request = {.operation = MRV8_TELL, .options = &mr__default_options};
  mr_options limits = {.timeout = TELLING_TIME, .cpu_time = TELLING_CPU_TIME};
  mr__level *telling;
  mr_status status = mr__level_take(after->context, after->here, &limits, &telling);
  if (status != MR_OK) return status;
  if (after->budget.deadline < telling->budget.deadline) {
    telling->budget.deadline = after->budget.deadline;
    telling->timeout = after->timeout;
  }
  if (after->budget.cpu_time < telling->budget.cpu_time) telling->budget.cpu_time = after->budget.cpu_time;
  status = mr__run_inside(telling, &request, &result);
  if (status < 0 && status != MR_CLOSED && status != MR_INTERRUPTED) {
    mr__level_explain(telling, status, &result);
    mr__host.event(after->context, MR_EVENT_UNCAUGHT, (uint64_t)(int64_t)status, result.data, result.size);
  }
  mr__level_give_back(telling);
  mr_result_free(&result);
  return status;
}

uint64_t
mr_running_call(void)
{
  uint64_t number = 0;
  for (const mr__level *running = mr__this_thread()->innermost; running; running = running->around)
    if (running->call) number = running->call;
  return number;
}

void
mr__level_begin_callback(void)
{
  mr__this_thread()->callbacks++;
}

void
mr__level_end_callback(void)
{
  mr__this_thread()->callbacks--;
}

mr_status
mr__run_inside(mr__level *entered, mrv8_request *request, mr_result *result)
{
  mr__context *in = entered->context;
  mr__here *here = entered->here;
  mr__level *around = entered->around = here->innermost;
  if (around) {
    entered->budget.around = &around->budget;
    entered->budget.elsewhere = around->budget.elsewhere || around->context != in;
  }
  mr_status status = mr__level_push(entered);
  request->outermost = entered->outer == NULL;
  here->innermost = entered;
  bool hooked = mr__is_hooked();
  mr_context outer = hooked ? mr__tick_enter(in->id) : 0;
  in->calls++;
  mr__context_changes(in);
  int64_t start = request->outermost ? mr__now_coarse() : 0;
  if (request->outermost) mr__visit(in, here);
  request->thread = here->number;
  if (status == MR_OK) status = mrv8_run(in->isolate, request, result);
  if (request->outermost) in->js_time += mr__now_coarse() - start;
  mr_status why = mr__level_pop(entered);
  here->innermost = around;
  if (request->outermost && request->operation != MRV8_TELL && mrv8_has_news(in->isolate) && tell(entered) == MR_INTERRUPTED) why = MR_INTERRUPTED;
  if (hooked) mr__tick_leave(outer);
  return why != MR_OK ? why : status; /* also of one that came to its end: in the host's code it may have gone past any limit */
}

void
mr__level_explain(const mr__level *left, mr_status status, mr_result *result)
{
  const mr__stop *stop = &left->stop;
  const uint32_t parts = 3;
  mr__host.forget(left->context, result);
  if (!stop->limit || (status != MR_TIMEOUT && status != MR_CPU_TIME && status != MR_MEMORY_LIMIT)) return; /* a close goes before a limit */
  uint32_t length = (uint32_t)strlen(stop->limit);
  bool written =
      mr__result_put_tag(result, MR_TAG_ARRAY, &parts, sizeof parts) && mr__result_put_tag(result, MR_TAG_LATIN1, &length, sizeof length) &&
      mr__result_put(result, stop->limit, length) && mr__result_put_tag(result, MR_TAG_DOUBLE, &stop->value, sizeof stop->value) &&
      (stop->used < 0 ? mr__result_put_tag(result, MR_TAG_UNDEFINED, NULL, 0) : mr__result_put_tag(result, MR_TAG_DOUBLE, &stop->used, sizeof stop->used));
  if (!written) mr__result_start(result);
}

/* What holds the path to the place with some failures, and the limit with others; else there is nothing. */
static void
keep_detail(mr_status status, const mr__level *left, mr_result *result)
{
  if (status < 0 && status != MR_TOO_DEEP && status != MR_TOO_LARGE && status != MR_BAD_MESSAGE && status != MR_BAD_HANDLE)
    mr__level_explain(left, status, result);
}

void
mr__level_waited(mr__level *left, mr_status status, mr_result *result)
{
  const mr__level *over = over_around(mr__this_thread()->innermost);
  if (status != MR_OK && over && atomic_load(&over->budget.over) == status) {
    stop_of(over, &left->stop);
  } else if (status == MR_TIMEOUT) {
    left->stop = timed_out(left);
    count_stop(left->context, status);
  }
  mr__level_explain(left, status, result);
}

mr_status
mr__run_locked(mr__level *entered, mrv8_request *request, mr_result *result)
{
  mr__context *in = entered->context;
  mr_status status = MR_OK;
  if (atomic_load(&in->closing)) status = MR_CLOSED;
  else if (in->interrupted) status = MR_BUSY;
  else mr__context_drain(in);
  if (status == MR_OK && request->target_handle && !(request->target = mr__handles_get(&in->handles, request->target_handle))) status = MR_BAD_HANDLE;
  mr_handle realm = request->options->realm;
  if (status == MR_OK && realm && !(request->realm = mr__handles_get(&in->handles, realm))) status = MR_BAD_HANDLE;
  if (status == MR_OK) status = mr__run_inside(entered, request, result);
  if (!entered->outer && !atomic_load(&in->closing)) mr__heap_settle(in);
  keep_detail(status, entered, result);
  return status;
}

mr_status
mr__run(mr_context id, mr_handle target, mrv8_request *request, const mr_options *options, mr_result *result)
{
  mr_options full;
  if (!result || result->struct_size < sizeof *result) return MR_BAD_ARGUMENT;
  mr__result_start(result);
  result->taken = 0;
  if (!mr__contexts_usable()) return MR_NOT_INITIALIZED;
  mr_status status = mr__options_complete(options, &full);
  if (status != MR_OK) return status;
  request->options = &full;
  request->target_handle = target;
  mr__here *here = mr__this_thread();
  mr__context *in = mr__context_find_here(here, id);
  if (!in) return MR_BAD_CONTEXT;
  mr__limit_by(in, &full);
  mr__level *entered;
  status = mr__level_take(in, here, &full, &entered);
  if (status != MR_OK) {
    mr__context_unreference(in);
    return status;
  }
  if (full.call) mr__level_announce(entered);
  if (!(full.flags & MR_TRY) || mr__lock_is_mine(&in->lock)) status = mr__lock_acquire_here(&in->lock, here, entered->budget.deadline);
  else status = mr__lock_try(&in->lock) ? MR_OK : MR_BUSY;
  if (status == MR_OK) {
    status = mr__run_locked(entered, request, result);
    mr__context_leave(in);
  } else {
    mr__level_waited(entered, status, result);
  }
  if (full.call) mr__level_withdraw(entered); /* where it did not come so far as to run */
  mr__level_give_back(entered);
  mr__context_keep_here(here, in);
  return status;
}
