/* fuzz_wire.c: bytes as messages, for every function of the real library that takes one. One thread.
 *
 * The first byte of an input says which function, the second how: MR_COPY and its like in the lowest bits, then whether buffers lie beside the message, whether the
 * bytes are the value alone or the whole message, and whether the message may nest only a little. The rest is the message. Afterwards the answer has to be a message by
 * the letter of mr_wire.h, and with what it holds given back the context has to have the handles that it had before. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "answers.h"
#include "mini_racer.h"
#include "mr_wire.h"
#include "require.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUTS 2000   /* that one context gets */
#define MOST_ASKED 64 /* host calls of one input that are answered */

static const char *const SCRIPTS[] = {
    "x => x",                                                                                                   /* IDENTITY */
    "({a: 1, f(x) { return [x, this]; }, get g() { throw 1; }, [Symbol.iterator]: function* () { yield 1; }})", /* OBJECT */
    "class A { constructor(...x) { this.x = x; } }; A",                                                         /* CLASS */
    /* DRILL: whatever can be asked of a value */
    "const tries = [o => o.x, o => { o.y = 1; }, o => delete o.z, o => 'q' in o, o => Object.keys(o), o => { for (const k in o) break; }, o => [...o], o => "
    "o(1, o),"
    "o => o.length, o => JSON.stringify(o), o => `${o}`, o => +o, o => Object.getOwnPropertyDescriptor(o, 'a'), o => o.next(2), o => o.return(3), o => "
    "o.throw(4),"
    "o => Array.isArray(o), o => o.map(x => x), o => o.sort(), o => Object.assign({}, o), o => structuredClone(o)];"
    "o => { for (const t of tries) try { t(o); } catch {} return o; }",
    "f => f(f)", /* CALLER: of a host function, for what it answers */
};
enum { IDENTITY, OBJECT, CLASS, DRILL, CALLER, HELD };

static mr_context context;
static mr_handle held[HELD];
static uint64_t base; /* handles that the context has between inputs */
static unsigned inputs;
static unsigned asked;
static const uint8_t *message; /* of this input, for host functions */
static size_t message_size;
static mr_options options;

static void
give_back(void *data, char tag, uint64_t id)
{
  (void)data;
  if (tag == MR_TAG_HANDLE) mr_release(context, &id, 1);
  else mr_store_release(id);
}

/* A host function's answer is the input's message again: for a call from JavaScript, and for all that it asks about a host object. */
static void
on_call(void *data, mr_context from, uint64_t function, const uint8_t *in, uint64_t in_size, mr_reply *reply)
{
  REQUIRE(from == context && read_answer(in, in_size, give_back, data));
  if (++asked > MOST_ASKED) return;
  mr_status status = mr_reply_set(reply, function & 1 ? MR_REPLY_THROW : MR_REPLY_RETURN, message, message_size, options.buffers, options.buffer_count);
  if (status != MR_OK && function & 2) mr_reply_set(reply, MR_REPLY_RETURN, "u", 1, NULL, 0);
}

static void
on_event(void *data, mr_context from, uint32_t event, uint64_t id, const uint8_t *in, uint64_t size)
{
  (void)from;
  (void)event;
  (void)id;
  if (size) REQUIRE(read_answer(in, size, give_back, data));
}

static uint64_t
handles(void)
{
  uint64_t count = 0;
  mr_result result = {.struct_size = sizeof result};
  mr_eval(context, "0", 1, NULL, &result); /* what is released goes at the next entry */
  mr_result_free(&result);
  REQUIRE(mr_handle_count(context, &count) == MR_OK);
  return count;
}

static mr_handle
eval_handle(const char *script)
{
  mr_handle handle;
  mr_result result = {.struct_size = sizeof result};
  REQUIRE(mr_eval(context, script, strlen(script), NULL, &result) == MR_OK && result.size == 10 && result.data[0] == MR_TAG_HANDLE);
  memcpy(&handle, result.data + 2, sizeof handle);
  mr_result_free(&result);
  return handle;
}

static void
open_context(void)
{
  const mr_context_options limits = {
      .struct_size = sizeof limits, .max_memory = 64 << 20, .call = on_call, .event = on_event, .timeout = 1000000000, .max_buffer_memory = 16 << 20};
  REQUIRE(mr_context_new(&limits, &context) == MR_OK);
  for (size_t i = 0; i < HELD; i++) held[i] = eval_handle(SCRIPTS[i]);
  base = handles();
  inputs = 0;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
  (void)argc;
  (void)argv;
  const mr_init_options start = {
      .struct_size = sizeof start, .flags = "--single-threaded", .icu_path = getenv("MR_ICU"), .snapshot_path = getenv("MR_SNAPSHOT")};
  REQUIRE(mr_init(&start) == MR_OK);
  return 0;
}

