/* mr_queue.c: what the scheduler's runners do for contexts: timers that are due, and what clients submit.
 *
 * `mutex` protects all queues, and the list of submissions that somebody is about to run or to tell of. At most one runner sees to a context. It never waits for
 * the context's lock: if that is held it goes away, and comes back when the lock is given back, or when a submission's time is up. Clients are told with neither
 * lock nor mutex. Lock order: a context's lock, or a lock's own mutex, then `mutex`, then the scheduler's mutex or levels_lock. */
#include "mr_queue.h"

#include <stdlib.h>
#include <string.h>

#include "mr_clock.h"
#include "mr_level.h"
#include "mr_thread.h"

#define SLICE INT64_C(10000000) /* 10 ms: so long a runner stays with a context while others wait for one */

typedef struct mr__submission {
  struct mr__submission *next;
  mr__context *context;
  pthread_t thread; /* that is about to run it, or to tell of it */
  mrv8_operation operation;
  mr_handle target;
  uint32_t number;
  int64_t deadline;
  mr_status status; /* of one that is over */
  const void *in;
  size_t in_size;
  mr_options options; /* complete; what it points to follows */
  max_align_t memory[];
} submission;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_cond_t told;
static submission *taken;    /* on their way: out of their queue, and their client not told yet */
static uint64_t process = 1; /* goes up in a forked child: what was submitted before is the parent's */

static void
prepare(void)
{
  mr__cond_init(&told);
}

/* --- forks --- */

void
mr__queues_lock_for_fork(void)
{
  pthread_mutex_lock(&mutex);
}

/* The threads that were about to tell of something are not in the child, but for the one that forks. */
void
mr__queues_unlock_after_fork(bool child)
{
  if (child) {
    submission **link = &taken;
    while (*link)
      if (pthread_equal((*link)->thread, pthread_self())) link = &(*link)->next;
      else *link = (*link)->next;
    process++;
    mr__cond_init(&told);
  }
  pthread_mutex_unlock(&mutex);
}

/* --- queues; under the mutex --- */

static void
free_all(submission *first)
{
  for (submission *next; first; first = next) {
    next = first->next;
    free(first);
  }
}

/* In a child, what the parent's queue held is gone. */
static mr__queue *
queue_of(mr__context *in)
{
  mr__queue *queue = &in->queue;
  if (queue->process == process) return queue;
  free_all(queue->first);
  free_all(queue->over);
  queue->first = queue->last = queue->over = NULL;
  queue->deadline = 0;
  queue->awake = queue->blocked = false;
  queue->process = process;
  return queue;
}

/* Sees to it that a runner comes in time. What one that is there does when it gets round to it, no other has to: but in time it is told of what has come to its end. */
static void
plan(mr__context *in)
{
  mr__queue *queue = &in->queue;
  if (queue->closed) return;
  int64_t due = MR__NEVER;
  bool ready = !queue->awake && !queue->blocked;
  if (queue->over || (queue->first && ready)) due = mr__now();
  else if (queue->deadline) due = queue->deadline;
  if (queue->timers && ready && queue->timers < due) due = queue->timers;
  mr__schedule(&queue->wakeup, in->id, due);
}

static submission **
last_link(submission **link)
{
  while (*link) link = &(*link)->next;
  return link;
}

/* The one behind `*link` does not run any more: it is going to be told `status`. */
static void
finish(mr__queue *queue, submission **link, mr_status status)
{
  submission *done = *link;
  *link = done->next;
  if (!queue->first) queue->last = NULL;
  else if (queue->last == done) queue->last = (submission *)((char *)link - offsetof(submission, next));
  done->next = NULL;
  done->status = status;
  *last_link(&queue->over) = done;
}

/* Ends those whose time is up, and finds out when the next one's is. */
static void
expire(mr__queue *queue)
{
  int64_t now = mr__now();
  if (!queue->deadline || queue->deadline > now) return;
  queue->deadline = 0;
  for (submission **link = &queue->first; *link;) {
    int64_t deadline = (*link)->deadline;
    if (deadline <= now) {
      finish(queue, link, MR_TIMEOUT);
      continue;
    }
    if (deadline != MR__NEVER && (!queue->deadline || deadline < queue->deadline)) queue->deadline = deadline;
    link = &(*link)->next;
  }
}

