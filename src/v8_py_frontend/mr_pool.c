/* mr_pool.c: V8's background threads. Owns the queue of tasks and up to mr__pool.workers threads, all under `mutex`, a leaf.
 *
 * A thread is started when a task finds none idle, and ends when it has had nothing to do for IDLE. The threads never run JavaScript. For a fork they stop between two
 * tasks: there they hold no lock, neither ours nor V8's. */
#include "mr_pool.h"

#include <ctype.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "mr_clock.h"
#include "mr_job.h"
#include "mr_tasks.h"
#include "mr_thread.h"

#define MOST_THREADS 3
#define IDLE INT64_C(5000000000) /* 5 s */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_cond_t changed, stopped;
static mrv8_task *first, *last; /* to be run */
static mrv8_task *later;        /* to be run at their time, the next one first */
static uint32_t threads, idle, busy;
static atomic_bool stopping;

mrv8_pool mr__pool = {
    .post = mr__pool_post,
    .post_later = mr__pool_post_later,
    .job_new = mr__job_new,
    .job_notify = mr__job_notify,
    .job_join = mr__job_join,
    .job_cancel = mr__job_cancel,
    .job_is_active = mr__job_is_active,
    .turn_must_end = mr__turn_must_end,
    .turn_number = mr__turn_number,
    .queue_new = mr__tasks_new,
    .queue_tell = mr__tasks_tell,
    .queue_post = mr__tasks_post,
    .queue_take = mr__tasks_take,
    .queue_next = mr__tasks_next,
    .queue_delete = mr__tasks_delete,
};

/* V8 has other flags that begin like the one that means all of its threads. */
static bool
asks_for_none(const char *flags)
{
  static const char flag[] = "--single-threaded";
  for (const char *at = flags ? strstr(flags, flag) : NULL; at; at = strstr(at + 1, flag)) {
    char after = at[sizeof flag - 1];
    if (after == 0 || isspace((unsigned char)after)) return true;
  }
  return false;
}

void
mr__pool_size(const char *flags)
{
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  mr__pool.workers = asks_for_none(flags) ? 0 : cores > MOST_THREADS ? MOST_THREADS : cores > 1 ? (uint32_t)cores - 1 : 1;
}

/* Under the mutex: what can be run now; NULL when there is nothing. */
static mrv8_task *
take(void)
{
  mrv8_task *task = NULL;
  if (later && later->due <= mr__now()) {
    task = later;
    later = task->next;
  } else if (first) {
    task = first;
    first = task->next;
    if (!first) last = NULL;
  }
  return task;
}

/* Under the mutex: waits for a task; NULL: this thread has idled long enough. One stays for what comes later. */
static mrv8_task *
next(void)
{
  int64_t idle_until = mr__now() + IDLE;
  for (;;) {
    if (!atomic_load(&stopping)) {
      mrv8_task *task = take();
      if (task) return task;
      if (mr__now() >= idle_until && (!later || threads > 1)) return NULL;
    }
    int64_t wake_at = later && (later->due < idle_until || threads == 1) ? later->due : idle_until;
    if (atomic_load(&stopping)) wake_at = MR__NEVER;
    struct timespec until = mr__timespec(wake_at);
    idle++;
    if (wake_at == MR__NEVER) pthread_cond_wait(&changed, &mutex);
    else pthread_cond_timedwait(&changed, &mutex, &until);
    idle--;
  }
}

static void *
work(void *unused)
{
  (void)unused;
  pthread_mutex_lock(&mutex);
  mrv8_task *task;
  while ((task = next())) {
    busy++;
    pthread_mutex_unlock(&mutex);
    task->run(task);
    pthread_mutex_lock(&mutex);
    busy--;
    if (!busy && atomic_load(&stopping)) pthread_cond_signal(&stopped);
  }
  threads--;
  pthread_mutex_unlock(&mutex);
  return NULL;
}

/* Under the mutex: there is one task more. */
static void
wake(void)
{
  if (idle) pthread_cond_signal(&changed);
  else if (threads < mr__pool.workers && mr__thread_start(work, "mr-v8")) threads++;
}

static void
prepare(void)
{
  mr__cond_init(&changed);
  mr__cond_init(&stopped);
}

void
mr__pool_post(mrv8_task *task, int urgent)
{
  pthread_once(&once, prepare);
  pthread_mutex_lock(&mutex);
  task->next = urgent ? first : NULL;
  if (urgent || !first) first = task;
  else last->next = task;
  if (!task->next) last = task;
  wake();
  pthread_mutex_unlock(&mutex);
}

void
mr__pool_post_later(mrv8_task *task, int64_t delay)
{
  pthread_once(&once, prepare);
  pthread_mutex_lock(&mutex);
  task->due = mr__now() + delay;
  mrv8_task **place = &later;
  while (*place && (*place)->due <= task->due) place = &(*place)->next;
  task->next = *place;
  *place = task;
  wake();
  pthread_mutex_unlock(&mutex);
}

bool
mr__pool_is_stopping(void)
{
  return atomic_load_explicit(&stopping, memory_order_relaxed);
}

bool
mr__pool_stop(int64_t deadline)
{
  pthread_once(&once, prepare);
  pthread_mutex_lock(&mutex);
  atomic_store(&stopping, true);
  struct timespec until = mr__timespec(deadline);
  while (busy && mr__now() < deadline) pthread_cond_timedwait(&stopped, &mutex, &until);
  bool all = !busy;
  pthread_mutex_unlock(&mutex);
  return all;
}

void
mr__pool_lock_for_fork(void)
{
  pthread_mutex_lock(&mutex);
}

void
mr__pool_unlock_after_fork(bool child)
{
  atomic_store(&stopping, false);
  if (child) {
    threads = idle = busy = 0;
    prepare(); /* to the old conditions, the threads would still be there and take their signals */
  } else {
    pthread_cond_broadcast(&changed);
  }
  pthread_mutex_unlock(&mutex);
}

void
mr__pool_resume(void)
{
  pthread_mutex_lock(&mutex);
  if (first || later) wake();
  pthread_mutex_unlock(&mutex);
}
