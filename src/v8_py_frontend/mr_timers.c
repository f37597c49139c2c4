/* mr_timers.c: timers. Owns each context's heap of them, under the context's lock; callbacks run on a thread of the scheduler's that has taken it. */
#include "mr_timers.h"

#include <stdlib.h>

#include "mr_clock.h"
#include "mr_level.h"

/* A script must not fill the process with timers: they are not on its heap. */
#define MOST 100000u

typedef struct mr__timer {
  int64_t due;
  int64_t interval; /* 0: it runs once */
  uint32_t number;
  mrv8_timer *callback;
} timer;

static int
before(const timer *a, const timer *b)
{
  return a->due < b->due || (a->due == b->due && (int32_t)(a->number - b->number) < 0);
}

static void
sift_up(mr__timers *timers, uint32_t at)
{
  timer moved = timers->heap[at];
  for (; at && before(&moved, &timers->heap[(at - 1) / 2]); at = (at - 1) / 2) timers->heap[at] = timers->heap[(at - 1) / 2];
  timers->heap[at] = moved;
}

static void
sift_down(mr__timers *timers, uint32_t at)
{
  timer moved = timers->heap[at];
  for (;;) {
    uint32_t child = 2 * at + 1;
    if (child + 1 < timers->count && before(&timers->heap[child + 1], &timers->heap[child])) child++;
    if (child >= timers->count || !before(&timers->heap[child], &moved)) break;
    timers->heap[at] = timers->heap[child];
    at = child;
  }
  timers->heap[at] = moved;
}

static timer
remove_at(mr__timers *timers, uint32_t at)
{
  timer removed = timers->heap[at];
  timers->heap[at] = timers->heap[--timers->count];
  if (at < timers->count) {
    sift_down(timers, at);
    sift_up(timers, at);
  }
  return removed;
}

static int
insert(mr__timers *timers, timer added)
{
  if (timers->count == timers->capacity) {
    uint32_t capacity = timers->capacity ? timers->capacity * 2 : 8;
    timer *heap = realloc(timers->heap, capacity * sizeof *heap);
    if (!heap) return 0;
    timers->heap = heap;
    timers->capacity = capacity;
  }
  timers->heap[timers->count] = added;
  sift_up(timers, timers->count++);
  return 1;
}

uint32_t
mr__timers_add(mr__timers *timers, int64_t delay, int repeats, mrv8_timer *callback)
{
  if (timers->count >= MOST) return 0;
  if (++timers->last_number == 0) timers->last_number = 1;
  timer added = {mr__now() + delay, repeats ? delay : 0, timers->last_number, callback};
  return insert(timers, added) ? added.number : 0;
}

mrv8_timer *
mr__timers_take(mr__timers *timers, uint32_t number)
{
  if (timers->running == number) timers->running = 0;
  for (uint32_t i = 0; i < timers->count; i++)
    if (timers->heap[i].number == number) return remove_at(timers, i).callback;
  return NULL;
}

int64_t
mr__timers_next(const mr__timers *timers)
{
  return timers->count ? timers->heap[0].due : MR__NEVER;
}

mrv8_timer *
mr__timers_drain(mr__timers *timers)
{
  if (timers->count) return timers->heap[--timers->count].callback;
  free(timers->heap);
  *timers = (mr__timers){.heap = NULL};
  return NULL;
}

/* With the lock: runs one callback. What it throws, the bridge tells; that it was stopped, we do. */
static void
run_one(mr__context *in, timer due)
{
  mr_result result = {.struct_size = sizeof result};
  mr_result_free(&result); /* makes it ready for use */
  mr_options options = mr__default_options;
  options.timeout = in->timeout;
  options.cpu_time = in->cpu_time;
  mrv8_request request = {.operation = MRV8_TIMER, .timer = due.callback, .options = &options};
  in->timers.running = due.number;
  mr__level *entered;
  mr_status status = mr__level_take(in, mr__this_thread(), &options, &entered);
  if (status == MR_OK) {
    status = mr__run_inside(entered, &request, &result);
    if (status < 0) mr__level_explain(entered, status, &result);
    mr__level_give_back(entered);
  }
  if (status < 0 && status != MR_CLOSED) mr__host.event(in, MR_EVENT_UNCAUGHT, (uint64_t)(int64_t)status, result.data, result.size);
  mr_result_free(&result);
  bool again = due.interval && in->timers.running == due.number && !atomic_load(&in->closing);
  in->timers.running = 0;
  due.due = mr__now() + due.interval;
  if (!again || !insert(&in->timers, due)) mrv8_timer_delete(in->isolate, due.callback);
}

/* With the lock: V8's tasks, which any run does at its end. */
static void
run_tasks(mr__context *in)
{
  mr_result result = {.struct_size = sizeof result};
  mr_result_free(&result);
  mr_options options = mr__default_options;
  options.timeout = in->timeout;
  options.cpu_time = in->cpu_time;
  mrv8_request request = {.operation = MRV8_NOTHING, .options = &options};
  mr__level *entered;
  if (mr__level_take(in, mr__this_thread(), &options, &entered) == MR_OK) {
    mr__run_inside(entered, &request, &result);
    mr__level_give_back(entered);
  }
  mr_result_free(&result);
}

void
mr__timers_run(mr__context *in)
{
  mr__heap_settle(in);
  if (!atomic_load(&in->closing) && mr__timers_next(&in->timers) <= mr__now()) run_one(in, remove_at(&in->timers, 0));
  if (!atomic_load(&in->closing) && mrv8_next_task(in->isolate) <= mr__now()) run_tasks(in);
  if (!atomic_load(&in->closing)) mr__context_schedule(in);
}
