/* test_context.c: contexts from open to close: in any order, from anywhere, while they run; time limits and terminations at every level; handles and releases. */
#include <stdio.h>
#include <stdlib.h>

#include "testing.h"

/* --- opening and closing --- */

static void
close_in_any_order(void **state)
{
  (void)state;
  mr_context contexts[30];
  for (size_t i = 0; i < COUNT(contexts); i++) contexts[i] = open_context();
  assert_int_equal(mr_context_count(), COUNT(contexts));
  for (size_t i = 0; i < COUNT(contexts); i++) {
    mr_context closed = contexts[i * 7 % COUNT(contexts)];
    assert_int_equal(eval_int(closed, "int 5"), 5);
    assert_int_equal(mr_context_close(closed), MR_OK);
    assert_int_equal(mr_context_count(), COUNT(contexts) - 1 - i);
    assert_int_equal(mr_context_close(closed), MR_OK); /* twice */
    assert_int_equal(eval(closed, "int 5", 0), MR_BAD_CONTEXT);
  }
}

static void
thousands_come_and_go(void **state)
{
  (void)state;
  mr_context before = 0;
  for (int i = 0; i < 5000; i++) {
    mr_context context = open_context();
    assert_int_not_equal(context, before);
    assert_int_equal(eval(before, "int 1", 0), MR_BAD_CONTEXT); /* the slot is used again, the id is not */
    if (i % 10 == 0) assert_int_equal(eval_int(context, "handles 20; int 7"), 7);
    assert_int_equal(mr_context_close(context), MR_OK);
    before = context;
  }
  static mr_context many[2000];
  for (size_t i = 0; i < COUNT(many); i++) many[i] = open_context();
  assert_int_equal(fake_isolates(), COUNT(many));
  for (size_t i = COUNT(many); i-- > 0;) mr_context_close(many[i]);
}

static void
an_isolate_that_cannot_be_made_leaves_nothing(void **state)
{
  (void)state;
  mr_context context = 77;
  atomic_store(&fake_isolate_status, MR_NO_MEMORY);
  assert_int_equal(mr_context_new(NULL, &context), MR_NO_MEMORY);
  assert_int_equal(context, 0);
  mr_context_close(open_context());
}

static void *
close_there(void *data)
{
  REQUIRE(mr_context_close(*(mr_context *)data) == MR_OK);
  return NULL;
}

/* Closes the context on another thread, and waits for that. */
static void
close_elsewhere(void *data)
{
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, close_there, data) == 0);
  pthread_join(thread, NULL);
}

static void
close_from_another_thread(void **state)
{
  (void)state;
  mr_context context = open_context();
  assert_int_equal(eval_int(context, "handles 3; int 1"), 1);
  close_elsewhere(&context);
  assert_int_equal(eval(context, "int 1", 0), MR_BAD_CONTEXT);
}

static void
close_while_it_runs(void **state)
{
  (void)state;
  atomic_bool inside = false;
  job running = {.context = open_context(), .script = "call; loop"};
  start_inside(&running, &inside);
  assert_int_equal(mr_context_close(running.context), MR_OK);
  assert_int_equal(mr_context_count(), 0); /* it has waited */
  assert_int_equal(fake_isolates(), 0);
  assert_int_equal(finish_job(&running), MR_CLOSED);
}

static void
close_here(void *data)
{
  mr_context context = *(mr_context *)data;
  REQUIRE(mr_context_close(context) == MR_OK);
  REQUIRE(mr_context_close(context) == MR_OK);
  REQUIRE(mr_context_count() == 1); /* still closing */
  REQUIRE(eval(context, "int 1", 0) == MR_BAD_CONTEXT);
}

static void
close_from_inside_a_run(void **state)
{
  (void)state;
  mr_context context = open_context();
  fake_on_call = (fake_hook){close_here, &context};
  assert_int_equal(eval(context, "handle a; call; loop", 0), MR_CLOSED);
  assert_int_equal(mr_context_count(), 0);
}

typedef struct nested {
  mr_context context;
  int depth; /* levels to go down yet */
  int64_t timeout;
  const char *script; /* of the innermost */
  mr_status inner;    /* how the level below ended */
  mr_status expected; /* of all inner levels */
} nested;