/* This thread sees to it that the client is told. */
static void
take(submission *one)
{
  one->thread = pthread_self();
  one->next = taken;
  taken = one;
}

/* --- telling --- */

/* Exactly once for each that was taken. Gives it back. */
static void
tell(submission *done, const mr_result *result)
{
  mr__level_begin_callback();
  mr__host_done(done->context, done->status, done->options.call, result);
  mr__level_end_callback();
  pthread_mutex_lock(&mutex);
  submission **link = &taken;
  while (*link != done) link = &(*link)->next;
  *link = done->next;
  pthread_cond_broadcast(&told);
  pthread_mutex_unlock(&mutex);
  free(done);
}

/* Tells of all that are over. */
static void
tell_over(mr__context *in)
{
  for (;;) {
    pthread_mutex_lock(&mutex);
    submission *done = in->queue.over;
    if (done) {
      in->queue.over = done->next;
      take(done);
    }
    pthread_mutex_unlock(&mutex);
    if (!done) return;
    mr_result result = {.struct_size = sizeof result};
    mr__level left;
    mr__level_init(&left, in, &done->options);
    left.budget.deadline = done->deadline;
    mr__level_waited(&left, done->status, &result);
    tell(done, &result);
    mr_result_free(&result);
  }
}

/* --- the runners --- */

/* With the context's lock: runs the next one. It stays among the taken ones. */
static submission *
run_next(mr__context *in, mr_result *result)
{
  pthread_mutex_lock(&mutex);
  submission *next = in->queue.first;
  if (!next) {
    pthread_mutex_unlock(&mutex);
    return NULL;
  }
  in->queue.first = next->next;
  if (!next->next) in->queue.last = NULL;
  take(next);
  mr__level *entered;
  next->status = mr__level_take(in, mr__this_thread(), &next->options, &entered);
  if (next->status == MR_OK) {
    entered->budget.deadline = next->deadline;
    mr__level_announce(entered); /* so that mr_cancel() finds it here or there */
  }
  pthread_mutex_unlock(&mutex);
  result->taken = 0;
  if (next->status != MR_OK) return next;
  mrv8_request request = {
      .operation = next->operation, .number = next->number, .target_handle = next->target, .in = next->in, .in_size = next->in_size, .options = &next->options};
  next->status = mr__run_locked(entered, &request, result);
  mr__level_withdraw(entered);
  mr__level_give_back(entered);
  return next;
}

/* Does what is due. False: there was nothing, or the lock is not to be had now. */
static bool
work(mr__context *in)
{
  pthread_mutex_lock(&mutex);
  mr__queue *queue = &in->queue;
  expire(queue);
  bool due = queue->first || (queue->timers && queue->timers <= mr__now());
  queue->blocked = due; /* before the lock is asked for: who gives it back clears it */
  pthread_mutex_unlock(&mutex);
  tell_over(in);
  if (!due) return false;
  mr_status status = mr__lock_claim(&in->lock);
  if (status == MR_TIMEOUT) return false;
  pthread_mutex_lock(&mutex);
  queue->blocked = false;
  if (status != MR_OK) queue->timers = 0; /* nobody gets into this context in this process */
  while (status != MR_OK && queue->first) finish(queue, &queue->first, status);
  pthread_mutex_unlock(&mutex);
  if (status != MR_OK) return true;
  mr_result result = {.struct_size = sizeof result};
  mr_result_free(&result); /* makes it ready for use */
  mr__timers_run(in);
  submission *done = run_next(in, &result);
  mr__context_leave(in);
  if (done) tell(done, &result);
  mr_result_free(&result);
  return true;
}

