/* test_library.c: the built library as a client in C sees it: evaluation, errors, handles, messages of the wire good and bad, limits, threads.
 * usage: test_library V8_FLAGS [ICU_DATA SNAPSHOT] */
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "mini_racer.h"
#include "mr_clock.h"
#include "mr_wire.h"
#include "require.h"

#define MS INT64_C(1000000)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static mr_init_options start; /* from the command line */
static mr_context context;    /* of the running test */
static mr_result answer;      /* of its last call */

static int
open_one(void **state)
{
  (void)state;
  answer = (mr_result){.struct_size = sizeof answer};
  return mr_context_new(NULL, &context);
}

static int
close_one(void **state)
{
  (void)state;
  mr_result_free(&answer);
  assert_int_equal(mr_context_close(context), MR_OK);
  assert_int_equal(mr_context_count(), 0);
  return 0;
}

static void
sleep_for(int64_t nanoseconds)
{
  struct timespec left = mr__timespec(nanoseconds);
  while (nanosleep(&left, &left) != 0) continue;
}

static mr_status
eval(const char *code)
{
  return mr_eval(context, code, strlen(code), NULL, &answer);
}

static mr_status
eval_for(const char *code, int64_t timeout)
{
  mr_options options = {.struct_size = sizeof options, .timeout = timeout};
  return mr_eval(context, code, strlen(code), &options, &answer);
}

static void
assert_answer(const void *message, size_t size)
{
  assert_int_equal(answer.size, size);
  assert_memory_equal(answer.data, message, size);
}

#define ASSERT_ANSWER(literal) assert_answer(literal, sizeof(literal) - 1)

static void
assert_int_answer(int32_t number)
{
  uint8_t message[5] = {MR_TAG_INT32};
  memcpy(message + 1, &number, sizeof number);
  assert_answer(message, sizeof message);
}

static void
assert_works(void)
{
  assert_int_equal(eval("40 + 2"), MR_OK);
  assert_int_answer(42);
}

/* The answer is an exception that has these bytes in its record. */
static void
assert_exception(mr_status status, const char *text)
{
  assert_int_equal(status, MR_EXCEPTION);
  assert_true(answer.size > 2 && answer.data[0] == MR_TAG_EXCEPTION);
  if (!memmem(answer.data, answer.size, text, strlen(text))) fail_msg("the exception does not say: %s", text);
}

/* The handle that is the answer. */
static mr_handle
answered_handle(uint8_t kind)
{
  mr_handle handle;
  assert_int_equal(answer.size, 10);
  assert_int_equal(answer.data[0], MR_TAG_HANDLE);
  assert_int_equal(answer.data[1], kind);
  memcpy(&handle, answer.data + 2, sizeof handle);
  assert_int_not_equal(handle, 0);
  return handle;
}

static mr_handle
eval_handle(const char *code, uint8_t kind)
{
  assert_int_equal(eval(code), MR_OK);
  return answered_handle(kind);
}

/* The answer says that this limit was reached, and that more than it was used. */
static void
assert_limit(const char *name, double value)
{
  uint32_t parts, length;
  double said[2];
  assert_int_equal(answer.size, 5 + 5 + strlen(name) + 9 + 9);
  memcpy(&parts, answer.data + 1, sizeof parts);
  memcpy(&length, answer.data + 6, sizeof length);
  assert_true(answer.data[0] == MR_TAG_ARRAY && parts == 3 && answer.data[5] == MR_TAG_LATIN1 && length == strlen(name));
  assert_memory_equal(answer.data + 10, name, length);
  const uint8_t *at = answer.data + 10 + length;
  assert_true(at[0] == MR_TAG_DOUBLE && at[9] == MR_TAG_DOUBLE);
  memcpy(&said[0], at + 1, sizeof said[0]);
  memcpy(&said[1], at + 10, sizeof said[1]);
  assert_true(said[0] == value && said[1] >= value);
}

/* --- texts --- */

static atomic_int texts_released;

static void
release_text(void *owner)
{
  assert_ptr_equal(owner, &texts_released);
  atomic_fetch_add(&texts_released, 1);
}

/* Calls f(texts...); `index` of each is in the message, which has so many arguments. */
static mr_status
call_with_texts(mr_handle f, mr_text *texts, uint64_t count, const uint32_t *indexes, uint32_t arguments)
{
  mr_options options = {.struct_size = sizeof options, .texts = texts, .text_count = count};
  uint8_t message[64] = {MR_TAG_ARRAY, (uint8_t)(arguments + 1), 0, 0, 0, MR_TAG_UNDEFINED}, *at = message + 6;
  for (uint32_t i = 0; i < arguments; i++, at += 5) {
    *at = MR_TAG_TEXT;
    memcpy(at + 1, &indexes[i], sizeof *indexes);
  }
  return mr_call(context, f, message, (size_t)(at - message), &options, &answer);
}

static mr_text
text_of(const void *data, uint64_t size, uint32_t encoding)
{
  return (mr_text){data, size, encoding, 0, release_text, &texts_released};
}

static void
texts_stay_where_they_are(void **state)
{
  (void)state;
  static const char bytes[] = "caf\xe9 and more than a few characters";
  static const uint16_t units[] = {0x20ac, 0xd800, 'x'};
  atomic_store(&texts_released, 0);
  mr_handle f = eval_handle("globalThis.kept = []; (...all) => { kept.push(...all); return all.map(s => s.charCodeAt(0)).join() }", MR_KIND_FUNCTION);
  mr_text texts[] = {text_of(bytes, sizeof bytes - 1, MR_LATIN1), text_of(units, sizeof units, MR_UTF16), text_of(bytes, 4, MR_LATIN1)};
  assert_int_equal(call_with_texts(f, texts, 3, (uint32_t[]){0, 1, 2, 0}, 4), MR_OK);
  ASSERT_ANSWER("s\x0d\0\0\0"
                "99,8364,99,99");
  for (int i = 0; i < 3; i++) assert_int_equal(texts[i].taken, 1);
  assert_int_equal(eval("[kept[0] === kept[3], kept[0].charCodeAt(3), kept[1].charCodeAt(1), kept[1].length, kept[2].length].join()"), MR_OK);
  ASSERT_ANSWER("s\x12\0\0\0"
                "true,233,55296,3,4");
  mr_text again[] = {text_of(bytes, sizeof bytes - 1, MR_LATIN1)};
  assert_int_equal(call_with_texts(f, again, 1, (uint32_t[]){0}, 1), MR_OK);
  assert_int_equal(again[0].taken, 0); /* the string is there */
  assert_int_equal(atomic_load(&texts_released), 0);
  mr_context_close(context);
  assert_int_equal(atomic_load(&texts_released), 3);
}