/* Goes one level down, `depth` times, and runs the script there. */
static void
descend(void *data)
{
  nested *mine = data;
  if (mine->depth-- > 0) {
    fake_on_call = (fake_hook){descend, mine};
    mine->inner = eval(mine->context, "call; int 1", 0);
  } else {
    mine->inner = eval(mine->context, mine->script, mine->timeout);
  }
  REQUIRE(mine->inner == mine->expected);
}

static mr_status
run_nested(nested *all, int64_t timeout)
{
  fake_on_call = (fake_hook){descend, all};
  return eval(all->context, "call; int 1", timeout);
}

static void
close_ends_every_level(void **state)
{
  (void)state;
  mr_context context = open_context();
  nested all = {.context = context, .depth = 3, .script = "sleep 1; loop", .expected = MR_CLOSED};
  job running = {.context = context, .script = "call; int 1", .on_call = {descend, &all}};
  start_job(&running);
  sleep_for(20 * MS);
  mr_context_close(context);
  assert_int_equal(finish_job(&running), MR_CLOSED);
}

static void
close_sends_the_waiting_away(void **state)
{
  (void)state;
  mr_context context = open_context();
  atomic_bool inside = false;
  job running = {.context = context, .script = "call; loop"}, waiting[5];
  start_inside(&running, &inside);
  for (size_t i = 0; i < COUNT(waiting); i++) {
    waiting[i] = (job){.context = context, .script = "int 1", .timeout = i % 2 ? 20000 * MS : 0};
    start_job(&waiting[i]);
  }
  sleep_for(30 * MS);
  for (size_t i = 0; i < COUNT(waiting); i++) assert_false(atomic_load(&waiting[i].done));
  mr_context_close(context);
  assert_int_equal(finish_job(&running), MR_CLOSED);
  for (size_t i = 0; i < COUNT(waiting); i++) assert_int_equal(finish_job(&waiting[i]), MR_CLOSED);
}

static void
closing_thread(void *data)
{
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, close_there, data) == 0);
  pthread_detach(thread);
  sleep_for(40 * MS);
}

/* A call that has the lock and looked whether the context closes, and is not on the chain of running calls yet when it does. */
static void
close_between_the_lock_and_the_run(void **state)
{
  (void)state;
  mr_context context = open_context();
  mr_handle handle = eval_handle(context, "handle a");
  mr_release(context, &handle, 1);
  fake_on_delete = (fake_hook){closing_thread, &context};
  assert_int_equal(eval(context, "loop", 5000 * MS), MR_CLOSED);
  while (mr_context_count()) sleep_for(MS); /* the other thread frees it */
}

static void
close_just_before_the_entry(void **state)
{
  (void)state;
  mr_context context = open_context();
  fake_on_enter = (fake_hook){closing_thread, &context};
  assert_int_equal(eval(context, "loop", 5000 * MS), MR_CLOSED);
  while (mr_context_count()) sleep_for(MS);
}

static void
close_and_run_race(void **state)
{
  (void)state;
  for (int i = 0; i < 300; i++) {
    job jobs[3];
    mr_context context = open_context();
    for (size_t k = 0; k < COUNT(jobs); k++) {
      jobs[k] = (job){.context = context, .script = k ? "loop" : "int 1"};
      start_job(&jobs[k]);
    }
    for (volatile int spin = 0; spin < i * 50; spin++) continue;
    mr_context_close(context);
    for (size_t k = 0; k < COUNT(jobs); k++) {
      mr_status status = finish_job(&jobs[k]);
      assert_true(status == MR_CLOSED || status == MR_BAD_CONTEXT || (k == 0 && status == MR_OK));
    }
  }
}

typedef struct other_context {
  mr_context other, own;
} other_context;

static void
run_in_the_other(void *data)
{
  const other_context *both = data;
  REQUIRE(eval_int(both->other, "int 3") == 3);
  REQUIRE(eval(both->other, "loop", 10 * MS) == MR_TIMEOUT);
  REQUIRE(mr_context_close(both->other) == MR_OK); /* another context may be closed from here, and waited for */
  REQUIRE(mr_context_count() == 1);
}

static void
contexts_nest_in_one_another(void **state)
{
  (void)state;
  other_context both = {open_context(), open_context()};
  fake_on_call = (fake_hook){run_in_the_other, &both};
  assert_int_equal(eval_int(both.own, "call; int 9"), 9);
  mr_context_close(both.own);
}

/* --- time limits --- */

