/* test_interrupt.c: the interrupt hook, on the thread that it is for; and calls that a callback ends. */
#include "testing.h"

static atomic_int hook_calls, hook_answer;
static _Thread_local bool is_hooked;
static fake_hook in_hook;

static int
hook(void *data)
{
  REQUIRE(data == &hook_calls && is_hooked);
  atomic_fetch_add(&hook_calls, 1);
  fake_hook once = in_hook;
  in_hook = (fake_hook){NULL, NULL};
  if (once.function) once.function(once.data);
  return atomic_load(&hook_answer);
}

static int
set_hook(void **state)
{
  is_hooked = true;
  if (start_library(state) != 0 || mr_interrupt_hook(NULL, NULL, 0) != MR_BAD_ARGUMENT) return -1;
  if (mr_interrupt_hook(hook, &hook_calls, 0) != MR_OK) return -1;
  return mr_interrupt_hook(hook, NULL, 0) == MR_ALREADY_INITIALIZED ? 0 : -1;
}

static int
reset(void **state)
{
  (void)state;
  atomic_store(&hook_calls, 0);
  atomic_store(&hook_answer, 0);
  return 0;
}

static void
a_long_call_is_interrupted(void **state)
{
  (void)state;
  mr_context context = open_context();
  atomic_store(&hook_answer, 1);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(eval(context, "loop", 0), MR_INTERRUPTED);
    assert_int_equal(atomic_load(&hook_calls), i + 1);
    assert_int_equal(eval_int(context, "int 2"), 2);
  }
  assert_int_equal(eval(context, "loop", 20000 * MS), MR_INTERRUPTED);
  mr_context_close(context);
}

static void
a_hook_that_lets_it_go_on(void **state)
{
  (void)state;
  mr_context context = open_context();
  assert_int_equal(eval(context, "loop", 300 * MS), MR_TIMEOUT);
  assert_true(atomic_load(&hook_calls) >= 1);
  mr_context_close(context);
}

static void
calls_of_other_threads_are_not(void **state)
{
  (void)state;
  atomic_store(&hook_answer, 1);
  job other = {.context = open_context(), .script = "loop", .timeout = 200 * MS};
  start_job(&other);
  assert_int_equal(finish_job(&other), MR_TIMEOUT);
  assert_int_equal(atomic_load(&hook_calls), 0);
  mr_context_close(other.context);
}

static void
after_a_pause_it_ticks_again(void **state)
{
  (void)state;
  mr_context context = open_context();
  atomic_store(&hook_answer, 1);
  assert_int_equal(eval(context, "loop", 0), MR_INTERRUPTED);
  sleep_for(1500 * MS); /* it parks after a second */
  assert_int_equal(eval(context, "loop", 0), MR_INTERRUPTED);
  mr_context_close(context);
}

static void
enter_busy(void *data)
{
  mr_context *contexts = data;
  REQUIRE(eval(contexts[0], "int 1", 0) == MR_BUSY);
  REQUIRE(eval_int(contexts[1], "int 1") == 1);
}

static void
the_interrupted_context_is_busy(void **state)
{
  (void)state;
  mr_context contexts[] = {open_context(), open_context()};
  in_hook = (fake_hook){enter_busy, contexts};
  assert_int_equal(eval(contexts[0], "loop", 200 * MS), MR_TIMEOUT);
  assert_null(in_hook.function);
  assert_int_equal(eval_int(contexts[0], "int 2"), 2);
  mr_context_close(contexts[0]);
  mr_context_close(contexts[1]);
}

typedef struct stay {
  atomic_bool inside, leave;
} stay;

static void
stay_inside(void *data)
{
  stay *mine = data;
  raise_flag(&mine->inside);
  wait_for_flag(&mine->leave);
}

