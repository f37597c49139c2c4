/* mr_visit.c: visits: one for each thread that lives and each context that it has been in. Owns the lists of them, under `mutex`, a leaf but for V8's own.
 *
 * V8 keeps a record of every thread that has been in an isolate until it is told that the thread ends. It is told by the destructor of a pthread key. Whoever takes the
 * mutex counts as being in V8, so that it is free when the process forks. */
#include "mr_visit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "mr_context.h"

typedef struct visitor {
  struct mr__visit *first;
} visitor;

typedef struct mr__visit {
  mr__context *context;
  const visitor *by;
  struct mr__visit *next_of_thread, **link_of_thread;
  struct mr__visit *next_of_context, **link_of_context;
} visit;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key;
static atomic_uint_fast64_t numbers;

/* Under the mutex. */
static void
unlink_visit(visit *gone)
{
  *gone->link_of_thread = gone->next_of_thread;
  if (gone->next_of_thread) gone->next_of_thread->link_of_thread = gone->link_of_thread;
  *gone->link_of_context = gone->next_of_context;
  if (gone->next_of_context) gone->next_of_context->link_of_context = gone->link_of_context;
  free(gone);
}

static void
end(void *data)
{
  visitor *me = data;
  mr__here *here = mr__this_thread();
  here->is_watched = false;
  if (here->last) mr__context_unreference(here->last);
  here->last = NULL;
  if (!mr__fork_begin()) return;
  pthread_mutex_lock(&mutex);
  for (visit *at = me->first, *next; at; at = next) {
    next = at->next_of_thread;
    mrv8_thread_ends(at->context->isolate);
    unlink_visit(at);
  }
  pthread_mutex_unlock(&mutex);
  mr__fork_end();
  free(me);
}

static void
prepare(void)
{
  has_key = pthread_key_create(&key, end) == 0;
}

static visitor *
this_visitor(void)
{
  pthread_once(&once, prepare);
  if (!has_key) return NULL;
  visitor *me = pthread_getspecific(key);
  if (me) return me;
  me = calloc(1, sizeof *me);
  if (me && pthread_setspecific(key, me) == 0) return me;
  free(me);
  return NULL;
}

/* Two threads that take turns in a context come here each time, and find their visits. */
static visit *
find(const mr__context *in, const visitor *by)
{
  for (visit *at = in->visits.first; at; at = at->next_of_context)
    if (at->by == by) return at;
  return NULL;
}

/* Without memory for it, V8 keeps its record until the isolate goes. */
static void
note(mr__context *in)
{
  visitor *me = this_visitor();
  if (!me) return;
  mr__this_thread()->is_watched = true;
  pthread_mutex_lock(&mutex);
  visit *made = find(in, me) ? NULL : calloc(1, sizeof *made);
  if (made) {
    *made = (visit){in, me, me->first, &me->first, in->visits.first, &in->visits.first};
    if (me->first) me->first->link_of_thread = &made->next_of_thread;
    if (in->visits.first) in->visits.first->link_of_context = &made->next_of_context;
    me->first = in->visits.first = made;
  }
  pthread_mutex_unlock(&mutex);
}

void
mr__visit(mr__context *in, mr__here *here)
{
  if (here->number && in->visits.last == here->number) return;
  if (!here->number) here->number = atomic_fetch_add(&numbers, 1) + 1;
  in->visits.last = here->number;
  note(in);
}

void
mr__visits_forget(mr__context *in)
{
  pthread_mutex_lock(&mutex);
  for (visit *at = in->visits.first, *next; at; at = next) {
    next = at->next_of_context;
    unlink_visit(at);
  }
  pthread_mutex_unlock(&mutex);
}
