/* fake_bridge.c: mrv8_bridge.h without V8. It follows a script, and ends the process when the core breaks a promise: one thread in an isolate at a time, nothing
 * after delete, every value deleted before its isolate, no termination undone that was not asked for.
 *
 * The script is the `in` of a run, whatever its operation: commands with ';' between them. The last one that makes a value makes the answer.
 *   undefined, int N, string TEXT, bytes N     values; `bytes` is a string of N letters
 *   handle NAME, handles N                     a handle to the value of that name; an array of handles to N values, named 0, 1, ...
 *   handle-of N                                the name of the value that the handle has, "stale" when it has none; as a script gets at its arguments
 *   throw TEXT                                 an exception
 *   fail N                                     the run returns status N
 *   loop                                       runs until it is terminated, and can be interrupted
 *   sleep N                                    sleeps for N ms, and sees a termination only then
 *   call                                       calls the test's function, fake_on_call
 *   heap N, near-limit                         a collection left N bytes; the heap is nearly full
 *   host N TEXT                                calls host function N with TEXT as its message; what it returns is the answer, what it throws an exception
 *   event N ID TEXT                            tells the host of event N
 *   timer MS SCRIPT, every MS SCRIPT           a timer; in its script '|' stands for ';'. The answer is its number
 *   clear N                                    clears that timer; the answer says whether it was there
 *   tell SCRIPT                                leaves something to tell the host, for which this script is to run; '|' stands for ';'
 *   task MS, tasks N                           a task of V8's, to be run in so many ms; N of them at once; fake_tasks() counts those that ran
 *   store, shared-store                        the id of a new store, as a string of digits; of one whose memory somebody else has, too
 * A timer's script is that of a run, too; what it throws is told as an event. Without `in`, MRV8_READ and MRV8_KEYS answer the target's name, MRV8_GLOBALS a handle, everything else undefined. */
#include "fake_bridge.h"

#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mr_clock.h"
#include "mr_result.h"
#include "mr_wire.h"
#include "require.h"

#define ISOLATE_MAGIC 0x69736f6cu
#define VALUE_MAGIC 0x76616c75u
#define TIMER_MAGIC 0x74696d65u
#define STORE_MAGIC 0x73746f72u
#define REPLY_MAGIC 0x7265706cu
#define GONE 0xdeaddeadu
#define LONGEST_LOOP INT64_C(30000000000) /* a termination that takes longer never comes */

struct mrv8_isolate {
  uint32_t magic;
  const mrv8_host *host;
  void *owner;
  atomic_bool terminating, interrupted;
  mrv8_queue *queue;            /* of tasks; made by the first use of it */
  _Atomic(const void *) inside; /* the thread */
  uint32_t depth;
  uint64_t values, timers;
  char news[128]; /* what MRV8_TELL runs; empty: nothing */
};

struct mrv8_value {
  uint32_t magic;
  mrv8_isolate *isolate;
  char name[32];
};

struct mrv8_timer {
  uint32_t magic;
  mrv8_isolate *isolate;
  char script[128];
};

struct mrv8_store {
  uint32_t magic;
  int shared;
};

/* What a host function has said. */
struct mr_reply {
  uint32_t magic, outcome;
  size_t size;
  uint8_t message[256];
};

_Thread_local fake_hook fake_on_call, fake_on_delete, fake_on_enter;
_Thread_local fake_seen fake_last;
mrv8_files fake_files;
atomic_int fake_initialize_status, fake_isolate_status, fake_has_no_heap;
_Thread_local mr_init_options fake_init_options;
_Thread_local mr_context_options fake_context_options;
const mrv8_pool *fake_pool;
static atomic_uint_fast64_t tasks_run;
static atomic_uint_fast64_t live_isolates, live_values, live_timers, live_stores, pressure;

uint64_t
fake_isolates(void)
{
  return atomic_load(&live_isolates);
}

uint64_t
fake_values(void)
{
  return atomic_load(&live_values);
}

uint64_t
fake_timers(void)
{
  return atomic_load(&live_timers);
}

uint64_t
fake_stores(void)
{
  return atomic_load(&live_stores);
}

uint64_t
fake_tasks(void)
{
  return atomic_load(&tasks_run);
}

uint64_t
fake_pressure(void)
{
  return atomic_load(&pressure);
}

static void
call_once(fake_hook *hook)
{
  fake_hook taken = *hook;
  *hook = (fake_hook){NULL, NULL};
  if (taken.function) taken.function(taken.data);
}

