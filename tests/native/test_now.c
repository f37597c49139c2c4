/* test_now.c: properties that are read and written at once: when they are, and all that makes it the long way. */
#include "testing.h"

static mr_context context;
static mr_handle handle;

static int
open_one(void **state)
{
  (void)state;
  context = open_context();
  handle = eval_handle(context, "handle one");
  return 0;
}

static int
close_one(void **state)
{
  mr_context_close(context);
  return nothing_left(state);
}

static mr_status
get(mr_context in, mr_handle of)
{
  mr_result result = {.struct_size = sizeof result};
  mr_status status = mr_get_now(in, of, "now int 7", 9, &result);
  REQUIRE((result.size == 5) == (status == MR_OK));
  mr_result_free(&result);
  return status;
}

static mr_status
set(mr_context in, mr_handle of)
{
  return mr_set_now(in, of, "now", 3);
}

static uint64_t
changes(void)
{
  uint64_t count = 0;
  assert_int_equal(mr_changes(context, &count), MR_OK);
  return count;
}

static void
a_write_is_a_change_and_a_read_is_none(void **state)
{
  (void)state;
  uint64_t before = changes();
  assert_int_equal(get(context, handle), MR_OK);
  assert_int_equal(changes(), before);
  assert_int_equal(set(context, handle), MR_OK);
  assert_int_equal(changes(), before + 1);
}

static void
what_is_not_done_at_once_is_left_alone(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  assert_int_equal(mr_get_now(context, handle, "getter", 6, &result), MR_BUSY);
  assert_int_equal(result.size, 0);
  assert_int_equal(mr_set_now(context, handle, "setter", 6), MR_BUSY);
  assert_int_equal(get(context, handle), MR_OK);
}

static void
wrong_arguments(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result}, old = {.struct_size = 4};
  assert_int_equal(mr_get_now(context, handle, NULL, 3, &result), MR_BAD_ARGUMENT);
  assert_int_equal(mr_get_now(context, handle, "now", 3, NULL), MR_BAD_ARGUMENT);
  assert_int_equal(mr_get_now(context, handle, "now", 3, &old), MR_BAD_ARGUMENT);
  assert_int_equal(mr_set_now(context, handle, NULL, 3), MR_BAD_ARGUMENT);
  static const uint64_t strangers[] = {0, 1, 0xdeadbeef, UINT64_C(1) << 63, UINT64_MAX};
  for (size_t i = 0; i < COUNT(strangers); i++) {
    assert_int_equal(get(strangers[i], handle), MR_BUSY);
    assert_int_equal(set(strangers[i], handle), MR_BUSY);
    assert_int_equal(get(context, strangers[i]), MR_BUSY);
    assert_int_equal(set(context, strangers[i]), MR_BUSY);
  }
  mr_release(context, &handle, 1);
  assert_int_equal(get(context, handle), MR_BUSY); /* it is stale: what was released is dropped first */
  assert_int_equal(handle_count(context), 0);
}

static void
only_for_the_context_of_the_last_call(void **state)
{
  (void)state;
  mr_context other = open_context();
  mr_handle there = eval_handle(other, "handle two");
  assert_int_equal(get(other, there), MR_OK);
  assert_int_equal(get(context, handle), MR_BUSY);
  assert_int_equal(eval_int(context, "int 1"), 1);
  assert_int_equal(get(context, handle), MR_OK);
  assert_int_equal(get(other, there), MR_BUSY);
  mr_context_close(other);
  assert_int_equal(get(other, there), MR_BUSY);
}

static void
from_inside(void *unused)
{
  (void)unused;
  REQUIRE(get(context, handle) == MR_BUSY && set(context, handle) == MR_BUSY);
}

static void
not_within_a_call(void **state)
{
  (void)state;
  fake_on_call = (fake_hook){from_inside, NULL};
  assert_int_equal(eval_int(context, "call; int 1"), 1);
  assert_int_equal(get(context, handle), MR_OK);
}

static void
not_while_or_after_another_thread_is_there(void **state)
{
  (void)state;
  atomic_bool inside = false;
  job running = {.context = context, .script = "call; loop"};
  start_inside(&running, &inside);
  assert_int_equal(get(context, handle), MR_BUSY);
  assert_int_equal(set(context, handle), MR_BUSY);
  mr_terminate(context);
  assert_int_equal(finish_job(&running), MR_TERMINATED);
  assert_int_equal(get(context, handle), MR_BUSY); /* V8 has to be told of the thread */
  assert_int_equal(eval_int(context, "int 1"), 1);
  assert_int_equal(get(context, handle), MR_OK);
}

static void
not_when_the_heap_fills_up(void **state)
{
  (void)state;
  mr_context_options options = {.struct_size = sizeof options, .max_memory = 1000000};
  mr_context small;
  assert_int_equal(mr_context_new(&options, &small), MR_OK);
  mr_handle there = eval_handle(small, "handle two");
  assert_int_equal(get(small, there), MR_OK);
  assert_int_equal(eval_int(small, "heap 600000; int 1"), 1);
  assert_int_equal(get(small, there), MR_BUSY);
  assert_int_equal(set(small, there), MR_BUSY);
  assert_int_equal(eval_int(small, "heap 400000; int 1"), 1);
  assert_int_equal(get(small, there), MR_OK);
  mr_context_close(small);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)
  static const struct CMUnitTest tests[] = {
      TEST(a_write_is_a_change_and_a_read_is_none),
      TEST(what_is_not_done_at_once_is_left_alone),
      TEST(wrong_arguments),
      TEST(only_for_the_context_of_the_last_call),
      TEST(not_within_a_call),
      TEST(not_while_or_after_another_thread_is_there),
      TEST(not_when_the_heap_fills_up),
  };
  return cmocka_run_group_tests(tests, start_library, NULL);
}
