/* fuzz_abi.c: bytes as a program of calls of the public ABI, on four contexts; on the real library, and with FUZZ_FAKE on the core with the fake bridge.
 *
 * Each byte is an operation or one of its arguments. Ids come from earlier results, or are stale, or made up; option structs are good ones, or of any size and content,
 * in memory of exactly that size. Host functions go on with the program, on the thread that runs it; on the library's own threads they answer at once. At the end of
 * an input all that was handed out is given back, and nothing may be left over.
 * Threads: the one of the fuzzer; events come on the library's, too, and `mutex` protects what they note. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "answers.h"
#include "mini_racer.h"
#include "mr_wire.h"
#include "require.h"

#ifdef FUZZ_FAKE
#include "fake_bridge.h"
#define SHORT INT64_C(50000)
#else
#define SHORT INT64_C(5000000)
#endif

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONTEXTS 4
#define HANDLES 16
#define MOST_CALLS 48     /* of one program */
#define MOST_CALLBACKS 16 /* likewise; those beyond throw */
#define DEEPEST 4         /* calls within calls */
#define COUNT(array) (sizeof(array) / sizeof *(array))

#ifdef FUZZ_FAKE
static const char *const CODE[] = {"loop",
                                   "int 7",
                                   "handle a",
                                   "handle b",
                                   "handles 3",
                                   "throw x",
                                   "fail -9",
                                   "bytes 3000",
                                   "host 1 u",
                                   "host 2 u",
                                   "event 2 3 u",
                                   "event 3 4 u",
                                   "timer 0 int 3",
                                   "every 0 int 1",
                                   "clear 1",
                                   "tell int 4",
                                   "undefined",
                                   "task 0",
                                   "tasks 3",
                                   "stats",
                                   "heap 100; int 2",
                                   "call",
                                   "call; handle c",
                                   "handle-of 4294967296",
                                   "handles 20",
                                   "event 4 0 u",
                                   "call; loop",
                                   "host 1 u; host 2 u",
                                   "timer 0 throw t",
                                   "undefined",
                                   "fail -17",
                                   "near-limit; int 1"};
#else
static const char *const CODE[] = {"while (true);",
                                   "7",
                                   "({a: 1, b: [1, {c: 's'}], f() { return this; }})",
                                   "[1, 'x', {}, [], new Uint8Array(8)]",
                                   "x => x",
                                   "throw {get message() { throw 1; }}",
                                   "a b",
                                   "'x'.repeat(3000)",
                                   "f => f(1, {})",
                                   "(f, o) => { try { return f(o); } catch (e) { return e; } }",
                                   "Promise.resolve({})",
                                   "Promise.reject(new Error('x'))",
                                   "setTimeout(() => {}, 0)",
                                   "setInterval(() => { throw {}; }, 0)",
                                   "clearTimeout(1)",
                                   "new Promise(() => {})",
                                   "new ArrayBuffer(64)",
                                   "new Map([[1, {}], [{}, new Set([1])]])",
                                   "new Date(NaN)",
                                   "-1n << 100n",
                                   "class A { constructor(x) { this.x = x; } }; A",
                                   "new Proxy({}, {get() { throw 1; }, ownKeys() { return ['a']; }})",
                                   "(function f() { f(); })()",
                                   "Symbol('s')",
                                   "(function* () { yield {}; throw {}; })()",
                                   "({get a() { throw {}; }, b: {}})",
                                   "({a: {}, get b() { while (true); }})",
                                   "[{}, () => {}, Symbol.iterator, new Uint8Array(4), {get x() { throw {}; }}]",
                                   "Promise.resolve().then(() => { while (true); }); ({})",
                                   "const a = [{}]; a[1] = a; a",
                                   "async () => { throw {}; }",
                                   "import('x')"};
#endif

typedef struct reference {
  mr_context context;
  mr_handle handle; /* 0: a store */
  uint64_t store;
} reference;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static reference *references; /* to give back at the end */
static size_t reference_count, reference_capacity;
static mr_handle handles[HANDLES]; /* those seen last */
static unsigned next_handle;

static atomic_uint submitted, done;
static mr_context contexts[CONTEXTS];
static pthread_t fuzzer;
static const uint8_t *at, *end;
static unsigned calls, callbacks, depth;

/* --- what comes in --- */

static uint8_t
byte(void)
{
  return at < end ? *at++ : 0;
}

static uint64_t
number(void)
{
  uint64_t made = 0;
  for (int i = 0; i < 8; i++) made = made << 8 | byte();
  return made;
}

