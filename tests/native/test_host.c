/* test_host.c: what JavaScript asks of the client: host functions and their answers, events; stores, the soft limit, and calls that are cancelled by number. */
#include <stdio.h>
#include <stdlib.h>

#include "testing.h"

/* What the client notes of calls and events. */
typedef struct notes {
  mr_context context;
  int calls, events;
  uint64_t function, event_id;
  uint32_t event;
  char message[64];
  void (*act)(struct notes *, mr_reply *);
  mr_status status; /* of what `act` did */
} notes;

static notes heard;

static void
on_call(void *data, mr_context context, uint64_t function, const uint8_t *in, uint64_t in_size, mr_reply *reply)
{
  notes *mine = data;
  REQUIRE(mine == &heard && context == mine->context && in_size < sizeof mine->message);
  mine->calls++;
  mine->function = function;
  memcpy(mine->message, in, in_size);
  mine->message[in_size] = 0;
  if (mine->act) mine->act(mine, reply);
}

static void
on_event(void *data, mr_context context, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size)
{
  notes *mine = data;
  REQUIRE(mine == &heard && context == mine->context);
  mine->events++;
  mine->event = event;
  mine->event_id = id;
  size_t copied = size < sizeof mine->message ? (size_t)size : sizeof mine->message - 1;
  if (copied) memcpy(mine->message, message, copied);
  mine->message[copied] = 0;
}

static int
open_one(void **state)
{
  (void)state;
  mr_context_options options = {.struct_size = sizeof options, .call = on_call, .event = on_event, .data = &heard};
  heard = (notes){.calls = 0};
  return mr_context_new(&options, &heard.context);
}

static int
close_one(void **state)
{
  mr_context_close(heard.context);
  return nothing_left(state);
}

static void
answer_seven(notes *mine, mr_reply *reply)
{
  mine->status = mr_reply_set(reply, MR_REPLY_RETURN, "i\7\0\0\0", 5, NULL, 0);
}

static void
throw_text(notes *mine, mr_reply *reply)
{
  mine->status = mr_reply_set(reply, MR_REPLY_THROW, "s\4\0\0\0oops", 9, NULL, 0);
}

static void
a_host_function_answers(void **state)
{
  (void)state;
  heard.act = answer_seven;
  assert_int_equal(eval_int(heard.context, "host 12345678901 hello"), 7);
  assert_int_equal(heard.calls, 1);
  assert_int_equal(heard.function, UINT64_C(12345678901));
  assert_string_equal(heard.message, " hello");
  assert_int_equal(heard.status, MR_OK);
}

static void
a_host_function_throws(void **state)
{
  (void)state;
  heard.act = throw_text;
  assert_int_equal(eval(heard.context, "host 1 x", 0), MR_EXCEPTION);
}

static void
no_answer_is_an_exception(void **state)
{
  (void)state;
  assert_int_equal(eval(heard.context, "host 1 x", 0), MR_EXCEPTION);
  mr_context none = open_context(); /* without functions */
  assert_int_equal(eval(none, "host 1 x", 0), MR_EXCEPTION);
  assert_int_equal(eval(none, "event 1 2 x; int 1", 0), MR_OK);
  mr_context_close(none);
}

static void
set_wrong_replies(notes *mine, mr_reply *reply)
{
  static const mr_slice slice = {"x", 1};
  REQUIRE(mr_reply_set(reply, MR_REPLY_THROW + 1, "u", 1, NULL, 0) == MR_BAD_ARGUMENT);
  REQUIRE(mr_reply_set(reply, UINT32_MAX, "u", 1, NULL, 0) == MR_BAD_ARGUMENT);
  REQUIRE(mr_reply_set(reply, MR_REPLY_RETURN, NULL, 0, NULL, 0) == MR_BAD_ARGUMENT);
  REQUIRE(mr_reply_set(reply, MR_REPLY_RETURN, NULL, 5, NULL, 0) == MR_BAD_ARGUMENT);
  REQUIRE(mr_reply_set(reply, MR_REPLY_RETURN, "u", 1, NULL, 1) == MR_BAD_ARGUMENT);
  REQUIRE(mr_reply_set(reply, MR_REPLY_RETURN, "u", 1, &slice, 1) == MR_OK);
  answer_seven(mine, reply); /* the last one counts */
}

static void
wrong_replies_are_refused(void **state)
{
  (void)state;
  heard.act = set_wrong_replies;
  assert_int_equal(eval_int(heard.context, "host 1 x"), 7);
}

