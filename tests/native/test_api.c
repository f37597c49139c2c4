/* test_api.c: what each public function asks of the bridge, and how its answer comes back. */
#include <stdio.h>

#include "mr_memory.h"
#include "testing.h"

static mr_context context;

static int
open_one(void **state)
{
  (void)state;
  context = open_context();
  return 0;
}

static int
close_one(void **state)
{
  mr_context_close(context);
  return nothing_left(state);
}

static void
each_function_asks_for_its_operation(void **state)
{
  (void)state;
  static const struct {
    mr_status (*function)(mr_context, mr_handle, const void *, size_t, const mr_options *, mr_result *);
    mrv8_operation operation;
  } functions[] = {{mr_call, MRV8_CALL},
                   {mr_call_method, MRV8_CALL_METHOD},
                   {mr_construct, MRV8_CONSTRUCT},
                   {mr_get, MRV8_GET},
                   {mr_set, MRV8_SET},
                   {mr_delete, MRV8_DELETE},
                   {mr_has, MRV8_HAS},
                   {mr_promise_settle, MRV8_SETTLE}};
  static const struct {
    mr_status (*function)(mr_context, const void *, size_t, const mr_options *, mr_result *);
    mrv8_operation operation;
  } with_messages[] = {{mr_eval, MRV8_EVAL},
                       {mr_module_compile, MRV8_MODULE_COMPILE},
                       {mr_module_synthetic, MRV8_MODULE_SYNTHETIC},
                       {mr_module_link, MRV8_MODULE_LINK},
                       {mr_module_evaluate, MRV8_MODULE_EVALUATE},
                       {mr_module_hooks, MRV8_MODULE_HOOKS}};
  mr_handle handle = eval_handle(context, "handle one");
  mr_result result = {.struct_size = sizeof result};
  for (size_t i = 0; i < COUNT(functions); i++) {
    assert_int_equal(functions[i].function(context, handle, "int 7; undefined", 5, NULL, &result), MR_OK); /* 5 bytes of it */
    assert_int_equal(fake_last.operation, functions[i].operation);
    assert_string_equal(fake_last.target, "one");
    assert_int_equal(fake_last.in_size, 5);
    assert_int_equal(fake_last.outermost, 1);
    assert_int_equal(result.data[0], MR_TAG_INT32);
  }
  assert_int_equal(mr_keys(context, handle, NULL, &result), MR_OK);
  assert_int_equal(fake_last.operation, MRV8_KEYS);
  assert_string_equal(fake_last.target, "one");
  assert_int_equal(mr_read(context, handle, NULL, &result), MR_OK);
  assert_int_equal(fake_last.operation, MRV8_READ);
  assert_memory_equal(result.data, "s\3\0\0\0one", 8);
  assert_int_equal(mr_globals(context, NULL, &result), MR_OK);
  assert_int_equal(fake_last.operation, MRV8_GLOBALS);
  assert_string_equal(fake_last.target, "");
  assert_int_equal(result.data[0], MR_TAG_HANDLE);
  static const struct {
    mr_status (*function)(mr_context, mr_handle, const mr_options *, mr_result *);
    mrv8_operation operation;
  } of_values[] = {{mr_await, MRV8_AWAIT}, {mr_preview, MRV8_PREVIEW}, {mr_module_namespace, MRV8_MODULE_NAMESPACE}};
  for (size_t i = 0; i < COUNT(of_values); i++) {
    assert_int_equal(of_values[i].function(context, handle, NULL, &result), MR_OK);
    assert_int_equal(fake_last.operation, of_values[i].operation);
    assert_string_equal(fake_last.target, "one");
  }
  static const struct {
    mr_status (*function)(mr_context, const mr_options *, mr_result *);
    mrv8_operation operation;
  } of_contexts[] = {{mr_promise_new, MRV8_PROMISE},
                     {mr_heap_stats, MRV8_HEAP_STATS},
                     {mr_stats, MRV8_NUMBERS},
                     {mr_heap_snapshot, MRV8_HEAP_SNAPSHOT},
                     {mr_low_memory, MRV8_LOW_MEMORY}};
  for (size_t i = 0; i < COUNT(of_contexts); i++) {
    assert_int_equal(of_contexts[i].function(context, NULL, &result), MR_OK);
    assert_int_equal(fake_last.operation, of_contexts[i].operation);
    assert_string_equal(fake_last.target, "");
  }
  assert_int_equal(mr_buffer_new(context, MR_ELEMENT_UINT8, 12345, NULL, &result), MR_OK);
  assert_int_equal(fake_last.operation, MRV8_BUFFER);
  assert_int_equal(fake_last.number, MR_ELEMENT_UINT8);
  assert_int_equal(fake_last.in_size, 12345);
  for (size_t i = 0; i < COUNT(with_messages); i++) {
    assert_int_equal(with_messages[i].function(context, "string hello", 12, NULL, &result), MR_OK);
    assert_int_equal(fake_last.operation, with_messages[i].operation);
    assert_string_equal(fake_last.target, "");
    assert_memory_equal(result.data, "s\5\0\0\0hello", 10);
  }
  mr_result_free(&result);
}

