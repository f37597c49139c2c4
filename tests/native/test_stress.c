/* test_stress.c: many threads do everything to a few contexts at once. What the fake bridge, the sanitizers and the counts at the end see is the test. */
#include <stdio.h>
#include <stdlib.h>

#include "testing.h"

#define CONTEXTS 4
#define THREADS 6
#define LENGTH (1200 * MS)

static _Atomic mr_context contexts[CONTEXTS];
static atomic_uint_fast64_t outcomes[32]; /* by negated status */

typedef struct worker {
  pthread_t thread;
  unsigned random;
  int64_t until;
  int depth;
} worker;

static unsigned
next(worker *mine, unsigned below)
{
  mine->random = mine->random * 1103515245u + 12345u;
  return (mine->random >> 12) % below;
}

/* A result that only a wrong id, a limit, a stop or a close explains. */
static void
note(mr_status status)
{
  REQUIRE(status == MR_OK || status == MR_EXCEPTION || status == MR_TIMEOUT || status == MR_TERMINATED || status == MR_CLOSED || status == MR_BAD_CONTEXT ||
          status == MR_BAD_HANDLE || status == MR_MEMORY_LIMIT || status == MR_DEADLOCK);
  atomic_fetch_add(&outcomes[status > 0 ? 31 : -status], 1);
}

static void act(worker *mine);

static void
act_inside(void *data)
{
  worker *mine = data;
  if (mine->depth++ < 3)
    for (unsigned i = next(mine, 3); i > 0; i--) act(mine);
  mine->depth--;
}

static void
replace(size_t place)
{
  mr_context fresh = open_context(), before = atomic_exchange(&contexts[place], fresh);
  REQUIRE(mr_context_close(before) == MR_OK);
}

static void
use_handles(worker *mine, mr_context context)
{
  mr_result result = {.struct_size = sizeof result};
  mr_handle handles[5] = {0};
  char script[32];
  snprintf(script, sizeof script, "handles %u", 1 + next(mine, 5));
  mr_status status = eval_into(context, script, MS * 50, &result);
  note(status);
  uint64_t count = status == MR_OK ? (result.size - 5) / 10 : 0;
  for (uint64_t i = 0; i < count; i++) memcpy(&handles[i], result.data + 5 + i * 10 + 2, sizeof *handles);
  if (count) note(mr_get(context, handles[0], "int 1", 5, NULL, &result));
  mr_release(context, handles, count);
  mr_result_free(&result);
}

/* A call with a number that others may cancel, and a timer that outlives it. */
static void
use_numbers(worker *mine, mr_context context)
{
  mr_options options = {.struct_size = sizeof options, .call = 1 + next(mine, 3), .timeout = MS * 20};
  mr_result result = {.struct_size = sizeof result};
  static const char script[] = "timer 1 int 1; every 2 near-limit; loop";
  note(mr_cancel(context, 1 + next(mine, 3)));
  note(mr_eval(context, script, sizeof script - 1, &options, &result));
  mr_result_free(&result);
}

/* Waiting for a context inside of another may close a ring of threads: only a time limit, or a close, opens it. So everything here has a limit, and nothing is
 * closed by a thread that is inside of something. */
static void
act(worker *mine)
{
  size_t place = next(mine, CONTEXTS);
  mr_context context = atomic_load(&contexts[place]);
  unsigned what = next(mine, 100);
  uint64_t count;
  if (what < 5) {
    use_numbers(mine, context);
  } else if (what < 40) {
    note(eval(context, "int 1", MS * (1 + next(mine, 20))));
  } else if (what < 60) {
    use_handles(mine, context);
  } else if (what < 70) {
    note(eval(context, "loop", MS / 10 * (1 + next(mine, 20))));
  } else if (what < 80) {
    fake_on_call = (fake_hook){act_inside, mine};
    note(eval(context, "call; int 1", MS * (1 + next(mine, 5))));
  } else if (what < 85) {
    note(mr_terminate(context));
  } else if (what < 90) {
    note(eval(context, "throw x", MS * 20));
  } else if (what < 95) {
    note(eval(context, "near-limit; int 1", MS * 20));
  } else if (what < 97 && !mine->depth) {
    note(mr_handle_count(context, &count));
  } else if (!mine->depth) {
    replace(place);
  }
}

static void *
work(void *data)
{
  worker *mine = data;
  while (mr__now() < mine->until) act(mine);
  return NULL;
}

static void
everything_at_once(void **state)
{
  (void)state;
  worker workers[THREADS];
  for (size_t i = 0; i < CONTEXTS; i++) atomic_store(&contexts[i], open_context());
  for (size_t i = 0; i < THREADS; i++) {
    workers[i] = (worker){.random = (unsigned)i * 7919u + 1, .until = mr__now() + LENGTH};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (size_t i = 0; i < THREADS; i++) pthread_join(workers[i].thread, NULL);
  for (size_t i = 0; i < CONTEXTS; i++) {
    mr_context context = atomic_load(&contexts[i]);
    assert_int_equal(eval_int(context, "int 8"), 8); /* no termination was left behind */
    mr_context_close(context);
  }
  static const mr_status seen[] = {MR_OK, MR_TIMEOUT, MR_TERMINATED, MR_CLOSED, MR_MEMORY_LIMIT};
  for (size_t i = 0; i < COUNT(seen); i++) assert_true(atomic_load(&outcomes[-seen[i]]) > 0); /* it was about something */
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(everything_at_once, nothing_left)};
  return cmocka_run_group_tests(tests, start_library, NULL);
}