/* An id that there is, was, could be, or never was. */
static uint64_t
some_id(const uint64_t *ids, unsigned count)
{
  uint8_t how = byte();
  uint64_t id = ids[how % count];
  if (how < 200) return id;
  if (how < 210) return id + (UINT64_C(1) << 32); /* of the next generation */
  if (how < 220) return id - (UINT64_C(1) << 32);
  if (how < 230) return id + byte();
  if (how < 240) return id ^ UINT64_C(1) << byte() % 64;
  return number();
}

static mr_context
some_context(void)
{
  return some_id(contexts, CONTEXTS);
}

static mr_handle
some_handle(void)
{
  pthread_mutex_lock(&mutex);
  mr_handle known[HANDLES];
  memcpy(known, handles, sizeof known);
  pthread_mutex_unlock(&mutex);
  return some_id(known, HANDLES);
}

static int64_t
some_time(bool ends)
{
  const int64_t times[] = {0, 1, SHORT, 10 * SHORT, -1, INT64_MIN, ends ? MR_UNLIMITED : 0, 0};
  return times[byte() % COUNT(times)];
}

/* Option structs are copied to memory of the size that they claim, or of their own where they claim more. NULL: none was asked for. `size` 0: it is right. */
static void *
of_size(const void *whole, uint32_t right, uint32_t size)
{
  uint32_t held = size && size < right ? size : right;
  uint8_t *made = malloc(held < sizeof size ? sizeof size : held);
  REQUIRE(made);
  memcpy(made, whole, held);
  uint32_t said = size ? size : right;
  memcpy(made, &said, sizeof said);
  return made;
}

static uint32_t
some_size(void)
{
  uint8_t how = byte();
  return how < 200 ? 0 : how < 250 ? (how - 199u) * 4 : (uint32_t)number();
}

/* For the caller to free. `ends`: what is called comes to an end by itself. */
static mr_options *
some_options(bool ends, uint64_t call)
{
  static const mr_slice buffers[] = {{"abcdefgh", 8}, {NULL, 0}};
  uint8_t how = byte();
  if (how < 100 && !call) return NULL;
  mr_options made = {.flags = byte(), .call = call ? call : byte() % 4u};
  if (how & 1) made.timeout = some_time(ends);
  if (how & 2) made.cpu_time = some_time(true);
  if (how & 4) made.max_memory = byte() << 16;
  if (how & 8) made.realm = some_handle();
  if (how & 16) {
    made.buffers = buffers;
    made.buffer_count = byte() % 3u;
  }
  if (how & 32) {
    made.max_bytes = byte();
    made.max_depth = byte() % 8u;
    made.encoding = byte() % 5u;
    made.filename = "f.js";
    made.line_offset = (int32_t)number();
  }
  return of_size(&made, sizeof made, call ? 0 : some_size());
}

/* A message, or the code of the fake bridge, which it takes as such. For the caller to free. */
static uint8_t *
some_message(size_t *size)
{
#ifdef FUZZ_FAKE
  const char *script = CODE[1 + byte() % (COUNT(CODE) - 1)];
  *size = byte() < 20 ? 0 : strlen(script);
  const void *content = script;
#else
  static const struct {
    const char *bytes;
    size_t size;
  } messages[] = {{"u", 1},
                  {"a\1\0\0\0u", 6},
                  {"a\2\0\0\0ui\1\0\0\0", 11},
                  {"s\1\0\0\0a", 6},
                  {"a\2\0\0\0s\1\0\0\0ai\1\0\0\0", 16},
                  {"a\2\0\0\0ti\1\0\0\0", 11},
                  {"a\2\0\0\0fs\1\0\0\0x", 12},
                  {"a\2\0\0\0up\7\0\0\0\0\0\0\0\1\0\0\0s\1\0\0\0f", 25},
                  {"a\2\0\0\0uP\30\10\0\0\0\0\0\0\0", 16},
                  {"a\3\0\0\0s\1\0\0\0mp\7\0\0\0\0\0\0\0\0\0\0\0s\1\0\0\0fs\1\0\0\0e", 36},
                  {"a\2\0\0\0uW\2\0\0\0\0", 12}};
  uint8_t built[64] = "a\2\0\0\0uH\0";
  uint8_t which = byte() % (COUNT(messages) + 3);
  const void *content = built;
  *size = 16;
  if (which < COUNT(messages)) {
    content = messages[which].bytes;
    *size = messages[which].size;
  } else if (which == COUNT(messages)) { /* an array of undefined, or a number, and a handle */
    mr_handle handle = some_handle();
    memcpy(built + 8, &handle, sizeof handle);
  } else if (which == COUNT(messages) + 1) { /* of modules to link or to evaluate */
    static const char heads[2][16] = {"a\1\0\0\0a\1\0\0\0H\0", "a\2\0\0\0i\0\0\0\0H\0"};
    mr_handle handle = some_handle();
    memcpy(built, heads[byte() & 1], 12);
    memcpy(built + 12, &handle, sizeof handle);
    *size = 20;
  } else {
    *size = byte() % sizeof built;
    for (size_t i = 0; i < *size; i++) built[i] = byte();
  }
#endif
  uint8_t *made = malloc(*size ? *size : 1);
  REQUIRE(made);
  memcpy(made, content, *size);
  return made;
}

