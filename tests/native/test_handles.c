/* test_handles.c: the table of handles of one context: found by id and by value, references, generations. */
#include <stdlib.h>

#include "mr_handles.h"
#include "testing.h"

/* The table never looks into a value: any address is one. */
static char places[4096];

static mrv8_value *
value(size_t i)
{
  return (mrv8_value *)(void *)&places[i];
}

static int
same(const void *local, const mrv8_value *held)
{
  return local == (const void *)held;
}

static mr_handle
share(mr__handles *handles, size_t i, uint32_t hash)
{
  return mr__handles_share(handles, hash, same, value(i), 1);
}

static void
one_value_has_one_handle(void **state)
{
  (void)state;
  mr__handles handles = {0};
  assert_int_equal(share(&handles, 0, 5), 0);
  mr_handle handle = mr__handles_new(&handles, 5, value(0));
  assert_int_not_equal(handle, 0);
  assert_int_equal(share(&handles, 0, 5), handle);
  assert_int_equal(share(&handles, 0, 6), 0);
  assert_int_equal(share(&handles, 1, 5), 0);
  assert_int_equal(handles.count, 1);
  assert_null(mr__handles_release(&handles, handle));
  assert_ptr_equal(mr__handles_release(&handles, handle), value(0));
  assert_null(mr__handles_release(&handles, handle));
  assert_int_equal(handles.count, 0);
  assert_int_equal(share(&handles, 0, 5), 0);
  mr__handles_destroy(&handles);
}

/* As a message that names a value several times does at its end. */
static void
several_references_at_once(void **state)
{
  (void)state;
  mr__handles handles = {0};
  mr_handle handle = mr__handles_new(&handles, 5, value(0));
  assert_int_equal(mr__handles_share(&handles, 5, same, value(0), 3), handle);
  for (int i = 0; i < 3; i++) assert_null(mr__handles_release(&handles, handle));
  assert_ptr_equal(mr__handles_release(&handles, handle), value(0));
  mr__handles_destroy(&handles);
}

static void
stale_handles_find_nothing(void **state)
{
  (void)state;
  mr__handles handles = {0};
  mr_handle first = mr__handles_new(&handles, 1, value(0));
  mr__handles_release(&handles, first);
  mr_handle second = mr__handles_new(&handles, 1, value(1));
  assert_int_equal((uint32_t)first, (uint32_t)second); /* the same slot */
  assert_null(mr__handles_get(&handles, first));
  assert_null(mr__handles_release(&handles, first));
  assert_ptr_equal(mr__handles_get(&handles, second), value(1));
  static const mr_handle wrong[] = {0, 1, UINT64_MAX, UINT32_MAX, UINT64_C(1) << 32 | 15, UINT64_C(1) << 32 | 16};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    assert_null(mr__handles_get(&handles, wrong[i]));
    assert_null(mr__handles_release(&handles, wrong[i]));
  }
  mr__handles_destroy(&handles);
}

static void
an_empty_table_answers(void **state)
{
  (void)state;
  mr__handles handles = {0};
  uint32_t at = 0;
  assert_null(mr__handles_get(&handles, 1));
  assert_null(mr__handles_release(&handles, 1));
  assert_null(mr__handles_drain(&handles, &at));
  mr__handles_destroy(&handles);
}

static void
drain_takes_every_value_once(void **state)
{
  (void)state;
  mr__handles handles = {0};
  for (size_t i = 0; i < 1000; i++) mr__handles_new(&handles, (uint32_t)(i % 7), value(i));
  for (size_t i = 0; i < 1000; i += 3) share(&handles, i, (uint32_t)(i % 7));
  bool seen[1000] = {false};
  uint32_t at = 0;
  size_t count = 0;
  for (const mrv8_value *taken; (taken = mr__handles_drain(&handles, &at)); count++) {
    size_t i = (size_t)((const char *)taken - places);
    assert_false(seen[i]);
    seen[i] = true;
  }
  assert_int_equal(count, 1000);
  assert_int_equal(handles.count, 0);
  mr__handles_destroy(&handles);
}

/* Against a model: what is held, how often, by which handle. Hashes collide on purpose. */
static void
random_use_agrees_with_a_model(void **state)
{
  (void)state;
  struct {
    mr_handle handle;
    uint32_t references;
  } model[512] = {{0}};
  mr__handles handles = {0};
  unsigned random = 4711;
  uint64_t held = 0;
  for (int step = 0; step < 200000; step++) {
    random = random * 1103515245u + 12345u;
    size_t i = random >> 8 & 511;
    if (random >> 20 & 1) {
      mr_handle shared = share(&handles, i, (uint32_t)(i % 31));
      assert_int_equal(shared, model[i].handle);
      if (!shared) {
        model[i].handle = mr__handles_new(&handles, (uint32_t)(i % 31), value(i));
        assert_int_not_equal(model[i].handle, 0);
        held++;
      }
      model[i].references++;
    } else if (model[i].handle) {
      assert_ptr_equal(mr__handles_get(&handles, model[i].handle), value(i));
      bool last = --model[i].references == 0;
      assert_ptr_equal(mr__handles_release(&handles, model[i].handle), last ? value(i) : NULL);
      if (last) model[i].handle = 0;
      held -= last;
    } else {
      assert_int_equal(share(&handles, i, (uint32_t)(i % 31)), 0);
    }
    assert_int_equal(handles.count, held);
  }
  mr__handles_destroy(&handles);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_value_has_one_handle), cmocka_unit_test(several_references_at_once),   cmocka_unit_test(stale_handles_find_nothing),
      cmocka_unit_test(an_empty_table_answers),   cmocka_unit_test(drain_takes_every_value_once), cmocka_unit_test(random_use_agrees_with_a_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
