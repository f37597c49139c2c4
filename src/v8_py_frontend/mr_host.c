/* mr_host.c: what V8 asks of a context, and what the client is told. All of it on the thread that has the context's lock. */
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mr_answer.h"
#include "mr_clock.h"
#include "mr_interrupt.h"
#include "mr_level.h"
#include "mr_result.h"
#include "mr_store.h"
#include "mr_wait.h"

static mr_handle
handle_share(void *owner, uint32_t hash, int (*same)(const void *, const mrv8_value *), const void *local, uint32_t references)
{
  return mr__handles_share(&((mr__context *)owner)->handles, hash, same, local, references);
}

static mr_handle
handle_new(void *owner, uint32_t hash, mrv8_value *value)
{
  return mr__handles_new(&((mr__context *)owner)->handles, hash, value);
}

static mrv8_value *
handle_get(void *owner, mr_handle handle)
{
  return mr__handles_get(&((mr__context *)owner)->handles, handle);
}

/* Room for the script to unwind in. What it has thrown away by then, the next collection finds, and the old limit comes back. */
#define UNWIND_ROOM (64u << 20)

static size_t
near_heap_limit(void *owner, size_t current_limit, size_t initial_limit)
{
  mr__context *full = owner;
  full->crowded = true;
  if (full->innermost)
    mr__level_stop_at(full->innermost, MR_MEMORY_LIMIT,
                      (mr__stop){"max_memory", (double)(full->max_memory ? full->max_memory : initial_limit), (double)current_limit});
  return current_limit + UNWIND_ROOM;
}

static void
heap_used(void *owner, size_t used, size_t committed)
{
  mr__context *collected = owner;
  mr__heap_note(collected, committed);
  collected->crowded = collected->max_memory && used > collected->max_memory / 2;
  if (!collected->innermost) collected->left_behind = used;
  /* An earlier call has taken more than there may be, and left it: this one may give it back, but take no more. */
  if (collected->max_memory && collected->innermost && used > collected->max_memory + UNWIND_ROOM / 4 && used > collected->left_behind + UNWIND_ROOM / 16)
    mr__level_stop_at(collected->innermost, MR_MEMORY_LIMIT, (mr__stop){"max_memory", (double)collected->max_memory, (double)used});
  for (mr__level *running = collected->innermost; running; running = running->outer) /* the heap is one: a call further in uses that of all around it */
    if (running->max_memory && used > running->max_memory)
      mr__level_stop_at(running, MR_MEMORY_LIMIT, (mr__stop){"max_memory", (double)running->max_memory, (double)used});
  if (!collected->soft_limit || used <= collected->soft_limit || collected->soft_limit_reached) return;
  collected->soft_limit_reached = true;
  mrv8_memory_pressure(collected->isolate);
}

static atomic_bool quiet;
static pthread_t quiet_for; /* set before `quiet` */

/* False: there is nobody to call any more. */
static bool
begin_callback(mr__context *caller)
{
  if (!atomic_load(&quiet)) return true;
  if (pthread_equal(quiet_for, pthread_self())) return false;
  mr__context_abandon(caller->id);
  for (;;) pause();
}

/* Whose host function this thread is in. */
static _Thread_local mr__context *calling;

/* Round all that the host does: it may take its time, and wait for the GIL that a forking thread has. */
static uint32_t
step_out(mr__context *in)
{
  return mr__lock_step_out(&in->lock);
}

/* This thread may have become a child's meanwhile. Where V8 cannot be used there, its script goes no further; without V8's memory there is not even a way back. */
static void
step_in(mr__context *in, uint32_t before)
{
  mr__lock_step_in(&in->lock, before);
  mr__context_changes(in);
  if (!mr__fork_is_lost()) return;
  if (mr__fork_has_no_v8()) {
    static const char text[] = "mini_racer: a process that was forked in a host function cannot return from it, as this V8 does not follow into children\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(71);
    _exit(70);
  }
  mr__spin_lock(&in->levels_lock);
  mr__levels_stop(in, NULL, MR_FORKED);
  mr__spin_unlock(&in->levels_lock);
}

mr_status
mr_quiesce(int64_t wait)
{
  if (wait < 0) return MR_BAD_ARGUMENT;
  mr__hook_clear();
  quiet_for = pthread_self();
  atomic_store(&quiet, true);
  mr__contexts_end();
  const struct timespec moment = {.tv_nsec = 500000};
  for (int64_t end = mr__now() + wait; (mr__contexts_busy() || mr__queues_busy()) && mr__now() < end;) nanosleep(&moment, NULL);
  mr__contexts_abandon(); /* in a child, those that were busy when it was made have nobody any more who gives them back */
  return MR_OK;
}

static void
call(void *owner, uint64_t function, const uint8_t *in, uint64_t in_size, mr_reply *reply)
{
  mr__context *caller = owner;
  if (!caller->call || !begin_callback(caller)) {
    mr__answer_forget(caller->id, in, in_size);
    return;
  }
  mr__context *outer = calling;
  calling = caller;
  uint32_t before = step_out(caller);
  caller->call(caller->data, caller->id, function, in, in_size, reply);
  step_in(caller, before);
  calling = outer;
}

static void
forget(void *owner, mr_result *message)
{
  mr__answer_forget(((mr__context *)owner)->id, message->data, message->size);
  mr__result_start(message);
}

static void
event(void *owner, uint32_t what, uint64_t id, const uint8_t *message, uint64_t size)
{
  mr__context *teller = owner;
  if (!teller->event || !begin_callback(teller)) {
    if (what != MR_EVENT_CODE_CACHE) mr__answer_forget(teller->id, message, size);
    return;
  }
  uint32_t before = step_out(teller);
  teller->event(teller->data, teller->id, what, id, message, size);
  mr__wait_tell(&teller->lock);
  step_in(teller, before);
}

