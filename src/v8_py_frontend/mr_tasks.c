/* mr_tasks.c: a context's queue of V8's tasks, under its own `mutex`; the scheduler's may be taken under it. `next` can be looked at without. */
#include "mr_tasks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "mr_clock.h"

#define TICK 20000000 /* nanoseconds that the coarse clock is behind at most, and more */

struct mrv8_queue {
  pthread_mutex_t mutex;
  mrv8_task *first; /* by time, and then in the order in which they came */
  mrv8_task **end_of_now;
  _Atomic int64_t next;
  const mrv8_host *host;
  void *owner;
};

mrv8_queue *
mr__tasks_new(void)
{
  mrv8_queue *queue = calloc(1, sizeof *queue);
  if (!queue) return NULL;
  pthread_mutex_init(&queue->mutex, NULL);
  queue->end_of_now = &queue->first;
  queue->next = MR__NEVER;
  return queue;
}

/* Under the mutex. */
static void
look(mrv8_queue *queue)
{
  atomic_store(&queue->next, queue->first ? queue->first->due : MR__NEVER);
}

static void
drop_all(mrv8_task *task)
{
  while (task) {
    mrv8_task *next = task->next;
    task->drop(task);
    task = next;
  }
}

void
mr__tasks_tell(mrv8_queue *queue, const mrv8_host *host, void *owner)
{
  pthread_mutex_lock(&queue->mutex);
  queue->host = host;
  queue->owner = owner;
  mrv8_task *dropped = host ? NULL : queue->first;
  if (!host) {
    queue->first = NULL;
    queue->end_of_now = &queue->first;
    look(queue);
  } else if (queue->first) {
    host->posted(owner, queue->first->due);
  }
  pthread_mutex_unlock(&queue->mutex);
  drop_all(dropped);
}

void
mr__tasks_post(mrv8_queue *queue, mrv8_task *task, int64_t delay)
{
  pthread_mutex_lock(&queue->mutex);
  task->due = delay > 0 ? mr__now() + delay : 0;
  mrv8_task **place = queue->end_of_now;
  while (task->due && *place && (*place)->due <= task->due) place = &(*place)->next;
  task->next = *place;
  *place = task;
  if (!task->due) queue->end_of_now = &task->next;
  look(queue);
  if (queue->host) queue->host->posted(queue->owner, task->due); /* under the mutex, so that the owner is there */
  pthread_mutex_unlock(&queue->mutex);
}

mrv8_task *
mr__tasks_take(mrv8_queue *queue)
{
  int64_t next = mr__tasks_next(queue);
  if (next == MR__NEVER || (next && (next - mr__now_coarse() > TICK || next > mr__now()))) return NULL; /* V8 has one for later most of the time */
  pthread_mutex_lock(&queue->mutex);
  mrv8_task *task = queue->first;
  if (task) {
    queue->first = task->next;
    if (queue->end_of_now == &task->next) queue->end_of_now = &queue->first;
    look(queue);
  }
  pthread_mutex_unlock(&queue->mutex);
  return task;
}

int64_t
mr__tasks_next(const mrv8_queue *queue)
{
  return atomic_load_explicit(&queue->next, memory_order_relaxed);
}

void
mr__tasks_delete(mrv8_queue *queue)
{
  drop_all(queue->first);
  pthread_mutex_destroy(&queue->mutex);
  free(queue);
}
