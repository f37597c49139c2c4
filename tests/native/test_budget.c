/* test_budget.c: limits of time, by the wall and by the CPU: what each counts, whose call it ends, and what the answer says. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mr_budget.h"
#include "testing.h"

typedef struct purse {
  mr__budget budget;
  atomic_int spent; /* the status; MR_OK: not yet */
  _Atomic int64_t used;
  int64_t opened; /* by this thread's CPU clock */
  atomic_int times;
} purse;

static void
note_spent(mr__budget *budget, const mr__budget *whose, mr_status which, int64_t used)
{
  purse *mine = (purse *)budget;
  REQUIRE(whose == budget);
  atomic_store(&mine->used, used);
  atomic_store(&mine->spent, which);
  atomic_fetch_add(&mine->times, 1);
}

static int64_t
cpu_now(void)
{
  struct timespec read;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &read);
  return (int64_t)read.tv_sec * 1000000000 + read.tv_nsec;
}

static void
open_purse(purse *mine, int64_t timeout, int64_t cpu_time)
{
  *mine = (purse){.budget = {.deadline = mr__deadline(timeout), .cpu_time = cpu_time ? cpu_time : MR__NEVER, .spent = note_spent}, .opened = cpu_now()};
  REQUIRE(mr__budget_arm(&mine->budget));
}

/* Computes until it is spent; how much CPU that took since it was opened. */
static int64_t
burn(const purse *mine)
{
  while (!atomic_load(&mine->spent)) REQUIRE(cpu_now() - mine->opened < 30000 * MS);
  return cpu_now() - mine->opened;
}

static void
cpu_time_is_what_this_thread_computes(void **state)
{
  (void)state;
  purse mine;
  for (int64_t budget = MS / 10; budget < 100 * MS; budget *= 10) {
    open_purse(&mine, 0, budget);
    int64_t took = burn(&mine);
    mr__budget_disarm(&mine.budget);
    assert_int_equal(atomic_load(&mine.spent), MR_CPU_TIME);
    assert_int_equal(atomic_load(&mine.times), 1);
    assert_true(took >= budget);
    assert_true(atomic_load(&mine.used) >= budget && atomic_load(&mine.used) <= took);
  }
}

static void
sleeping_costs_no_cpu_time(void **state)
{
  (void)state;
  purse mine;
  open_purse(&mine, 0, 20 * MS);
  sleep_for(100 * MS);
  assert_int_equal(atomic_load(&mine.spent), MR_OK);
  mr__budget_disarm(&mine.budget);
}

static void
what_is_over_first_counts_and_counts_once(void **state)
{
  (void)state;
  purse mine;
  open_purse(&mine, 20 * MS, 10000 * MS);
  burn(&mine);
  assert_int_equal(atomic_load(&mine.spent), MR_TIMEOUT);
  sleep_for(30 * MS);
  assert_int_equal(atomic_load(&mine.times), 1);
  mr__budget_disarm(&mine.budget);
  open_purse(&mine, 20000 * MS, 10 * MS);
  burn(&mine);
  assert_int_equal(atomic_load(&mine.spent), MR_CPU_TIME);
  mr__budget_disarm(&mine.budget);
}

static void
no_limit_is_nothing_to_watch(void **state)
{
  (void)state;
  purse mine;
  open_purse(&mine, 0, 0);
  assert_null(mine.budget.watch.look);
  mr__budget_disarm(&mine.budget);
  open_purse(&mine, MR_UNLIMITED, MR_UNLIMITED);
  assert_null(mine.budget.watch.look);
  mr__budget_disarm(&mine.budget);
}

static void *
burn_of_ones_own(void *data)
{
  purse mine;
  open_purse(&mine, 0, *(int64_t *)data);
  int64_t took = burn(&mine);
  mr__budget_disarm(&mine.budget);
  REQUIRE(took >= *(int64_t *)data);
  return NULL;
}

static void
each_thread_has_its_own_clock(void **state)
{
  (void)state;
  pthread_t threads[6];
  int64_t budgets[COUNT(threads)];
  purse idle;
  open_purse(&idle, 0, 20 * MS);
  for (size_t i = 0; i < COUNT(threads); i++) {
    budgets[i] = (int64_t)(i + 1) * 10 * MS;
    assert_int_equal(pthread_create(&threads[i], NULL, burn_of_ones_own, &budgets[i]), 0);
  }
  for (size_t i = 0; i < COUNT(threads); i++) pthread_join(threads[i], NULL);
  assert_int_equal(atomic_load(&idle.spent), MR_OK);
  mr__budget_disarm(&idle.budget);
}