static void
waiting_for_the_lock_is_interrupted(void **state)
{
  (void)state;
  stay staying = {.inside = false};
  job other = {.context = open_context(), .script = "call; int 1", .on_call = {stay_inside, &staying}};
  start_job(&other);
  wait_for_flag(&staying.inside);
  atomic_store(&hook_answer, 1);
  assert_int_equal(eval(other.context, "int 1", 0), MR_INTERRUPTED);
  assert_int_equal(eval(other.context, "int 1", 20000 * MS), MR_INTERRUPTED);
  int32_t never = 0;
  assert_int_equal(mr_wait(other.context, &never, 0), MR_INTERRUPTED);
  atomic_store(&hook_answer, 0);
  assert_int_equal(eval(other.context, "int 1", 100 * MS), MR_TIMEOUT);
  raise_flag(&staying.leave);
  assert_int_equal(finish_job(&other), MR_OK);
  assert_int_equal(eval_int(other.context, "int 2"), 2);
  mr_context_close(other.context);
}

static void
closing_is_interrupted(void **state)
{
  (void)state;
  stay staying = {.inside = false};
  job other = {.context = open_context(), .script = "call; loop", .on_call = {stay_inside, &staying}};
  start_job(&other);
  wait_for_flag(&staying.inside);
  atomic_store(&hook_answer, 1);
  assert_int_equal(mr_context_close(other.context), MR_INTERRUPTED);
  raise_flag(&staying.leave);
  assert_int_equal(finish_job(&other), MR_CLOSED);
}

/* --- mr_interrupt() --- */

static void
interrupt_here(void *data)
{
  REQUIRE(mr_interrupt(*(mr_context *)data) == MR_OK);
}

static void
a_callback_ends_its_call(void **state)
{
  (void)state;
  mr_context context = open_context();
  assert_int_equal(mr_interrupt(context), MR_BAD_CONTEXT);
  const char *const scripts[] = {"call", "call; int 2", "call; handle one", "call; loop", "call; throw x"};
  for (size_t i = 0; i < COUNT(scripts); i++) {
    fake_on_call = (fake_hook){interrupt_here, &context};
    assert_int_equal(eval(context, scripts[i], 0), MR_INTERRUPTED);
    assert_int_equal(handle_count(context), 0);
    assert_int_equal(eval_int(context, "int 2"), 2);
  }
  mr_context_close(context);
}

typedef struct two {
  mr_context own, other;
  mr_status inner;
} two;

static void
interrupt_further_in(void *data)
{
  two *both = data;
  REQUIRE(mr_interrupt(both->own) == MR_BAD_CONTEXT); /* the callback is of the other */
  REQUIRE(mr_interrupt(both->other) == MR_OK);
}

static void
go_further_in(void *data)
{
  two *both = data;
  fake_on_call = (fake_hook){interrupt_further_in, both};
  both->inner = eval(both->other, "call; loop", 0);
}

static void
it_ends_the_innermost_alone(void **state)
{
  (void)state;
  two both = {.own = open_context(), .other = open_context()};
  fake_on_call = (fake_hook){go_further_in, &both};
  assert_int_equal(eval_int(both.own, "call; int 3"), 3);
  assert_int_equal(both.inner, MR_INTERRUPTED);
  both.inner = MR_OK;
  mr_context second = both.other;
  both.other = both.own;
  fake_on_call = (fake_hook){interrupt_here, &both.own};
  assert_int_equal(eval(both.own, "call; loop", 5000 * MS), MR_INTERRUPTED);
  mr_context_close(both.own);
  mr_context_close(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, nothing_left)

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_long_call_is_interrupted),   TEST(a_hook_that_lets_it_go_on),       TEST(calls_of_other_threads_are_not),
      TEST(after_a_pause_it_ticks_again), TEST(the_interrupted_context_is_busy), TEST(waiting_for_the_lock_is_interrupted),
      TEST(closing_is_interrupted),       TEST(a_callback_ends_its_call),        TEST(it_ends_the_innermost_alone),
  };
  return cmocka_run_group_tests(tests, set_hook, NULL);
}
