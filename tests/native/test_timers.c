/* test_timers.c: timers and the scheduler's threads: they fire in time and in order, repeat, can be cleared, go with their context, and cost nothing while they wait. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testing.h"

#define MOST_FIRED 4096

static struct {
  pthread_mutex_t mutex;
  int count;
  uint64_t order[MOST_FIRED]; /* the numbers that scripts gave their events */
  int64_t when[MOST_FIRED];
  uint32_t event[MOST_FIRED];
} fired = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static mr_context context;

static void
on_event(void *data, mr_context from, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size)
{
  (void)data, (void)from, (void)message, (void)size;
  pthread_mutex_lock(&fired.mutex);
  if (fired.count < MOST_FIRED) {
    fired.order[fired.count] = id;
    fired.event[fired.count] = event;
    fired.when[fired.count++] = mr__now();
  }
  pthread_mutex_unlock(&fired.mutex);
}

static int
fired_count(void)
{
  pthread_mutex_lock(&fired.mutex);
  int count = fired.count;
  pthread_mutex_unlock(&fired.mutex);
  return count;
}

static void
await_fired(int count)
{
  for (int64_t end = mr__now() + 20000 * MS; fired_count() < count; sleep_for(MS / 2)) REQUIRE(mr__now() < end);
}

static int
open_one(void **state)
{
  (void)state;
  fired.count = 0;
  context = open_with_events(on_event);
  return 0;
}

static int
close_one(void **state)
{
  mr_context_close(context);
  return nothing_left(state);
}

static void
a_timer_fires_once_and_not_early(void **state)
{
  (void)state;
  int64_t begin = mr__now();
  assert_int_not_equal(eval_int(context, "timer 20 event 1 42"), 0);
  await_fired(1);
  assert_true(fired.when[0] - begin >= 20 * MS);
  assert_int_equal(fired.order[0], 42);
  sleep_for(30 * MS);
  assert_int_equal(fired_count(), 1);
  assert_int_equal(fake_timers(), 0);
}

/* V8 posts what it wants done by the context's thread at any time, such as in the middle of the script that sets a timer. */
static void
a_timer_is_not_lost_when_v8_has_a_task(void **state)
{
  (void)state;
  for (int i = 0; i < 3; i++) {
    eval_int(context, "tasks 1; timer 1 event 1 42; int 1");
    await_fired(i + 1);
  }
}

static void
timers_fire_in_order(void **state)
{
  (void)state;
  static const int delays[] = {80, 20, 60, 0, 40, 20, 0, 100};
  static const uint64_t order[] = {3, 6, 1, 5, 4, 2, 0, 7};
  char script[1024] = "", command[64];
  for (size_t i = 0; i < COUNT(delays); i++) { /* in one run, so that none fires before the last is set */
    snprintf(command, sizeof command, "timer %d event 1 %zu; ", delays[i], i);
    strcat(script, command);
  }
  strcat(script, "int 1");
  eval_int(context, script);
  await_fired(COUNT(delays));
  for (size_t i = 0; i < COUNT(delays); i++) assert_int_equal(fired.order[i], order[i]);
}

static void
intervals_repeat_until_they_are_cleared(void **state)
{
  (void)state;
  char script[64];
  int32_t number = eval_int(context, "every 2 event 1 9");
  await_fired(5);
  snprintf(script, sizeof script, "clear %d", number);
  assert_int_equal(eval_int(context, script), 1);
  int count = fired_count();
  sleep_for(20 * MS);
  assert_int_equal(fired_count(), count);
  assert_int_equal(eval_int(context, script), 0); /* gone */
  assert_int_equal(eval_int(context, "clear 0; clear 4294967295"), 0);
}

static void
a_timer_clears_itself_while_it_runs(void **state)
{
  (void)state;
  char script[64];
  int32_t next = eval_int(context, "timer 60000 int 1") + 1;
  snprintf(script, sizeof script, "every 2 event 1 5|clear %d", next);
  assert_int_equal(eval_int(context, script), next);
  await_fired(1);
  sleep_for(20 * MS);
  assert_int_equal(fired_count(), 1);
}

static void
cleared_timers_do_not_fire(void **state)
{
  (void)state;
  char script[64];
  int32_t numbers[50];
  for (size_t i = 0; i < COUNT(numbers); i++) numbers[i] = eval_int(context, i % 2 ? "timer 30 event 1 1" : "timer 30 event 1 0");
  for (size_t i = 0; i < COUNT(numbers); i += 2) {
    snprintf(script, sizeof script, "clear %d", numbers[i]);
    eval_int(context, script);
  }
  await_fired(COUNT(numbers) / 2);
  sleep_for(40 * MS);
  int count = 0;
  for (int i = 0; i < fired.count; i++) count += fired.order[i] == 0;
  assert_true(fired.count <= (int)COUNT(numbers));
  assert_true(count == 0 || fired.count > (int)COUNT(numbers) / 2); /* only where setting them took longer than 30 ms */
}

static void
what_a_timer_throws_is_told(void **state)
{
  (void)state;
  eval_int(context, "timer 1 throw oops");
  await_fired(1);
  assert_int_equal(fired.event[0], MR_EVENT_UNCAUGHT);
  assert_int_equal(fired.order[0], 0);
  assert_int_equal(eval_int(context, "int 3"), 3);
}

