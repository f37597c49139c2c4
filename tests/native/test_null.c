/* test_null.c: NULL, 0, stale and made-up ids, and sizes that no header had, into every argument of every public function: a status each time, never a crash. And
 * what clients with an older or a newer header pass. */
#include <stdlib.h>

#include "mr_memory.h"
#include "testing.h"

static mr_context context;
static mr_handle handle;

static int
open_one(void **state)
{
  (void)state;
  context = open_context();
  handle = eval_handle(context, "handle one");
  return 0;
}

static int
close_one(void **state)
{
  mr_context_close(context);
  return nothing_left(state);
}

/* The functions that take a handle and a message, those that take a handle alone, and those that take neither. */
typedef mr_status (*with_message)(mr_context, mr_handle, const void *, size_t, const mr_options *, mr_result *);
typedef mr_status (*without_message)(mr_context, mr_handle, const mr_options *, mr_result *);
static const with_message with_messages[] = {mr_call, mr_call_method, mr_construct, mr_get, mr_set, mr_delete, mr_has, mr_elements, mr_promise_settle};
static mr_status
iterate_async(mr_context in, mr_handle object, const mr_options *options, mr_result *answer)
{
  return mr_iterate(in, object, 1, options, answer);
}

static mr_status
iterate(mr_context in, mr_handle object, const mr_options *options, mr_result *answer)
{
  return mr_iterate(in, object, 0, options, answer);
}

static const without_message without_messages[] = {mr_keys, iterate_async, iterate, mr_next, mr_read, mr_await, mr_preview, mr_module_namespace};

typedef mr_status (*of_context_with_message)(mr_context, const void *, size_t, const mr_options *, mr_result *);
static const of_context_with_message of_contexts_with_messages[] = {mr_eval,        mr_module_compile,  mr_module_synthetic,
                                                                    mr_module_link, mr_module_evaluate, mr_module_hooks};

typedef mr_status (*of_context)(mr_context, const mr_options *, mr_result *);
static const of_context of_contexts[] = {mr_globals, mr_promise_new, mr_heap_stats, mr_stats, mr_heap_snapshot, mr_low_memory};

static const uint64_t strangers[] = {0, 1, 2, 0xdeadbeef, UINT32_MAX, UINT64_C(1) << 32 | 0xffff, UINT64_C(1) << 63, UINT64_MAX};

/* A result with an answer in it, which must be gone after a failure. */
static void
assert_fails(mr_status status, mr_status expected, const mr_result *result)
{
  assert_int_equal(status, expected);
  assert_int_equal(result->size, 0);
}

static void
answer(mr_result *result)
{
  assert_int_equal(eval_into(context, "bytes 500", 0, result), MR_OK);
  assert_int_equal(result->size, 505);
}

/* Every function that runs JavaScript, with one kind of wrong argument. */
static void
assert_all(mr_context id, mr_handle target, const void *in, size_t size, const mr_options *options, mr_status expected)
{
  mr_result result = {.struct_size = sizeof result};
  for (size_t i = 0; i < COUNT(of_contexts_with_messages); i++) {
    answer(&result);
    assert_fails(of_contexts_with_messages[i](id, in, size, options, &result), expected, &result);
  }
  for (size_t i = 0; i < COUNT(with_messages); i++) {
    answer(&result);
    assert_fails(with_messages[i](id, target, in, size, options, &result), expected, &result);
  }
  mr_result_free(&result);
}

static void
no_code_and_no_message(void **state)
{
  (void)state;
  assert_all(context, handle, NULL, 1, NULL, MR_BAD_ARGUMENT);
  assert_all(context, handle, NULL, SIZE_MAX, NULL, MR_BAD_ARGUMENT);
  mr_result result = {.struct_size = sizeof result};
  assert_int_equal(mr_eval(context, NULL, 0, NULL, &result), MR_OK); /* no code is code */
  assert_int_equal(result.data[0], MR_TAG_UNDEFINED);
  mr_result_free(&result);
}