static void
texts_that_are_refused_stay_the_callers(void **state)
{
  (void)state;
  static const uint8_t units[] = {0, 'a', 0, 'b', 0};
  atomic_store(&texts_released, 0);
  mr_handle f = eval_handle("s => s.length", MR_KIND_FUNCTION);
  mr_text good = text_of("text", 4, MR_LATIN1);
  assert_int_equal(call_with_texts(f, &good, 1, (uint32_t[]){1}, 1), MR_BAD_MESSAGE);
  assert_int_equal(call_with_texts(f, NULL, 0, (uint32_t[]){0}, 1), MR_BAD_MESSAGE);
  assert_int_equal(call_with_texts(f, NULL, 1, (uint32_t[]){0}, 1), MR_BAD_ARGUMENT);
  mr_text wrong[] = {text_of(units, 3, MR_UTF16), text_of(units, 4, MR_UTF8), text_of(NULL, 4, MR_LATIN1), text_of(units, UINT64_C(1) << 40, MR_LATIN1)};
  for (uint32_t i = 0; i < 4; i++) {
    mr_status status = call_with_texts(f, wrong, 4, &i, 1);
    assert_int_equal(status, i == 3 ? MR_TOO_LARGE : MR_BAD_MESSAGE);
    assert_int_equal(wrong[i].taken, 0);
  }
  mr_text copied[] = {text_of(units + 1, 4, MR_UTF16), text_of("", 0, MR_LATIN1), text_of(NULL, 0, MR_UTF16), {"abc", 3, MR_LATIN1, 0, NULL, NULL}};
  const int32_t lengths[] = {2, 0, 0, 3};
  for (uint32_t i = 0; i < 4; i++) {
    if (i == 0 && (uintptr_t)(units + 1) % 2 == 0) continue; /* it is aligned */
    assert_int_equal(call_with_texts(f, copied, 4, &i, 1), MR_OK);
    assert_int_answer(lengths[i]);
    assert_int_equal(copied[i].taken, 0);
  }
  assert_int_equal(good.taken, 0);
  assert_int_equal(atomic_load(&texts_released), 0);
}

static void
texts_go_with_the_garbage(void **state)
{
  (void)state;
  static char bytes[1 << 20];
  atomic_store(&texts_released, 0);
  memset(bytes, 'x', sizeof bytes);
  mr_handle f = eval_handle("s => s.length", MR_KIND_FUNCTION);
  int taken = 0;
  for (uint64_t i = 0; i < 200; i++) { /* each of another size, so that none is the same */
    mr_text text = text_of(bytes, sizeof bytes - i, MR_LATIN1);
    assert_int_equal(call_with_texts(f, &text, 1, (uint32_t[]){0}, 1), MR_OK);
    assert_int_answer((int32_t)(sizeof bytes - i));
    taken += (int)text.taken;
  }
  assert_int_equal(taken, 200);
  assert_int_equal(mr_low_memory(context, NULL, &answer), MR_OK);
  assert_true(atomic_load(&texts_released) > 150);
  mr_context_close(context);
  assert_int_equal(atomic_load(&texts_released), 200);
}

/* --- evaluation --- */

static void
files_are_checked_and_it_starts_once(void **state)
{
  (void)state;
  mr_init_options wrong = start;
  answer = (mr_result){.struct_size = sizeof answer};
  assert_int_equal(mr_abi_version(), MR_ABI_VERSION);
  assert_int_equal(mr_feature("blobs"), start.icu_path != NULL);
  assert_true(strlen(mr_v8_version()) > 5 && strlen(mr_build_id()) > 5);
  assert_int_equal(mr_eval(1, "1", 1, NULL, &answer), MR_NOT_INITIALIZED);
  if (start.icu_path) {
    wrong.icu_path = "no/such.file";
    assert_int_equal(mr_init(&wrong), MR_ICU_MISSING);
    wrong.icu_path = start.snapshot_path;
    assert_int_equal(mr_init(&wrong), MR_ICU_FOREIGN);
    wrong = start;
    wrong.snapshot_path = NULL;
    assert_int_equal(mr_init(&wrong), MR_SNAPSHOT_MISSING);
    wrong.snapshot_path = start.icu_path;
    assert_int_equal(mr_init(&wrong), MR_SNAPSHOT_FOREIGN);
  }
  assert_int_equal(mr_init(&start), MR_OK);
  assert_int_equal(mr_init(&start), MR_ALREADY_INITIALIZED);
}

static void
scalars_come_as_they_are(void **state)
{
  (void)state;
#define CASE(code, literal) {code, literal, sizeof(literal) - 1}
  static const struct {
    const char *code, *message;
    size_t size;
  } cases[] = {
      CASE("undefined", "u"),
      CASE("null", "n"),
      CASE("true", "t"),
      CASE("1 > 2", "f"),
      CASE("7", "i\7\0\0\0"),
      CASE("-2147483648", "i\0\0\0\x80"),
      CASE("2147483648", "d\0\0\0\0\0\0\xe0\x41"),
      CASE("-0", "d\0\0\0\0\0\0\0\x80"),
      CASE("0.5", "d\0\0\0\0\0\0\xe0\x3f"),
      CASE("1 / 0", "d\0\0\0\0\0\0\xf0\x7f"),
      CASE("''", "s\0\0\0\0"),
      CASE("'abc'", "s\3\0\0\0abc"),
      CASE("'\\xe9\\0'", "s\2\0\0\0\xe9\0"),
      CASE("'\\u20ac'", "S\1\0\0\0\xac\x20"),
      CASE("'\\ud800'", "S\1\0\0\0\x00\xd8"),
      CASE("new Date(0)", "D\0\0\0\0\0\0\0\0"),
      CASE("1n", "b\0\x8\0\0\0\1\0\0\0\0\0\0\0"),
      CASE("-1n", "b\1\x8\0\0\0\1\0\0\0\0\0\0\0"),
      CASE("", "u"),
      CASE("var x = 5; x * 2", "i\xa\0\0\0"),
  };
#undef CASE
  for (size_t i = 0; i < COUNT(cases); i++) {
    assert_int_equal(eval(cases[i].code), MR_OK);
    assert_answer(cases[i].message, cases[i].size);
  }
  assert_int_equal(eval("NaN"), MR_OK);
  assert_int_equal(answer.data[0], MR_TAG_DOUBLE);
}