void
mr__queue_run(mr_context id)
{
  mr__context *in = mr__context_find(id);
  if (!in) return;
  pthread_mutex_lock(&mutex);
  mr__queue *queue = queue_of(in);
  bool mine = !queue->awake;
  queue->awake = true;
  expire(queue);
  pthread_mutex_unlock(&mutex);
  tell_over(in);
  for (int64_t until = mr__now() + SLICE; mine && work(in) && mr__now() < until;) continue;
  pthread_mutex_lock(&mutex);
  if (mine) queue->awake = false;
  plan(in);
  pthread_mutex_unlock(&mutex);
  mr__context_unreference(in);
}

void
mr__queue_timers(mr__context *in, int64_t due)
{
  pthread_once(&once, prepare);
  pthread_mutex_lock(&mutex);
  mr__queue *queue = queue_of(in);
  queue->timers = due == MR__NEVER ? 0 : due ? due : 1; /* a task that V8 wants done now is due at 0 */
  plan(in);
  pthread_mutex_unlock(&mutex);
}

void
mr__queue_wake(mr__context *in, int64_t due)
{
  pthread_once(&once, prepare);
  pthread_mutex_lock(&mutex);
  mr__queue *queue = queue_of(in);
  if (!queue->timers || queue->timers > due) {
    queue->timers = due ? due : 1;
    plan(in);
  }
  pthread_mutex_unlock(&mutex);
}

void
mr__queue_unblock(mr__context *in)
{
  pthread_mutex_lock(&mutex);
  mr__queue *queue = queue_of(in);
  queue->blocked = false;
  plan(in);
  pthread_mutex_unlock(&mutex);
}

/* --- the end of a context --- */

void
mr__queue_close(mr__context *in)
{
  pthread_once(&once, prepare);
  pthread_mutex_lock(&mutex);
  queue_of(in)->closed = true;
  mr__unschedule(&in->queue.wakeup);
  pthread_mutex_unlock(&mutex);
}

bool
mr__queues_busy(void)
{
  pthread_mutex_lock(&mutex);
  bool busy = taken != NULL;
  pthread_mutex_unlock(&mutex);
  return busy;
}

static bool
has_taken(const mr__context *in)
{
  for (const submission *one = taken; one; one = one->next)
    if (one->context == in) return true;
  return false;
}

void
mr__queue_end(mr__context *in, bool wait)
{
  pthread_mutex_lock(&mutex);
  mr__queue *queue = queue_of(in);
  while (queue->first) finish(queue, &queue->first, MR_CLOSED);
  pthread_mutex_unlock(&mutex);
  tell_over(in);
  pthread_mutex_lock(&mutex);
  while (wait && has_taken(in)) pthread_cond_wait(&told, &mutex);
  pthread_mutex_unlock(&mutex);
}

void
mr__queue_destroy(mr__queue *queue)
{
  free_all(queue->first);
  free_all(queue->over);
}

/* --- clients --- */

void
mr__queue_cancel(mr__context *in, uint64_t call)
{
  pthread_mutex_lock(&mutex);
  mr__queue *queue = queue_of(in);
  submission **link = &queue->first;
  while (*link && (*link)->options.call != call) link = &(*link)->next;
  if (*link) {
    finish(queue, link, MR_TERMINATED);
    plan(in);
  }
  pthread_mutex_unlock(&mutex);
}

/* What each operation is inside, and whether it is one on a value. */
static const struct {
  mrv8_operation operation;
  bool on_value;
} operations[] = {
    [MR_DO_EVAL] = {MRV8_EVAL, false},
    [MR_DO_CALL] = {MRV8_CALL, true},
    [MR_DO_CALL_METHOD] = {MRV8_CALL_METHOD, true},
    [MR_DO_CONSTRUCT] = {MRV8_CONSTRUCT, true},
    [MR_DO_GET] = {MRV8_GET, true},
    [MR_DO_SET] = {MRV8_SET, true},
    [MR_DO_DELETE] = {MRV8_DELETE, true},
    [MR_DO_HAS] = {MRV8_HAS, true},
    [MR_DO_KEYS] = {MRV8_KEYS, true},
    [MR_DO_READ] = {MRV8_READ, true},
    [MR_DO_GLOBALS] = {MRV8_GLOBALS, false},
    [MR_DO_AWAIT] = {MRV8_AWAIT, true},
    [MR_DO_PROMISE_NEW] = {MRV8_PROMISE, false},
    [MR_DO_PROMISE_SETTLE] = {MRV8_SETTLE, true},
    [MR_DO_PREVIEW] = {MRV8_PREVIEW, true},
    [MR_DO_HEAP_STATS] = {MRV8_HEAP_STATS, false},
    [MR_DO_HEAP_SNAPSHOT] = {MRV8_HEAP_SNAPSHOT, false},
    [MR_DO_LOW_MEMORY] = {MRV8_LOW_MEMORY, false},
};

