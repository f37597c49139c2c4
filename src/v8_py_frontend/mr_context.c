/* mr_context.c: opening, finding and closing contexts, and the list of handles to release.
 *
 * Owns the table of contexts (`table_mutex`), and the list of all of them, which a fork needs (`alive_mutex`; nothing is waited for under it). Lock order in the core: a context's lock, then one of: the watchdog's mutex, the scheduler's, levels_lock; table_mutex,
 * release_lock and the stores' lock are leaves. The watchdog's mutex comes before levels_lock. */
#include "mr_context.h"

#include <stdlib.h>
#include <string.h>

#include "mr_address.h"
#include "mr_clock.h"
#include "mr_level.h"
#include "mr_memory.h"
#include "mr_options.h"
#include "mr_snapshot.h"
#include "mr_table.h"
#include "mr_wait.h"

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static mr__table table;
static pthread_mutex_t alive_mutex = PTHREAD_MUTEX_INITIALIZER;
static mr__context *alive;
static atomic_uint_fast64_t context_count;
static atomic_bool usable;
static atomic_bool ending; /* the process ends: other threads than this one open no more contexts */
static pthread_t ending_thread;

void
mr__contexts_open_for_use(void)
{
  atomic_store(&usable, true);
}

bool
mr__contexts_usable(void)
{
  return atomic_load_explicit(&usable, memory_order_relaxed);
}

uint64_t
mr_context_count(void)
{
  return atomic_load(&context_count);
}

mr__context *
mr__context_find(mr_context id)
{
  pthread_mutex_lock(&table_mutex);
  mr__context *found = mr__table_get(&table, id);
  if (found) atomic_fetch_add_explicit(&found->references, 1, memory_order_relaxed);
  pthread_mutex_unlock(&table_mutex);
  return found;
}

mr__context *
mr__context_find_here(mr__here *here, mr_context id)
{
  mr__context *last = here->last;
  if (!last || last->id != id || atomic_load_explicit(&last->closing, memory_order_relaxed)) return mr__context_find(id);
  here->last = NULL;
  return last;
}

void
mr__context_keep_here(mr__here *here, mr__context *context)
{
  mr__context *before = context;
  if (here->is_watched && !atomic_load_explicit(&context->closing, memory_order_relaxed)) {
    before = here->last;
    here->last = context;
  }
  if (before) mr__context_unreference(before);
}

void
mr__context_unreference(mr__context *context)
{
  if (atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) != 1) return;
  pthread_mutex_lock(&alive_mutex);
  *context->link_alive = context->next_alive;
  if (context->next_alive) context->next_alive->link_alive = context->link_alive;
  pthread_mutex_unlock(&alive_mutex);
  mr__lock_destroy(&context->lock);
  mr__queue_destroy(&context->queue);
  free(context->released);
  free(context->drained);
  free(context);
}

/* --- opening and closing --- */

static mr__context *
allocate(void)
{
  mr__context *made = calloc(1, sizeof *made);
  if (!made) return NULL;
  atomic_store(&made->references, 1);
  mr__lock_init(&made->lock);
  pthread_mutex_lock(&alive_mutex);
  made->next_alive = alive;
  made->link_alive = &alive;
  if (alive) alive->link_alive = &made->next_alive;
  alive = made;
  pthread_mutex_unlock(&alive_mutex);
  return made;
}