/* --- the library --- */

const char *
mrv8_version(void)
{
  return "0.0.0.0";
}

int32_t
mrv8_feature(const char *name)
{
  return strcmp(name, "fake") == 0;
}

mr_status
mrv8_initialize(const mr_init_options *options, const mrv8_files *files, const mrv8_pool *pool)
{
  fake_files = *files;
  fake_pool = pool;
  fake_init_options = *options;
  return (mr_status)atomic_exchange(&fake_initialize_status, MR_OK);
}

/* --- who is inside --- */

static void
enter(mrv8_isolate *self)
{
  static _Thread_local char me;
  REQUIRE(self->magic == ISOLATE_MAGIC);
  const void *nobody = NULL;
  if (!atomic_compare_exchange_strong(&self->inside, &nobody, &me)) REQUIRE(nobody == &me);
  self->depth++;
}

static void
leave(mrv8_isolate *self)
{
  if (--self->depth == 0) atomic_store(&self->inside, NULL);
}

mr_status
mrv8_isolate_new(const mr_context_options *options, const mrv8_blob *blob, const mrv8_host *host, void *owner, mrv8_isolate **isolate)
{
  fake_context_options = *options;
  REQUIRE((blob != NULL) == (options->snapshot != 0));
  mr_status status = (mr_status)atomic_exchange(&fake_isolate_status, MR_OK);
  if (status != MR_OK) return status;
  mrv8_isolate *self = calloc(1, sizeof *self);
  if (!self) return MR_NO_MEMORY;
  self->magic = ISOLATE_MAGIC;
  self->host = host;
  self->owner = owner;
  if (fake_pool) self->queue = fake_pool->queue_new();
  if (self->queue) fake_pool->queue_tell(self->queue, host, owner);
  *isolate = self;
  atomic_fetch_add(&live_isolates, 1);
  return MR_OK;
}

struct mrv8_blob {
  size_t size;
  unsigned char bytes[];
};

mr_status
mrv8_blob_new(const void *bytes, size_t size, mrv8_blob **made)
{
  if (size && *(const unsigned char *)bytes == '!') return MR_SNAPSHOT_FOREIGN;
  mrv8_blob *blob = malloc(sizeof *blob + size);
  if (!blob) return MR_NO_MEMORY;
  blob->size = size;
  memcpy(blob->bytes, bytes, size);
  *made = blob;
  return MR_OK;
}

mrv8_blob *
mrv8_blob_share(const mrv8_blob *blob)
{
  mrv8_blob *made = NULL;
  return mrv8_blob_new(blob->bytes, blob->size, &made) == MR_OK ? made : NULL;
}

mr_slice
mrv8_blob_bytes(const mrv8_blob *blob)
{
  return (mr_slice){blob->bytes, blob->size};
}

void
mrv8_blob_delete(mrv8_blob *blob)
{
  free(blob);
}

mr_status
mrv8_snapshot(mrv8_isolate *self, int fresh, mrv8_blob **made)
{
  enter(self);
  REQUIRE(self->values == 0 && self->timers == 0);
  leave(self);
  return mrv8_blob_new(fresh ? "fresh" : "whole", 5, made);
}

void
mrv8_isolate_delete(mrv8_isolate *self)
{
  enter(self);
  REQUIRE(self->depth == 1);
  REQUIRE(self->values == 0 && self->timers == 0);
  if (self->queue) {
    fake_pool->queue_tell(self->queue, NULL, NULL);
    fake_pool->queue_delete(self->queue);
  }
  self->magic = GONE;
  free(self);
  atomic_fetch_sub(&live_isolates, 1);
}

void
mrv8_terminate(mrv8_isolate *self)
{
  REQUIRE(self->magic == ISOLATE_MAGIC);
  atomic_store(&self->terminating, true);
}

void
mrv8_cancel_terminate(mrv8_isolate *self)
{
  REQUIRE(self->magic == ISOLATE_MAGIC);
  atomic_store(&self->terminating, false);
}

void
mrv8_interrupt(mrv8_isolate *self)
{
  REQUIRE(self->magic == ISOLATE_MAGIC);
  atomic_store(&self->interrupted, true);
}

int64_t
mrv8_next_task(mrv8_isolate *self)
{
  return self->queue ? fake_pool->queue_next(self->queue) : INT64_MAX;
}

void
mrv8_thread_ends(mrv8_isolate *self)
{
  REQUIRE(self->magic == ISOLATE_MAGIC);
}

