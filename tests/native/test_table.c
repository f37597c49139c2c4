/* test_table.c: ids with generations. */
#include <stdlib.h>

#include "mr_table.h"
#include "testing.h"

static int items[1000];

static void
ids_find_their_items(void **state)
{
  (void)state;
  mr__table table = {0};
  uint64_t ids[COUNT(items)];
  for (size_t i = 0; i < COUNT(items); i++) {
    ids[i] = mr__table_add(&table, &items[i]);
    assert_int_not_equal(ids[i], 0);
  }
  for (size_t i = 0; i < COUNT(items); i++) assert_ptr_equal(mr__table_get(&table, ids[i]), &items[i]);
  free(table.slots);
}

static void
what_is_removed_is_gone(void **state)
{
  (void)state;
  mr__table table = {0};
  uint64_t id = mr__table_add(&table, &items[0]);
  assert_ptr_equal(mr__table_remove(&table, id), &items[0]);
  assert_null(mr__table_remove(&table, id));
  assert_null(mr__table_get(&table, id));
  free(table.slots);
}

static void
a_slot_used_again_has_another_id(void **state)
{
  (void)state;
  mr__table table = {0};
  uint64_t before = 0;
  for (int i = 0; i < 10000; i++) {
    uint64_t id = mr__table_add(&table, &items[1]);
    assert_int_not_equal(id, before);
    assert_null(mr__table_get(&table, before));
    assert_ptr_equal(mr__table_remove(&table, id), &items[1]);
    before = id;
  }
  assert_int_equal(table.capacity, 16); /* the slot was used again, not a new one */
  free(table.slots);
}

static void
strangers_are_not_found(void **state)
{
  (void)state;
  mr__table table = {0};
  assert_null(mr__table_get(&table, 0));
  assert_null(mr__table_remove(&table, 1));
  uint64_t id = mr__table_add(&table, &items[2]);
  static const uint64_t wrong[] = {0, 1, UINT64_MAX, UINT32_MAX, UINT64_C(1) << 32 | 15, UINT64_C(1) << 32 | 16, UINT64_C(7) << 32};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    assert_null(mr__table_get(&table, wrong[i]));
    assert_null(mr__table_remove(&table, wrong[i]));
  }
  assert_ptr_equal(mr__table_get(&table, id), &items[2]);
  free(table.slots);
}

static void
adding_and_removing_in_any_order(void **state)
{
  (void)state;
  mr__table table = {0};
  uint64_t ids[64] = {0};
  unsigned random = 12345;
  for (int i = 0; i < 100000; i++) {
    random = random * 1103515245u + 12345u;
    size_t place = random >> 16 & 63;
    if (ids[place]) {
      assert_ptr_equal(mr__table_get(&table, ids[place]), &items[place]);
      assert_ptr_equal(mr__table_remove(&table, ids[place]), &items[place]);
      ids[place] = 0;
    } else {
      ids[place] = mr__table_add(&table, &items[place]);
    }
  }
  assert_true(table.capacity <= 64);
  free(table.slots);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ids_find_their_items),    cmocka_unit_test(what_is_removed_is_gone),          cmocka_unit_test(a_slot_used_again_has_another_id),
      cmocka_unit_test(strangers_are_not_found), cmocka_unit_test(adding_and_removing_in_any_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