static void
code_comes_in_any_encoding(void **state)
{
  (void)state;
  mr_options options = {.struct_size = sizeof options};
  assert_int_equal(mr_eval(context, "'\xe2\x82\xac'", 5, &options, &answer), MR_OK);
  ASSERT_ANSWER("S\1\0\0\0\xac\x20");
  assert_int_equal(mr_eval(context, "'\xff'", 3, &options, &answer), MR_OK); /* not UTF-8: U+FFFD */
  ASSERT_ANSWER("S\1\0\0\0\xfd\xff");
  options.encoding = MR_LATIN1;
  assert_int_equal(mr_eval(context, "'\xff'", 3, &options, &answer), MR_OK);
  ASSERT_ANSWER("s\1\0\0\0\xff");
  options.encoding = MR_UTF16;
  static const char code[] = "-'\0\x00\xd8'\0"; /* the code begins at the second byte, so it is not aligned */
  assert_int_equal(mr_eval(context, code + 1, 6, &options, &answer), MR_OK);
  ASSERT_ANSWER("S\1\0\0\0\x00\xd8");
  options.encoding = MR_UTF8;
  assert_int_equal(mr_eval(context, "'a\0b'.length", 12, &options, &answer), MR_OK); /* a NUL is a character */
  assert_int_answer(3);
}

static void
exceptions_say_what_where_and_how(void **state)
{
  (void)state;
  assert_exception(eval("throw new RangeError('boom')"), "RangeError: boom");
  assert_exception(eval("throw 42"), "42");
  assert_exception(eval("null.x"), "TypeError");
  assert_exception(eval("undefinedName"), "ReferenceError: undefinedName is not defined");
  assert_int_equal(answer.data[1] & MR_X_PARSE, 0);
  assert_exception(eval("1 +"), "SyntaxError");
  assert_int_equal(answer.data[1] & MR_X_PARSE, MR_X_PARSE);
  mr_options options = {.struct_size = sizeof options, .filename = "place.js", .line_offset = 99};
  assert_exception(mr_eval(context, "\nthrow 1", 8, &options, &answer), "place.js:101");
  assert_works();
}

static void
hostile_exceptions_do_no_harm(void **state)
{
  (void)state;
  static const char *const codes[] = {
      "throw {toString() { throw 1 }}",
      "throw {get message() { throw 1 }, get name() { throw 2 }, get stack() { throw 3 }}",
      "throw Object.create(null)",
      "throw Symbol('s')",
      "throw new Proxy({}, {get() { throw new Error('trap') }})",
      "throw undefined",
      "Error.prepareStackTrace = () => { throw 1 }; throw new Error('x')",
      "Error.prototype.toString = () => { throw 1 }; throw new Error('y')",
      "throw new (class extends Error { get stack() { return 'z'.repeat(1e6) } })",
  };
  for (size_t i = 0; i < COUNT(codes); i++) {
    assert_int_equal(eval(codes[i]), MR_EXCEPTION);
    assert_int_equal(answer.data[0], MR_TAG_EXCEPTION);
  }
  assert_int_equal(eval_for("throw {toString() { for (;;); }}", 50 * MS), MR_TIMEOUT);
  assert_limit("timeout", 50 * MS);
  assert_works();
}

static void
microtasks_run_before_the_answer_is_back(void **state)
{
  (void)state;
  assert_int_equal(eval("var done = 0; Promise.resolve().then(() => { done = 5 }); done"), MR_OK);
  assert_int_answer(0);
  assert_int_equal(eval("done"), MR_OK);
  assert_int_answer(5);
}

/* --- handles --- */

static void
handles_are_one_per_value(void **state)
{
  (void)state;
  uint64_t count = 0;
  mr_handle object = eval_handle("var o = {a: 1}; o", MR_KIND_OBJECT);
  assert_int_equal(eval_handle("o", MR_KIND_OBJECT), object);
  eval_handle("[1]", MR_KIND_ARRAY);
  eval_handle("(x) => x", MR_KIND_FUNCTION);
  eval_handle("Symbol('s')", MR_KIND_SYMBOL);
  eval_handle("Promise.resolve()", MR_KIND_PROMISE);
  eval_handle("new Map", MR_KIND_MAP);
  assert_int_equal(mr_handle_count(context, &count), MR_OK);
  assert_int_equal(count, 6);
  mr_release(context, &object, 1);
  mr_release(context, &object, 1);
  assert_int_equal(mr_handle_count(context, &count), MR_OK);
  assert_int_equal(count, 5);
  assert_int_equal(mr_read(context, object, NULL, &answer), MR_BAD_HANDLE);
}

static void
handles_survive_collections(void **state)
{
  (void)state;
  mr_handle kept = eval_handle("({kept: 77})", MR_KIND_OBJECT);
  assert_int_equal(eval("for (let i = 0; i < 300; i++) new Array(1e5).fill(i); 0"), MR_OK);
  assert_int_equal(mr_get(context, kept, "s\4\0\0\0kept", 9, NULL, &answer), MR_OK);
  assert_int_answer(77);
}

static void
functions_are_called_and_constructed(void **state)
{
  (void)state;
  mr_handle add = eval_handle("(function (a, b) { return a + b + (this.c || 0) })", MR_KIND_FUNCTION);
  static const char three[] = "a\3\0\0\0ui\5\0\0\0i\7\0\0\0";
  assert_int_equal(mr_call(context, add, three, sizeof three - 1, NULL, &answer), MR_OK);
  assert_int_answer(12);
  mr_handle receiver = eval_handle("({c: 100, add(a) { return a + this.c }})", MR_KIND_OBJECT);
  uint8_t with_this[25] = "a\3\0\0\0H";
  memcpy(with_this + 7, &receiver, sizeof receiver);
  memcpy(with_this + 15, "i\5\0\0\0i\7\0\0\0", 10);
  assert_int_equal(mr_call(context, add, with_this, sizeof with_this, NULL, &answer), MR_OK);
  assert_int_answer(112);
  static const char method[] = "a\2\0\0\0s\3\0\0\0addi\1\0\0\0";
  assert_int_equal(mr_call_method(context, receiver, method, sizeof method - 1, NULL, &answer), MR_OK);
  assert_int_answer(101);
  static const char missing[] = "a\1\0\0\0s\2\0\0\0no";
  assert_exception(mr_call_method(context, receiver, missing, sizeof missing - 1, NULL, &answer), "TypeError");
  mr_handle date = eval_handle("Date", MR_KIND_FUNCTION);
  assert_int_equal(mr_construct(context, date, "a\1\0\0\0i\5\0\0\0", 10, NULL, &answer), MR_OK);
  assert_int_equal(answer.data[0], MR_TAG_DATE);
  assert_int_equal(mr_construct(context, add, "a\1\0\0\0H\0\0\0\0\0\0\0\0\0", 15, NULL, &answer), MR_BAD_HANDLE);
  assert_exception(mr_call(context, receiver, three, sizeof three - 1, NULL, &answer), "TypeError");
  assert_exception(mr_construct(context, receiver, "a\0\0\0\0", 5, NULL, &answer), "TypeError");
  mr_handle arrow = eval_handle("() => 1", MR_KIND_FUNCTION);
  assert_exception(mr_construct(context, arrow, "a\0\0\0\0", 5, NULL, &answer), "TypeError");
}

