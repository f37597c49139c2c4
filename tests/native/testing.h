/* testing.h: what the tests of the core share: cmocka, short ways to run a script of the fake bridge and to read its answer, and calls on other threads. */
#ifndef TESTING_H_
#define TESTING_H_

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fake_bridge.h"
#include "mini_racer.h"
#include "mr_clock.h"
#include "mr_wire.h"
#include "require.h"

#define MS INT64_C(1000000)
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The thread sanitizer knows neither threads in a forked child nor what the kernel does with a signal. First in a test: it jumps out. */
#if defined(__SANITIZE_THREAD__)
#define SKIP_UNDER_TSAN() skip()
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SKIP_UNDER_TSAN() skip()
#endif
#endif
#ifndef SKIP_UNDER_TSAN
#define SKIP_UNDER_TSAN() (void)0
#endif

static inline void
sleep_for(int64_t nanoseconds)
{
  struct timespec left = mr__timespec(nanoseconds);
  while (nanosleep(&left, &left) != 0) continue;
}

/* Group set-up: V8 is started, as no test of contexts can do without. */
static inline int
start_library(void **state)
{
  (void)state;
  mr_status status = mr_init(NULL);
  return status == MR_OK || status == MR_ALREADY_INITIALIZED ? 0 : -1;
}

/* After each test: nothing is left over. */
static inline int
nothing_left(void **state)
{
  (void)state;
  assert_int_equal(mr_context_count(), 0);
  assert_int_equal(fake_isolates(), 0);
  assert_int_equal(fake_values(), 0);
  assert_int_equal(fake_timers(), 0);
  assert_int_equal(fake_stores(), 0);
  return 0;
}

static inline mr_context
open_context(void)
{
  mr_context context = 0;
  REQUIRE(mr_context_new(NULL, &context) == MR_OK && context != 0);
  return context;
}

/* One that tells of its events. */
static inline mr_context
open_with_events(mr_host_event event)
{
  mr_context context = 0;
  mr_context_options options = {.struct_size = sizeof options, .event = event};
  REQUIRE(mr_context_new(&options, &context) == MR_OK);
  return context;
}

static inline mr_status
eval_into(mr_context context, const char *script, int64_t timeout, mr_result *result)
{
  mr_options options = {.struct_size = sizeof options, .timeout = timeout};
  return mr_eval(context, script, strlen(script), &options, result);
}

/* Runs a script whose answer does not matter. */
static inline mr_status
eval(mr_context context, const char *script, int64_t timeout)
{
  mr_result result = {.struct_size = sizeof result};
  mr_status status = eval_into(context, script, timeout, &result);
  if (status < 0) REQUIRE((result.size != 0) == (status == MR_TIMEOUT || status == MR_CPU_TIME || status == MR_MEMORY_LIMIT)); /* which limit it was */
  mr_result_free(&result);
  return status;
}

/* The answer of `int N`: the context works. */
static inline int32_t
eval_int(mr_context context, const char *script)
{
  mr_result result = {.struct_size = sizeof result};
  int32_t number;
  REQUIRE(eval_into(context, script, 0, &result) == MR_OK);
  REQUIRE(result.size == 5 && result.data[0] == MR_TAG_INT32);
  memcpy(&number, result.data + 1, sizeof number);
  mr_result_free(&result);
  return number;
}

/* The answer of `handle NAME`. */
static inline mr_handle
eval_handle(mr_context context, const char *script)
{
  mr_result result = {.struct_size = sizeof result};
  mr_handle handle;
  REQUIRE(eval_into(context, script, 0, &result) == MR_OK);
  REQUIRE(result.size == 10 && result.data[0] == MR_TAG_HANDLE);
  memcpy(&handle, result.data + 2, sizeof handle);
  mr_result_free(&result);
  return handle;
}

/* The name that the fake bridge knows the handle's value by, into `name`; how it ended. */
static inline mr_status
name_of(mr_context context, mr_handle handle, char name[32])
{
  mr_result result = {.struct_size = sizeof result};
  mr_status status = mr_read(context, handle, NULL, &result);
  name[0] = 0;
  if (status == MR_OK) {
    REQUIRE(result.size >= 5 && result.size < 5 + 32 && result.data[0] == MR_TAG_LATIN1);
    memcpy(name, result.data + 5, result.size - 5);
    name[result.size - 5] = 0;
  }
  mr_result_free(&result);
  return status;
}

static inline uint64_t
handle_count(mr_context context)
{
  uint64_t count = UINT64_MAX;
  REQUIRE(mr_handle_count(context, &count) == MR_OK);
  return count;
}

/* --- one call on a thread of its own --- */

typedef struct job {
  mr_context context;
  const char *script;
  int64_t timeout;
  fake_hook on_call, on_delete, on_enter; /* of its thread */
  mr_status status;
  int64_t took;
  atomic_bool done;
  pthread_t thread;
} job;

static inline void *
job_thread(void *data)
{
  job *mine = data;
  fake_on_call = mine->on_call;
  fake_on_delete = mine->on_delete;
  fake_on_enter = mine->on_enter;
  int64_t start = mr__now();
  mine->status = eval(mine->context, mine->script, mine->timeout);
  mine->took = mr__now() - start;
  atomic_store(&mine->done, true);
  return NULL;
}

static inline void
start_job(job *started)
{
  REQUIRE(pthread_create(&started->thread, NULL, job_thread, started) == 0);
}

static inline mr_status
finish_job(job *started)
{
  REQUIRE(pthread_join(started->thread, NULL) == 0);
  return started->status;
}

/* A flag that one thread raises and another waits for. */
static inline void
raise_flag(void *flag)
{
  atomic_store((atomic_bool *)flag, true);
}

static inline void
wait_for_flag(atomic_bool *flag)
{
  while (!atomic_load(flag)) sleep_for(MS / 20);
}

/* Starts a job whose script begins with `call`, and returns when it is inside. */
static inline void
start_inside(job *started, atomic_bool *inside)
{
  started->on_call = (fake_hook){raise_flag, inside};
  start_job(started);
  wait_for_flag(inside);
}

#endif /* TESTING_H_ */
