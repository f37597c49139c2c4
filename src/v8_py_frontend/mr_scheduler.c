/* mr_scheduler.c: the threads that wake contexts. Owns the queue of due times and the runners, all under `mutex`.
 *
 * One runner waits for the next due time; the others run what was due. When the one that waits has something to run, it sees to it that another waits: an idle
 * one, or a new one. Runners that idle for IDLE end. So contexts without timers cost no thread, and a callback that takes long delays only its own context.
 * While as many run as there are processors, the one that waits gives them GRACE to come back: much that takes little time is done by few. */
#include "mr_scheduler.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "mr_clock.h"
#include "mr_queue.h"
#include "mr_thread.h"

#define IDLE INT64_C(5000000000) /* 5 s */
#define MOST_RUNNERS 64
#define GRACE INT64_C(2000000) /* 2 ms */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_cond_t changed;
static mr__wakeup **queue; /* a heap by due time */
static uint32_t count, capacity;
static int runners, waiting, starting, busy; /* all there are; who wait; who were started and have not come here yet; who run something */
static int64_t wakes_at = MR__NEVER;         /* one of those who wait looks at the queue then */
static long processors;

/* --- the queue; under the mutex --- */

static void
put(uint32_t at, mr__wakeup *wakeup)
{
  queue[at] = wakeup;
  wakeup->place = at + 1;
}

static void
sift_up(uint32_t at)
{
  mr__wakeup *moved = queue[at];
  for (; at && moved->due < queue[(at - 1) / 2]->due; at = (at - 1) / 2) put(at, queue[(at - 1) / 2]);
  put(at, moved);
}

static void
sift_down(uint32_t at)
{
  mr__wakeup *moved = queue[at];
  for (;;) {
    uint32_t child = 2 * at + 1;
    if (child + 1 < count && queue[child + 1]->due < queue[child]->due) child++;
    if (child >= count || queue[child]->due >= moved->due) break;
    put(at, queue[child]);
    at = child;
  }
  put(at, moved);
}

static void
take_out(mr__wakeup *wakeup)
{
  if (!wakeup->place) return;
  uint32_t at = wakeup->place - 1;
  wakeup->place = 0;
  mr__wakeup *last = queue[--count];
  if (last == wakeup) return;
  put(at, last);
  sift_down(at);
  sift_up(last->place - 1);
}

static bool
put_in(mr__wakeup *wakeup)
{
  if (count == capacity) {
    uint32_t larger = capacity ? capacity * 2 : 16;
    mr__wakeup **grown = realloc(queue, larger * sizeof(mr__wakeup *));
    if (!grown) return false;
    queue = grown;
    capacity = larger;
  }
  put(count, wakeup);
  sift_up(count++);
  return true;
}

/* --- the runners --- */

static void start(void);

/* When a runner is to take what is due first. */
static int64_t
next_at(void)
{
  int64_t due = count ? queue[0]->due : MR__NEVER;
  return busy >= processors && due < MR__NEVER - GRACE ? due + GRACE : due;
}

/* Under the mutex: waits until something is due and takes it; 0: this runner has idled long enough. */
static mr_context
next_due(void)
{
  int64_t idle_until = mr__now() + IDLE;
  for (;;) {
    int64_t now = mr__now(), due = next_at();
    if (due <= now) {
      mr_context context = queue[0]->context;
      take_out(queue[0]);
      return context;
    }
    bool needed = due < wakes_at; /* else nothing is to come, or another one wakes for it */
    if (!needed && now >= idle_until) return 0;
    struct timespec then = mr__timespec(needed || due < idle_until ? due : idle_until);
    if (needed) wakes_at = due;
    waiting++;
    pthread_cond_timedwait(&changed, &mutex, &then);
    waiting--;
    if (needed && wakes_at == due) wakes_at = MR__NEVER;
  }
}

static void *
run(void *unused)
{
  (void)unused;
  pthread_mutex_lock(&mutex);
  starting--;
  mr_context context;
  while ((context = next_due())) {
    busy++;
    start();
    pthread_mutex_unlock(&mutex);
    mr__queue_run(context);
    pthread_mutex_lock(&mutex);
    busy--;
  }
  runners--;
  pthread_mutex_unlock(&mutex);
  return NULL;
}

/* Under the mutex: sees to it that one waits for what is due first. */
static void
start(void)
{
  int64_t due = next_at();
  if (wakes_at <= due || starting) return;
  if (waiting) {
    pthread_cond_signal(&changed);
    return;
  }
  if (runners >= MOST_RUNNERS || !mr__thread_start(run, "mr-scheduler")) return;
  runners++;
  starting++;
}

static void
prepare(void)
{
  processors = sysconf(_SC_NPROCESSORS_ONLN);
  mr__cond_init(&changed);
}

void
mr__scheduler_lock_for_fork(void)
{
  pthread_mutex_lock(&mutex);
}

void
mr__scheduler_unlock_after_fork(bool child)
{
  if (child) {
    runners = waiting = starting = busy = 0;
    wakes_at = MR__NEVER;
    mr__cond_init(&changed); /* to the old one, the runners would still be there and take its signals */
  }
  pthread_mutex_unlock(&mutex);
}

void
mr__scheduler_resume(void)
{
  pthread_mutex_lock(&mutex);
  if (count) start();
  pthread_mutex_unlock(&mutex);
}

void
mr__schedule(mr__wakeup *wakeup, mr_context context, int64_t due)
{
  pthread_once(&once, prepare);
  pthread_mutex_lock(&mutex);
  take_out(wakeup);
  wakeup->context = context;
  wakeup->due = due;
  if (due != MR__NEVER && put_in(wakeup)) start();
  pthread_mutex_unlock(&mutex);
}

void
mr__unschedule(mr__wakeup *wakeup)
{
  pthread_mutex_lock(&mutex);
  take_out(wakeup);
  pthread_mutex_unlock(&mutex);
}