mr_status
mr_context_new(const mr_context_options *options, mr_context *id)
{
  if (!id) return MR_BAD_ARGUMENT;
  *id = 0;
  mr_context_options full = {.struct_size = sizeof full};
  if (!mr__options_copy(&full, sizeof full, options) || full.timeout < 0 || full.cpu_time < 0) return MR_BAD_ARGUMENT;
  if (!mr__contexts_usable()) return MR_NOT_INITIALIZED;
  if (atomic_load(&ending) && !pthread_equal(ending_thread, pthread_self())) return MR_CLOSED;
  if (!full.max_memory) full.max_memory = mr__memory_default_heap();
  if (!mr__heaps_has_room() || !mr__address_space_has(mrv8_addresses_of_isolate())) return MR_NO_MEMORY;
  mr__context *made = allocate();
  if (!made) return MR_NO_MEMORY;
  made->call = full.call;
  made->event = full.event;
  made->data = full.data;
  made->timeout = full.timeout;
  made->cpu_time = full.cpu_time;
  made->max_memory = full.max_memory;
  mr_status status = mr__lock_acquire(&made->lock, MR__NEVER); /* for forks, and for tasks that V8 posts already */
  bool entered = status == MR_OK;
  mrv8_blob *blob = entered && full.snapshot ? mr__snapshot_share(full.snapshot) : NULL;
  if (entered && full.snapshot && !blob) status = MR_BAD_ARGUMENT;
  if (status == MR_OK) status = mrv8_isolate_new(&full, blob, &mr__host, made, &made->isolate);
  if (blob) mrv8_blob_delete(blob);
  if (status != MR_OK) {
    if (entered) mr__lock_release(&made->lock);
    mr__heap_forget(made);
    mr__context_unreference(made);
    return status;
  }
  pthread_mutex_lock(&table_mutex);
  made->id = mr__table_add(&table, made);
  if (made->id) atomic_fetch_add(&context_count, 1);
  pthread_mutex_unlock(&table_mutex);
  if (!made->id) {
    mr__heap_forget(made);
    mrv8_isolate_delete(made->isolate);
    mr__lock_release(&made->lock);
    mr__context_unreference(made);
    return MR_NO_MEMORY;
  }
  *id = made->id;
  atomic_fetch_add_explicit(&made->references, 1, memory_order_relaxed);
  mr__context_leave(made);
  mr__context_unreference(made);
  return MR_OK;
}

/* With the lock, at the end of the last call. */
static void
destroy(mr__context *closed)
{
  mr__heap_forget(closed);
  mrv8_timer *timer;
  while ((timer = mr__timers_drain(&closed->timers))) mrv8_timer_delete(closed->isolate, timer);
  mrv8_value *value;
  for (uint32_t at = 0; (value = mr__handles_drain(&closed->handles, &at));) mrv8_values_delete(closed->isolate, &value, 1);
  mr__handles_destroy(&closed->handles);
  mr__visits_forget(closed);
  if (closed->becomes) closed->became = mrv8_snapshot(closed->isolate, closed->becomes_fresh, closed->becomes);
  mrv8_isolate_delete(closed->isolate);
  closed->isolate = NULL;
  atomic_fetch_sub(&context_count, 1);
}

void
mr__context_schedule(mr__context *context)
{
  int64_t timer = mr__timers_next(&context->timers), task = mrv8_next_task(context->isolate);
  mr__queue_timers(context, timer < task ? timer : task);
}

/* Gives the lock back. The outermost one to leave a closed context destroys it. */
void
mr__context_leave(mr__context *context)
{
  bool outermost = context->lock.depth == 1, gone;
  do {
    bool last = outermost && atomic_load(&context->closing) && context->isolate && !mr__fork_is_lost();
    if (last) destroy(context);
    gone = !context->isolate || mr__fork_is_lost(); /* V8 must not be asked to free it then */
    int64_t task = MR__NEVER;
    if (outermost && !gone && atomic_load_explicit(&context->has_tasks, memory_order_relaxed)) {
      atomic_store(&context->has_tasks, false);
      task = mrv8_next_task(context->isolate);
    }
    if (mr__lock_release(&context->lock)) mr__queue_unblock(context);
    if (last) mr__context_unreference(context); /* the table's */
    /* A close that did not wait, or a task that came, either finds the lock free or is seen here: all of it is sequentially consistent. */
    if (outermost && !gone && atomic_load(&context->has_tasks)) task = 0;
    if (task != MR__NEVER) mr__queue_wake(context, task);
  } while (outermost && !gone && atomic_load(&context->closing) && mr__lock_try(&context->lock));
}

