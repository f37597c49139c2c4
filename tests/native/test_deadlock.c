/* test_deadlock.c: circles of threads that wait for each other's contexts, and for promises of these: one of them is told, and nobody else. */
#include "testing.h"

#define MOST 4

typedef struct member {
  mr_context own, other;
  pthread_barrier_t *together;
  int64_t timeout;
  mr_status inner; /* of the call into the other's context */
  mr_status outer;
  pthread_t thread;
} member;

static void
call_over(void *data)
{
  member *mine = data;
  pthread_barrier_wait(mine->together);
  mine->inner = eval(mine->other, "int 1", mine->timeout);
}

static void *
member_thread(void *data)
{
  member *mine = data;
  fake_on_call = (fake_hook){call_over, mine};
  mine->outer = eval(mine->own, "call; int 2", 0);
  return NULL;
}

/* Each in a callback of a context of its own, and on to the next one's. */
static void
circle_of(int count, int64_t timeout)
{
  member members[MOST];
  pthread_barrier_t together;
  pthread_barrier_init(&together, NULL, (unsigned)count);
  for (int i = 0; i < count; i++) members[i] = (member){.own = open_context(), .together = &together, .timeout = timeout};
  for (int i = 0; i < count; i++) members[i].other = members[(i + 1) % count].own;
  for (int i = 0; i < count; i++) REQUIRE(pthread_create(&members[i].thread, NULL, member_thread, &members[i]) == 0);
  int refused = 0;
  for (int i = 0; i < count; i++) {
    pthread_join(members[i].thread, NULL);
    refused += members[i].inner == MR_DEADLOCK;
    REQUIRE(members[i].inner == MR_DEADLOCK || members[i].inner == MR_OK);
    assert_int_equal(members[i].outer, MR_OK);
  }
  assert_int_equal(refused, 1);
  for (int i = 0; i < count; i++) {
    assert_int_equal(eval_int(members[i].own, "int 3"), 3);
    mr_context_close(members[i].own);
  }
  pthread_barrier_destroy(&together);
}

static void
one_of_a_circle_is_told(void **state)
{
  (void)state;
  for (int round = 0; round < 50; round++)
    for (int count = 2; count <= MOST; count++) circle_of(count, round % 2 ? 20000 * MS : 0);
}

/* Who waits without having anything, or for somebody who waits for nobody, is not in a circle. */
static void *
hop(void *data)
{
  member *mine = data;
  for (int i = 0; i < 300; i++) {
    fake_on_call = (fake_hook){NULL, NULL};
    REQUIRE(eval(mine->other, "int 1", 0) == MR_OK);
  }
  return NULL;
}

static void
eval_over(void *data)
{
  member *mine = data;
  mine->inner = eval(mine->other, "int 1", 0);
}

static void *
go_over(void *data)
{
  member *mine = data;
  for (int i = 0; i < 300; i++) {
    fake_on_call = (fake_hook){eval_over, mine};
    REQUIRE(eval(mine->own, "call; int 2", 0) == MR_OK && mine->inner == MR_OK);
  }
  return NULL;
}

static void
a_chain_is_no_circle(void **state)
{
  (void)state;
  mr_context first = open_context(), second = open_context();
  member members[] = {{.own = first, .other = second}, {.own = first, .other = second}, {.own = second, .other = second}, {.own = first, .other = first}};
  for (size_t i = 0; i < COUNT(members); i++) REQUIRE(pthread_create(&members[i].thread, NULL, i < 2 ? go_over : hop, &members[i]) == 0);
  for (size_t i = 0; i < COUNT(members); i++) pthread_join(members[i].thread, NULL);
  mr_context_close(first);
  mr_context_close(second);
}

/* --- promises --- */

static atomic_int settled;

static void
on_event(void *data, mr_context context, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size)
{
  (void)data, (void)context, (void)event, (void)id, (void)message, (void)size;
  atomic_store(&settled, 1);
}

static mr_context
open_unsettled(void)
{
  atomic_store(&settled, 0);
  return open_with_events(on_event);
}

static void *
tell(void *data)
{
  sleep_for(20 * MS);
  REQUIRE(eval(*(mr_context *)data, "event 2 1 x; int 1", 0) == MR_OK);
  return NULL;
}

