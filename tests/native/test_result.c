/* test_result.c: the memory of results: inline, on the heap, given back. */
#include <stdlib.h>

#include "mr_result.h"
#include "testing.h"

/* Appends `count` bytes that tell their place. */
static void
fill(mr_result *result, uint64_t count)
{
  for (uint64_t i = 0; i < count; i++) {
    uint8_t byte = (uint8_t)(result->size * 7);
    assert_true(mr__result_put(result, &byte, 1));
  }
}

static void
assert_filled(const mr_result *result, uint64_t count)
{
  assert_int_equal(result->size, count);
  for (uint64_t i = 0; i < count; i++)
    if (result->data[i] != (uint8_t)(i * 7)) fail_msg("byte %llu is wrong", (unsigned long long)i);
}

static void
short_messages_need_no_memory(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  mr__result_start(&result);
  fill(&result, sizeof result.inline_data);
  assert_ptr_equal(result.data, result.inline_data);
  assert_filled(&result, sizeof result.inline_data);
  mr_result_free(&result);
}

static void
long_messages_move_to_the_heap(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  mr__result_start(&result);
  fill(&result, 100000);
  assert_ptr_not_equal(result.data, result.inline_data);
  assert_true(result.capacity >= 100000);
  assert_filled(&result, 100000);
  mr_result_free(&result);
  assert_ptr_equal(result.data, result.inline_data);
  assert_int_equal(result.size, 0);
}

static void
the_memory_before_is_given_back(void **state)
{
  (void)state;
  static const uint64_t sizes[] = {2000, 1 << 20, 10};
  mr_result result = {.struct_size = sizeof result};
  for (size_t i = 0; i < COUNT(sizes); i++) {
    mr__result_start(&result);
    assert_ptr_equal(result.data, result.inline_data);
    assert_int_equal(result.capacity, sizeof result.inline_data);
    fill(&result, sizes[i]);
    assert_filled(&result, sizes[i]);
  }
  mr_result_free(&result);
}

/* So a binding can see what came without following a pointer. */
static void
the_first_byte_is_always_inline(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  for (uint64_t size = 1; size < 5000; size = size * 3 + 1) {
    mr__result_start(&result);
    result.inline_data[0] = 0;
    uint32_t count = (uint32_t)size;
    assert_true(mr__result_put_tag(&result, MR_TAG_LATIN1, &count, sizeof count));
    fill(&result, size);
    assert_int_equal(result.inline_data[0], MR_TAG_LATIN1);
    assert_int_equal(result.data[0], MR_TAG_LATIN1);
  }
  mr_result_free(&result);
}

static void
free_is_idempotent(void **state)
{
  (void)state;
  mr_result_free(NULL);
  mr_result result = {.struct_size = sizeof result}, zero = {.struct_size = sizeof zero};
  mr__result_start(&result);
  fill(&result, 5000);
  mr_result_free(&result);
  mr_result_free(&result);
  mr_result_free(&zero);
  fill(&result, 5000);
  assert_filled(&result, 5000);
  mr_result_free(&result);
}

static void
putting_nothing_changes_nothing(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  mr__result_start(&result);
  assert_true(mr__result_put(&result, NULL, 0));
  assert_true(mr__result_put_tag(&result, MR_TAG_NULL, NULL, 0));
  assert_int_equal(result.size, 1);
  assert_int_equal(result.data[0], MR_TAG_NULL);
  mr_result_free(&result);
}

static void
too_much_is_refused_and_nothing_is_lost(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  mr__result_start(&result);
  fill(&result, 3000);
  static const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX / 2, SIZE_MAX / 4 + 1, SIZE_MAX / 8};
  for (size_t i = 0; i < COUNT(sizes); i++) {
    assert_false(mr__result_grow(&result, sizes[i]));
    assert_filled(&result, 3000);
  }
  fill(&result, 3000);
  assert_filled(&result, 6000);
  mr_result_free(&result);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(short_messages_need_no_memory),
      cmocka_unit_test(long_messages_move_to_the_heap),
      cmocka_unit_test(the_memory_before_is_given_back),
      cmocka_unit_test(the_first_byte_is_always_inline),
      cmocka_unit_test(free_is_idempotent),
      cmocka_unit_test(putting_nothing_changes_nothing),
      cmocka_unit_test(too_much_is_refused_and_nothing_is_lost),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