static void
a_timeout_ends_a_loop(void **state)
{
  (void)state;
  mr_context context = open_context();
  for (int i = 0; i < 20; i++) {
    int64_t begin = mr__now();
    assert_int_equal(eval(context, "loop", 5 * MS), MR_TIMEOUT);
    assert_true(mr__now() - begin >= 5 * MS);
    assert_int_equal(eval_int(context, "int 4"), 4); /* it can be used again */
  }
  assert_int_equal(eval(context, "loop", 1), MR_TIMEOUT);
  assert_int_equal(eval(context, "int 1", INT64_MAX), MR_OK);
  mr_context_close(context);
}

static void
what_ends_in_time_is_not_disturbed(void **state)
{
  (void)state;
  mr_context context = open_context();
  for (int i = 0; i < 2000; i++) assert_int_equal(eval(context, "int 4", 60000 * MS), MR_OK);
  mr_context_close(context);
}

static void
a_deadline_that_fires_at_the_last_moment_leaves_no_trace(void **state)
{
  (void)state;
  mr_context context = open_context();
  for (int i = 0; i < 300; i++) {
    mr_status status = eval(context, "sleep 1; int 4", MS + i * MS / 1000);
    assert_true(status == MR_OK || status == MR_TIMEOUT);
    assert_int_equal(eval_int(context, "int 6"), 6);
  }
  mr_context_close(context);
}

static void
waiting_counts_against_the_timeout(void **state)
{
  (void)state;
  atomic_bool inside = false;
  job running = {.context = open_context(), .script = "call; sleep 200; int 1"}, waiting = {.context = running.context, .script = "int 1", .timeout = 30 * MS};
  start_inside(&running, &inside);
  start_job(&waiting);
  assert_int_equal(finish_job(&waiting), MR_TIMEOUT);
  assert_true(waiting.took >= 30 * MS);
  assert_false(atomic_load(&running.done));
  job rest = {.context = running.context, .script = "loop", .timeout = 400 * MS}; /* waits for 170 ms of them, loops for what is left */
  start_job(&rest);
  assert_int_equal(finish_job(&running), MR_OK); /* it had no limit of its own */
  assert_int_equal(finish_job(&rest), MR_TIMEOUT);
  assert_true(rest.took >= 400 * MS && rest.took < 550 * MS);
  mr_context_close(running.context);
}

static mr_status
try_to_eval(mr_context context)
{
  mr_result result = {.struct_size = sizeof result};
  mr_options options = {.struct_size = sizeof options, .flags = MR_TRY};
  mr_status status = mr_eval(context, "int 3", 5, &options, &result);
  REQUIRE((result.size == 5) == (status == MR_OK));
  mr_result_free(&result);
  return status;
}

static void
try_from_inside(void *context)
{
  REQUIRE(try_to_eval(*(mr_context *)context) == MR_OK);
}

static void
who_tries_does_not_wait(void **state)
{
  (void)state;
  mr_context context = open_context();
  assert_int_equal(try_to_eval(context), MR_OK);
  fake_on_call = (fake_hook){try_from_inside, &context};
  assert_int_equal(eval_int(context, "call; int 1"), 1);
  atomic_bool inside = false;
  job running = {.context = context, .script = "call; loop"};
  start_inside(&running, &inside);
  assert_int_equal(try_to_eval(context), MR_BUSY);
  mr_terminate(context);
  assert_int_equal(finish_job(&running), MR_TERMINATED);
  assert_int_equal(try_to_eval(context), MR_OK);
  mr_context_close(context);
  assert_int_equal(try_to_eval(context), MR_BAD_CONTEXT);
}

static void
an_inner_timeout_does_not_stop_the_outer_level(void **state)
{
  (void)state;
  mr_context context = open_context();
  nested all = {.context = context, .script = "loop", .timeout = 10 * MS, .expected = MR_TIMEOUT};
  assert_int_equal(run_nested(&all, 0), MR_OK);
  assert_int_equal(run_nested(&all, 60000 * MS), MR_OK);
  assert_int_equal(all.inner, MR_TIMEOUT);
  mr_context_close(context);
}