static void
properties_are_read_and_written(void **state)
{
  (void)state;
  mr_handle object = eval_handle("var o = {a: 1, u: undefined, get bad() { throw new Error('getter') }}; o", MR_KIND_OBJECT);
  assert_int_equal(mr_get(context, object, "s\1\0\0\0a", 6, NULL, &answer), MR_OK);
  assert_int_answer(1);
  assert_int_equal(mr_get(context, object, "s\1\0\0\0u", 6, NULL, &answer), MR_OK);
  ASSERT_ANSWER("u");
  assert_int_equal(mr_get(context, object, "s\1\0\0\0z", 6, NULL, &answer), MR_OK);
  ASSERT_ANSWER("h");
  assert_exception(mr_get(context, object, "s\3\0\0\0bad", 8, NULL, &answer), "getter");
  assert_int_equal(mr_set(context, object, "a\2\0\0\0s\1\0\0\0zi\11\0\0\0", 16, NULL, &answer), MR_OK);
  ASSERT_ANSWER("t");
  assert_int_equal(mr_has(context, object, "s\1\0\0\0z", 6, NULL, &answer), MR_OK);
  ASSERT_ANSWER("t");
  assert_int_equal(eval("o.z"), MR_OK);
  assert_int_answer(9);
  assert_int_equal(mr_delete(context, object, "s\1\0\0\0z", 6, NULL, &answer), MR_OK);
  ASSERT_ANSWER("t");
  assert_int_equal(mr_has(context, object, "s\1\0\0\0z", 6, NULL, &answer), MR_OK);
  ASSERT_ANSWER("f");
  mr_handle keyed = eval_handle("({a: 1, 5: 2, __proto__: {b: 3}})", MR_KIND_OBJECT);
  assert_int_equal(mr_keys(context, keyed, NULL, &answer), MR_OK);
  assert_int_equal(answer.data[0], MR_TAG_ARRAY);
  assert_int_equal(answer.data[1], 3);
  assert_int_equal(mr_globals(context, NULL, &answer), MR_OK);
  mr_handle globals = answered_handle(MR_KIND_OBJECT);
  assert_int_equal(mr_has(context, globals, "s\4\0\0\0Date", 9, NULL, &answer), MR_OK);
  ASSERT_ANSWER("t");
}

/* --- the wire --- */

typedef struct message {
  uint8_t bytes[1024];
  size_t size;
} message;