/* From now on nobody gets into the context, and who is inside of it is on the way out. With a reference for the caller; the table's goes to whoever destroys. NULL:
 * no open context has the id. */
static mr__context *
begin_close(mr_context id)
{
  pthread_mutex_lock(&table_mutex);
  mr__context *closed = mr__table_remove(&table, id);
  if (closed) atomic_fetch_add_explicit(&closed->references, 1, memory_order_relaxed);
  pthread_mutex_unlock(&table_mutex);
  if (!closed) return NULL;
  mr__lock_cancel(&closed->lock);
  mr__queue_close(closed);
  mr__spin_lock(&closed->levels_lock);
  atomic_store(&closed->closing, true);
  mr__levels_stop(closed, NULL, MR_CLOSED);
  mr__spin_unlock(&closed->levels_lock);
  mr__budgets_look();
  mr__wait_tell(&closed->lock);
  return closed;
}

mr_status
mr_context_close(mr_context id)
{
  mr__context *closed = begin_close(id);
  if (!closed) return MR_OK;
  mr__here *here = mr__this_thread();
  if (here->last == closed) {
    here->last = NULL;
    mr__context_unreference(closed);
  }
  /* Who has a context must not wait for another context: that one's thread may be closing ours. Whoever leaves last finds `closing`. */
  atomic_thread_fence(memory_order_seq_cst);
  bool waits = !mr__level_is_inside() && mr__locks_held() == 0;
  mr_status status = waits ? mr__lock_acquire_last(&closed->lock) : MR_OK;
  bool taken = waits && status == MR_OK;
  if (!taken && status != MR_FORKED) taken = !mr__lock_is_mine(&closed->lock) && mr__lock_try(&closed->lock);
  if (taken) mr__context_leave(closed);
  mr__queue_end(closed, waits && status != MR_INTERRUPTED);
  mr__context_unreference(closed);
  return status == MR_INTERRUPTED ? status : MR_OK;
}

mr_status
mr__context_become(mr__context *context, bool fresh, mrv8_blob **blob)
{
  const mr__context *closed = begin_close(context->id);
  if (closed) {
    context->becomes = blob;
    context->becomes_fresh = fresh;
    context->became = MR_FORKED; /* where V8 may not be asked any more */
  }
  mr__context_leave(context);
  if (!closed) return MR_CLOSED;
  mr__queue_end(context, true);
  mr_status status = context->became;
  mr__context_unreference(context);
  return status;
}

void
mr__context_abandon(mr_context id)
{
  mr__context *closed = begin_close(id);
  if (closed) mr__context_unreference(closed);
}

void
mr__contexts_end(void)
{
  ending_thread = pthread_self();
  atomic_store(&ending, true);
}

bool
mr__contexts_busy(void)
{
  bool busy = false;
  pthread_mutex_lock(&alive_mutex); /* those that are being made or freed are in no table */
  for (mr__context *at = alive; at && !busy; at = at->next_alive) busy = mr__lock_is_held(&at->lock);
  pthread_mutex_unlock(&alive_mutex);
  return busy;
}

void
mr__contexts_abandon(void)
{
  for (uint32_t at = 0;;) {
    pthread_mutex_lock(&table_mutex);
    mr__context *open = mr__table_next(&table, &at);
    mr_context id = open && mr__lock_is_held(&open->lock) ? open->id : 0;
    pthread_mutex_unlock(&table_mutex);
    if (!open) return;
    if (id) mr__context_abandon(id);
  }
}

/* --- forks --- */

void
mr__contexts_lock_for_fork(void)
{
  pthread_mutex_lock(&alive_mutex);
}

mr__context *
mr__contexts_alive(void)
{
  return alive;
}

void
mr__contexts_lock_all_for_fork(void)
{
  for (mr__context *at = alive; at; at = at->next_alive) {
    mr__spin_lock(&at->levels_lock);
    mr__spin_lock(&at->release_lock);
    pthread_mutex_lock(&at->lock.mutex);
  }
  pthread_mutex_lock(&table_mutex);
}

