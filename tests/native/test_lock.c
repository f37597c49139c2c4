/* test_lock.c: the lock of a context: it excludes, nests, keeps deadlines, starves nobody, and can be cancelled. */
#include <sched.h>
#include <stdlib.h>

#include "mr_lock.h"
#include "testing.h"

typedef struct party {
  mr__lock *lock;
  int64_t timeout; /* 0: none */
  mr_status status;
  int64_t took;
  atomic_bool *stop;
  uint64_t rounds;
  uint64_t *shared; /* counted up under the lock, with nothing else to protect it */
  pthread_t thread;
} party;

static void
start(party *started, void *(*function)(void *))
{
  REQUIRE(pthread_create(&started->thread, NULL, function, started) == 0);
}

static void
join(party *started)
{
  REQUIRE(pthread_join(started->thread, NULL) == 0);
}

/* Takes the lock once and gives it back. */
static void *
take_once(void *data)
{
  party *mine = data;
  int64_t begin = mr__now();
  mine->status = mr__lock_acquire(mine->lock, mr__deadline(mine->timeout));
  mine->took = mr__now() - begin;
  if (mine->status == MR_OK) mr__lock_release(mine->lock);
  return NULL;
}

static void
it_nests(void **state)
{
  (void)state;
  mr__lock lock;
  mr__lock_init(&lock);
  assert_false(mr__lock_is_mine(&lock));
  for (int i = 0; i < 100; i++) assert_int_equal(mr__lock_acquire(&lock, MR__NEVER), MR_OK);
  assert_true(mr__lock_is_mine(&lock));
  party other = {.lock = &lock, .timeout = 10 * MS};
  for (int i = 0; i < 99; i++) mr__lock_release(&lock);
  start(&other, take_once);
  join(&other);
  assert_int_equal(other.status, MR_TIMEOUT);
  mr__lock_release(&lock);
  assert_false(mr__lock_is_mine(&lock));
  start(&other, take_once);
  join(&other);
  assert_int_equal(other.status, MR_OK);
  mr__lock_destroy(&lock);
}

static void
a_deadline_ends_the_wait(void **state)
{
  (void)state;
  mr__lock lock;
  mr__lock_init(&lock);
  mr__lock_acquire(&lock, MR__NEVER);
  party early = {.lock = &lock, .timeout = 30 * MS}, late = {.lock = &lock, .timeout = 20000 * MS}, never = {.lock = &lock};
  start(&late, take_once);
  start(&never, take_once);
  start(&early, take_once);
  join(&early);
  assert_int_equal(early.status, MR_TIMEOUT);
  assert_true(early.took >= 30 * MS);
  mr__lock_release(&lock);
  join(&late);
  join(&never);
  assert_int_equal(late.status, MR_OK);
  assert_int_equal(never.status, MR_OK);
  assert_true(late.took < 10000 * MS);
  mr__lock_destroy(&lock);
}

static void
a_free_lock_is_had_whatever_the_deadline(void **state)
{
  (void)state;
  mr__lock lock;
  mr__lock_init(&lock);
  assert_int_equal(mr__lock_acquire(&lock, 1), MR_OK);
  assert_int_equal(mr__lock_acquire(&lock, 1), MR_OK); /* and what one has, too */
  mr__lock_release(&lock);
  mr__lock_release(&lock);
  mr__lock_destroy(&lock);
}

static void *
count_up(void *data)
{
  party *mine = data;
  for (mine->rounds = 0; mine->rounds < 20000; mine->rounds++) {
    REQUIRE(mr__lock_acquire(mine->lock, MR__NEVER) == MR_OK);
    ++*mine->shared;
    mr__lock_release(mine->lock);
  }
  return NULL;
}

static void
it_excludes(void **state)
{
  (void)state;
  mr__lock lock;
  mr__lock_init(&lock);
  uint64_t shared = 0;
  party parties[6];
  for (size_t i = 0; i < COUNT(parties); i++) {
    parties[i] = (party){.lock = &lock, .shared = &shared};
    start(&parties[i], count_up);
  }
  for (size_t i = 0; i < COUNT(parties); i++) join(&parties[i]);
  assert_int_equal(shared, COUNT(parties) * 20000);
  mr__lock_destroy(&lock);
}

/* Holds the lock for about 20 us at a time, as short calls into JavaScript would, and wants it again at once. */
static void *
hammer(void *data)
{
  party *mine = data;
  while (!atomic_load(mine->stop)) {
    REQUIRE(mr__lock_acquire(mine->lock, MR__NEVER) == MR_OK);
    for (int64_t until = mr__now() + MS / 50; mr__now() < until;) continue;
    mine->rounds++;
    mr__lock_release(mine->lock);
  }
  return NULL;
}

static int
compare(const void *left, const void *right)
{
  int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
  return (a > b) - (a < b);
}