static void
contexts_that_are_none(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  mr_context closed = open_context();
  mr_context_close(closed);
  for (size_t i = 0; i <= COUNT(strangers); i++) {
    mr_context id = i < COUNT(strangers) ? strangers[i] : closed;
    uint64_t count = 5;
    assert_all(id, handle, "int 1", 5, NULL, MR_BAD_CONTEXT);
    for (size_t k = 0; k < COUNT(without_messages); k++) {
      answer(&result);
      assert_fails(without_messages[k](id, handle, NULL, &result), MR_BAD_CONTEXT, &result);
    }
    answer(&result);
    for (size_t k = 0; k < COUNT(of_contexts); k++) {
      answer(&result);
      assert_fails(of_contexts[k](id, NULL, &result), MR_BAD_CONTEXT, &result);
    }
    assert_fails(mr_buffer_new(id, 0, 10, NULL, &result), MR_BAD_CONTEXT, &result);
    int32_t reached = 7;
    assert_int_equal(mr_soft_limit(id, 1), MR_BAD_CONTEXT);
    assert_int_equal(mr_soft_limit_reached(id, &reached), MR_BAD_CONTEXT);
    assert_int_equal(reached, 0);
    assert_int_equal(mr_cancel(id, 1), MR_BAD_CONTEXT);
    mr_store_release(id);
    assert_int_equal(mr_store_release_now(id), 1);
    assert_int_equal(mr_terminate(id), MR_BAD_CONTEXT);
    assert_int_equal(mr_interrupt(id), MR_BAD_CONTEXT);
    assert_int_equal(mr_wait(id, &reached, 1), MR_BAD_CONTEXT);
    assert_int_equal(mr_wait(id, NULL, 1), MR_BAD_ARGUMENT);
    assert_int_equal(mr_wait(id, &reached, -1), MR_BAD_ARGUMENT);
    assert_int_equal(mr_handle_count(id, &count), MR_BAD_CONTEXT);
    assert_int_equal(count, 0);
    assert_int_equal(mr_context_close(id), MR_OK);
    mr_release(id, &handle, 1);
  }
  mr_result_free(&result);
  assert_int_equal(handle_count(context), 1);
}

static void
handles_that_are_none(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  mr_handle stale = eval_handle(context, "handle two");
  mr_release(context, &stale, 1);
  for (size_t i = 0; i <= COUNT(strangers); i++) {
    mr_handle id = i < COUNT(strangers) ? strangers[i] : stale;
    for (size_t k = 0; k < COUNT(with_messages); k++) {
      answer(&result);
      assert_fails(with_messages[k](context, id, "int 1", 5, NULL, &result), MR_BAD_HANDLE, &result);
    }
    for (size_t k = 0; k < COUNT(without_messages); k++) {
      answer(&result);
      assert_fails(without_messages[k](context, id, NULL, &result), MR_BAD_HANDLE, &result);
    }
    mr_release(context, &id, 1);
  }
  mr_result_free(&result);
}

static void
no_result(void **state)
{
  (void)state;
  mr_result small = {.struct_size = 0};
  for (uint32_t size = 0; size < sizeof small; size += 7) {
    small.struct_size = size;
    mr_result *wrong = size ? &small : NULL;
    assert_int_equal(mr_eval(context, "int 1", 5, NULL, wrong), MR_BAD_ARGUMENT);
    for (size_t i = 0; i < COUNT(with_messages); i++) assert_int_equal(with_messages[i](context, handle, "int 1", 5, NULL, wrong), MR_BAD_ARGUMENT);
    for (size_t i = 0; i < COUNT(without_messages); i++) assert_int_equal(without_messages[i](context, handle, NULL, wrong), MR_BAD_ARGUMENT);
    for (size_t i = 0; i < COUNT(of_contexts); i++) assert_int_equal(of_contexts[i](context, NULL, wrong), MR_BAD_ARGUMENT);
    assert_int_equal(mr_buffer_new(context, 0, 10, NULL, wrong), MR_BAD_ARGUMENT);
  }
  assert_int_equal(handle_count(context), 1); /* nothing was made for nobody */
  mr_result_free(NULL);
}

static void
nowhere_to_write(void **state)
{
  (void)state;
  assert_int_equal(mr_context_new(NULL, NULL), MR_BAD_ARGUMENT);
  assert_int_equal(mr_handle_count(context, NULL), MR_BAD_ARGUMENT);
  assert_int_equal(mr_soft_limit_reached(context, NULL), MR_BAD_ARGUMENT);
  assert_int_equal(mr_reply_set(NULL, MR_REPLY_RETURN, "u", 1, NULL, 0), MR_BAD_ARGUMENT);
  mr_release(context, NULL, 5);
  mr_release(context, &handle, 0);
  mr_release(context, NULL, 0);
  assert_int_equal(handle_count(context), 1);
}