int
mrv8_has_no_heap(void)
{
  return atomic_load(&fake_has_no_heap);
}

void
mrv8_values_delete(mrv8_isolate *self, mrv8_value *const *values, size_t count)
{
  enter(self);
  call_once(&fake_on_delete);
  for (size_t i = 0; i < count; i++) {
    REQUIRE(values[i]->magic == VALUE_MAGIC && values[i]->isolate == self);
    values[i]->magic = GONE;
    free(values[i]);
    self->values--;
    atomic_fetch_sub(&live_values, 1);
  }
  leave(self);
}

void
mrv8_timer_delete(mrv8_isolate *self, mrv8_timer *timer)
{
  enter(self);
  REQUIRE(timer->magic == TIMER_MAGIC && timer->isolate == self);
  timer->magic = GONE;
  free(timer);
  self->timers--;
  atomic_fetch_sub(&live_timers, 1);
  leave(self);
}

void
mrv8_store_delete(mrv8_store *store)
{
  REQUIRE(store->magic == STORE_MAGIC);
  store->magic = GONE;
  free(store);
  atomic_fetch_sub(&live_stores, 1);
}

int
mrv8_store_is_shared(const mrv8_store *store)
{
  REQUIRE(store->magic == STORE_MAGIC);
  return store->shared;
}

void
mrv8_memory_pressure(mrv8_isolate *self)
{
  enter(self);
  atomic_fetch_add(&pressure, 1);
  leave(self);
}

void
mrv8_collect(mrv8_isolate *self)
{
  enter(self);
  leave(self);
}

uint64_t
mrv8_addresses_to_start(void)
{
  return 1;
}

uint64_t
mrv8_addresses_of_isolate(void)
{
  return 1;
}

uint64_t
mrv8_cage(void)
{
  return UINT64_C(4) << 30;
}

void
mrv8_buffers_of(const mrv8_isolate *self, mrv8_buffers *buffers)
{
  *buffers = (mrv8_buffers){.limit = self ? 1000 : 0};
}

mr_status
mrv8_reply_set(mr_reply *reply, uint32_t outcome, const void *message, size_t size, const mr_slice *buffers, size_t buffer_count)
{
  REQUIRE(reply->magic == REPLY_MAGIC && (!buffer_count || buffers));
  if (!size || size > sizeof reply->message) return MR_BAD_MESSAGE;
  reply->outcome = outcome;
  reply->size = size;
  memcpy(reply->message, message, size);
  return MR_OK;
}

/* --- the script --- */

typedef struct run {
  mrv8_isolate *self;
  const mrv8_request *request;
  mr_result *result;
} run;

static mr_status
put_count(mr_result *result, char tag, uint64_t count)
{
  uint32_t small = (uint32_t)count;
  return mr__result_put_tag(result, tag, &small, sizeof small) ? MR_OK : MR_NO_MEMORY;
}

static mr_status
put_string(mr_result *result, const char *text)
{
  size_t size = strlen(text);
  mr_status status = put_count(result, MR_TAG_LATIN1, size);
  return status == MR_OK && !mr__result_put(result, text, size) ? MR_NO_MEMORY : status;
}

static mr_status
put_bytes(mr_result *result, const char *count)
{
  uint64_t size = strtoull(count, NULL, 10);
  mr_status status = put_count(result, MR_TAG_LATIN1, size);
  if (status != MR_OK || !mr__result_grow(result, size)) return MR_NO_MEMORY;
  memset(result->data + result->size, 'x', (size_t)size);
  result->size += size;
  return MR_OK;
}

static int
same(const void *local, const mrv8_value *held)
{
  REQUIRE(held->magic == VALUE_MAGIC);
  return strcmp(local, held->name) == 0;
}

/* A poor hash, so that values share their places in the core's table. */
static uint32_t
hash(const char *name)
{
  uint32_t sum = 0;
  for (; *name; name++) sum += (uint32_t)*name;
  return sum % 11;
}

static mr_status
put_handle(const run *run, const char *name)
{
  mrv8_isolate *self = run->self;
  mr_handle handle = self->host->handle_share(self->owner, hash(name), same, name, 1);
  if (!handle) {
    mrv8_value *value = calloc(1, sizeof *value);
    REQUIRE(value && strlen(name) < sizeof value->name);
    value->magic = VALUE_MAGIC;
    value->isolate = self;
    memcpy(value->name, name, strlen(name));
    handle = self->host->handle_new(self->owner, hash(name), value);
    if (!handle) {
      free(value);
      return MR_NO_MEMORY;
    }
    self->values++;
    atomic_fetch_add(&live_values, 1);
  }
  uint8_t payload[9] = {MR_KIND_OBJECT};
  memcpy(payload + 1, &handle, sizeof handle);
  return mr__result_put_tag(run->result, MR_TAG_HANDLE, payload, sizeof payload) ? MR_OK : MR_NO_MEMORY;
}

