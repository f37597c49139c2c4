/* test_watchdog.c: deadlines: they fire once, in order, not too early, not after they were disarmed, and in the child of a fork, too. */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mr_fork.h"
#include "mr_watchdog.h"
#include "testing.h"

typedef struct alarm_clock {
  mr__watch watch;
  atomic_int rung;
  int64_t deadline;
  _Atomic int64_t rang_at;
  atomic_int order;
} alarm_clock;

static atomic_int rung_so_far;

static int64_t
ring(mr__watch *watch, int64_t now)
{
  (void)now;
  alarm_clock *mine = (alarm_clock *)watch; /* the watch is its first member */
  atomic_store(&mine->rang_at, mr__now());
  atomic_store(&mine->order, atomic_fetch_add(&rung_so_far, 1));
  atomic_fetch_add(&mine->rung, 1);
  return MR__NEVER;
}

static void
set(alarm_clock *mine, int64_t in)
{
  atomic_store(&mine->rung, 0);
  mine->deadline = mr__now() + in;
  REQUIRE(mr__watch_arm(&mine->watch, mine->deadline, ring));
}

/* Waits until it has rung, however busy the machine is. */
static void
await(alarm_clock *mine)
{
  for (int64_t end = mr__now() + 10000 * MS; !atomic_load(&mine->rung);) {
    REQUIRE(mr__now() < end);
    sleep_for(MS / 4);
  }
}

static void
a_deadline_fires_once_and_not_early(void **state)
{
  (void)state;
  alarm_clock one;
  set(&one, 20 * MS);
  await(&one);
  assert_true(atomic_load(&one.rang_at) >= one.deadline);
  sleep_for(20 * MS);
  assert_int_equal(atomic_load(&one.rung), 1);
  mr__watch_disarm(&one.watch); /* also one that has expired */
}

static void
disarmed_ones_stay_silent(void **state)
{
  (void)state;
  alarm_clock clocks[50];
  for (size_t i = 0; i < COUNT(clocks); i++) set(&clocks[i], 40 * MS);
  for (size_t i = 0; i < COUNT(clocks); i += 2) mr__watch_disarm(&clocks[i].watch);
  for (size_t i = 1; i < COUNT(clocks); i += 2) await(&clocks[i]);
  for (size_t i = 0; i < COUNT(clocks); i++) {
    assert_int_equal(atomic_load(&clocks[i].rung), i % 2);
    if (i % 2) mr__watch_disarm(&clocks[i].watch);
  }
}

static void
deadlines_fire_in_order(void **state)
{
  (void)state;
  alarm_clock clocks[5];
  static const int order[] = {3, 0, 4, 1, 2};
  atomic_store(&rung_so_far, 0);
  for (size_t i = 0; i < COUNT(clocks); i++) set(&clocks[i], (order[i] + 1) * 40 * MS);
  for (size_t i = 0; i < COUNT(clocks); i++) await(&clocks[i]);
  for (size_t i = 0; i < COUNT(clocks); i++) {
    assert_int_equal(atomic_load(&clocks[i].order), order[i]);
    mr__watch_disarm(&clocks[i].watch);
  }
}

static void
an_earlier_deadline_wakes_a_sleeping_watchdog(void **state)
{
  (void)state;
  alarm_clock late, early;
  set(&late, 60000 * MS);
  sleep_for(10 * MS); /* it sleeps by now, for a minute */
  set(&early, 10 * MS);
  await(&early);
  assert_int_equal(atomic_load(&late.rung), 0);
  mr__watch_disarm(&early.watch);
  mr__watch_disarm(&late.watch);
}

static void
deadlines_in_the_past_fire_at_once(void **state)
{
  (void)state;
  alarm_clock one;
  set(&one, -1000 * MS);
  await(&one);
  mr__watch_disarm(&one.watch);
}

/* After disarm the watch's memory is the caller's again: a late call of `ring` would write into what is no longer a clock. */
static void *
arm_and_disarm(void *unused)
{
  for (int i = 0; i < 3000; i++) {
    alarm_clock *one = malloc(sizeof *one);
    REQUIRE(one);
    set(one, i % 5 * MS / 50);
    if (i % 7 == 0) sched_yield();
    mr__watch_disarm(&one->watch);
    int rung = atomic_load(&one->rung);
    REQUIRE(rung == 0 || rung == 1);
    free(one);
  }
  return unused;
}

static void
many_threads_arm_and_disarm(void **state)
{
  (void)state;
  pthread_t threads[4];
  for (size_t i = 0; i < COUNT(threads); i++) assert_int_equal(pthread_create(&threads[i], NULL, arm_and_disarm, NULL), 0);
  for (size_t i = 0; i < COUNT(threads); i++) pthread_join(threads[i], NULL);
}