static void
who_waits_gets_in_within_50_ms(void **state)
{
  (void)state;
  mr__lock lock;
  mr__lock_init(&lock);
  atomic_bool stop = false;
  party hammering = {.lock = &lock, .stop = &stop};
  start(&hammering, hammer);
  int64_t waits[15];
  for (size_t i = 0; i < COUNT(waits); i++) {
    sleep_for(2 * MS);
    int64_t begin = mr__now();
    assert_int_equal(mr__lock_acquire(&lock, mr__deadline(5000 * MS)), MR_OK);
    waits[i] = mr__now() - begin;
    mr__lock_release(&lock);
  }
  atomic_store(&stop, true);
  join(&hammering);
  assert_true(hammering.rounds > 100);
  qsort(waits, COUNT(waits), sizeof *waits, compare);
  assert_true(waits[COUNT(waits) / 2] < 50 * MS); /* the median: a busy machine may take a core away once */
  mr__lock_destroy(&lock);
}

static void
two_that_hammer_share(void **state)
{
  (void)state;
  mr__lock lock;
  mr__lock_init(&lock);
  atomic_bool stop = false;
  party parties[3];
  for (size_t i = 0; i < COUNT(parties); i++) {
    parties[i] = (party){.lock = &lock, .stop = &stop};
    start(&parties[i], hammer);
  }
  sleep_for(500 * MS);
  atomic_store(&stop, true);
  for (size_t i = 0; i < COUNT(parties); i++) join(&parties[i]);
  for (size_t i = 0; i < COUNT(parties); i++) assert_true(parties[i].rounds >= 5);
  mr__lock_destroy(&lock);
}

/* Deadlines come due while the lock changes hands: no wake-up may get lost, or somebody waits for ever. */
static void *
impatient(void *data)
{
  party *mine = data;
  for (mine->rounds = 0; mine->rounds < 300; mine->rounds++) {
    int64_t timeout = mine->rounds % 3 ? (int64_t)(mine->rounds % 50) * MS / 50 + 1 : 0;
    mr_status status = mr__lock_acquire(mine->lock, mr__deadline(timeout));
    REQUIRE(status == MR_OK || (timeout && status == MR_TIMEOUT));
    if (status != MR_OK) continue;
    ++*mine->shared;
    if (mine->rounds % 10 == 0) sleep_for(MS / 10);
    else sched_yield();
    mr__lock_release(mine->lock);
  }
  return NULL;
}

static void
no_wake_up_is_lost(void **state)
{
  (void)state;
  mr__lock lock;
  mr__lock_init(&lock);
  uint64_t shared = 0;
  party parties[5];
  for (size_t i = 0; i < COUNT(parties); i++) {
    parties[i] = (party){.lock = &lock, .shared = &shared};
    start(&parties[i], impatient);
  }
  for (size_t i = 0; i < COUNT(parties); i++) join(&parties[i]);
  assert_true(shared >= COUNT(parties) * 100);
  mr__lock_destroy(&lock);
}

static void *
take_last(void *data)
{
  party *mine = data;
  mr__lock_acquire_last(mine->lock);
  mine->rounds++;
  mr__lock_release(mine->lock);
  return NULL;
}

static void
cancel_sends_the_waiting_away(void **state)
{
  (void)state;
  mr__lock lock;
  mr__lock_init(&lock);
  mr__lock_acquire(&lock, MR__NEVER);
  party waiting[4], last = {.lock = &lock};
  for (size_t i = 0; i < COUNT(waiting); i++) {
    waiting[i] = (party){.lock = &lock, .timeout = i % 2 ? 20000 * MS : 0};
    start(&waiting[i], take_once);
  }
  start(&last, take_last);
  sleep_for(20 * MS);
  mr__lock_cancel(&lock);
  for (size_t i = 0; i < COUNT(waiting); i++) {
    join(&waiting[i]);
    assert_int_equal(waiting[i].status, MR_CLOSED);
  }
  assert_int_equal(mr__lock_acquire(&lock, MR__NEVER), MR_OK); /* who has it may nest still */
  mr__lock_release(&lock);
  mr__lock_release(&lock);
  join(&last);
  assert_int_equal(last.rounds, 1);
  mr__lock_destroy(&lock);
}

/* A waiter who gets the lock handed over while it is cancelled, or times out, at any moment: the last one always gets through. */
static void
cancel_at_any_moment(void **state)
{
  (void)state;
  for (int round = 0; round < 150; round++) {
    mr__lock lock;
    mr__lock_init(&lock);
    atomic_bool stop = false;
    party parties[3];
    mr__lock_acquire(&lock, MR__NEVER);
    for (size_t i = 0; i < COUNT(parties); i++) {
      parties[i] = (party){.lock = &lock, .stop = &stop, .timeout = i == 2 ? MS : 0};
      start(&parties[i], take_once);
    }
    sleep_for(round % 20 * MS / 3);
    if (round & 1) mr__lock_cancel(&lock);
    mr__lock_release(&lock);
    if (!(round & 1)) mr__lock_cancel(&lock);
    mr__lock_acquire_last(&lock);
    mr__lock_release(&lock);
    for (size_t i = 0; i < COUNT(parties); i++) join(&parties[i]);
    mr__lock_destroy(&lock);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_nests),           cmocka_unit_test(a_deadline_ends_the_wait),       cmocka_unit_test(a_free_lock_is_had_whatever_the_deadline),
      cmocka_unit_test(it_excludes),        cmocka_unit_test(who_waits_gets_in_within_50_ms), cmocka_unit_test(two_that_hammer_share),
      cmocka_unit_test(no_wake_up_is_lost), cmocka_unit_test(cancel_sends_the_waiting_away),  cmocka_unit_test(cancel_at_any_moment),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
