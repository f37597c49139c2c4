/* mr_context.c: contexts, and the one way into JavaScript.
 *
 * Owns the table of contexts (`table_mutex`), and in each context: what its lock protects (the isolate, the handles, whoever is in it), the chain of running calls
 * (written under its lock and `levels_mutex`, so that others may look), the list of handles to release (`release_mutex`).
 * Lock order: a context's lock, then one of: watchdog's mutex, levels_mutex; table_mutex and release_mutex are leaves. */
#include "mr_context.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "mr_clock.h"
#include "mr_handles.h"
#include "mr_lock.h"
#include "mr_result.h"
#include "mr_table.h"
#include "mr_watchdog.h"

/* One running call. On the stack of the thread that made it. */
typedef struct level {
  mr__watch watch;
  struct context *context;
  struct level *outer;
  mr_status stopped; /* why it must end, MR_OK: it need not. levels_mutex */
  uint64_t max_memory;
} level;

typedef struct context {
  mr_context id;
  atomic_uint references; /* one for being open, one for each call that uses it */
  atomic_bool closing;
  mr__lock lock;
  mrv8_isolate *isolate;
  mr__handles handles;
  pthread_mutex_t levels_mutex;
  level *innermost;
  pthread_mutex_t release_mutex;
  mr_handle *released;
  size_t released_count, released_capacity;
  atomic_bool has_released;
} context;

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static mr__table table;
static atomic_uint_fast64_t context_count;
static atomic_bool usable;

void
mr__contexts_open_for_use(void)
{
  atomic_store(&usable, true);
}

uint64_t
mr_context_count(void)
{
  return atomic_load(&context_count);
}

/* --- references --- */

static context *
find(mr_context id)
{
  pthread_mutex_lock(&table_mutex);
  context *found = mr__table_get(&table, id);
  if (found) atomic_fetch_add_explicit(&found->references, 1, memory_order_relaxed);
  pthread_mutex_unlock(&table_mutex);
  return found;
}

static void
unreference(context *gone)
{
  if (atomic_fetch_sub_explicit(&gone->references, 1, memory_order_acq_rel) != 1) return;
  mr__lock_destroy(&gone->lock);
  pthread_mutex_destroy(&gone->levels_mutex);
  pthread_mutex_destroy(&gone->release_mutex);
  free(gone->released);
  free(gone);
}

/* --- levels: who runs, and why it must stop --- */

static void
stop(level *running, mr_status why)
{
  pthread_mutex_lock(&running->context->levels_mutex);
  if (running->stopped == MR_OK) running->stopped = why;
  mrv8_terminate(running->context->isolate);
  pthread_mutex_unlock(&running->context->levels_mutex);
}

static void
expired(mr__watch *watch)
{
  stop((level *)watch, MR_TIMEOUT); /* the watch is the level's first member */
}

/* Why the call must end: its own reason, else that of the nearest call around it. levels_mutex, or the thread that has the lock when nobody can stop it. */
static mr_status
reason(const level *running)
{
  for (; running; running = running->outer)
    if (running->stopped != MR_OK) return running->stopped;
  return MR_OK;
}

static mr_status
push(context *in, level *entered, int64_t deadline)
{
  pthread_mutex_lock(&in->levels_mutex);
  entered->outer = in->innermost;
  in->innermost = entered;
  mr_status why = atomic_load(&in->closing) ? MR_CLOSED : reason(entered); /* who closes has looked at the chain already, or will find this call on it */
  pthread_mutex_unlock(&in->levels_mutex);
  if (why == MR_OK && deadline != MR__NEVER && !mr__watch_arm(&entered->watch, deadline, expired)) why = MR_NO_MEMORY;
  return why;
}

/* Takes the call off the chain, and returns why it was to end. V8 goes on terminating just when a call further out is to end, too. */
static mr_status
pop(context *in, level *left)
{
  if (left->watch.expired) mr__watch_disarm(&left->watch);
  pthread_mutex_lock(&in->levels_mutex);
  in->innermost = left->outer;
  mr_status why = reason(left);
  if (why != MR_OK) {
    if (reason(left->outer) == MR_OK) mrv8_cancel_terminate(in->isolate);
    else mrv8_terminate(in->isolate);
  }
  pthread_mutex_unlock(&in->levels_mutex);
  return why;
}

mr_status
mr_terminate(mr_context id)
{
  context *found = find(id);
  if (!found) return MR_BAD_CONTEXT;
  pthread_mutex_lock(&found->levels_mutex);
  if (found->innermost) {
    if (found->innermost->stopped == MR_OK) found->innermost->stopped = MR_TERMINATED;
    mrv8_terminate(found->isolate);
  }
  pthread_mutex_unlock(&found->levels_mutex);
  unreference(found);
  return MR_OK;
}

