/* mr_job.c: jobs. Owns for each how many threads are at it and are to come, under the job's `mutex`; nothing of the pool is called under it.
 *
 * A thread of the pool that is to work at a job is a task of the pool's with a reference to the job. For a fork it stops as if it were to yield, and comes again
 * after it. */
#include "mr_job.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "mr_pool.h"

#define MOST_WORKERS 32u /* bits of `turns` */

struct mrv8_job {
  pthread_mutex_t mutex;
  pthread_cond_t released; /* a worker went */
  mrv8_work work;
  int urgent;
  atomic_bool cancelled;
  atomic_uint turns;   /* a bit for each number in use */
  uint32_t references; /* the owner's, and one for each worker that is at it or to come; under the mutex, as all that follows */
  uint32_t workers;    /* at most */
  uint32_t active, coming;
  bool owned; /* else only those who are at it need the work */
};

typedef struct coming_worker {
  mrv8_task task; /* first, so that the one can be had from the other */
  mrv8_job *job;
} coming_worker;

static void work_at(mrv8_task *task);
static void drop(mrv8_task *task);

mrv8_job *
mr__job_new(const mrv8_work *work, int urgent)
{
  mrv8_job *job = calloc(1, sizeof *job);
  if (!job) return NULL;
  pthread_mutex_init(&job->mutex, NULL);
  pthread_cond_init(&job->released, NULL);
  job->work = *work;
  job->urgent = urgent;
  job->references = 1;
  job->workers = mr__pool.workers < MOST_WORKERS - 1 ? mr__pool.workers : MOST_WORKERS - 1;
  job->owned = true;
  return job;
}

/* Under the mutex, which it gives back, with one reference. */
static void
leave(mrv8_job *job)
{
  bool last = --job->references == 0;
  void *data = job->work.data;
  bool unused = data && !job->owned && !job->active;
  if (unused) job->work.data = NULL;
  pthread_mutex_unlock(&job->mutex);
  if (unused) job->work.free(data);
  if (!last) return;
  pthread_cond_destroy(&job->released);
  pthread_mutex_destroy(&job->mutex);
  free(job);
}

/* Under the mutex: for how many there is work beside `others`. */
static uint32_t
most(const mrv8_job *job, uint32_t others)
{
  size_t wanted = job->work.most(job->work.data, others);
  return wanted < job->workers ? (uint32_t)wanted : job->workers;
}

/* Under the mutex: counts in those who are missing. */
static uint32_t
missing(mrv8_job *job, uint32_t wanted)
{
  uint32_t here = job->active + job->coming, more = wanted > here ? wanted - here : 0;
  job->coming += more;
  job->references += more;
  return more;
}

static void
post(mrv8_job *job, uint32_t more)
{
  uint32_t lost = 0;
  for (; more; more--) {
    coming_worker *worker = malloc(sizeof *worker);
    if (worker) {
      *worker = (coming_worker){{.run = work_at, .drop = drop}, job};
      mr__pool_post(&worker->task, job->urgent);
    } else {
      lost++;
    }
  }
  if (!lost) return;
  pthread_mutex_lock(&job->mutex);
  job->coming -= lost;     /* who joins does the work */
  job->references -= lost; /* not the last ones: who owns the job has one */
  pthread_mutex_unlock(&job->mutex);
}

static void
do_some(mrv8_job *job, bool joining)
{
  mrv8_turn turn = {.job = job, .joining = joining, .number = -1};
  job->work.run(job->work.data, &turn);
  if (turn.number >= 0) atomic_fetch_and(&job->turns, ~(1u << turn.number));
}

/* On a thread of the pool. */
static void
work_at(mrv8_task *task)
{
  mrv8_job *job = ((coming_worker *)task)->job;
  free(task);
  pthread_mutex_lock(&job->mutex);
  job->coming--;
  if (atomic_load(&job->cancelled) || !job->owned || job->active >= most(job, job->active)) {
    leave(job);
    return;
  }
  job->active++;
  for (;;) {
    pthread_mutex_unlock(&job->mutex);
    do_some(job, false);
    pthread_mutex_lock(&job->mutex);
    bool over = atomic_load(&job->cancelled) || !job->owned;
    uint32_t wanted = over ? 0 : most(job, job->active - 1);
    bool again = !over && job->active <= wanted;
    if (!again || mr__pool_is_stopping()) {
      job->active--;
      pthread_cond_broadcast(&job->released);
      uint32_t more = again ? missing(job, job->active + job->coming + 1) : 0; /* for this one, which comes again after the fork */
      pthread_mutex_unlock(&job->mutex);
      post(job, more);
      pthread_mutex_lock(&job->mutex);
      leave(job);
      return;
    }
    uint32_t more = missing(job, wanted);
    pthread_mutex_unlock(&job->mutex);
    post(job, more);
    pthread_mutex_lock(&job->mutex);
  }
}

static void
drop(mrv8_task *task)
{
  mrv8_job *job = ((coming_worker *)task)->job;
  free(task);
  pthread_mutex_lock(&job->mutex);
  job->coming--;
  leave(job);
}

void
mr__job_notify(mrv8_job *job)
{
  if (atomic_load(&job->cancelled)) return;
  pthread_mutex_lock(&job->mutex);
  uint32_t more = job->owned ? missing(job, most(job, job->active)) : 0;
  pthread_mutex_unlock(&job->mutex);
  post(job, more);
}

/* Under the mutex, and counted as one who is at it: waits until there is work for one more. 0: all is done. */
static uint32_t
wait_for_part(mrv8_job *job)
{
  uint32_t wanted;
  while (job->active > (wanted = most(job, job->active - 1)) && job->active > 1) pthread_cond_wait(&job->released, &job->mutex);
  return wanted;
}

void
mr__job_join(mrv8_job *job)
{
  pthread_mutex_lock(&job->mutex);
  job->urgent = 1;
  job->workers++;
  job->active++;
  uint32_t wanted;
  while ((wanted = wait_for_part(job))) {
    uint32_t more = missing(job, wanted);
    pthread_mutex_unlock(&job->mutex);
    post(job, more);
    do_some(job, true);
    pthread_mutex_lock(&job->mutex);
  }
  job->active = 0;
  atomic_store(&job->cancelled, true);
  job->owned = false;
  leave(job);
}

void
mr__job_cancel(mrv8_job *job, int wait)
{
  atomic_store(&job->cancelled, true);
  pthread_mutex_lock(&job->mutex);
  while (wait && job->active) pthread_cond_wait(&job->released, &job->mutex);
  job->owned = false;
  leave(job);
}

int
mr__job_is_active(mrv8_job *job)
{
  pthread_mutex_lock(&job->mutex);
  int active = job->active || most(job, job->active);
  pthread_mutex_unlock(&job->mutex);
  return active;
}

int
mr__turn_must_end(const mrv8_turn *turn)
{
  return atomic_load_explicit(&turn->job->cancelled, memory_order_relaxed) || (!turn->joining && mr__pool_is_stopping());
}

uint8_t
mr__turn_number(mrv8_turn *turn)
{
  if (turn->number >= 0) return (uint8_t)turn->number;
  unsigned used = atomic_load(&turn->job->turns);
  do turn->number = __builtin_ctz(~used);
  while (!atomic_compare_exchange_weak(&turn->job->turns, &used, used | 1u << turn->number));
  return (uint8_t)turn->number;
}