static void
an_event_ends_the_wait(void **state)
{
  (void)state;
  mr_context context = open_unsettled();
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, tell, &context) == 0);
  assert_int_equal(mr_wait(context, (const int32_t *)&settled, 0), MR_OK);
  pthread_join(thread, NULL);
  assert_int_equal(mr_wait(context, (const int32_t *)&settled, 1), MR_OK);
  atomic_store(&settled, 0);
  assert_int_equal(mr_wait(context, (const int32_t *)&settled, 5 * MS), MR_TIMEOUT);
  mr_context_close(context);
  assert_int_equal(mr_wait(context, (const int32_t *)&settled, 0), MR_BAD_CONTEXT);
}

static void *
close_it(void *data)
{
  sleep_for(20 * MS);
  mr_context_close(*(mr_context *)data);
  return NULL;
}

static void
a_close_ends_the_wait(void **state)
{
  (void)state;
  mr_context context = open_unsettled();
  pthread_t thread;
  REQUIRE(pthread_create(&thread, NULL, close_it, &context) == 0);
  assert_int_equal(mr_wait(context, (const int32_t *)&settled, 0), MR_CLOSED);
  pthread_join(thread, NULL);
}

static void
wait_for_other(void *data)
{
  member *mine = data;
  mine->inner = mr_wait(mine->other, (const int32_t *)&settled, 0);
}

static void
waiting_for_ones_own_context_is_a_deadlock(void **state)
{
  (void)state;
  mr_context context = open_unsettled();
  member mine = {.own = context, .other = context};
  fake_on_call = (fake_hook){wait_for_other, &mine};
  assert_int_equal(eval_int(context, "call; int 2"), 2);
  assert_int_equal(mine.inner, MR_DEADLOCK);
  mr_context_close(context);
}

/* One waits in a callback for a promise of a context; who is in that one then needs the first one's. */
static void *
need(void *data)
{
  member *mine = data;
  sleep_for(20 * MS);
  fake_on_call = (fake_hook){eval_over, mine};
  mine->outer = eval(mine->own, "call; event 2 1 x; int 1", 0);
  return NULL;
}

static void
who_would_settle_needs_the_waiters_context(void **state)
{
  (void)state;
  mr_context waits = open_context(), promises = open_unsettled();
  member waiter = {.own = waits, .other = promises}, settler = {.own = promises, .other = waits};
  REQUIRE(pthread_create(&settler.thread, NULL, need, &settler) == 0);
  fake_on_call = (fake_hook){wait_for_other, &waiter};
  assert_int_equal(eval_int(waits, "call; int 2"), 2);
  assert_int_equal(waiter.inner, MR_OK);
  pthread_join(settler.thread, NULL);
  assert_int_equal(settler.inner, MR_DEADLOCK);
  mr_context_close(waits);
  mr_context_close(promises);
}

/* Who has settled it, and then goes on to the waiter's context, just waits for its turn. */
static void *
settle_and_need(void *data)
{
  member *mine = data;
  sleep_for(5 * MS);
  fake_on_call = (fake_hook){eval_over, mine};
  mine->outer = eval(mine->own, "event 2 1 x; call; int 1", 0);
  return NULL;
}

static void
who_has_settled_is_in_no_circle(void **state)
{
  (void)state;
  for (int round = 0; round < 30; round++) {
    mr_context waits = open_context(), promises = open_unsettled();
    member waiter = {.own = waits, .other = promises}, settler = {.own = promises, .other = waits};
    REQUIRE(pthread_create(&settler.thread, NULL, settle_and_need, &settler) == 0);
    fake_on_call = (fake_hook){wait_for_other, &waiter};
    assert_int_equal(eval_int(waits, "call; int 2"), 2);
    assert_int_equal(waiter.inner, MR_OK);
    pthread_join(settler.thread, NULL);
    assert_int_equal(settler.inner, MR_OK);
    mr_context_close(waits);
    mr_context_close(promises);
  }
}

#define TEST(name) cmocka_unit_test_teardown(name, nothing_left)

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(one_of_a_circle_is_told),
      TEST(a_chain_is_no_circle),
      TEST(an_event_ends_the_wait),
      TEST(a_close_ends_the_wait),
      TEST(waiting_for_ones_own_context_is_a_deadlock),
      TEST(who_would_settle_needs_the_waiters_context),
      TEST(who_has_settled_is_in_no_circle),
  };
  return cmocka_run_group_tests(tests, start_library, NULL);
}