/* A message with the input as one of its values. Memory of exactly its size, so that a read behind it is seen. */
static uint8_t *
wrap(const char *head, size_t head_size, const uint8_t *data, size_t size, size_t *whole)
{
  uint8_t *made = malloc(head_size + size + 1);
  REQUIRE(made);
  memcpy(made, head, head_size);
  if (size) memcpy(made + head_size, data, size);
  *whole = head_size + size;
  uint8_t *exact = realloc(made, *whole ? *whole : 1);
  return exact ? exact : made;
}

#define HEAD(literal) literal, sizeof(literal) - 1

/* Does the function that the first byte says. `alone`: the bytes are a value; else a whole message. */
static mr_status
operate(uint8_t which, bool alone, const uint8_t *in, size_t size, mr_result *result)
{
  static const struct {
    mr_status (*function)(mr_context, mr_handle, const void *, size_t, const mr_options *, mr_result *);
    int target;
    const char *head; /* what makes a message of a value */
    size_t head_size;
  } takers[] = {{mr_call, IDENTITY, HEAD("a\2\0\0\0u")},
                {mr_call, DRILL, HEAD("a\2\0\0\0u")},
                {mr_call, CALLER, HEAD("a\2\0\0\0up\4\0\0\0\0\0\0\0\0\0\0\0s\1\0\0\0f")},
                {mr_set, OBJECT, HEAD("a\2\0\0\0s\1\0\0\0k")},
                {mr_get, OBJECT, HEAD("")},
                {mr_delete, OBJECT, HEAD("")},
                {mr_has, OBJECT, HEAD("")},
                {mr_call_method, OBJECT, HEAD("a\2\0\0\0s\1\0\0\0f")},
                {mr_construct, CLASS, HEAD("a\1\0\0\0")},
                {mr_call, CALLER, HEAD("a\2\0\0\0up\5\0\0\0\0\0\0\0\0\0\0\0s\1\0\0\0f")},
                {mr_call, DRILL, HEAD("a\2\0\0\0uP\30\6\0\0\0\0\0\0\0")}};
  static mr_status (*const modules[])(mr_context, const void *, size_t, const mr_options *, mr_result *) = {mr_module_synthetic, mr_module_link,
                                                                                                            mr_module_evaluate, mr_module_hooks};
  enum { TAKERS = sizeof takers / sizeof *takers, MODULES = sizeof modules / sizeof *modules };
  which %= TAKERS + MODULES + 1;
  if (which < TAKERS) {
    /* A host function or object stands in the head of its message; the input is what it answers. */
    bool answers = takers[which].target == CALLER || takers[which].head_size > 16;
    size_t whole;
    uint8_t *made = wrap(takers[which].head, alone || answers ? takers[which].head_size : 0, in, answers ? 0 : size, &whole);
    mr_status status = takers[which].function(context, held[takers[which].target], made, whole, &options, result);
    free(made);
    return status;
  }
  if (which < TAKERS + MODULES) return modules[which - TAKERS](context, in, size, &options, result);
  mr_handle promise = 0;
  REQUIRE(mr_promise_new(context, NULL, result) == MR_OK && result->size == 10);
  memcpy(&promise, result->data + 2, sizeof promise);
  size_t whole;
  uint8_t *made = wrap(HEAD("a\2\0\0\0t"), in, size, &whole);
  mr_status status = mr_promise_settle(context, promise, alone ? made : in, alone ? whole : size, &options, result);
  free(made);
  if (status == MR_OK) status = mr_await(context, promise, &options, result);
  mr_release(context, &promise, 1);
  return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const double numbers[] = {0.5, 1e300};
  static const mr_slice beside[] = {{numbers, sizeof numbers}, {numbers, 3}, {NULL, 0}};
  if (size < 2) return 0;
  if (!context) open_context();
  message = data + 2;
  message_size = size - 2;
  asked = 0;
  options = (mr_options){.struct_size = sizeof options, .flags = data[1] & 7u, .max_bytes = 1 << 20, .max_depth = data[1] & 32 ? 3 : 0};
  if (data[1] & 8) {
    options.buffers = beside;
    options.buffer_count = sizeof beside / sizeof *beside;
  }
  mr_result result = {.struct_size = sizeof result};
  mr_status status = operate(data[0], data[1] & 16, message, message_size, &result);
  REQUIRE(status <= MR_EXCEPTION && status >= MR_BUSY && status != MR_CLOSED && status != MR_BAD_CONTEXT && status != MR_NOT_INITIALIZED);
  REQUIRE(!result.size || read_answer(result.data, result.size, give_back, NULL));
  REQUIRE(status != MR_OK || result.size);
  mr_result_free(&result);
  uint64_t now = handles();
  if (now != base) fprintf(stderr, "%" PRIu64 " handles, after status %d; before it %" PRIu64 "\n", now, status, base);
  REQUIRE(now == base);
  if (++inputs < INPUTS) return 0;
  REQUIRE(mr_context_close(context) == MR_OK && mr_context_count() == 0);
  context = 0;
  return 0;
}