static void
a_timer_that_is_stopped_is_told(void **state)
{
  (void)state;
  eval_int(context, "timer 1 event 1 0|loop");
  await_fired(1);
  mr_terminate(context);
  await_fired(2);
  assert_int_equal(fired.event[1], MR_EVENT_UNCAUGHT);
  assert_int_equal((int64_t)fired.order[1], MR_TERMINATED);
  assert_int_equal(eval_int(context, "int 3"), 3);
}

static void
timers_set_timers(void **state)
{
  (void)state;
  eval_int(context, "timer 1 event 1 1|timer 1 event 1 2");
  await_fired(2);
  assert_int_equal(fired.order[1], 2);
}

static void
timers_go_with_their_context(void **state)
{
  (void)state;
  for (int i = 0; i < 100; i++) {
    mr_context closed = open_with_events(on_event);
    eval_int(closed, "timer 0 int 1; timer 1 loop; every 1 int 1; timer 60000 int 1; int 1");
    sleep_for(i * MS / 30);
    mr_context_close(closed);
  }
  assert_int_equal(fake_timers(), 0);
}

static void
a_slow_callback_delays_only_its_own_context(void **state)
{
  (void)state;
  mr_context slow = open_with_events(on_event);
  eval_int(slow, "timer 1 event 1 1|sleep 300");
  await_fired(1);
  int64_t begin = mr__now();
  eval_int(context, "timer 10 event 1 2");
  await_fired(2);
  assert_true(fired.when[1] - begin < 250 * MS);
  mr_context_close(slow);
}

static void
a_timer_waits_for_the_context(void **state)
{
  (void)state;
  eval(context, "timer 5 event 1 2; sleep 50; event 1 1; int 1", 0);
  await_fired(2);
  assert_int_equal(fired.order[0], 1); /* no timer interrupts a run */
}

static int
threads_of_this_process(void)
{
  int count = 0;
  DIR *tasks = opendir("/proc/self/task");
  REQUIRE(tasks);
  for (const struct dirent *entry; (entry = readdir(tasks));) count += entry->d_name[0] != '.';
  closedir(tasks);
  return count;
}

static void
many_timers_need_few_threads(void **state)
{
  (void)state;
  int before = threads_of_this_process();
  char script[1024] = "";
  for (int i = 0; i < 40; i++) strcat(script, "timer 60000 int 1; ");
  strcat(script, "int 1");
  for (int i = 0; i < 20; i++) eval_int(context, script);
  assert_true(threads_of_this_process() <= before + 2);
}

static void
there_is_an_end_to_the_number_of_timers(void **state)
{
  (void)state;
  char script[1024] = "";
  int32_t last = 1;
  for (int i = 0; i < 40; i++) strcat(script, "timer 60000 int 1; ");
  script[strlen(script) - 2] = 0;
  for (int i = 0; last && i < 5000; i++) last = eval_int(context, script);
  assert_int_equal(last, 0);
  assert_true(fake_timers() >= 1000);
}

static int64_t
used_time(void)
{
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return ((int64_t)used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000 + ((int64_t)used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;
}

/* Longer than a runner stays without anything to do. */
static void
waiting_costs_no_time(void **state)
{
  (void)state;
  eval_int(context, "timer 60000 int 1");
  sleep_for(5200 * MS);
  int64_t before = used_time();
  sleep_for(500 * MS);
  assert_true(used_time() - before < 100 * MS);
  eval_int(context, "timer 5 event 1 1"); /* and it is still awake for what comes */
  await_fired(1);
}

/* The runner of the parent sleeps, and the child has only its trace. */
static void
a_forked_child_has_its_own_scheduler(void **state)
{
  (void)state;
  SKIP_UNDER_TSAN();
  eval_int(context, "timer 4000 int 1");
  sleep_for(20 * MS);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    alarm(20);
    for (int i = 0; i < 10; i++) {
      eval_int(context, "timer 1000 int 1"); /* a runner sleeps until then */
      sleep_for(10 * MS);
      int64_t begin = mr__now();
      int before = fired_count();
      eval_int(context, "timer 5 event 1 1");
      await_fired(before + 1);
      if (mr__now() - begin > 500 * MS) _exit(1);
    }
    _exit(0);
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(many_timers_need_few_threads), /* first, as threads stay for a while */
      TEST(a_timer_fires_once_and_not_early),
      TEST(a_timer_is_not_lost_when_v8_has_a_task),
      TEST(timers_fire_in_order),
      TEST(intervals_repeat_until_they_are_cleared),
      TEST(a_timer_clears_itself_while_it_runs),
      TEST(cleared_timers_do_not_fire),
      TEST(what_a_timer_throws_is_told),
      TEST(a_timer_that_is_stopped_is_told),
      TEST(timers_set_timers),
      TEST(timers_go_with_their_context),
      TEST(a_slow_callback_delays_only_its_own_context),
      TEST(a_timer_waits_for_the_context),
      TEST(there_is_an_end_to_the_number_of_timers),
      TEST(a_forked_child_has_its_own_scheduler),
      TEST(waiting_costs_no_time),
  };
  return cmocka_run_group_tests(tests, start_library, NULL);
}