static void
an_outer_timeout_stops_both(void **state)
{
  (void)state;
  mr_context context = open_context();
  for (int depth = 0; depth < 5; depth++) {
    nested all = {.context = context, .depth = depth, .script = "loop", .expected = MR_TIMEOUT};
    assert_int_equal(run_nested(&all, 20 * MS), MR_TIMEOUT);
    all = (nested){.context = context, .depth = depth, .script = "loop", .timeout = 60000 * MS, .expected = MR_TIMEOUT};
    assert_int_equal(run_nested(&all, 20 * MS), MR_TIMEOUT);
    assert_int_equal(eval_int(context, "int 2"), 2);
  }
  mr_context_close(context);
}

static void
late_then_again(void *data)
{
  nested *mine = data;
  sleep_for(30 * MS); /* the outer level's deadline passes meanwhile */
  mine->inner = eval(mine->context, "int 1", 0);
}

static void
a_level_that_is_stopped_starts_nothing_new(void **state)
{
  (void)state;
  nested all = {.context = open_context()};
  fake_on_call = (fake_hook){late_then_again, &all};
  assert_int_equal(eval(all.context, "call; int 1", 5 * MS), MR_TIMEOUT);
  assert_int_equal(all.inner, MR_TIMEOUT);
  mr_context_close(all.context);
}

static void
both_levels_time_out(void **state)
{
  (void)state;
  mr_context context = open_context();
  nested all = {.context = context, .script = "sleep 40; loop", .timeout = 10 * MS, .expected = MR_TIMEOUT};
  assert_int_equal(run_nested(&all, 20 * MS), MR_TIMEOUT);
  assert_int_equal(eval_int(context, "int 2"), 2);
  mr_context_close(context);
}

/* --- terminations --- */

static void
terminate_from_another_thread(void **state)
{
  (void)state;
  mr_context context = open_context();
  for (int i = 0; i < 100; i++) {
    atomic_bool inside = false;
    job running = {.context = context, .script = "call; loop"};
    start_inside(&running, &inside);
    assert_int_equal(mr_terminate(context), MR_OK);
    assert_int_equal(finish_job(&running), MR_TERMINATED);
    assert_int_equal(eval_int(context, "int 2"), 2);
  }
  mr_context_close(context);
}

static void
terminating_what_does_not_run_does_nothing(void **state)
{
  (void)state;
  mr_context context = open_context();
  assert_int_equal(mr_terminate(context), MR_OK);
  assert_int_equal(eval_int(context, "int 2"), 2);
  mr_context_close(context);
  assert_int_equal(mr_terminate(context), MR_BAD_CONTEXT);
}

static void
terminate_here(void *data)
{
  REQUIRE(mr_terminate(*(mr_context *)data) == MR_OK);
}

static void
terminate_from_inside(void **state)
{
  (void)state;
  mr_context context = open_context();
  fake_on_call = (fake_hook){terminate_here, &context};
  assert_int_equal(eval(context, "call; loop", 0), MR_TERMINATED);
  assert_int_equal(eval_int(context, "int 2"), 2);
  fake_on_enter = (fake_hook){terminate_here, &context};
  assert_int_equal(eval(context, "loop", 0), MR_TERMINATED);
  assert_int_equal(eval_int(context, "int 2"), 2);
  mr_context_close(context);
}

static void
inner_loop(void *data)
{
  nested *mine = data;
  fake_on_call = (fake_hook){terminate_here, &mine->context};
  mine->inner = eval(mine->context, "call; loop", 0);
}

static void
terminate_stops_all_levels(void **state)
{
  (void)state;
  nested all = {.context = open_context()};
  fake_on_call = (fake_hook){inner_loop, &all};
  assert_int_equal(eval(all.context, "call; loop", 0), MR_TERMINATED);
  assert_int_equal(all.inner, MR_TERMINATED);
  assert_int_equal(eval_int(all.context, "int 2"), 2);
  mr_context_close(all.context);
}

static void
the_first_reason_is_the_one_that_is_told(void **state)
{
  (void)state;
  mr_context context = open_context();
  fake_on_call = (fake_hook){terminate_here, &context};
  assert_int_equal(eval(context, "call; sleep 20; loop", 5 * MS), MR_TERMINATED);
  assert_int_equal(eval(context, "sleep 20; call; loop", 5 * MS), MR_TIMEOUT);
  mr_context_close(context);
}

/* --- memory --- */

static mr_status
eval_with_memory(mr_context context, const char *script, uint64_t max_memory)
{
  mr_options options = {.struct_size = sizeof options, .max_memory = max_memory};
  mr_result result = {.struct_size = sizeof result};
  mr_status status = mr_eval(context, script, strlen(script), &options, &result);
  mr_result_free(&result);
  return status;
}