static mr_status
put_handles(const run *run, const char *count)
{
  uint64_t wanted = strtoull(count, NULL, 10);
  mr_status status = put_count(run->result, MR_TAG_ARRAY, wanted);
  for (uint64_t i = 0; i < wanted && status == MR_OK; i++) {
    char name[24];
    snprintf(name, sizeof name, "%" PRIu64, i);
    status = put_handle(run, name);
  }
  return status;
}

static mr_status
put_name_of(const run *run, const char *handle)
{
  const mrv8_value *value = run->self->host->handle_get(run->self->owner, strtoull(handle, NULL, 10));
  REQUIRE(!value || value->magic == VALUE_MAGIC);
  return put_string(run->result, value ? value->name : "stale");
}

static mr_status
put_exception(mr_result *result, const char *text)
{
  uint8_t flags = 0;
  if (!mr__result_put_tag(result, MR_TAG_EXCEPTION, &flags, sizeof flags)) return MR_NO_MEMORY;
  mr_status status = put_string(result, text);
  for (int i = 0; i < 8 && status == MR_OK; i++)
    if (!mr__result_put_tag(result, MR_TAG_UNDEFINED, NULL, 0)) status = MR_NO_MEMORY;
  return status == MR_OK ? MR_EXCEPTION : status;
}

static void
run_task(mrv8_task *task)
{
  atomic_fetch_add(&tasks_run, 1);
  free(task);
}

static void
drop_task(mrv8_task *task)
{
  free(task);
}

static mr_status
post(const run *run, uint64_t count, int64_t delay)
{
  while (count--) {
    mrv8_task *task = calloc(1, sizeof *task);
    if (!task) return MR_NO_MEMORY;
    task->run = run_task;
    task->drop = drop_task;
    fake_pool->queue_post(run->self->queue, task, delay);
  }
  return MR_OK;
}

static mr_status
loop(mrv8_isolate *self)
{
  int64_t start = mr__now();
  while (!atomic_load(&self->terminating)) {
    REQUIRE(mr__now() - start < LONGEST_LOOP);
    if (atomic_exchange(&self->interrupted, false)) self->host->interrupted(self->owner);
    sched_yield();
  }
  return MR_TERMINATED;
}

static void
sleep_ms(const char *count)
{
  int64_t nanoseconds = strtoll(count, NULL, 10) * 1000000;
  struct timespec left = mr__timespec(nanoseconds);
  while (nanosleep(&left, &left) != 0) continue;
}

static mr_status
call_host(const run *run, const char *arguments)
{
  char *text;
  uint64_t function = strtoull(arguments, &text, 10);
  mr_reply reply = {.magic = REPLY_MAGIC, .outcome = MR_REPLY_THROW};
  run->self->host->call(run->self->owner, function, (const uint8_t *)text, strlen(text), &reply);
  reply.magic = GONE;
  mr__result_start(run->result);
  if (!reply.size) return put_exception(run->result, "the host function gave no answer");
  if (!mr__result_put(run->result, reply.message, reply.size)) return MR_NO_MEMORY;
  return reply.outcome == MR_REPLY_THROW ? MR_EXCEPTION : MR_OK;
}

static mr_status
tell_host(const run *run, const char *arguments)
{
  char *rest;
  uint32_t event = (uint32_t)strtoul(arguments, &rest, 10);
  uint64_t id = strtoull(rest, &rest, 10);
  run->self->host->event(run->self->owner, event, id, (const uint8_t *)rest, strlen(rest));
  return MR_OK;
}

static mr_status
put_int(mr_result *result, int32_t number)
{
  return mr__result_put_tag(result, MR_TAG_INT32, &number, sizeof number) ? MR_OK : MR_NO_MEMORY;
}