/* --- the bridge's questions; on the thread that has the lock --- */

static mr_handle
handle_share(void *owner, uint32_t hash, int (*same)(const void *, const mrv8_value *), const void *local)
{
  return mr__handles_share(&((context *)owner)->handles, hash, same, local);
}

static mr_handle
handle_new(void *owner, uint32_t hash, mrv8_value *value)
{
  return mr__handles_new(&((context *)owner)->handles, hash, value);
}

static mrv8_value *
handle_get(void *owner, mr_handle handle)
{
  return mr__handles_get(&((context *)owner)->handles, handle);
}

/* Room for the script to unwind in. What it has thrown away by then, the next collection finds, and the old limit comes back. */
#define UNWIND_ROOM (64u << 20)

static size_t
near_heap_limit(void *owner, size_t current_limit, size_t initial_limit)
{
  context *full = owner;
  if (full->innermost) stop(full->innermost, MR_MEMORY_LIMIT);
  (void)initial_limit;
  return current_limit + UNWIND_ROOM;
}

static void
heap_used(void *owner, size_t used)
{
  context *collected = owner;
  for (level *running = collected->innermost; running; running = running->outer) /* the heap is one: a call further in uses that of all around it */
    if (running->max_memory && used > running->max_memory) stop(running, MR_MEMORY_LIMIT);
}

static const mrv8_host host = {handle_share, handle_new, handle_get, near_heap_limit, heap_used};

/* --- opening and closing --- */

static context *
allocate(void)
{
  context *made = calloc(1, sizeof *made);
  if (!made) return NULL;
  atomic_store(&made->references, 1);
  mr__lock_init(&made->lock);
  pthread_mutex_init(&made->levels_mutex, NULL);
  pthread_mutex_init(&made->release_mutex, NULL);
  return made;
}

mr_status
mr_context_new(const mr_context_options *options, mr_context *id)
{
  if (!id) return MR_BAD_ARGUMENT;
  *id = 0;
  mr_context_options full = {.struct_size = sizeof full};
  if (!mr__options_copy(&full, sizeof full, options)) return MR_BAD_ARGUMENT;
  if (!atomic_load(&usable)) return MR_NOT_INITIALIZED;
  context *made = allocate();
  if (!made) return MR_NO_MEMORY;
  mr_status status = mrv8_isolate_new(&full, &host, made, &made->isolate);
  if (status != MR_OK) {
    unreference(made);
    return status;
  }
  pthread_mutex_lock(&table_mutex);
  made->id = mr__table_add(&table, made);
  pthread_mutex_unlock(&table_mutex);
  if (!made->id) {
    mrv8_isolate_delete(made->isolate);
    unreference(made);
    return MR_NO_MEMORY;
  }
  atomic_fetch_add(&context_count, 1);
  *id = made->id;
  return MR_OK;
}

/* With the lock, at the end of the last call. */
static void
destroy(context *closed)
{
  mrv8_value *value;
  for (uint32_t at = 0; (value = mr__handles_drain(&closed->handles, &at));) mrv8_values_delete(closed->isolate, &value, 1);
  mr__handles_destroy(&closed->handles);
  mrv8_isolate_delete(closed->isolate);
  closed->isolate = NULL;
  atomic_fetch_sub(&context_count, 1);
}

/* Gives the lock back. The outermost one to leave a closed context destroys it. */
static void
leave(context *left)
{
  bool last = left->lock.depth == 1 && atomic_load(&left->closing) && left->isolate;
  if (last) destroy(left);
  mr__lock_release(&left->lock);
  if (last) unreference(left); /* the table's */
}

mr_status
mr_context_close(mr_context id)
{
  pthread_mutex_lock(&table_mutex);
  context *closed = mr__table_remove(&table, id);
  if (closed) atomic_fetch_add_explicit(&closed->references, 1, memory_order_relaxed); /* ours; the table's goes to whoever destroys */
  pthread_mutex_unlock(&table_mutex);
  if (!closed) return MR_OK;
  mr__lock_cancel(&closed->lock);
  pthread_mutex_lock(&closed->levels_mutex);
  atomic_store(&closed->closing, true);
  for (level *running = closed->innermost; running; running = running->outer) running->stopped = MR_CLOSED;
  if (closed->innermost) mrv8_terminate(closed->isolate);
  pthread_mutex_unlock(&closed->levels_mutex);
  if (!mr__lock_is_mine(&closed->lock)) { /* else its outermost call, on this thread, will find `closing` */
    mr__lock_acquire_last(&closed->lock);
    leave(closed);
  }
  unreference(closed);
  return MR_OK;
}

/* --- releasing handles --- */