static void
a_full_heap_ends_the_call(void **state)
{
  (void)state;
  mr_context context = open_context();
  assert_int_equal(eval(context, "near-limit; loop", 0), MR_MEMORY_LIMIT);
  assert_int_equal(eval_int(context, "int 2"), 2);
  assert_int_equal(eval_with_memory(context, "heap 1001; loop", 1000), MR_MEMORY_LIMIT);
  assert_int_equal(eval_with_memory(context, "heap 1000; int 1", 1000), MR_OK);
  assert_int_equal(eval_with_memory(context, "heap 1000000; int 1", 0), MR_OK);
  mr_context_close(context);
}

/* The heap is one: what an inner call uses counts for the calls around it. */
static void
fill_the_heap(void *data)
{
  nested *mine = data;
  mine->inner = eval(mine->context, "heap 5000; loop", 2000 * MS);
}

static void
an_outer_memory_limit_holds_inside(void **state)
{
  (void)state;
  nested all = {.context = open_context()};
  fake_on_call = (fake_hook){fill_the_heap, &all};
  assert_int_equal(eval_with_memory(all.context, "call; int 1", 1000), MR_MEMORY_LIMIT);
  assert_int_equal(all.inner, MR_MEMORY_LIMIT);
  assert_int_equal(eval_int(all.context, "int 2"), 2);
  mr_context_close(all.context);
}

/* --- handles --- */

static void
handles_are_counted_and_released(void **state)
{
  (void)state;
  mr_context context = open_context();
  char name[32];
  mr_handle one = eval_handle(context, "handle one"), two = eval_handle(context, "handle two");
  assert_int_not_equal(one, two);
  assert_int_equal(eval_handle(context, "handle one"), one); /* a second reference to the same value */
  assert_int_equal(handle_count(context), 2);
  mr_release(context, &one, 1);
  assert_int_equal(name_of(context, one, name), MR_OK);
  assert_string_equal(name, "one");
  mr_release(context, &one, 1);
  mr_release(context, &one, 1); /* twice too often */
  mr_release(context, &one, 1);
  assert_int_equal(name_of(context, one, name), MR_BAD_HANDLE);
  assert_int_equal(handle_count(context), 1);
  assert_int_equal(fake_values(), 1);
  assert_int_equal(name_of(context, two, name), MR_OK);
  assert_string_equal(name, "two");
  mr_context_close(context);
  mr_release(context, &two, 1); /* after close */
  assert_int_equal(name_of(context, two, name), MR_BAD_CONTEXT);
}

static void
a_stale_handle_is_never_another_value(void **state)
{
  (void)state;
  mr_context context = open_context();
  char name[32];
  mr_handle before = eval_handle(context, "handle a");
  mr_release(context, &before, 1);
  for (int i = 0; i < 500; i++) {
    mr_handle now = eval_handle(context, "handle b");
    assert_int_not_equal(now, before);
    assert_int_equal(name_of(context, before, name), MR_BAD_HANDLE);
    mr_release(context, &before, 1); /* must not hit the new one */
    assert_int_equal(name_of(context, now, name), MR_OK);
    mr_release(context, &now, 1);
    before = now;
  }
  mr_context_close(context);
}

static void
a_handle_of_another_context_is_refused_or_its_own(void **state)
{
  (void)state;
  mr_context first = open_context(), second = open_context();
  char name[32];
  mr_result result = {.struct_size = sizeof result};
  assert_int_equal(eval_into(first, "handles 40", 0, &result), MR_OK);
  mr_handle foreign;
  memcpy(&foreign, result.data + result.size - sizeof foreign, sizeof foreign);
  mr_result_free(&result);
  eval_handle(second, "handle own");
  assert_int_equal(name_of(second, foreign, name), MR_BAD_HANDLE);
  assert_int_equal(name_of(first, foreign, name), MR_OK);
  mr_context_close(first);
  mr_context_close(second);
}