static mr_status
put_timer(const run *run, const char *arguments, int repeats)
{
  mrv8_isolate *self = run->self;
  char *script;
  int64_t delay = strtoll(arguments, &script, 10) * 1000000;
  mrv8_timer *timer = calloc(1, sizeof *timer);
  REQUIRE(timer && strlen(script) < sizeof timer->script);
  timer->magic = TIMER_MAGIC;
  timer->isolate = self;
  for (size_t i = 0; script[i]; i++) timer->script[i] = script[i] == '|' ? ';' : script[i];
  uint32_t number = self->host->timer_new(self->owner, delay, repeats, timer);
  if (number) {
    self->timers++;
    atomic_fetch_add(&live_timers, 1);
  } else {
    free(timer);
  }
  return put_int(run->result, (int32_t)number);
}

static mr_status
clear_timer(const run *run, const char *number)
{
  mrv8_isolate *self = run->self;
  mrv8_timer *timer = self->host->timer_take(self->owner, (uint32_t)strtoul(number, NULL, 10));
  if (timer) mrv8_timer_delete(self, timer);
  return put_int(run->result, timer != NULL);
}

static mr_status
leave_news(mrv8_isolate *self, const char *script)
{
  REQUIRE(strlen(script) < sizeof self->news);
  size_t at = 0;
  for (; script[at]; at++) self->news[at] = script[at] == '|' ? ';' : script[at];
  self->news[at] = 0;
  return MR_OK;
}

int
mrv8_has_news(const mrv8_isolate *self)
{
  return self->news[0] != 0;
}

/* The core's numbers: an object of them. */
static mr_status
put_stats(const run *run)
{
  mrv8_stat stats[MRV8_MOST_STATS];
  size_t count = run->self->host->stats(run->self->owner, stats);
  REQUIRE(count && count <= MRV8_MOST_STATS);
  mr__result_start(run->result);
  mr_status status = put_count(run->result, MR_TAG_OBJECT, count);
  for (size_t i = 0; i < count && status == MR_OK; i++) {
    status = put_string(run->result, stats[i].name);
    if (!mr__result_put_tag(run->result, MR_TAG_DOUBLE, &stats[i].value, sizeof stats[i].value)) status = MR_NO_MEMORY;
  }
  return status;
}

static mr_status
put_store(const run *run, int shared)
{
  mrv8_store *store = calloc(1, sizeof *store);
  REQUIRE(store);
  store->magic = STORE_MAGIC;
  store->shared = shared;
  atomic_fetch_add(&live_stores, 1);
  uint64_t id = run->self->host->store_new(store);
  if (!id) mrv8_store_delete(store);
  char digits[24];
  snprintf(digits, sizeof digits, "%" PRIu64, id);
  return put_string(run->result, digits);
}

static bool
is(const char **argument, const char *command, const char *name)
{
  size_t length = strlen(name);
  if (strncmp(command, name, length) != 0 || (command[length] && command[length] != ' ')) return false;
  *argument = command[length] ? command + length + 1 : command + length;
  return true;
}

static mr_status
step(const run *run, const char *command)
{
  mrv8_isolate *self = run->self;
  const char *argument = "";
  if (is(&argument, command, "loop")) return loop(self);
  if (is(&argument, command, "sleep")) return sleep_ms(argument), MR_OK;
  if (is(&argument, command, "heap")) return self->host->heap_used(self->owner, strtoull(argument, NULL, 10), strtoull(argument, NULL, 10)), MR_OK;
  if (is(&argument, command, "near-limit")) return REQUIRE(self->host->near_heap_limit(self->owner, 1000, 1000) > 1000), MR_OK;
  if (is(&argument, command, "fail")) return (mr_status)strtol(argument, NULL, 10);
  if (is(&argument, command, "call")) {
    REQUIRE(fake_on_call.function);
    fake_on_call.function(fake_on_call.data);
    return MR_OK;
  }
  if (is(&argument, command, "host")) return call_host(run, argument);
  if (is(&argument, command, "event")) return tell_host(run, argument);
  if (is(&argument, command, "tell")) return leave_news(self, argument);
  if (is(&argument, command, "task")) return post(run, 1, strtoll(argument, NULL, 10) * 1000000);
  if (is(&argument, command, "tasks")) return post(run, strtoull(argument, NULL, 10), 0);
  mr__result_start(run->result);
  if (is(&argument, command, "int")) return put_int(run->result, (int32_t)strtol(argument, NULL, 10));
  if (is(&argument, command, "timer")) return put_timer(run, argument, 0);
  if (is(&argument, command, "every")) return put_timer(run, argument, 1);
  if (is(&argument, command, "clear")) return clear_timer(run, argument);
  if (is(&argument, command, "stats")) return put_stats(run);
  if (is(&argument, command, "store")) return put_store(run, 0);
  if (is(&argument, command, "shared-store")) return put_store(run, 1);
  if (is(&argument, command, "string")) return put_string(run->result, argument);
  if (is(&argument, command, "bytes")) return put_bytes(run->result, argument);
  if (is(&argument, command, "handle")) return put_handle(run, argument);
  if (is(&argument, command, "handles")) return put_handles(run, argument);
  if (is(&argument, command, "handle-of")) return put_name_of(run, argument);
  if (is(&argument, command, "throw")) return put_exception(run->result, argument);
  REQUIRE(is(&argument, command, "undefined"));
  return mr__result_put_tag(run->result, MR_TAG_UNDEFINED, NULL, 0) ? MR_OK : MR_NO_MEMORY;
}