static void
put(message *to, const void *bytes, size_t size)
{
  REQUIRE(to->size + size <= sizeof to->bytes);
  memcpy(to->bytes + to->size, bytes, size);
  to->size += size;
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

/* [undefined, [one value of each tag that has no memory of its own]], as the arguments of a call. */
static message
scalars(void)
{
  message made = {.size = 0};
  PUT(&made, "a\2\0\0\0ua\15\0\0\0untf");
  PUT(&made, "i\1\2\3\4d\0\0\0\0\0\0\xe0\x3f");
  PUT(&made, "b\1\3\0\0\0\1\2\3s\3\0\0\0abcS\2\0\0\0a\0b\0");
  PUT(&made, "D\0\0\0\0\0\0\0\0h");
  PUT(&made, "I\2\0\0\0\1\0\0\0\2\0\0\0F\1\0\0\0\0\0\0\0\0\0\xe0\x3f");
  return made;
}

/* The same with objects, Maps, Sets, errors, typed arrays, and references to keys and containers. */
static message
containers(void)
{
  message made = {.size = 0};
  PUT(&made, "a\2\0\0\0ua\7\0\0\0");
  PUT(&made, "o\2\0\0\0s\1\0\0\0xi\1\0\0\0S\1\0\0\0y\0a\1\0\0\0n");
  PUT(&made, "o\1\0\0\0K\0\0\0\0R\0\0\0\0");
  PUT(&made, "m\1\0\0\0i\1\0\0\0R\2\0\0\0e\2\0\0\0tf");
  PUT(&made, "Es\5\0\0\0Errors\4\0\0\0saidus\1\0\0\0c");
  PUT(&made, "V\2\3\0\0\0\0\0\0\0abcR\1\0\0\0");
  return made;
}

static mr_status
call_with(mr_handle function, const uint8_t *bytes, size_t size)
{
  uint8_t *exact = malloc(size ? size : 1); /* a byte too far is outside of the block */
  REQUIRE(exact);
  memcpy(exact, bytes, size);
  mr_status status = mr_call(context, function, exact, size, NULL, &answer);
  free(exact);
  return status;
}

static void
assert_truncations_are_refused(message whole)
{
  mr_handle identity = eval_handle("(x) => x.length", MR_KIND_FUNCTION);
  assert_int_equal(call_with(identity, whole.bytes, whole.size), MR_OK);
  assert_int_equal(answer.data[0], MR_TAG_INT32);
  for (size_t size = 0; size < whole.size; size++)
    if (call_with(identity, whole.bytes, size) != MR_BAD_MESSAGE) fail_msg("cut after %zu of %zu bytes", size, whole.size);
  PUT(&whole, "u");
  assert_int_equal(call_with(identity, whole.bytes, whole.size), MR_BAD_MESSAGE); /* one value too many */
  assert_works();
}

static void
cut_messages_are_refused(void **state)
{
  (void)state;
  assert_truncations_are_refused(scalars());
}

static void
cut_messages_of_containers_are_refused(void **state)
{
  (void)state;
  assert_truncations_are_refused(containers());
}

static void
messages_that_lie_are_refused(void **state)
{
  (void)state;
#define CASE(literal, status)            \
  {                                      \
    literal, sizeof(literal) - 1, status \
  }
  static const struct {
    const char *bytes;
    size_t size;
    mr_status status;
  } cases[] = {
      CASE("u", MR_BAD_MESSAGE),                  /* no array */
      CASE("a\0\0\0\0", MR_BAD_MESSAGE),          /* no this */
      CASE("a\xff\xff\xff\xffu", MR_BAD_MESSAGE), /* 4 billion elements */
      CASE("a\2\0\0\0us\xff\xff\xff\xffx", MR_BAD_MESSAGE),
      CASE("a\2\0\0\0uS\xff\xff\xff\x7fxx", MR_BAD_MESSAGE),
      CASE("a\2\0\0\0uI\xff\xff\xff\xff....", MR_BAD_MESSAGE),
      CASE("a\2\0\0\0uF\xff\xff\xff\x1f........", MR_BAD_MESSAGE),
      CASE("a\2\0\0\0ub\2\0\0\0\0", MR_BAD_MESSAGE), /* neither positive nor negative */
      CASE("a\2\0\0\0ub\0\xff\xff\xff\xff.", MR_BAD_MESSAGE),
      CASE("a\2\0\0\0up\0\0\0\0\0\0 \0\0\0\0\0s\0\0\0\0", MR_BAD_MESSAGE), /* an id of 2^53 */
      CASE("a\2\0\0\0uP\0\0\0\0\0\0\0 \0", MR_BAD_MESSAGE),
      CASE("a\2\0\0\0u?", MR_BAD_MESSAGE), /* no such tag */
      CASE("a\2\0\0\0uX", MR_BAD_MESSAGE), /* not a tag that comes in */
      CASE("a\2\0\0\0uH\0\1\0\0\0\0\0\0\0", MR_BAD_HANDLE),
      CASE("a\2\0\0\0uH\0\xff\xff\xff\xff\xff\xff\xff\xff", MR_BAD_HANDLE),
  };
#undef CASE
  mr_handle function = eval_handle("(x) => x", MR_KIND_FUNCTION);
  for (size_t i = 0; i < COUNT(cases); i++)
    if (call_with(function, (const uint8_t *)cases[i].bytes, cases[i].size) != cases[i].status) fail_msg("case %zu", i);
  assert_works();
}

static void
messages_nested_too_deeply_are_refused(void **state)
{
  (void)state;
  mr_handle function = eval_handle("(x) => 1", MR_KIND_FUNCTION);
  size_t depth = 100000, size = 6 + depth * 5 + 1;
  uint8_t *bytes = malloc(size);
  REQUIRE(bytes);
  memcpy(bytes, "a\2\0\0\0u", 6);
  for (size_t i = 0; i < depth; i++) memcpy(bytes + 6 + i * 5, "a\1\0\0\0", 5);
  bytes[size - 1] = 'u';
  assert_int_equal(mr_call(context, function, bytes, size, NULL, &answer), MR_TOO_DEEP);
  free(bytes);
  assert_works();
}

/* Arrays that each claim as many elements as there are bytes left: the reader must not make room for what is only claimed. */
static void
counts_are_not_believed(void **state)
{
  (void)state;
  mr_handle function = eval_handle("(x) => 1", MR_KIND_FUNCTION);
  size_t size = 1 << 20, at = 6;
  uint8_t *bytes = calloc(1, size);
  REQUIRE(bytes);
  memcpy(bytes, "a\2\0\0\0u", at);
  for (int depth = 0; depth < 300; depth++, at += 5) {
    uint32_t claimed = (uint32_t)(size - at - 5);
    bytes[at] = 'a';
    memcpy(bytes + at + 1, &claimed, sizeof claimed);
  }
  int64_t begin = mr__now();
  assert_int_equal(mr_call(context, function, bytes, size, NULL, &answer), MR_BAD_MESSAGE);
  assert_true(mr__now() - begin < 300 * MS); /* 300 times 8 MB filled would take longer */
  free(bytes);
  assert_works();
}

static uint64_t seed;

static uint32_t
next_random(void)
{
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return (uint32_t)(seed >> 32);
}

static void
assert_survives(mr_handle function, const uint8_t *bytes, size_t size)
{
  mr_status status = call_with(function, bytes, size);
  bool fine =
      status == MR_OK || status == MR_EXCEPTION || status == MR_BAD_MESSAGE || status == MR_BAD_HANDLE || status == MR_TOO_DEEP || status == MR_TOO_LARGE;
  if (!fine) fail_msg("%s", mr_status_name(status));
  if (status == MR_OK && answer.data[0] == MR_TAG_HANDLE) { /* or a test of a minute fills the heap */
    mr_handle handle;
    memcpy(&handle, answer.data + 2, sizeof handle);
    mr_release(context, &handle, 1);
  }
}

static void
random_messages_do_no_harm(void **state)
{
  (void)state;
  const char *given = getenv("SEED");
  seed = given ? strtoull(given, NULL, 10) : (uint64_t)mr__now();
  printf("SEED=%" PRIu64 "\n", seed);
  mr_handle function = eval_handle("(x) => x", MR_KIND_FUNCTION);
  static const char tags[] = "untfidbsSDhHaIFoOmeERvVWpYXK";
  for (int i = 0; i < 20000; i++) {
    message random = {.size = 0};
    PUT(&random, "a\2\0\0\0u");
    size_t size = next_random() % 64;
    for (size_t k = 0; k < size; k++) {
      uint32_t pick = next_random();
      uint8_t byte = pick & 3 ? (uint8_t)(pick >> 8 & (pick & 4 ? 3 : 255)) : (uint8_t)tags[(pick >> 8) % (sizeof tags - 1)];
      put(&random, &byte, 1);
    }
    assert_survives(function, random.bytes, random.size);
  }
  for (int i = 0; i < 20000; i++) {
    message changed = i % 2 ? scalars() : containers();
    for (uint32_t k = 1 + next_random() % 3; k > 0; k--) changed.bytes[next_random() % changed.size] ^= (uint8_t)(1u << next_random() % 8);
    assert_survives(function, changed.bytes, changed.size);
  }
  assert_works();
}

/* --- limits --- */

static void
a_timeout_ends_what_runs(void **state)
{
  (void)state;
  static const char *const codes[] = {
      "for (;;);",
      "try { for (;;); } catch (e) {} finally { for (;;); }",
      "Promise.resolve().then(() => { for (;;); }); 1",
      "(async () => { for (;;) await 0 })(); 1",
      "'a'.repeat(30).match(/(a+)+b/); for (;;);",
      "new Proxy({}, {get() { for (;;); }}).x",
      "[3, 1, 2].sort(() => { for (;;); })",
      "for (;;) new Array(1000).fill(1.5)", /* V8 15 compiles the check for interrupts away, where it may unroll loops */
  };
  for (size_t i = 0; i < COUNT(codes); i++) {
    int64_t begin = mr__now();
    assert_int_equal(eval_for(codes[i], 30 * MS), MR_TIMEOUT);
    assert_limit("timeout", 30 * MS);
    assert_true(mr__now() - begin >= 30 * MS);
    assert_works();
  }
}

/* The deadline may pass before V8 is entered: a termination from then must hold, or the loop never ends. */
static void
the_shortest_timeouts_hold(void **state)
{
  (void)state;
  for (int i = 0; i < 3000; i++) assert_int_equal(eval_for("for (;;);", 1 + i * 20), MR_TIMEOUT);
  assert_works();
}

typedef struct job {
  mr_context context;
  const char *code;
  int rounds;
  mr_status status;
  size_t stack;
  pthread_t thread;
} job;

static void *
job_thread(void *data)
{
  job *mine = data;
  mr_result result = {.struct_size = sizeof result};
  for (int i = 0; i < mine->rounds; i++) mine->status = mr_eval(mine->context, mine->code, strlen(mine->code), NULL, &result);
  mr_result_free(&result);
  return NULL;
}

static void
start_job(job *started)
{
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (started->stack) REQUIRE(pthread_attr_setstacksize(&attributes, started->stack) == 0);
  REQUIRE(pthread_create(&started->thread, &attributes, job_thread, started) == 0);
  pthread_attr_destroy(&attributes);
}

static mr_status
finish_job(job *started)
{
  pthread_join(started->thread, NULL);
  return started->status;
}

/* At any moment: also while the call is on its way in or out. */
static void
terminate_at_any_moment(void **state)
{
  (void)state;
  for (int i = 0; i < 300; i++) {
    job running = {.context = context, .code = "for (;;);", .rounds = 1};
    start_job(&running);
    sleep_for(i * MS / 1000);
    for (bool ended = false; !ended;) { /* who terminates what has not begun yet does nothing */
      assert_int_equal(mr_terminate(context), MR_OK);
      struct timespec until;
      clock_gettime(CLOCK_REALTIME, &until);
      until.tv_nsec += 20 * MS;
      until.tv_sec += until.tv_nsec / 1000000000;
      until.tv_nsec %= 1000000000;
      ended = pthread_timedjoin_np(running.thread, NULL, &until) == 0;
    }
    assert_int_equal(running.status, MR_TERMINATED);
  }
  assert_works();
}

static void
a_full_heap_ends_the_call(void **state)
{
  (void)state;
  mr_context_options options = {.struct_size = sizeof options, .max_memory = 30 << 20};
  mr_context small = 0, large = context;
  assert_int_equal(mr_context_new(&options, &small), MR_OK);
  context = small;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(eval("var a = []; for (;;) a.push(new Array(1000).fill(1.5))"), MR_MEMORY_LIMIT);
    assert_int_equal(eval("a = null"), MR_OK);
    assert_works();
  }
  context = large;
  mr_options of_call = {.struct_size = sizeof of_call, .max_memory = 20 << 20};
  static const char code[] = "var b = []; for (;;) b.push(new Array(1000).fill(1.5))";
  assert_int_equal(mr_eval(context, code, sizeof code - 1, &of_call, &answer), MR_MEMORY_LIMIT);
  assert_int_equal(eval("b = null"), MR_OK);
  assert_works();
  mr_context_close(small);
}