static void
call_back_in(notes *mine, mr_reply *reply)
{
  REQUIRE(eval_int(mine->context, "int 5") == 5);
  mine->act = NULL;
  REQUIRE(eval(mine->context, "host 2 y", 0) == MR_EXCEPTION);
  REQUIRE(eval(mine->context, "loop", 5 * MS) == MR_TIMEOUT);
  REQUIRE(handle_count(mine->context) == 1);
  answer_seven(mine, reply);
}

static void
a_host_function_calls_back_in(void **state)
{
  (void)state;
  heard.act = call_back_in;
  assert_int_equal(eval_int(heard.context, "handle a; host 1 x"), 7);
  assert_int_equal(heard.calls, 2);
}

static void
close_it(notes *mine, mr_reply *reply)
{
  REQUIRE(mr_context_close(mine->context) == MR_OK);
  REQUIRE(eval(mine->context, "int 1", 0) == MR_BAD_CONTEXT);
  answer_seven(mine, reply);
}

static void
a_host_function_closes_its_context(void **state)
{
  (void)state;
  heard.act = close_it;
  assert_int_equal(eval(heard.context, "timer 5 int 1; host 1 x; loop", 0), MR_CLOSED);
  assert_int_equal(mr_context_count(), 0);
}

static void
events_are_told(void **state)
{
  (void)state;
  assert_int_equal(eval(heard.context, "event 2 18446744073709551615 text; int 1", 0), MR_OK);
  assert_int_equal(heard.events, 1);
  assert_int_equal(heard.event, MR_EVENT_FULFILLED);
  assert_int_equal(heard.event_id, UINT64_MAX);
  assert_string_equal(heard.message, " text");
}

/* --- stores --- */

static uint64_t
new_store_by(const char *script)
{
  char digits[32] = {0};
  mr_result result = {.struct_size = sizeof result};
  REQUIRE(eval_into(heard.context, script, 0, &result) == MR_OK);
  memcpy(digits, result.data + 5, result.size - 5);
  mr_result_free(&result);
  return strtoull(digits, NULL, 10);
}

static uint64_t
new_store(void)
{
  return new_store_by("store");
}

static void
stores_outlive_their_context(void **state)
{
  (void)state;
  uint64_t first = new_store(), second = new_store();
  assert_int_not_equal(first, second);
  assert_int_equal(fake_stores(), 2);
  mr_store_release(first);
  mr_store_release(first); /* twice */
  assert_int_equal(fake_stores(), 1);
  mr_context_close(heard.context);
  assert_int_equal(fake_stores(), 1);
  mr_store_release(second);
  mr_store_release(0);
  mr_store_release(UINT64_MAX);
}

static void
stores_that_are_shared_go_at_once(void **state)
{
  (void)state;
  uint64_t alone = new_store(), shared = new_store_by("shared-store");
  assert_int_equal(mr_store_release_now(alone), 0); /* its memory would go back */
  assert_int_equal(fake_stores(), 2);
  assert_int_equal(mr_store_release_now(shared), 1);
  assert_int_equal(fake_stores(), 1);
  assert_int_equal(mr_store_release_now(shared), 1); /* twice */
  mr_store_release(alone);
  assert_int_equal(mr_store_release_now(alone), 1);
  assert_int_equal(mr_store_release_now(0), 1);
  assert_int_equal(mr_store_release_now(UINT64_MAX), 1);
  assert_int_equal(fake_stores(), 0);
}

static void *
release_many(void *data)
{
  const uint64_t *stores = data;
  for (int i = 0; i < 500; i++) mr_store_release(stores[i]);
  return NULL;
}

static void
stores_are_released_by_any_thread_once(void **state)
{
  (void)state;
  uint64_t stores[500];
  pthread_t threads[3];
  for (size_t i = 0; i < COUNT(stores); i++) stores[i] = new_store();
  for (size_t i = 0; i < COUNT(threads); i++) assert_int_equal(pthread_create(&threads[i], NULL, release_many, stores), 0);
  for (size_t i = 0; i < COUNT(threads); i++) pthread_join(threads[i], NULL);
  assert_int_equal(fake_stores(), 0);
}

/* --- the soft limit --- */