/* The script that a run without `in` stands for. */
static void
write_script(mrv8_isolate *self, const mrv8_request *request, char *script, size_t size)
{
  if (request->timer) {
    snprintf(script, size, "%s", request->timer->script);
  } else if (request->operation == MRV8_TELL) {
    snprintf(script, size, "%s", self->news);
    self->news[0] = 0;
  } else if (request->in && request->in_size) {
    size_t copied = request->in_size < size ? request->in_size : size - 1;
    memcpy(script, request->in, copied);
    script[copied] = 0;
  } else if (request->operation == MRV8_NUMBERS) {
    snprintf(script, size, "stats");
  } else if (request->operation == MRV8_GLOBALS) {
    snprintf(script, size, "handle globals");
  } else if (request->target) {
    snprintf(script, size, "string %s", request->target->name);
  } else {
    snprintf(script, size, "undefined");
  }
}

static void
note(const mrv8_request *request)
{
  fake_last = (fake_seen){
      .operation = request->operation, .outermost = request->outermost, .in_size = request->in_size, .number = request->number, .options = *request->options};
  if (request->target) memcpy(fake_last.target, request->target->name, sizeof fake_last.target);
  if (!request->options->filename) return;
  snprintf(fake_last.filename, sizeof fake_last.filename, "%s", request->options->filename);
  fake_last.options.filename = fake_last.filename;
}

mr_status
mrv8_run(mrv8_isolate *self, const mrv8_request *request, mr_result *result)
{
  call_once(&fake_on_enter);
  enter(self);
  REQUIRE(request->outermost == (self->depth == 1));
  REQUIRE(request->options->struct_size == sizeof(mr_options) && request->options->max_depth && request->options->max_bytes);
  REQUIRE(!request->target || (request->target->magic == VALUE_MAGIC && request->target->isolate == self));
  REQUIRE(!request->target == !request->target_handle && (request->operation == MRV8_TIMER) == (request->timer != NULL));
  REQUIRE(!request->timer || (request->timer->magic == TIMER_MAGIC && request->timer->isolate == self));
  note(request);
  char script[1024], *rest = script;
  write_script(self, request, script, sizeof script);
  run here = {self, request, result};
  mr_status status = MR_OK;
  for (char *command; status == MR_OK && (command = strsep(&rest, ";"));) {
    while (*command == ' ') command++;
    status = step(&here, command);
    if (atomic_load(&self->terminating)) status = MR_TERMINATED;
  }
  for (mrv8_task *task; request->outermost && status != MR_TERMINATED && (task = fake_pool->queue_take(self->queue));) task->run(task);
  if (status == MR_EXCEPTION && request->timer) self->host->event(self->owner, MR_EVENT_UNCAUGHT, 0, result->data, result->size);
  leave(self);
  return status;
}

/* Of messages that begin with "now". */
static bool
is_at_once(mrv8_isolate *self, const mrv8_property *wanted)
{
  REQUIRE(self->depth == 0 && wanted->of->magic == VALUE_MAGIC && wanted->of->isolate == self && wanted->thread && wanted->in);
  return wanted->in_size >= 3 && memcmp(wanted->in, "now", 3) == 0;
}

mr_status
mrv8_get_now(mrv8_isolate *self, const mrv8_property *wanted, mr_result *result)
{
  bool at_once = is_at_once(self, wanted);
  enter(self);
  mr_status status = at_once ? put_int(result, 7) : MR_BUSY;
  leave(self);
  return status;
}

mr_status
mrv8_set_now(mrv8_isolate *self, const mrv8_property *wanted)
{
  bool at_once = is_at_once(self, wanted);
  enter(self);
  leave(self);
  return at_once ? MR_OK : MR_BUSY;
}