/* --- what comes out --- */

static void
keep(reference kept)
{
  pthread_mutex_lock(&mutex);
  if (reference_count == reference_capacity) {
    reference_capacity = reference_capacity ? 2 * reference_capacity : 64;
    references = realloc(references, reference_capacity * sizeof *references);
    REQUIRE(references);
  }
  references[reference_count++] = kept;
  if (kept.handle) handles[next_handle++ % HANDLES] = kept.handle;
  pthread_mutex_unlock(&mutex);
}

static void
on_reference(void *data, char tag, uint64_t id)
{
  const mr_context *context = data;
  keep(tag == MR_TAG_HANDLE ? (reference){.context = *context, .handle = id} : (reference){.store = id});
}

static void
take_answer(mr_context context, const uint8_t *message, uint64_t size)
{
  bool whole = !size || read_answer(message, size, on_reference, &context);
#ifdef FUZZ_FAKE
  (void)whole; /* the fake bridge's exceptions are short ones */
#else
  REQUIRE(whole);
#endif
}

static void run_program(mr_context inside);

static void
on_call(void *data, mr_context context, uint64_t function, const uint8_t *in, uint64_t size, mr_reply *reply)
{
  (void)data;
#ifndef FUZZ_FAKE
  take_answer(context, in, size);
#else
  (void)in;
  (void)size;
#endif
  if (!pthread_equal(pthread_self(), fuzzer) || ++callbacks > MOST_CALLBACKS) return;
  run_program(context);
  uint8_t how = byte();
  size_t message_size;
  uint8_t *message = some_message(&message_size);
  mr_status status = mr_reply_set(how & 1 ? reply : NULL, how >> 6, message, message_size, NULL, how & 2 ? 1 : 0);
  if (how & 4) mr_reply_set(reply, function & 1 ? MR_REPLY_RETURN : MR_REPLY_THROW, "u", 1, NULL, 0);
  REQUIRE(status >= MR_BUSY && status <= MR_EXCEPTION);
  free(message);
}

static void
on_event(void *data, mr_context context, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size)
{
  (void)data;
  (void)id;
  if (MR_EVENT_KIND(event) != MR_EVENT_CODE_CACHE) take_answer(context, message, size);
  if (MR_EVENT_KIND(event) == MR_EVENT_DONE) atomic_fetch_add(&done, 1);
}

#ifdef FUZZ_FAKE
static void
on_script_call(void *data)
{
  (void)data;
  if (++callbacks <= MOST_CALLBACKS) run_program(0);
}
#endif

/* --- operations --- */

static void
open_context(void)
{
  mr_context_options made = {.call = on_call, .event = on_event, .timeout = SHORT, .max_memory = 32 << 20, .max_buffer_memory = 1 << 20};
  uint8_t how = byte();
  if (how & 1) made.cpu_time = some_time(true);
  if (how & 2) made.max_stack = byte() << 12;
  if (how & 4) made.max_memory = number() % (64 << 20);
  if (how & 8) made.max_buffer_memory = byte();
  if (how & 16) made.call = NULL;
  uint32_t size = how & 32 ? some_size() : 0;
  if (size && size % 8 == 0 && size < offsetof(mr_context_options, cpu_time)) size = offsetof(mr_context_options, cpu_time); /* else nothing would end a loop */
  mr_context_options *given = of_size(&made, sizeof made, size);
  mr_context *place = &contexts[byte() % CONTEXTS], opened = 0;
  mr_status status = mr_context_new(given, &opened);
  free(given);
  REQUIRE((status == MR_OK) == (opened != 0));
  if (status != MR_OK) return;
  if (mr_context_close(*place) == MR_OK) *place = opened;
  else mr_context_close(opened);
}