void
mr_release(mr_context id, const mr_handle *handles, size_t count)
{
  context *found = handles && count ? find(id) : NULL;
  if (!found) return;
  pthread_mutex_lock(&found->release_mutex);
  size_t needed = found->released_count + count;
  if (needed > found->released_capacity) {
    size_t capacity = needed * 2;
    mr_handle *grown = realloc(found->released, capacity * sizeof *grown);
    if (grown) {
      found->released = grown;
      found->released_capacity = capacity;
    }
  }
  if (needed <= found->released_capacity) { /* else they live on until the context goes */
    memcpy(found->released + found->released_count, handles, count * sizeof *handles);
    found->released_count = needed;
    atomic_store(&found->has_released, true);
  }
  pthread_mutex_unlock(&found->release_mutex);
  unreference(found);
}

/* With the lock: drops what the client has released since the last entry. */
static void
drain_released(context *in)
{
  if (!atomic_load_explicit(&in->has_released, memory_order_relaxed)) return;
  pthread_mutex_lock(&in->release_mutex);
  mr_handle *released = in->released;
  size_t count = in->released_count;
  in->released = NULL;
  in->released_count = in->released_capacity = 0;
  atomic_store(&in->has_released, false);
  pthread_mutex_unlock(&in->release_mutex);
  mrv8_value **gone = (mrv8_value **)released; /* as large, and each value is written after its handle was read */
  _Static_assert(sizeof(mrv8_value *) <= sizeof(mr_handle), "values replace handles in place");
  size_t values = 0;
  for (size_t i = 0; i < count; i++) {
    mrv8_value *value = mr__handles_release(&in->handles, released[i]);
    if (value) gone[values++] = value;
  }
  mrv8_values_delete(in->isolate, gone, values);
  free(released);
}

/* --- the one way in --- */

#define DEFAULT_MAX_DEPTH 1000u
#define DEFAULT_MAX_BYTES (UINT64_C(2) << 30)

/* Fills `full` with what the caller's struct holds, which may be of an older header, and the defaults. */
static mr_status
complete(const mr_options *given, mr_options *full)
{
  *full = (mr_options){.struct_size = sizeof *full};
  if (!mr__options_copy(full, sizeof *full, given) || full->timeout < 0 || full->encoding > MR_UTF16) return MR_BAD_ARGUMENT;
  if (!full->max_depth) full->max_depth = DEFAULT_MAX_DEPTH;
  if (!full->max_bytes) full->max_bytes = DEFAULT_MAX_BYTES;
  return MR_OK;
}

/* With the lock. */
static mr_status
run_inside(context *in, mr_handle target, mrv8_request *request, int64_t deadline, mr_result *result)
{
  if (atomic_load(&in->closing)) return MR_CLOSED;
  drain_released(in);
  if (request->operation != MRV8_NOTHING && target && !(request->target = mr__handles_get(&in->handles, target))) return MR_BAD_HANDLE;
  level entered = {.context = in, .max_memory = request->options->max_memory};
  mr_status status = push(in, &entered, deadline);
  request->outermost = entered.outer == NULL;
  if (status == MR_OK) status = mrv8_run(in->isolate, request, result);
  mr_status why = pop(in, &entered);
  return status == MR_TERMINATED && why != MR_OK ? why : status;
}

mr_status
mr__run(mr_context id, mr_handle target, mrv8_request *request, const mr_options *options, mr_result *result)
{
  mr_options full;
  if (!result || result->struct_size < sizeof *result) return MR_BAD_ARGUMENT;
  mr__result_start(result);
  if (!atomic_load_explicit(&usable, memory_order_relaxed)) return MR_NOT_INITIALIZED;
  mr_status status = complete(options, &full);
  if (status != MR_OK) return status;
  request->options = &full;
  int64_t deadline = mr__deadline(full.timeout);
  context *in = find(id);
  if (!in) return MR_BAD_CONTEXT;
  status = mr__lock_acquire(&in->lock, deadline);
  if (status == MR_OK) {
    status = run_inside(in, target, request, deadline, result);
    leave(in);
  }
  if (status < 0) mr__result_start(result);
  unreference(in);
  return status;
}

mr_status
mr_handle_count(mr_context id, uint64_t *count)
{
  if (!count) return MR_BAD_ARGUMENT;
  *count = 0;
  mr_result unused = {.struct_size = sizeof unused};
  mrv8_request request = {.operation = MRV8_NOTHING};
  mr_status status = mr__run(id, 0, &request, NULL, &unused);
  mr_result_free(&unused);
  if (status != MR_OK) return status;
  context *in = find(id);
  if (!in) return MR_BAD_CONTEXT;
  status = mr__lock_acquire(&in->lock, MR__NEVER);
  if (status == MR_OK) {
    *count = in->handles.count;
    leave(in);
  }
  unreference(in);
  return status;
}