/* --- host functions, timers --- */

typedef struct host {
  atomic_int calls, events;
  uint64_t function, in_size;
  uint8_t in[256];
  uint32_t event;
  const char *reply;
  size_t reply_size;
  uint32_t outcome;
  mr_status status;
} host;

static void
on_call(void *data, mr_context from, uint64_t function, const uint8_t *in, uint64_t in_size, mr_reply *reply)
{
  host *mine = data;
  REQUIRE(in_size <= sizeof mine->in);
  mine->function = function;
  mine->in_size = in_size;
  memcpy(mine->in, in, in_size);
  mr_result result = {.struct_size = sizeof result};
  REQUIRE(mr_eval(from, "6 * 7", 5, NULL, &result) == MR_OK && result.data[1] == 42); /* in again */
  mr_result_free(&result);
  if (mine->reply) mine->status = mr_reply_set(reply, mine->outcome, mine->reply, mine->reply_size, NULL, 0);
  atomic_fetch_add(&mine->calls, 1);
}

static void
on_event(void *data, mr_context from, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size)
{
  host *mine = data;
  (void)from, (void)id, (void)message, (void)size;
  mine->event = event;
  atomic_fetch_add(&mine->events, 1);
}

/* A context with the host's functions, in place of the test's, and a global `f` that is host function 5. */
static void
open_with_host(host *mine)
{
  mr_context_options options = {.struct_size = sizeof options, .call = on_call, .event = on_event, .data = mine};
  mr_context_close(context);
  assert_int_equal(mr_context_new(&options, &context), MR_OK);
  assert_int_equal(mr_globals(context, NULL, &answer), MR_OK);
  mr_handle globals;
  memcpy(&globals, answer.data + 2, sizeof globals);
  static const char f_is_5[] = "a\2\0\0\0s\1\0\0\0fp\5\0\0\0\0\0\0\0\1\0\0\0s\4\0\0\0five";
  assert_int_equal(mr_set(context, globals, f_is_5, sizeof f_is_5 - 1, NULL, &answer), MR_OK);
}

static void
host_functions_are_called(void **state)
{
  (void)state;
  host mine = {.reply = "i\11\0\0\0", .reply_size = 5};
  open_with_host(&mine);
  assert_int_equal(eval("f(1, 'x') + 1"), MR_OK);
  assert_int_answer(10);
  assert_int_equal(mine.function, 5);
  static const char arguments[] = "ui\1\0\0\0s\1\0\0\0x";
  assert_true(mine.in_size >= sizeof arguments - 1 && memcmp(mine.in + mine.in_size - (sizeof arguments - 2), arguments + 1, sizeof arguments - 2) == 0);
  mine.outcome = MR_REPLY_THROW;
  assert_int_equal(eval("try { f(); 0 } catch (thrown) { thrown }"), MR_OK);
  assert_int_answer(9);
  assert_exception(eval("f()"), "9");
  assert_int_equal(eval("f.name"), MR_OK);
  ASSERT_ANSWER("s\4\0\0\0five");
  mine.reply = NULL;
  assert_exception(eval("f()"), "Error");
}