static mr_status
evaluate(mr_context context, mr_result *result)
{
  static mr_status (*const functions[])(mr_context, const void *, size_t, const mr_options *, mr_result *) = {mr_eval, mr_eval, mr_compile, mr_module_compile};
  uint8_t which = byte(), how = byte();
  const char *code = CODE[which % COUNT(CODE)];
  mr_options *options = some_options(false, 0);
  mr_status status = functions[how % COUNT(functions)](context, how == 255 ? NULL : code, strlen(code), options, result);
  free(options);
  return status;
}

/* What takes a handle and a message. */
static mr_status
ask(mr_context context, mr_result *result)
{
  static mr_status (*const functions[])(mr_context, mr_handle, const void *, size_t, const mr_options *,
                                        mr_result *) = {mr_call, mr_call_method, mr_construct, mr_get, mr_set, mr_delete, mr_has, mr_promise_settle};
  size_t size;
  uint8_t which = byte(), *message = some_message(&size);
  mr_handle handle = some_handle();
  mr_options *options = some_options(false, 0);
  mr_status status = functions[which % COUNT(functions)](context, handle, which == 255 ? NULL : message, size, options, result);
  free(options);
  free(message);
  return status;
}

/* What takes a handle alone. */
static mr_status
look(mr_context context, mr_result *result)
{
  static mr_status (*const functions[])(mr_context, mr_handle, const mr_options *, mr_result *) = {mr_keys, mr_read,       mr_await, mr_preview,
                                                                                                   mr_run,  mr_code_cache, mr_next,  mr_module_namespace};
  uint8_t which = byte();
  mr_handle handle = some_handle();
  mr_options *options = some_options(false, 0);
  mr_status status =
      which & 128 ? mr_iterate(context, handle, which & 1, options, result) : functions[which % COUNT(functions)](context, handle, options, result);
  free(options);
  return status;
}

/* What takes neither. */
static mr_status
make(mr_context context, mr_result *result)
{
  static mr_status (*const functions[])(mr_context, const mr_options *, mr_result *) = {mr_globals,    mr_promise_new, mr_stats,
                                                                                        mr_heap_stats, mr_realm_new,   mr_low_memory};
  uint8_t which = byte();
  mr_options *options = some_options(false, 0);
  mr_status status =
      which & 128 ? mr_buffer_new(context, byte() % 20u, byte(), options, result) : functions[which % COUNT(functions)](context, options, result);
  free(options);
  return status;
}

static mr_status
modules(mr_context context, mr_result *result)
{
  static mr_status (*const functions[])(mr_context, const void *, size_t, const mr_options *, mr_result *) = {mr_module_synthetic, mr_module_link,
                                                                                                              mr_module_evaluate, mr_module_hooks};
  size_t size;
  uint8_t which = byte(), *message = some_message(&size);
  mr_options *options = some_options(false, 0);
  mr_status status = functions[which % COUNT(functions)](context, message, size, options, result);
  free(options);
  free(message);
  return status;
}

static void
submit(mr_context context)
{
  static atomic_uint_fast64_t numbers = 100;
  uint8_t operation = byte() % 24, which = byte();
  size_t size;
  uint8_t *message = some_message(&size);
  const char *code = CODE[which % COUNT(CODE)];
#ifdef FUZZ_FAKE
  if (memcmp(code, "call", 4) == 0) code = CODE[0]; /* the hook is of the fuzzer's thread */
  if (size && memcmp(message, "call", 4) == 0) size = 0;
#endif
  mr_handle handle = some_handle();
  mr_options *options = which == 255 ? NULL : some_options(false, atomic_fetch_add(&numbers, 1));
  bool evaluates = operation == MR_DO_EVAL;
  if (operation == MR_DO_HEAP_SNAPSHOT) operation = 0;
  atomic_fetch_add(&submitted, 1);
  mr_status status = mr_submit(context, operation, handle, evaluates ? (const void *)code : message, evaluates ? strlen(code) : size, options);
  if (status != MR_OK) atomic_fetch_sub(&submitted, 1);
  free(options);
  free(message);
}