static void
the_soft_limit_is_remembered(void **state)
{
  (void)state;
  int32_t reached = 7;
  uint64_t before = fake_pressure();
  assert_int_equal(eval(heard.context, "heap 1000000; int 1", 0), MR_OK);
  assert_int_equal(mr_soft_limit_reached(heard.context, &reached), MR_OK);
  assert_int_equal(reached, 0);
  assert_int_equal(mr_soft_limit(heard.context, 1000), MR_OK);
  assert_int_equal(eval(heard.context, "heap 1000; int 1", 0), MR_OK);
  assert_int_equal(mr_soft_limit_reached(heard.context, &reached), MR_OK);
  assert_int_equal(reached, 0);
  assert_int_equal(eval(heard.context, "heap 1001; heap 2000; heap 5; int 1", 0), MR_OK);
  assert_int_equal(mr_soft_limit_reached(heard.context, &reached), MR_OK);
  assert_int_equal(reached, 1);
  assert_int_equal(fake_pressure(), before + 1);
  assert_int_equal(mr_soft_limit(heard.context, 0), MR_OK);
  assert_int_equal(mr_soft_limit_reached(heard.context, &reached), MR_OK);
  assert_int_equal(reached, 0);
}

/* --- cancelling by number --- */

typedef struct numbered {
  const char *script;
  uint64_t call;
  mr_status status;
  atomic_bool inside, done;
  pthread_t thread;
} numbered;

static void *
run_numbered(void *data)
{
  numbered *mine = data;
  mr_options options = {.struct_size = sizeof options, .call = mine->call};
  mr_result result = {.struct_size = sizeof result};
  fake_on_call = (fake_hook){raise_flag, &mine->inside};
  mine->status = mr_eval(heard.context, mine->script, strlen(mine->script), &options, &result);
  mr_result_free(&result);
  atomic_store(&mine->done, true);
  return NULL;
}

static void
start_numbered(numbered *started)
{
  REQUIRE(pthread_create(&started->thread, NULL, run_numbered, started) == 0);
}

static void
a_running_call_is_cancelled(void **state)
{
  (void)state;
  numbered running = {.script = "call; loop", .call = 77};
  start_numbered(&running);
  wait_for_flag(&running.inside);
  assert_int_equal(mr_cancel(heard.context, 76), MR_OK);
  assert_int_equal(mr_cancel(heard.context, 0), MR_OK); /* no number */
  sleep_for(20 * MS);
  assert_false(atomic_load(&running.done));
  assert_int_equal(mr_cancel(heard.context, 77), MR_OK);
  pthread_join(running.thread, NULL);
  assert_int_equal(running.status, MR_TERMINATED);
  assert_int_equal(eval_int(heard.context, "int 2"), 2);
  assert_int_equal(mr_cancel(heard.context, 77), MR_OK); /* it is over */
  assert_int_equal(eval_int(heard.context, "int 2"), 2);
}

static void
a_waiting_call_is_kept_from_beginning(void **state)
{
  (void)state;
  numbered running = {.script = "call; loop", .call = 1}, waiting = {.script = "call; int 1", .call = 2};
  start_numbered(&running);
  wait_for_flag(&running.inside);
  start_numbered(&waiting);
  sleep_for(30 * MS);
  assert_int_equal(mr_cancel(heard.context, 2), MR_OK);
  assert_int_equal(mr_cancel(heard.context, 1), MR_OK);
  pthread_join(running.thread, NULL);
  pthread_join(waiting.thread, NULL);
  assert_int_equal(running.status, MR_TERMINATED);
  assert_int_equal(waiting.status, MR_TERMINATED);
  assert_false(atomic_load(&waiting.inside));
}

static void
cancel_outer(notes *mine, mr_reply *reply)
{
  mine->status = mr_cancel(mine->context, 5);
  REQUIRE(eval(mine->context, "int 1", 0) == MR_TERMINATED); /* what is inside of it does not begin */
  answer_seven(mine, reply);
}

static void
what_is_inside_is_cancelled_too(void **state)
{
  (void)state;
  numbered outer = {.script = "host 1 x; loop", .call = 5};
  heard.act = cancel_outer;
  run_numbered(&outer);
  assert_int_equal(outer.status, MR_TERMINATED);
  assert_int_equal(eval_int(heard.context, "int 2"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(a_host_function_answers),
      TEST(a_host_function_throws),
      TEST(no_answer_is_an_exception),
      TEST(wrong_replies_are_refused),
      TEST(a_host_function_calls_back_in),
      TEST(a_host_function_closes_its_context),
      TEST(events_are_told),
      TEST(stores_outlive_their_context),
      TEST(stores_that_are_shared_go_at_once),
      TEST(stores_are_released_by_any_thread_once),
      TEST(the_soft_limit_is_remembered),
      TEST(a_running_call_is_cancelled),
      TEST(a_waiting_call_is_kept_from_beginning),
      TEST(what_is_inside_is_cancelled_too),
  };
  return cmocka_run_group_tests(tests, start_library, NULL);
}