/* Those that nobody here can use, or close, count as gone. */
void
mr__contexts_forked(void)
{
  for (mr__context *at = alive; at; at = at->next_alive) {
    bool counted = at->id && at->isolate;
    mr__lock_forked(&at->lock, mr__fork_is_lost());
    at->coming = NULL; /* those threads are not here */
    if (mr__lock_is_mine(&at->lock)) continue;
    at->innermost = NULL;
    if (counted && (atomic_load(&at->lock.forked) || atomic_load(&at->closing))) atomic_fetch_sub(&context_count, 1);
  }
}

void
mr__contexts_unlock_after_fork(void)
{
  pthread_mutex_unlock(&table_mutex);
  for (mr__context *at = alive; at; at = at->next_alive) {
    pthread_mutex_unlock(&at->lock.mutex);
    mr__spin_unlock(&at->release_lock);
    mr__spin_unlock(&at->levels_lock);
  }
  pthread_mutex_unlock(&alive_mutex);
}

void
mr__contexts_resume(void)
{
  pthread_mutex_lock(&alive_mutex);
  for (mr__context *at = alive; at; at = at->next_alive) mr__queue_unblock(at);
  pthread_mutex_unlock(&alive_mutex);
}

mr_status
mr_changes(mr_context id, uint64_t *count)
{
  if (!count) return MR_BAD_ARGUMENT;
  *count = 0;
  if (!mr__contexts_usable()) return MR_NOT_INITIALIZED;
  mr__here *here = mr__this_thread();
  mr__context *found = mr__context_find_here(here, id);
  if (!found) return MR_BAD_CONTEXT;
  *count = atomic_load_explicit(&found->changes, memory_order_acquire);
  mr__context_keep_here(here, found);
  return MR_OK;
}

/* --- releasing handles --- */

#define MOST_KEPT ((size_t)64) /* handles that a list has room for which is used again */

void
mr_release(mr_context id, const mr_handle *handles, size_t count)
{
  if (!handles || !count || !mr__contexts_usable()) return;
  mr__here *here = mr__this_thread();
  mr__context *found = mr__context_find_here(here, id);
  if (!found) return;
  mr__spin_lock(&found->release_lock);
  size_t needed = found->released_count + count;
  if (needed > found->released_capacity) {
    size_t capacity = needed <= MOST_KEPT ? MOST_KEPT : needed * 2;
    mr_handle *grown = realloc(found->released, capacity * sizeof *grown);
    if (grown) {
      found->released = grown;
      found->released_capacity = capacity;
    }
  }
  if (needed <= found->released_capacity) { /* else they live on until the context goes */
    memcpy(found->released + found->released_count, handles, count * sizeof *handles);
    found->released_count = needed;
    atomic_store_explicit(&found->has_released, true, memory_order_relaxed);
  }
  mr__spin_unlock(&found->release_lock);
  mr__context_keep_here(here, found);
}

/* With the lock: drops what the client has released since the last entry. */
void
mr__context_drain(mr__context *context)
{
  if (!atomic_load_explicit(&context->has_released, memory_order_relaxed)) return;
  mr__spin_lock(&context->release_lock);
  mr_handle *released = context->released;
  size_t count = context->released_count, capacity = context->released_capacity;
  context->released = context->drained;
  context->released_capacity = context->drained ? MOST_KEPT : 0;
  context->released_count = 0;
  context->drained = NULL;
  atomic_store_explicit(&context->has_released, false, memory_order_relaxed);
  mr__spin_unlock(&context->release_lock);
  mrv8_value **gone = (mrv8_value **)released; /* as large, and each value is written after its handle was read */
  _Static_assert(sizeof(mrv8_value *) <= sizeof(mr_handle), "values replace handles context place");
  size_t values = 0;
  for (size_t i = 0; i < count; i++) {
    mrv8_value *value = mr__handles_release(&context->handles, released[i]);
    if (value) gone[values++] = value;
  }
  mrv8_values_delete(context->isolate, gone, values);
  if (capacity == MOST_KEPT) context->drained = released;
  else free(released);
}
