/* test_text.c: the texts that all isolates of the process share. */
#include <pthread.h>
#include <string.h>

#include "mr_text.h"
#include "testing.h"

static void
equal_texts_are_one(void **state)
{
  (void)state;
  char bytes[] = "let a = 1";
  mr__text *first = mr__text_share(bytes, sizeof bytes), *second = mr__text_share("let a = 1", sizeof bytes);
  assert_non_null(first);
  assert_ptr_equal(first, second);
  bytes[4] = 'b'; /* it has a copy */
  assert_string_equal(mr__text_bytes(first), "let a = 1");
  mr__text *other = mr__text_share(bytes, sizeof bytes), *shorter = mr__text_share(bytes, 3), *none = mr__text_share(NULL, 0);
  assert_ptr_not_equal(other, first);
  assert_ptr_not_equal(shorter, other);
  mr__text_release(first);
  assert_string_equal(mr__text_bytes(second), "let a = 1");
  mr__text_release(shorter);
  mr__text_release(second);
  mr__text_release(none);
  assert_string_equal(mr__text_bytes(other), "let b = 1");
  mr__text_release(other);
}

static void
more_of_a_size_than_are_looked_at(void **state)
{
  (void)state;
  mr__text *texts[100];
  for (int i = 0; i < 100; i++) texts[i] = mr__text_share(&i, sizeof i);
  for (int i = 0; i < 100; i++) assert_memory_equal(mr__text_bytes(texts[i]), &i, sizeof i);
  for (int i = 0; i < 100; i += 2) mr__text_release(texts[i]);
  for (int i = 1; i < 100; i += 2) assert_memory_equal(mr__text_bytes(texts[i]), &i, sizeof i);
  for (int i = 1; i < 100; i += 2) mr__text_release(texts[i]);
}

static void *
share_and_release(void *text)
{
  for (int i = 0; i < 2000; i++) {
    mr__text *shared = mr__text_share(text, strlen(text));
    if (!shared || memcmp(mr__text_bytes(shared), text, strlen(text)) != 0) return text;
    mr__text_release(shared);
  }
  return NULL;
}

static void
from_many_threads(void **state)
{
  (void)state;
  static char texts[4][8] = {"first", "second", "first", "other"};
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, share_and_release, texts[i]), 0);
  for (int i = 0; i < 4; i++) {
    void *wrong = &threads;
    pthread_join(threads[i], &wrong);
    assert_null(wrong);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(equal_texts_are_one), cmocka_unit_test(more_of_a_size_than_are_looked_at),
                                     cmocka_unit_test(from_many_threads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