static void
count_signal(int signal)
{
  (void)signal;
}

/* Runs `function` in a forked child; 0 when it returned true there. */
static int
in_child(bool (*function)(void))
{
  mr__fork_watch();
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    alarm(20);
    mr_resume();
    _exit(function() ? 0 : 1);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  return status;
}

static bool
alarm_rings(void)
{
  alarm_clock one;
  set(&one, 5 * MS);
  await(&one);
  mr__watch_disarm(&one.watch);
  return true;
}

static alarm_clock inherited;

static bool
inherited_alarm_rings(void)
{
  alarm_clock own;
  set(&own, 5 * MS); /* the thread starts with the child's first deadline */
  await(&own);
  await(&inherited);
  mr__watch_disarm(&own.watch);
  mr__watch_disarm(&inherited.watch);
  return true;
}

static bool
waiting_costs_no_time(void)
{
  alarm_clock one;
  set(&one, 300 * MS);
  await(&one);
  mr__watch_disarm(&one.watch);
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return used.ru_utime.tv_sec + used.ru_stime.tv_sec == 0 && used.ru_utime.tv_usec + used.ru_stime.tv_usec < 150000;
}

static void
a_forked_child_has_its_own_watchdog(void **state)
{
  (void)state;
  SKIP_UNDER_TSAN();
  alarm_clock others;
  set(&others, 60000 * MS); /* the parent's thread is there, and sleeps */
  assert_int_equal(in_child(alarm_rings), 0);
  mr__watch_disarm(&others.watch);
  assert_true(alarm_rings());
}

static void
deadlines_of_the_thread_that_forks_are_inherited(void **state)
{
  (void)state;
  SKIP_UNDER_TSAN();
  set(&inherited, 50 * MS);
  assert_int_equal(in_child(inherited_alarm_rings), 0);
  await(&inherited);
  mr__watch_disarm(&inherited.watch);
}

static void
the_childs_watchdog_sleeps_while_it_waits(void **state)
{
  (void)state;
  SKIP_UNDER_TSAN();
  assert_true(alarm_rings());
  assert_int_equal(in_child(waiting_costs_no_time), 0);
}

static void *
hold_until(void *data)
{
  alarm_clock one;
  set(&one, 60000 * MS);
  atomic_bool *flags = data;
  raise_flag(&flags[0]);
  wait_for_flag(&flags[1]);
  mr__watch_disarm(&one.watch);
  return NULL;
}

static void
deadlines_of_other_threads_are_forgotten_by_the_child(void **state)
{
  (void)state;
  SKIP_UNDER_TSAN();
  atomic_bool flags[2] = {false, false};
  pthread_t other;
  assert_int_equal(pthread_create(&other, NULL, hold_until, flags), 0);
  wait_for_flag(&flags[0]);
  assert_int_equal(in_child(alarm_rings), 0);
  raise_flag(&flags[1]);
  pthread_join(other, NULL);
}

/* The host's signals are for the host's threads. */
static void
the_thread_takes_no_signals(void **state)
{
  (void)state;
  SKIP_UNDER_TSAN();
  assert_true(alarm_rings());
  struct sigaction action = {.sa_handler = count_signal}, before;
  sigset_t usr1, old;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
  assert_int_equal(pthread_sigmask(SIG_BLOCK, &usr1, &old), 0);
  kill(getpid(), SIGUSR1); /* to any thread that does not block it: there is none, so it stays pending */
  sleep_for(20 * MS);
  struct timespec soon = {0, 0};
  assert_int_equal(sigtimedwait(&usr1, NULL, &soon), SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  sigaction(SIGUSR1, &before, NULL);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_deadline_fires_once_and_not_early),
      cmocka_unit_test(disarmed_ones_stay_silent),
      cmocka_unit_test(deadlines_fire_in_order),
      cmocka_unit_test(an_earlier_deadline_wakes_a_sleeping_watchdog),
      cmocka_unit_test(deadlines_in_the_past_fire_at_once),
      cmocka_unit_test(many_threads_arm_and_disarm),
      cmocka_unit_test(a_forked_child_has_its_own_watchdog),
      cmocka_unit_test(deadlines_of_the_thread_that_forks_are_inherited),
      cmocka_unit_test(the_childs_watchdog_sleeps_while_it_waits),
      cmocka_unit_test(deadlines_of_other_threads_are_forgotten_by_the_child),
      cmocka_unit_test(the_thread_takes_no_signals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
