/* mr_heaps.c: the sum of all heaps, kept below what V8 has addresses for.
 *
 * All heaps lie in one range of addresses (4 GB where pointers are compressed), and V8 ends the process when it is full. So each collection reports what its heap
 * holds, and when the sum passes the budget, the largest heaps whose JavaScript runs are stopped, until what the others hold is below it; from half of it on, idle contexts are
 * woken to collect their garbage. Owns the list of shares, under `mutex`. Lock order: a context's lock, `mutex`, then levels_lock or the queues'. */
#include "mr_heaps.h"

#include "mr_clock.h"
#include "mr_level.h"
#include "mr_queue.h"

#define WORTH_COLLECTING (UINT64_C(4) << 20) /* bytes of an idle heap */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static mr__share *shares;
static uint64_t budget, sum;
atomic_bool mr__heaps_large; /* of the sum, when a collection last ended: it is past half of the budget */

void
mr__heaps_set(uint64_t bytes)
{
  pthread_mutex_lock(&mutex);
  budget = bytes;
  pthread_mutex_unlock(&mutex);
}

uint64_t
mr__heaps_used(void)
{
  pthread_mutex_lock(&mutex);
  uint64_t used = sum;
  pthread_mutex_unlock(&mutex);
  return used;
}

static bool
is_busy(const mr__share *share)
{
  return mr__lock_is_held(&share->context->lock);
}

/* Under the mutex: wakes idle contexts that may hold garbage. */
static void
ask_idle(void)
{
  for (mr__share *idle = shares; idle; idle = idle->next) {
    if (idle->heap < WORTH_COLLECTING || is_busy(idle) || atomic_load(&idle->asked)) continue;
    atomic_store(&idle->asked, true);
    mr__queue_timers(idle->context, mr__now());
  }
}

/* Under the mutex: stops the largest that run, until what the rest holds fits. Whether it has stopped one. */
static bool
stop_largest(void)
{
  bool any = false;
  uint64_t left = sum;
  for (const mr__share *one = shares; one; one = one->next)
    if (one->stopped || (atomic_load(&one->asked) && !is_busy(one))) left -= one->heap; /* it is about to give memory back */
  while (left > budget) {
    mr__share *largest = NULL;
    for (mr__share *one = shares; one; one = one->next)
      if (!one->stopped && is_busy(one) && (!largest || one->heap > largest->heap)) largest = one;
    if (!largest) return any;
    mr__spin_lock(&largest->context->levels_lock);
    mr__levels_stop(largest->context, NULL, MR_MEMORY_LIMIT);
    for (mr__level *running = largest->context->innermost; running; running = running->outer)
      if (running->stopped == MR_MEMORY_LIMIT && !running->stop.limit) running->stop = (mr__stop){"max_total_memory", (double)budget, (double)sum};
    mr__spin_unlock(&largest->context->levels_lock);
    largest->stopped = true;
    atomic_store(&largest->asked, true);
    left -= largest->heap;
    any = true;
  }
  return any;
}

void
mr__heap_note(mr__context *context, uint64_t heap)
{
  mr__share *share = &context->share;
  pthread_mutex_lock(&mutex);
  bool grown = heap > share->heap && !share->gone, stopped = false;
  if (grown && !share->link) {
    share->context = context;
    share->next = shares;
    share->link = &shares;
    if (shares) shares->link = &share->next;
    shares = share;
  }
  if (share->link) {
    sum += heap - share->heap;
    share->heap = heap;
  }
  atomic_store_explicit(&mr__heaps_large, budget && sum > budget / 2, memory_order_relaxed);
  if (budget && grown && sum > budget / 2) {
    ask_idle();
    stopped = sum > budget && stop_largest();
  }
  pthread_mutex_unlock(&mutex);
  if (stopped) mr__budgets_look();
}

void
mr__heap_forget(mr__context *context)
{
  mr__share *share = &context->share;
  pthread_mutex_lock(&mutex);
  share->gone = true;
  if (share->link) {
    *share->link = share->next;
    if (share->next) share->next->link = share->link;
    share->link = NULL;
    sum -= share->heap;
  }
  pthread_mutex_unlock(&mutex);
}

void
mr__heap_settle(mr__context *context)
{
  if (!atomic_load_explicit(&context->share.asked, memory_order_relaxed)) return;
  pthread_mutex_lock(&mutex);
  context->share.stopped = false;
  atomic_store(&context->share.asked, false);
  pthread_mutex_unlock(&mutex);
  mrv8_collect(context->isolate);
}

void
mr__heaps_lock_for_fork(void)
{
  pthread_mutex_lock(&mutex);
}

void
mr__heaps_unlock_after_fork(void)
{
  pthread_mutex_unlock(&mutex);
}

bool
mr__heaps_has_room(void)
{
  pthread_mutex_lock(&mutex);
  bool room = !budget || sum < budget;
  if (!room) ask_idle();
  pthread_mutex_unlock(&mutex);
  return room;
}