static void
release_in_bulk(void **state)
{
  (void)state;
  mr_context context = open_context();
  mr_result result = {.struct_size = sizeof result};
  assert_int_equal(eval_into(context, "handles 3000", 0, &result), MR_OK);
  assert_int_equal(handle_count(context), 3000);
  mr_handle handles[3003] = {0, UINT64_MAX, 12345};
  for (size_t i = 0; i < 3000; i++) memcpy(&handles[i + 3], result.data + 5 + i * 10 + 2, sizeof *handles);
  mr_release(context, handles, 1500);
  mr_release(context, handles + 1500, 1503);
  assert_int_equal(handle_count(context), 0);
  assert_int_equal(fake_values(), 0);
  mr_release(context, handles, COUNT(handles)); /* all of them stale */
  assert_int_equal(handle_count(context), 0);
  mr_result_free(&result);
  mr_context_close(context);
}

static void
release_never_waits(void **state)
{
  (void)state;
  mr_context context = open_context();
  mr_handle handle = eval_handle(context, "handle a");
  atomic_bool inside = false;
  job running = {.context = context, .script = "call; sleep 150; int 1"};
  start_inside(&running, &inside);
  mr_release(context, &handle, 1);
  assert_false(atomic_load(&running.done));
  assert_int_equal(finish_job(&running), MR_OK);
  assert_int_equal(handle_count(context), 0);
  mr_context_close(context);
}

typedef struct releasing {
  mr_context context;
  mr_handle handle;
} releasing;

static void
release_and_look(void *data)
{
  releasing *mine = data;
  char name[32];
  mr_release(mine->context, &mine->handle, 1);
  REQUIRE(name_of(mine->context, mine->handle, name) == MR_BAD_HANDLE); /* drained by the nested entry */
}

static void
release_from_inside_a_run(void **state)
{
  (void)state;
  releasing mine = {.context = open_context()};
  mine.handle = eval_handle(mine.context, "handle a");
  fake_on_call = (fake_hook){release_and_look, &mine};
  assert_int_equal(eval_int(mine.context, "call; int 1"), 1);
  mr_context_close(mine.context);
}

/* The value that a running call works on is released under its feet by a call further in. */
static void
the_target_of_a_running_call_is_released(void **state)
{
  (void)state;
  releasing mine = {.context = open_context()};
  mine.handle = eval_handle(mine.context, "handle a");
  fake_on_call = (fake_hook){release_and_look, &mine};
  mr_result result = {.struct_size = sizeof result};
  assert_int_equal(mr_call(mine.context, mine.handle, "call; int 8", 11, NULL, &result), MR_OK);
  assert_int_equal(result.data[0], MR_TAG_INT32);
  mr_result_free(&result);
  mr_context_close(mine.context);
}

#define TEST(name) cmocka_unit_test_teardown(name, nothing_left)

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(close_in_any_order),
      TEST(thousands_come_and_go),
      TEST(an_isolate_that_cannot_be_made_leaves_nothing),
      TEST(close_from_another_thread),
      TEST(close_while_it_runs),
      TEST(close_from_inside_a_run),
      TEST(close_ends_every_level),
      TEST(close_sends_the_waiting_away),
      TEST(close_between_the_lock_and_the_run),
      TEST(close_just_before_the_entry),
      TEST(close_and_run_race),
      TEST(contexts_nest_in_one_another),
      TEST(a_timeout_ends_a_loop),
      TEST(what_ends_in_time_is_not_disturbed),
      TEST(a_deadline_that_fires_at_the_last_moment_leaves_no_trace),
      TEST(waiting_counts_against_the_timeout),
      TEST(who_tries_does_not_wait),
      TEST(an_inner_timeout_does_not_stop_the_outer_level),
      TEST(an_outer_timeout_stops_both),
      TEST(a_level_that_is_stopped_starts_nothing_new),
      TEST(both_levels_time_out),
      TEST(terminate_from_another_thread),
      TEST(terminating_what_does_not_run_does_nothing),
      TEST(terminate_from_inside),
      TEST(terminate_stops_all_levels),
      TEST(the_first_reason_is_the_one_that_is_told),
      TEST(a_full_heap_ends_the_call),
      TEST(an_outer_memory_limit_holds_inside),
      TEST(handles_are_counted_and_released),
      TEST(a_stale_handle_is_never_another_value),
      TEST(a_handle_of_another_context_is_refused_or_its_own),
      TEST(release_in_bulk),
      TEST(release_never_waits),
      TEST(release_from_inside_a_run),
      TEST(the_target_of_a_running_call_is_released),
  };
  return cmocka_run_group_tests(tests, start_library, NULL);
}