/* What answers nothing. */
static void
manage(mr_context context)
{
  static const int32_t never = 0;
  uint64_t count;
  int32_t reached;
  switch (byte() % 16) {
  case 0:
    mr_terminate(context);
    break;
  case 1:
    mr_cancel(context, byte() % 4u + (byte() & 1 ? 100 : 0));
    break;
  case 2:
    mr_interrupt(context);
    break;
  case 3:
    mr_wait(context, &never, 1 + byte() * INT64_C(100));
    break;
  case 4:
    mr_soft_limit(context, byte());
    break;
  case 5:
    mr_soft_limit_reached(context, byte() ? &reached : NULL);
    break;
  case 6:
    mr_handle_count(context, byte() ? &count : NULL);
    break;
  case 7:
    if (byte()) mr_store_release(number());
    else mr_store_release_now(number());
    break;
  case 8:
    mr_resume();
    break;
  case 9:
    mr_running_call();
    break;
  case 10: {
    const mr_handle wild[] = {some_handle(), some_handle(), some_handle()};
    mr_release(context, wild, byte() % 4);
    break;
  }
  case 11:
    REQUIRE(mr_init(NULL) == MR_ALREADY_INITIALIZED);
    break;
  case 12:
    mr_status_name((int32_t)number());
    mr_status_text((int32_t)number());
    break;
  case 13:
    mr_context_close(context);
    break;
  case 14:
    mr_context_new(NULL, NULL);
    break;
  default:
    mr_feature(byte() ? "intl" : NULL);
    break;
  }
}

/* Runs the program until its end or, in a callback, until it says so. `inside`: a context that it is in. */
static void
run_program(mr_context inside)
{
  if (depth == DEEPEST) return;
  depth++;
  mr_result result = {.struct_size = sizeof result};
  while (at < end && calls++ < MOST_CALLS) {
    uint8_t operation = byte();
    if (operation >= 250 && inside) break;
    mr_context context = operation & 128 && inside ? inside : some_context();
    mr_result *to = operation % 10 < 8 && byte() == 255 ? NULL : &result;
    mr_status status = MR_OK;
    switch (operation % 10) {
    case 0:
      open_context();
      break;
    case 1:
    case 2:
      status = evaluate(context, to);
      break;
    case 3:
    case 4:
      status = ask(context, to);
      break;
    case 5:
      status = look(context, to);
      break;
    case 6:
      status = make(context, to);
      break;
    case 7:
      status = modules(context, to);
      break;
    case 8:
      submit(context);
      break;
    default:
      manage(context);
      break;
    }
    REQUIRE(status >= MR_BUSY && status <= MR_EXCEPTION);
    if (operation % 10 == 0 || operation % 10 > 7 || !to) continue;
    take_answer(context, result.data, result.size);
#ifndef FUZZ_FAKE
    REQUIRE(status != MR_OK || result.size); /* the fake bridge does not answer everything */
#endif
  }
  mr_result_free(&result);
  depth--;
}

/* --- the end of an input --- */

static void
pause_ms(void)
{
  nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void
give_back(void)
{
  pthread_mutex_lock(&mutex);
  for (size_t i = 0; i < reference_count; i++) {
    if (references[i].handle) mr_release(references[i].context, &references[i].handle, 1);
    else mr_store_release(references[i].store);
  }
  reference_count = 0;
  pthread_mutex_unlock(&mutex);
}

/* Timers may still bring handles while this looks: what is left has to be gone some time soon. */
static void
no_handles_left(mr_context context)
{
  uint64_t count = 1;
  for (int tries = 0; tries < 2000; tries++) {
    give_back();
    if (mr_handle_count(context, &count) != MR_OK || !count) return;
    pause_ms();
  }
  fprintf(stderr, "%" PRIu64 " handles are left\n", count);
  abort();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
  (void)argc;
  (void)argv;
  const mr_init_options start = {.struct_size = sizeof start, .icu_path = getenv("MR_ICU"), .snapshot_path = getenv("MR_SNAPSHOT")};
  REQUIRE(mr_init(&start) == MR_OK);
  fuzzer = pthread_self();
#ifdef FUZZ_FAKE
  fake_on_call = (fake_hook){on_script_call, NULL};
#endif
  return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  at = data;
  end = data + size;
  calls = callbacks = depth = 0;
  memset(handles, 0, sizeof handles);
  run_program(0);
  for (int tries = 0; atomic_load(&done) != atomic_load(&submitted); tries++) {
    REQUIRE(tries < 10000); /* a submission that never ends */
    pause_ms();
  }
  for (size_t i = 0; i < CONTEXTS; i++) no_handles_left(contexts[i]);
  for (size_t i = 0; i < CONTEXTS; i++) REQUIRE(mr_context_close(contexts[i]) == MR_OK);
  give_back();
  for (int tries = 0; mr_context_count(); tries++) { /* one that was closed in a callback goes when the library's threads are out of it */
    REQUIRE(tries < 10000);
    pause_ms();
  }
#ifdef FUZZ_FAKE
  REQUIRE(fake_isolates() == 0);
  REQUIRE(fake_values() == 0);
  REQUIRE(fake_timers() == 0);
#endif
  return 0;
}