static void
options_reach_the_bridge(void **state)
{
  (void)state;
  mr_options options = {.struct_size = sizeof options,
                        .flags = MR_COPY | MR_MAPS_AS_PAIRS,
                        .timeout = 60000 * MS,
                        .max_memory = 11,
                        .max_bytes = 12,
                        .max_depth = 13,
                        .encoding = MR_LATIN1,
                        .filename = "file.js",
                        .line_offset = -14,
                        .column_offset = 15};
  mr_result result = {.struct_size = sizeof result};
  assert_int_equal(mr_eval(context, "int 1", 5, &options, &result), MR_OK);
  const mr_options *seen = &fake_last.options;
  assert_int_equal(seen->flags, MR_COPY | MR_MAPS_AS_PAIRS);
  assert_int_equal(seen->max_memory, 11);
  assert_int_equal(seen->max_bytes, 12);
  assert_int_equal(seen->max_depth, 13);
  assert_int_equal(seen->encoding, MR_LATIN1);
  assert_string_equal(fake_last.filename, "file.js");
  assert_int_equal(seen->line_offset, -14);
  assert_int_equal(seen->column_offset, 15);
  assert_int_equal(mr_eval(context, "int 1", 5, NULL, &result), MR_OK); /* defaults are complete */
  assert_int_equal(seen->struct_size, sizeof options);
  assert_int_equal(seen->max_depth, 400);
  assert_int_equal(seen->max_bytes, INT64_C(1) << 30);
  assert_int_equal(seen->encoding, MR_UTF8);
  mr_result_free(&result);
}

static void
outcomes_do_not_mix(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  assert_int_equal(eval_into(context, "bytes 5000", 0, &result), MR_OK);
  assert_int_equal(result.size, 5005);
  assert_int_equal(eval_into(context, "throw boom", 0, &result), MR_EXCEPTION);
  assert_memory_equal(result.data, "X\0s\4\0\0\0boomuuuuuuuu", 19);
  assert_int_equal(result.size, 19);
  static const mr_status failures[] = {MR_NO_MEMORY, MR_BAD_ARGUMENT, MR_NO_SUPPORT};
  for (size_t i = 0; i < COUNT(failures); i++) {
    char script[32];
    snprintf(script, sizeof script, "bytes 5000; fail %d", failures[i]);
    assert_int_equal(eval_into(context, script, 0, &result), failures[i]);
    assert_int_equal(result.size, 0); /* what was begun is gone */
    assert_ptr_equal(result.data, result.inline_data);
    assert_int_equal(eval_int(context, "int 6"), 6);
  }
  mr_result_free(&result);
}

static void
some_failures_tell_the_place(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  static const mr_status failures[] = {MR_BAD_MESSAGE, MR_TOO_DEEP, MR_TOO_LARGE, MR_BAD_HANDLE};
  for (size_t i = 0; i < COUNT(failures); i++) {
    char script[32];
    snprintf(script, sizeof script, "string $.a[3]; fail %d", failures[i]);
    assert_int_equal(eval_into(context, script, 0, &result), failures[i]);
    assert_memory_equal(result.data, "s\6\0\0\0$.a[3]", 11);
  }
  mr_result_free(&result);
}

static void
a_result_serves_many_calls(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  for (int i = 0; i < 300; i++) {
    char script[32];
    int size = i * i % 3000;
    snprintf(script, sizeof script, "bytes %d", size);
    assert_int_equal(eval_into(context, script, 0, &result), MR_OK);
    assert_int_equal(result.size, size + 5);
    assert_int_equal(result.inline_data[0], MR_TAG_LATIN1);
  }
  mr_result_free(&result);
}

static void
look_at_the_levels(void *data)
{
  mr_result result = {.struct_size = sizeof result};
  (void)data;
  REQUIRE(eval_into(context, "int 1", 0, &result) == MR_OK);
  REQUIRE(fake_last.outermost == 0);
  REQUIRE(handle_count(context) == 1);
  mr_result_free(&result);
}

static void
microtasks_belong_to_the_outermost_call(void **state)
{
  (void)state;
  fake_on_call = (fake_hook){look_at_the_levels, NULL};
  assert_int_equal(eval(context, "handle a; call; int 1", 0), MR_OK);
  assert_int_equal(eval(context, "int 1", 0), MR_OK);
  assert_int_equal(fake_last.outermost, 1);
}

static void
scripts_reach_handles_by_the_host(void **state)
{
  (void)state;
  char script[64];
  mr_result result = {.struct_size = sizeof result};
  mr_handle handle = eval_handle(context, "handle mine");
  snprintf(script, sizeof script, "handle-of %llu", (unsigned long long)handle);
  assert_int_equal(eval_into(context, script, 0, &result), MR_OK);
  assert_memory_equal(result.data, "s\4\0\0\0mine", 9);
  mr_release(context, &handle, 1);
  assert_int_equal(eval_into(context, script, 0, &result), MR_OK);
  assert_memory_equal(result.data, "s\5\0\0\0stale", 10);
  mr_result_free(&result);
}

static void
context_options_reach_the_bridge(void **state)
{
  (void)state;
  mr_context_options options = {.struct_size = sizeof options, .max_memory = 1000, .max_stack = 2000};
  mr_context opened = 0;
  assert_int_equal(mr_context_new(&options, &opened), MR_OK);
  assert_int_equal(fake_context_options.max_memory, 1000);
  assert_int_equal(fake_context_options.max_stack, 2000);
  mr_context_close(opened);
  assert_int_equal(mr_context_new(NULL, &opened), MR_OK);
  assert_int_equal(fake_context_options.max_memory, mr__memory_default_heap());
  mr_context_close(opened);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(each_function_asks_for_its_operation), TEST(options_reach_the_bridge),         TEST(outcomes_do_not_mix),
      TEST(some_failures_tell_the_place),         TEST(a_result_serves_many_calls),       TEST(microtasks_belong_to_the_outermost_call),
      TEST(scripts_reach_handles_by_the_host),    TEST(context_options_reach_the_bridge),
  };
  return cmocka_run_group_tests(tests, start_library, NULL);
}
