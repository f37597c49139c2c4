/* test_status.c: the status codes: their values are frozen, each has a name and a text. */
#include "testing.h"

static void
values_are_frozen(void **state)
{
  (void)state;
  static const struct {
    int32_t value;
    const char *name;
  } frozen[] = {
      {0, "MR_OK"},
      {1, "MR_EXCEPTION"},
      {-1, "MR_TIMEOUT"},
      {-2, "MR_MEMORY_LIMIT"},
      {-3, "MR_TERMINATED"},
      {-4, "MR_CLOSED"},
      {-5, "MR_BAD_ARGUMENT"},
      {-6, "MR_BAD_CONTEXT"},
      {-7, "MR_BAD_HANDLE"},
      {-8, "MR_BAD_MESSAGE"},
      {-9, "MR_NO_MEMORY"},
      {-10, "MR_NOT_INITIALIZED"},
      {-12, "MR_ICU_MISSING"},
      {-11, "MR_ALREADY_INITIALIZED"},
      {-13, "MR_ICU_FOREIGN"},
      {-14, "MR_SNAPSHOT_MISSING"},
      {-15, "MR_SNAPSHOT_FOREIGN"},
      {-16, "MR_NO_SUPPORT"},
      {-17, "MR_TOO_DEEP"},
      {-18, "MR_TOO_LARGE"},
      {-19, "MR_DEADLOCK"},
      {-20, "MR_CPU_TIME"},
      {-21, "MR_FORKED"},
      {-22, "MR_INTERRUPTED"},
      {-23, "MR_BUSY"},
  };
  for (size_t i = 0; i < COUNT(frozen); i++) assert_string_equal(mr_status_name(frozen[i].value), frozen[i].name);
}

static void
each_has_its_name_and_text(void **state)
{
  (void)state;
#define ROW(name, value, text)                      \
  assert_int_equal(name, value);                    \
  assert_string_equal(mr_status_name(name), #name); \
  assert_string_equal(mr_status_text(name), text);
  MR_STATUSES(ROW)
#undef ROW
}

static void
values_are_unique_and_failures_negative(void **state)
{
  (void)state;
#define VALUE(name, value, text) value,
  static const int32_t values[] = {MR_STATUSES(VALUE)};
#undef VALUE
  for (size_t i = 0; i < COUNT(values); i++) {
    assert_true(values[i] < 0 || values[i] == MR_OK || values[i] == MR_EXCEPTION);
    for (size_t k = 0; k < i; k++) assert_int_not_equal(values[i], values[k]);
  }
}

static void
texts_are_one_line(void **state)
{
  (void)state;
#define TEXT(name, value, text) text,
  static const char *const texts[] = {MR_STATUSES(TEXT)};
#undef TEXT
  for (size_t i = 0; i < COUNT(texts); i++) {
    assert_null(strchr(texts[i], '\n'));
    assert_true(strlen(texts[i]) > 5 && texts[i][strlen(texts[i]) - 1] != '.'); /* fit to be the text of an exception */
  }
}

static void
a_number_that_is_no_status_has_a_text_too(void **state)
{
  (void)state;
  static const int32_t strangers[] = {2, -1000, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < COUNT(strangers); i++) {
    assert_string_equal(mr_status_name(strangers[i]), "MR_UNKNOWN");
    assert_non_null(mr_status_text(strangers[i]));
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_are_frozen),
      cmocka_unit_test(each_has_its_name_and_text),
      cmocka_unit_test(values_are_unique_and_failures_negative),
      cmocka_unit_test(texts_are_one_line),
      cmocka_unit_test(a_number_that_is_no_status_has_a_text_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