void
mr__host_done(mr__context *in, mr_status status, uint64_t call, const mr_result *result)
{
  if (!in->event || !begin_callback(in)) {
    mr__answer_forget(in->id, result->data, result->size);
    return;
  }
  uint32_t what = MR_EVENT_DONE | (result->taken ? MR_EVENT_TAKEN : 0);
  in->event(in->data, in->id, what | (uint32_t)(uint16_t)(int16_t)status << 16, call, result->data, result->size);
}

static uint32_t
timer_new(void *owner, int64_t delay, int repeats, mrv8_timer *timer)
{
  mr__context *in = owner;
  uint32_t number = mr__timers_add(&in->timers, delay, repeats, timer);
  if (number) mr__context_schedule(in);
  return number;
}

static mrv8_timer *
timer_take(void *owner, uint32_t number)
{
  return mr__timers_take(&((mr__context *)owner)->timers, number);
}

/* A fork may have asked for it: then the thread is parked until it has been. Or the tick: then the hook is asked. */
static void
interrupted(void *owner)
{
  mr__context *in = owner;
  bool hooked = mr__is_hooked() && !in->interrupted, stop = false;
  uint32_t before = step_out(in);
  if (hooked) {
    in->interrupted = true;
    stop = mr__hook_says_stop();
    in->interrupted = false;
  }
  step_in(in, before);
  if (stop && in->innermost) mr__level_stop(in->innermost, MR_INTERRUPTED);
}

/* Whoever has the context sees to it when it gives the lock back; else a thread of the scheduler's does. */
static void
posted(void *owner, int64_t due)
{
  mr__context *in = owner;
  atomic_store(&in->has_tasks, true);
  if (!mr__lock_is_held(&in->lock)) mr__queue_wake(in, due);
}

static size_t
stats(void *owner, mrv8_stat rows[MRV8_MOST_STATS])
{
  mr__context *in = owner;
  int64_t waited;
  uint32_t waiting = mr__lock_waiting(&in->lock, &waited);
  const mrv8_stat all[] = {
      {"contexts", (double)mr_context_count()},
      {"handles", (double)in->handles.count},
      {"stores", (double)mr__store_count()},
      {"timers", in->timers.count},
      {"calls", (double)in->calls},
      {"waiting", waiting},
      {"js_time", (double)in->js_time},
      {"wait_time", (double)waited},
      {"timeouts", (double)atomic_load(&in->timeouts)},
      {"cpu_timeouts", (double)atomic_load(&in->cpu_timeouts)},
      {"memory_stops", (double)atomic_load(&in->memory_stops)},
  };
  _Static_assert(sizeof all / sizeof *all <= MRV8_MOST_STATS, "the bridge has room for no more");
  memcpy(rows, all, sizeof all);
  return sizeof all / sizeof *all;
}

const mrv8_host mr__host = {handle_share, handle_new,    handle_get, near_heap_limit, heap_used,   call,  forget,
                            event,        mr__store_new, timer_new,  timer_take,      interrupted, stats, posted};

mr_status
mr_reply_set(mr_reply *reply, uint32_t outcome, const void *message, size_t size, const mr_slice *buffers, size_t buffer_count)
{
  if (!reply || !message || outcome > MR_REPLY_THROW || (buffer_count && !buffers)) return MR_BAD_ARGUMENT;
  mr__context *in = calling;
  if (!in) return MR_BAD_ARGUMENT; /* a reply is there in host functions alone */
  mr_status status = mr__lock_acquire(&in->lock, MR__NEVER);
  if (status != MR_OK) return status;
  status = mrv8_reply_set(reply, outcome, message, size, buffers, buffer_count);
  mr__lock_release(&in->lock);
  return status;
}

/* --- questions about one context that run nothing in it --- */

/* With the context's lock, taken for who asks. NULL, and why, when it cannot be had. */
static mr__context *
enter(mr_context id, mr_status *status)
{
  mr__context *in = mr__contexts_usable() ? mr__context_find(id) : NULL;
  *status = mr__contexts_usable() ? MR_BAD_CONTEXT : MR_NOT_INITIALIZED;
  if (!in) return NULL;
  *status = mr__lock_acquire(&in->lock, INT64_MAX);
  if (*status == MR_OK && !atomic_load(&in->closing)) {
    mr__context_drain(in);
    return in;
  }
  if (*status == MR_OK) {
    *status = MR_CLOSED;
    mr__context_leave(in);
  }
  mr__context_unreference(in);
  return NULL;
}

static void
leave(mr__context *in)
{
  mr__context_leave(in);
  mr__context_unreference(in);
}

mr_status
mr_handle_count(mr_context id, uint64_t *count)
{
  if (!count) return MR_BAD_ARGUMENT;
  mr_status status;
  mr__context *in = enter(id, &status);
  *count = in ? in->handles.count : 0;
  if (in) leave(in);
  return status;
}

mr_status
mr_soft_limit(mr_context id, uint64_t bytes)
{
  mr_status status;
  mr__context *in = enter(id, &status);
  if (!in) return status;
  in->soft_limit = bytes;
  in->soft_limit_reached = false;
  leave(in);
  return MR_OK;
}

mr_status
mr_soft_limit_reached(mr_context id, int32_t *reached)
{
  if (!reached) return MR_BAD_ARGUMENT;
  mr_status status;
  mr__context *in = enter(id, &status);
  *reached = in ? in->soft_limit_reached : 0;
  if (in) leave(in);
  return status;
}