static void
host_objects_ask(void **state)
{
  (void)state;
  host mine = {.reply = "i\11\0\0\0", .reply_size = 5};
  open_with_host(&mine);
  assert_int_equal(eval("var kept; take => 0, (x => { kept = x; return x })"), MR_OK);
  mr_handle keep;
  memcpy(&keep, answer.data + 2, sizeof keep);
  static const char object[] = "a\2\0\0\0uP\0\7\0\0\0\0\0\0\0", iterator[] = "a\2\0\0\0uP\3\10\0\0\0\0\0\0\0";
  assert_int_equal(mr_call(context, keep, object, sizeof object - 1, NULL, &answer), MR_OK);
  ASSERT_ANSWER("P\0\7\0\0\0\0\0\0\0"); /* it comes back as what it is */
  assert_int_equal(answer.taken, 1);
  assert_int_equal(eval("kept.x + 1"), MR_OK);
  assert_int_answer(10);
  static const char get_x[] = "a\2\0\0\0i\0\0\0\0s\1\0\0\0x";
  assert_int_equal(mine.function, 7);
  assert_true(mine.in_size == sizeof get_x - 1 && memcmp(mine.in, get_x, sizeof get_x - 1) == 0);
  mine.reply = "h", mine.reply_size = 1; /* what the host does not have, JavaScript looks for itself */
  assert_int_equal(eval("kept.toString === Object.prototype.toString ? 1 : 0"), MR_OK);
  assert_int_answer(1);
  assert_int_equal(mr_call(context, keep, iterator, sizeof iterator - 1, NULL, &answer), MR_OK);
  assert_int_equal(eval("[...kept].length"), MR_OK);
  assert_int_answer(0);
  mine.reply = "a\1\0\0\0i\1\0\0\0", mine.reply_size = 10; /* keys that are none: JavaScript throws */
  assert_int_equal(mr_call(context, keep, object, sizeof object - 1, NULL, &answer), MR_OK);
  assert_exception(eval("Object.keys(kept)"), "TypeError");
}

static void
messages_that_break_off_take_nothing(void **state)
{
  (void)state;
  host mine = {0};
  open_with_host(&mine);
  assert_int_equal(eval("(...all) => all.length"), MR_OK);
  mr_handle count;
  memcpy(&count, answer.data + 2, sizeof count);
  static const char whole[] = "a\4\0\0\0uP\0\7\0\0\0\0\0\0\0p\10\0\0\0\0\0\0\0\1\0\0\0s\0\0\0\0P\1\7\0\0\0\0\0\0\0";
  for (size_t size = 0; size < sizeof whole - 1; size++) {
    assert_int_equal(mr_call(context, count, whole, size, NULL, &answer), MR_BAD_MESSAGE);
    assert_int_equal(answer.taken, 0);
  }
  assert_int_equal(mr_low_memory(context, NULL, &answer), MR_OK);
  assert_int_equal(mr_low_memory(context, NULL, &answer), MR_OK);
  assert_int_equal(mine.events, 0);
  assert_int_equal(mr_call(context, count, whole, sizeof whole - 1, NULL, &answer), MR_OK);
  assert_int_equal(answer.taken, 1);
  static const char wrong[] = "a\2\0\0\0uP\3\5\0\0\0\0\0\0\0", no_kind[] = "a\2\0\0\0uP\7\5\0\0\0\0\0\0\0", no_id[] = "a\2\0\0\0uP\0\0\0\0\0\0\0\0\0";
  assert_int_equal(mr_call(context, count, wrong, sizeof wrong - 1, NULL, &answer), MR_BAD_MESSAGE); /* 5 is a function, and held */
  assert_int_equal(mr_call(context, count, no_kind, sizeof no_kind - 1, NULL, &answer), MR_BAD_MESSAGE);
  assert_int_equal(mr_call(context, count, no_id, sizeof no_id - 1, NULL, &answer), MR_BAD_MESSAGE);
}

static void
iterators_are_stepped_through(void **state)
{
  (void)state;
  assert_int_equal(eval("[7]"), MR_OK);
  mr_handle array, iterator;
  memcpy(&array, answer.data + 2, sizeof array);
  assert_int_equal(mr_iterate(context, array, 1, NULL, &answer), MR_OK);
  ASSERT_ANSWER("h");
  assert_int_equal(mr_iterate(context, array, 0, NULL, &answer), MR_OK);
  memcpy(&iterator, answer.data + 2, sizeof iterator);
  assert_int_equal(mr_next(context, iterator, NULL, &answer), MR_OK);
  assert_int_answer(7);
  assert_int_equal(mr_next(context, iterator, NULL, &answer), MR_OK);
  ASSERT_ANSWER("h");
  assert_exception(mr_next(context, array, NULL, &answer), "TypeError");
}

static void
broken_replies_are_exceptions(void **state)
{
  (void)state;
  host mine = {.outcome = MR_REPLY_RETURN};
  message whole = containers();
  open_with_host(&mine);
  for (size_t size = 0; size < whole.size; size++) {
    mine.reply = (const char *)whole.bytes;
    mine.reply_size = size;
    assert_int_equal(eval("f()"), MR_EXCEPTION);
    assert_int_equal(mine.status, MR_BAD_MESSAGE);
  }
  mine.reply_size = whole.size;
  assert_int_equal(eval("f().length"), MR_OK);
  assert_int_answer(2);
  assert_works();
}

static void
timers_run_by_themselves(void **state)
{
  (void)state;
  host mine = {.reply = "u", .reply_size = 1};
  open_with_host(&mine);
  assert_int_equal(eval("var every = setInterval(f, 1); setTimeout(() => { throw 1 }, 2); 1"), MR_OK);
  for (int64_t end = mr__now() + 20000 * MS; atomic_load(&mine.calls) < 5 || atomic_load(&mine.events) < 1; sleep_for(MS)) assert_true(mr__now() < end);
  assert_int_equal(mine.event, MR_EVENT_UNCAUGHT);
  assert_int_equal(eval("clearInterval(every)"), MR_OK);
  int calls = atomic_load(&mine.calls);
  sleep_for(20 * MS);
  assert_int_equal(atomic_load(&mine.calls), calls);
  assert_int_equal(eval("setTimeout(() => { for (;;); }, 0); setInterval(() => {}, 1e6); 1"), MR_OK);
  sleep_for(10 * MS); /* and the context closes while that runs */
}

/* What came in goes out the same. */
static void
copies_go_round(void **state)
{
  (void)state;
  static const char in[] = "a\2\0\0\0ua\6\0\0\0o\1\0\0\0s\1\0\0\0xi\1\0\0\0R\1\0\0\0ntd\0\0\0\0\0\0\xe0\x3fm\1\0\0\0s\1\0\0\0kn";
  mr_handle identity = eval_handle("(x) => x", MR_KIND_FUNCTION);
  mr_options options = {.struct_size = sizeof options, .flags = MR_COPY};
  assert_int_equal(mr_call(context, identity, in, sizeof in - 1, &options, &answer), MR_OK);
  ASSERT_ANSWER("a\6\0\0\0o\1\0\0\0s\1\0\0\0xi\1\0\0\0R\0\0\0\0ntd\0\0\0\0\0\0\xe0\x3fm\1\0\0\0s\1\0\0\0kn");
}