/* The child's thread has a clock of its own, which begins at 0. */
static void
a_budget_goes_on_in_a_forked_child(void **state)
{
  (void)state;
  SKIP_UNDER_TSAN();
  purse mine;
  open_purse(&mine, 0, 60 * MS);
  for (int64_t end = cpu_now() + 30 * MS; cpu_now() < end;) continue; /* the watchdog has looked at it */
  pid_t child = fork();
  if (!child) {
    purse own;
    open_purse(&own, 0, 10 * MS);
    burn(&own);
    mr__budget_disarm(&own.budget);
    mine.opened = 0; /* of a clock that the child has not */
    burn(&mine);
    mr__budget_disarm(&mine.budget);
    _exit(atomic_load(&mine.spent) == MR_CPU_TIME ? 0 : 1);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  mr__budget_disarm(&mine.budget);
}

/* --- calls --- */

static mr_status
eval_with(mr_context context, const char *script, int64_t timeout, int64_t cpu_time, mr_result *result)
{
  mr_options options = {.struct_size = sizeof options, .timeout = timeout, .cpu_time = cpu_time};
  return mr_eval(context, script, strlen(script), &options, result);
}

/* What the answer says: the limit's name and value; used is at least that, or not known. */
static void
assert_says(const mr_result *result, const char *name, double value)
{
  size_t length = strlen(name);
  double said[2] = {0, value};
  assert_true(result->size > 10 + length + 9);
  assert_memory_equal(result->data + 10, name, length);
  memcpy(&said[0], result->data + 10 + length + 1, sizeof said[0]);
  if (result->data[10 + length + 9] == MR_TAG_DOUBLE) memcpy(&said[1], result->data + 10 + length + 10, sizeof said[1]);
  assert_true(said[0] == value && said[1] >= value);
}

static mr_context
open_with(mr_context_options options)
{
  mr_context context = 0;
  options.struct_size = sizeof options;
  REQUIRE(mr_context_new(&options, &context) == MR_OK);
  return context;
}

static void
a_call_says_which_limit_it_was(void **state)
{
  (void)state;
  mr_context context = open_context();
  mr_result result = {.struct_size = sizeof result};
  assert_int_equal(eval_with(context, "loop", 10 * MS, 0, &result), MR_TIMEOUT);
  assert_says(&result, "timeout", 10 * MS);
  assert_int_equal(eval_with(context, "loop", 20000 * MS, 10 * MS, &result), MR_CPU_TIME);
  assert_says(&result, "cpu_time", 10 * MS);
  mr_options options = {.struct_size = sizeof options, .max_memory = 1000};
  assert_int_equal(mr_eval(context, "heap 1234; loop", 15, &options, &result), MR_MEMORY_LIMIT);
  assert_says(&result, "max_memory", 1000);
  assert_int_equal(mr_terminate(context), MR_OK);
  assert_int_equal(eval_with(context, "fail -3", 0, 0, &result), MR_TERMINATED);
  assert_int_equal(result.size, 0);
  assert_int_equal(eval_int(context, "int 7"), 7);
  mr_result_free(&result);
  mr_context_close(context);
}

static void
the_contexts_limits_are_for_who_names_none(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  mr_context context = open_with((mr_context_options){.timeout = 30 * MS});
  assert_int_equal(eval_with(context, "loop", 0, 0, &result), MR_TIMEOUT);
  assert_says(&result, "timeout", 30 * MS);
  assert_int_equal(eval_with(context, "loop", 10 * MS, 0, &result), MR_TIMEOUT);
  assert_says(&result, "timeout", 10 * MS);
  assert_int_equal(eval_with(context, "sleep 60; int 1", MR_UNLIMITED, 0, &result), MR_OK);
  assert_int_equal(eval_with(context, "sleep 60; int 1", 60000 * MS, 0, &result), MR_OK);
  mr_context_close(context);
  context = open_with((mr_context_options){.cpu_time = 10 * MS});
  assert_int_equal(eval_with(context, "loop", 0, 0, &result), MR_CPU_TIME);
  assert_says(&result, "cpu_time", 10 * MS);
  assert_int_equal(eval_with(context, "loop", 50 * MS, MR_UNLIMITED, &result), MR_TIMEOUT);
  assert_int_equal(eval_with(context, "sleep 60; int 1", 0, 0, &result), MR_OK);
  mr_context_close(context);
  mr_result_free(&result);
}

static void
times_below_0_are_refused(void **state)
{
  (void)state;
  mr_context context = 7;
  mr_context_options options = {.struct_size = sizeof options, .timeout = -1};
  assert_int_equal(mr_context_new(&options, &context), MR_BAD_ARGUMENT);
  options = (mr_context_options){.struct_size = sizeof options, .cpu_time = -1};
  assert_int_equal(mr_context_new(&options, &context), MR_BAD_ARGUMENT);
  assert_int_equal(context, 0);
  context = open_context();
  mr_result result = {.struct_size = sizeof result};
  assert_int_equal(eval_with(context, "int 1", -1, 0, &result), MR_BAD_ARGUMENT);
  assert_int_equal(eval_with(context, "int 1", 0, -1, &result), MR_BAD_ARGUMENT);
  assert_int_equal(result.size, 0);
  mr_context_close(context);
}

/* The inner call of a host function, in a context of its own or in the same one. */
typedef struct inner_call {
  mr_context context;
  int64_t timeout, cpu_time;
  mr_status status;
  mr_result result;
} inner_call;

static void
run_inner(void *data)
{
  inner_call *inner = data;
  inner->status = eval_with(inner->context, "loop", inner->timeout, inner->cpu_time, &inner->result);
}

static mr_status
run_outer(mr_context context, inner_call *inner, int64_t timeout, int64_t cpu_time, mr_result *result)
{
  inner->result = (mr_result){.struct_size = sizeof inner->result};
  fake_on_call = (fake_hook){run_inner, inner};
  return eval_with(context, "call; int 5", timeout, cpu_time, result);
}

static void
an_inner_limit_leaves_the_outer_call_alone(void **state)
{
  (void)state;
  mr_context contexts[2] = {open_context(), open_context()};
  mr_result result = {.struct_size = sizeof result};
  for (size_t i = 0; i < COUNT(contexts); i++) {
    inner_call inner = {.context = contexts[i], .timeout = 10 * MS};
    assert_int_equal(run_outer(contexts[0], &inner, 60000 * MS, 60000 * MS, &result), MR_OK);
    assert_int_equal(inner.status, MR_TIMEOUT);
    mr_result_free(&inner.result);
    inner = (inner_call){.context = contexts[i], .cpu_time = 10 * MS};
    assert_int_equal(run_outer(contexts[0], &inner, 60000 * MS, 60000 * MS, &result), MR_OK);
    assert_int_equal(inner.status, MR_CPU_TIME);
    mr_result_free(&inner.result);
  }
  for (size_t i = 0; i < COUNT(contexts); i++) mr_context_close(contexts[i]);
  mr_result_free(&result);
}

static void
an_outer_limit_ends_both_and_both_say_so(void **state)
{
  (void)state;
  mr_context context = open_context();
  mr_result result = {.struct_size = sizeof result};
  inner_call inner = {.context = context, .timeout = 60000 * MS};
  assert_int_equal(run_outer(context, &inner, 0, 20 * MS, &result), MR_CPU_TIME);
  assert_int_equal(inner.status, MR_CPU_TIME);
  assert_says(&result, "cpu_time", 20 * MS);
  assert_says(&inner.result, "cpu_time", 20 * MS);
  mr_result_free(&inner.result);
  assert_int_equal(eval_int(context, "int 3"), 3);
  mr_context_close(context);
  mr_result_free(&result);
}

/* Another isolate knows nothing of the outer call's end, and its own call has no limit. */
static void
an_outer_limit_holds_in_other_contexts(void **state)
{
  (void)state;
  mr_context outer = open_context(), other = open_context();
  mr_result result = {.struct_size = sizeof result};
  inner_call inner = {.context = other};
  assert_int_equal(run_outer(outer, &inner, 20 * MS, 0, &result), MR_TIMEOUT);
  assert_int_equal(inner.status, MR_TIMEOUT);
  assert_says(&inner.result, "timeout", 20 * MS);
  mr_result_free(&inner.result);
  inner = (inner_call){.context = other, .cpu_time = 60000 * MS};
  assert_int_equal(run_outer(outer, &inner, 0, 20 * MS, &result), MR_CPU_TIME);
  assert_int_equal(inner.status, MR_CPU_TIME);
  assert_says(&inner.result, "cpu_time", 20 * MS);
  mr_result_free(&inner.result);
  assert_int_equal(eval_int(other, "int 3"), 3);
  mr_context_close(outer);
  mr_context_close(other);
  mr_result_free(&result);
}

typedef struct chain_link {
  mr_context context, next;
  mr_status status;
} chain_link;

static void
run_link(void *data)
{
  chain_link *link = data;
  mr_context next = link->next;
  link->next = 0;
  fake_on_call = (fake_hook){run_link, link};
  link->status = eval(link->context, next ? "call; int 1" : "loop", 0);
  if (next) REQUIRE(link->status == MR_TIMEOUT);
}

/* From one context through another and back into the first. */
static void
an_outer_limit_holds_behind_two_corners(void **state)
{
  (void)state;
  mr_context outer = open_context(), other = open_context();
  chain_link link = {.context = other, .next = other};
  fake_on_call = (fake_hook){run_link, &link};
  assert_int_equal(eval(outer, "call; int 1", 20 * MS), MR_TIMEOUT);
  assert_int_equal(link.status, MR_TIMEOUT);
  mr_context_close(outer);
  mr_context_close(other);
}

static atomic_int stops_told;
static double told_value; /* of the last one's limit */

static void
count_stop(void *data, mr_context context, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size)
{
  (void)data, (void)context;
  if (event != MR_EVENT_UNCAUGHT || ((int64_t)id != MR_CPU_TIME && (int64_t)id != MR_TIMEOUT)) return;
  REQUIRE(size > 19 && message[size - 18] == MR_TAG_DOUBLE);
  memcpy(&told_value, message + size - 17, sizeof told_value);
  atomic_fetch_add(&stops_told, 1);
}

/* What is told after a call runs the script's code once more. */
static void
telling_has_a_limit_of_its_own(void **state)
{
  (void)state;
  mr_context context = open_with((mr_context_options){.event = count_stop});
  atomic_store(&stops_told, 0);
  assert_int_equal(eval(context, "tell loop; int 1", 0), MR_OK);
  assert_int_equal(atomic_load(&stops_told), 1);
  assert_int_equal(eval(context, "tell loop; int 1", 10 * MS), MR_OK); /* it was done in time; what came after was not */
  assert_int_equal(atomic_load(&stops_told), 2);
  assert_true(told_value == 10 * MS);
  assert_int_equal(eval_int(context, "tell int 3; int 4"), 4);
  assert_int_equal(atomic_load(&stops_told), 2);
  mr_context_close(context);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cpu_time_is_what_this_thread_computes),
      cmocka_unit_test(sleeping_costs_no_cpu_time),
      cmocka_unit_test(what_is_over_first_counts_and_counts_once),
      cmocka_unit_test(no_limit_is_nothing_to_watch),
      cmocka_unit_test(each_thread_has_its_own_clock),
      cmocka_unit_test(a_budget_goes_on_in_a_forked_child),
      cmocka_unit_test_teardown(a_call_says_which_limit_it_was, nothing_left),
      cmocka_unit_test_teardown(the_contexts_limits_are_for_who_names_none, nothing_left),
      cmocka_unit_test_teardown(times_below_0_are_refused, nothing_left),
      cmocka_unit_test_teardown(an_inner_limit_leaves_the_outer_call_alone, nothing_left),
      cmocka_unit_test_teardown(an_outer_limit_ends_both_and_both_say_so, nothing_left),
      cmocka_unit_test_teardown(an_outer_limit_holds_in_other_contexts, nothing_left),
      cmocka_unit_test_teardown(an_outer_limit_holds_behind_two_corners, nothing_left),
      cmocka_unit_test_teardown(telling_has_a_limit_of_its_own, nothing_left),
  };
  return cmocka_run_group_tests(tests, start_library, NULL);
}