static void
options_that_are_not_allowed(void **state)
{
  (void)state;
  mr_options options = {.struct_size = sizeof options, .timeout = -1};
  assert_all(context, handle, "int 1", 5, &options, MR_BAD_ARGUMENT);
  options.timeout = INT64_MIN;
  assert_all(context, handle, "int 1", 5, &options, MR_BAD_ARGUMENT);
  options = (mr_options){.struct_size = sizeof options, .encoding = MR_UTF16 + 1};
  assert_all(context, handle, "int 1", 5, &options, MR_BAD_ARGUMENT);
  options.encoding = UINT32_MAX;
  assert_all(context, handle, "int 1", 5, &options, MR_BAD_ARGUMENT);
  options = (mr_options){.struct_size = sizeof options, .buffer_count = 1};
  assert_all(context, handle, "int 1", 5, &options, MR_BAD_ARGUMENT);
}

/* A size in the middle of a field would let half a pointer through. */
static void
sizes_that_no_header_had(void **state)
{
  (void)state;
  mr_context opened = 5;
  for (uint32_t size = 0; size <= sizeof(mr_options); size++) {
    mr_options options = {.struct_size = size, .filename = "a name at an address of which half is none"};
    mr_context_options context_options = {.struct_size = size};
    if (size >= 8 && size % sizeof(void *) == 0) continue;
    assert_all(context, handle, "int 1", 5, &options, MR_BAD_ARGUMENT);
    if (size > sizeof context_options) continue;
    assert_int_equal(mr_context_new(&context_options, &opened), MR_BAD_ARGUMENT);
    assert_int_equal(opened, 0);
  }
}

/* A client whose header ended earlier: what it cannot say has its default. The rest of its memory is not looked at: the sanitizer would see it. */
static void
an_older_client_passes_less(void **state)
{
  (void)state;
  mr_result result = {.struct_size = sizeof result};
  mr_options *older = malloc(offsetof(mr_options, max_memory));
  REQUIRE(older);
  older->struct_size = offsetof(mr_options, max_memory);
  older->flags = MR_COPY;
  older->timeout = 60000 * MS;
  assert_int_equal(mr_eval(context, "int 1", 5, older, &result), MR_OK);
  assert_int_equal(fake_last.options.flags, MR_COPY);
  assert_int_equal(fake_last.options.timeout, 60000 * MS);
  assert_int_equal(fake_last.options.max_depth, 400);
  assert_int_equal(fake_last.options.max_bytes, INT64_C(1) << 30);
  assert_null(fake_last.options.filename);
  free(older);
  mr_context_options *first = malloc(2 * sizeof(uint32_t));
  REQUIRE(first);
  first->struct_size = 2 * sizeof(uint32_t);
  mr_context opened;
  assert_int_equal(mr_context_new(first, &opened), MR_OK);
  assert_int_equal(fake_context_options.max_memory, mr__memory_default_heap());
  mr_context_close(opened);
  free(first);
}

static void
a_newer_client_passes_more(void **state)
{
  (void)state;
  struct {
    mr_options known;
    uint64_t unknown[20];
  } options = {.known = {.struct_size = sizeof options, .filename = "newer.js", .line_offset = 3}, .unknown = {UINT64_MAX}};
  struct {
    mr_result known;
    uint64_t unknown[20];
  } result = {.known = {.struct_size = sizeof result}, .unknown = {77}};
  assert_int_equal(mr_eval(context, "int 1", 5, &options.known, &result.known), MR_OK);
  assert_string_equal(fake_last.filename, "newer.js");
  assert_int_equal(fake_last.options.line_offset, 3);
  assert_int_equal(fake_last.options.struct_size, sizeof(mr_options));
  assert_int_equal(result.unknown[0], 77);
  struct {
    mr_context_options known;
    uint64_t unknown[20];
  } context_options = {.known = {.struct_size = sizeof context_options, .max_memory = 123, .max_stack = 456}, .unknown = {UINT64_MAX}};
  mr_context opened;
  assert_int_equal(mr_context_new(&context_options.known, &opened), MR_OK);
  assert_int_equal(fake_context_options.max_memory, 123);
  assert_int_equal(fake_context_options.max_stack, 456);
  mr_context_close(opened);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int
main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(no_code_and_no_message),     TEST(contexts_that_are_none),       TEST(handles_that_are_none),    TEST(no_result),
      TEST(nowhere_to_write),           TEST(options_that_are_not_allowed), TEST(sizes_that_no_header_had), TEST(an_older_client_passes_less),
      TEST(a_newer_client_passes_more),
  };
  return cmocka_run_group_tests(tests, start_library, NULL);
}