/* --- threads --- */

/* On a thread with 512 KB of stack, and on this one. */
static mr_status
eval_on_small_stack(const char *code)
{
  job small = {.context = context, .code = code, .rounds = 1, .stack = 512 * 1024};
  start_job(&small);
  mr_status there = finish_job(&small), here = eval(code);
  assert_int_equal(there, here);
  assert_works();
  return here;
}

static void
a_small_stack_overflows_into_an_exception(void **state)
{
  (void)state;
  static const char *const codes[] = {
      "(function f() { f() })()",
      "(function f(a) { return [...a].map(() => f(a)) })([1])",
      "var o = {get x() { return this.x }}; o.x",
      "var t = {toString() { return '' + this }}; '' + t",
      "var p = {}; p = new Proxy({}, {get(t, k, r) { return r[k] }}); p.x",
      "(function f() { try { f() } finally { f() } })()",
  };
  for (size_t i = 0; i < COUNT(codes) - 1; i++) assert_int_equal(eval_on_small_stack(codes[i]), MR_EXCEPTION);
  assert_int_equal(eval_for(codes[COUNT(codes) - 1], 50 * MS), MR_TIMEOUT); /* would take until the end of time */
}

/* V8's own recursion, which one version may do without and another cannot. */
static void
deep_input_does_no_harm(void **state)
{
  (void)state;
  static const char *const codes[] = {
      "var deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; JSON.stringify(deep).length",
      "JSON.parse('['.repeat(1e5) + ']'.repeat(1e5)).length",
      "new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).source.length",
      "eval('['.repeat(1e5) + ']'.repeat(1e5)).length",
      "eval('!'.repeat(1e5) + '1')",
      "eval('{'.repeat(1e5) + '}'.repeat(1e5)); 1",
      "'' + deep",
      "deep.flat(Infinity).length",
  };
  for (size_t i = 0; i < COUNT(codes); i++) {
    mr_status status = eval_on_small_stack(codes[i]);
    assert_true(status == MR_OK || status == MR_EXCEPTION);
  }
}

static void
two_threads_share_a_context(void **state)
{
  (void)state;
  job jobs[2];
  assert_int_equal(eval("var n = 0"), MR_OK);
  for (size_t i = 0; i < COUNT(jobs); i++) {
    jobs[i] = (job){.context = context, .code = "n = n + 1", .rounds = 20000};
    start_job(&jobs[i]);
  }
  for (size_t i = 0; i < COUNT(jobs); i++) assert_int_equal(finish_job(&jobs[i]), MR_OK);
  assert_int_equal(eval("n"), MR_OK);
  assert_int_answer(40000);
}

static void
threads_have_contexts_of_their_own(void **state)
{
  (void)state;
  job jobs[4];
  for (size_t i = 0; i < COUNT(jobs); i++) {
    jobs[i] = (job){.code = "var s = 0; for (let i = 0; i < 1000; i++) s += i; s", .rounds = 500};
    assert_int_equal(mr_context_new(NULL, &jobs[i].context), MR_OK);
    start_job(&jobs[i]);
  }
  for (size_t i = 0; i < COUNT(jobs); i++) {
    assert_int_equal(finish_job(&jobs[i]), MR_OK);
    mr_context_close(jobs[i].context);
  }
}

static void
close_while_threads_run(void **state)
{
  (void)state;
  for (int i = 0; i < 50; i++) {
    job jobs[2];
    mr_context closed = 0;
    assert_int_equal(mr_context_new(NULL, &closed), MR_OK);
    for (size_t k = 0; k < COUNT(jobs); k++) {
      jobs[k] = (job){.context = closed, .code = "for (;;);", .rounds = 1};
      start_job(&jobs[k]);
    }
    sleep_for(i * MS / 20);
    assert_int_equal(mr_context_close(closed), MR_OK);
    for (size_t k = 0; k < COUNT(jobs); k++) {
      mr_status status = finish_job(&jobs[k]);
      assert_true(status == MR_CLOSED || status == MR_BAD_CONTEXT);
    }
  }
}

static void
a_thousand_contexts(void **state)
{
  (void)state;
  mr_context open[20] = {0};
  for (size_t i = 0; i < 1000; i++) {
    mr_context *place = &open[i % COUNT(open)];
    assert_int_equal(mr_context_close(*place), MR_OK);
    assert_int_equal(mr_context_new(NULL, place), MR_OK);
    assert_int_equal(mr_eval(*place, "1", 1, NULL, &answer), MR_OK);
  }
  for (size_t i = 0; i < COUNT(open); i++) mr_context_close(open[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_one, close_one)

int
main(int argc, char **argv)
{
  setvbuf(stdout, NULL, _IOLBF, 0); /* what was said before a crash is told */
  start = (mr_init_options){.struct_size = sizeof start, .flags = argc > 1 ? argv[1] : NULL};
  if (argc > 3) {
    start.icu_path = argv[2];
    start.snapshot_path = argv[3];
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(files_are_checked_and_it_starts_once),
      TEST(scalars_come_as_they_are),
      TEST(code_comes_in_any_encoding),
      TEST(exceptions_say_what_where_and_how),
      TEST(hostile_exceptions_do_no_harm),
      TEST(microtasks_run_before_the_answer_is_back),
      TEST(texts_stay_where_they_are),
      TEST(texts_that_are_refused_stay_the_callers),
      TEST(texts_go_with_the_garbage),
      TEST(handles_are_one_per_value),
      TEST(handles_survive_collections),
      TEST(functions_are_called_and_constructed),
      TEST(properties_are_read_and_written),
      TEST(cut_messages_are_refused),
      TEST(cut_messages_of_containers_are_refused),
      TEST(messages_that_lie_are_refused),
      TEST(messages_nested_too_deeply_are_refused),
      TEST(counts_are_not_believed),
      TEST(random_messages_do_no_harm),
      TEST(a_timeout_ends_what_runs),
      TEST(the_shortest_timeouts_hold),
      TEST(terminate_at_any_moment),
      TEST(a_full_heap_ends_the_call),
      TEST(copies_go_round),
      TEST(host_functions_are_called),
      TEST(host_objects_ask),
      TEST(messages_that_break_off_take_nothing),
      TEST(iterators_are_stepped_through),
      TEST(broken_replies_are_exceptions),
      TEST(timers_run_by_themselves),
      TEST(a_small_stack_overflows_into_an_exception),
      TEST(deep_input_does_no_harm),
      TEST(two_threads_share_a_context),
      TEST(threads_have_contexts_of_their_own),
      TEST(close_while_threads_run),
      TEST(a_thousand_contexts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