static size_t
padded(size_t size)
{
  return (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
}

/* A submission with copies of all that the options and `in` point to; NULL: no memory. */
static submission *
copy(const void *in, size_t in_size, const mr_options *options)
{
  size_t name = options->filename ? strlen(options->filename) + 1 : 0, slices = (size_t)options->buffer_count * sizeof(mr_slice);
  size_t size = padded(in_size) + padded(name) + padded(slices);
  for (uint64_t i = 0; i < options->buffer_count; i++) {
    if (options->buffers[i].size > SIZE_MAX / 2 - size) return NULL;
    size += padded((size_t)options->buffers[i].size);
  }
  submission *made = calloc(1, sizeof *made + size);
  if (!made) return NULL;
  char *at = (char *)made->memory;
  made->options = *options;
  made->options.texts = NULL;
  made->options.text_count = 0;
  made->in_size = in_size;
  made->in = at;
  if (in_size) memcpy(at, in, in_size);
  at += padded(in_size);
  if (name) made->options.filename = memcpy(at, options->filename, name);
  at += padded(name);
  mr_slice *copies = (mr_slice *)(void *)at;
  made->options.buffers = slices ? copies : NULL;
  at += padded(slices);
  for (uint64_t i = 0; i < options->buffer_count; i++) {
    const mr_slice *given = &options->buffers[i];
    copies[i] = (mr_slice){at, given->size};
    if (given->size) memcpy(at, given->data, (size_t)given->size);
    at += padded((size_t)given->size);
  }
  return made;
}

/* Under the mutex. */
static void
append(mr__context *in, submission *added)
{
  mr__queue *queue = &in->queue;
  if (queue->last) queue->last->next = added;
  else queue->first = added;
  queue->last = added;
  if (added->deadline != MR__NEVER && (!queue->deadline || added->deadline < queue->deadline)) queue->deadline = added->deadline;
  plan(in);
}

mr_status
mr_submit(mr_context context, uint32_t operation, mr_handle target, const void *in, size_t in_size, const mr_options *options)
{
  mr_options full;
  if (!mr__contexts_usable()) return MR_NOT_INITIALIZED;
  if (!operation || operation >= sizeof operations / sizeof *operations || (!in && in_size)) return MR_BAD_ARGUMENT;
  mr_status status = mr__options_complete(options, &full);
  if (status != MR_OK) return status;
  if (!full.call) return MR_BAD_ARGUMENT;
  if (!target != !operations[operation].on_value) return target ? MR_BAD_ARGUMENT : MR_BAD_HANDLE;
  pthread_once(&once, prepare);
  mr__context *into = mr__context_find(context);
  if (!into) return MR_BAD_CONTEXT;
  submission *added = copy(in, in_size, &full);
  if (added) {
    mr__limit_by(into, &added->options);
    added->context = into;
    added->operation = operations[operation].operation;
    added->target = target;
    added->deadline = mr__deadline(added->options.timeout);
    pthread_mutex_lock(&mutex);
    status = queue_of(into)->closed ? MR_BAD_CONTEXT : MR_OK;
    if (status == MR_OK) append(into, added);
    pthread_mutex_unlock(&mutex);
    if (status != MR_OK) free(added);
  } else {
    status = MR_NO_MEMORY;
  }
  mr__context_unreference(into);
  return status;
}
