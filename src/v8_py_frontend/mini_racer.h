/* mini_racer.h: V8 behind a flat C ABI. This file is the contract and the manual.
 *
 * A client loads the library, calls mr_init() once, opens contexts with mr_context_new(), and evaluates in them. A context is one V8 isolate (a heap of its
 * own) with one realm (a set of JavaScript globals). Everything that crosses is a number, a buffer, or a message of the wire format in mr_wire.h.
 *
 * Defaults. A function's comment says only where it differs from these:
 *   Threads:  any thread, at any time, also several at once. Calls into one context run one after the other; a call made from within a callback
 *             of the same context (same thread) nests.
 *   Runs JS:  no.
 *   Frees:    nothing that the caller owns. Inputs are copied before the function returns, and may be freed or changed after it.
 *   Errors:   MR_BAD_ARGUMENT for a NULL that is not allowed; MR_NOT_INITIALIZED before mr_init(); MR_BAD_CONTEXT for an id that is not of an open
 *             context; MR_BAD_HANDLE for one that is not of a live handle of this context. No function ends the process because of an argument.
 *
 * Outcomes are three and never mix: MR_OK, a value is in the result; MR_EXCEPTION, JavaScript threw, the result carries the error; negative, the
 * library refused, failed or stopped the script: the result is empty.
 *
 * Ids. Contexts and handles are numbers with a generation in them, never pointers. 0 is never valid. A stale id is an error, never another object's.
 * Releasing 0, releasing twice, or after the context was closed does nothing.
 *
 * Memory. A result owns its bytes: see mr_result. Structs that the caller fills begin with `struct_size = sizeof(the struct)`; later versions append
 * fields, and a client compiled against an older header keeps working. Fields that are 0 mean "the default".
 *
 * Time is in nanoseconds, sizes are in bytes, text is UTF-8 unless said otherwise. Nothing unwinds (no C++ exception, no longjmp) across this boundary. */
#ifndef MINI_RACER_H_
#define MINI_RACER_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define MR_API __declspec(dllexport)
#else
#define MR_API __attribute__((visibility("default")))
#endif

/* The loader of a binding compares this with mr_abi_version(). It changes only when a client compiled against an older header would break. */
#define MR_ABI_VERSION 1u

/* name, value, text. Failures are negative; their values are frozen, new ones go to the end. */
#define MR_STATUSES(X)                                                                                                                                    \
  X(MR_OK, 0, "success")                                                                                                                                  \
  X(MR_EXCEPTION, 1, "JavaScript threw an exception")                                                                                                     \
  X(MR_TIMEOUT, -1, "JavaScript was terminated by timeout")                                                                                               \
  X(MR_MEMORY_LIMIT, -2, "JavaScript memory limit reached")                                                                                               \
  X(MR_TERMINATED, -3, "JavaScript was terminated")                                                                                                       \
  X(MR_CLOSED, -4, "the context was closed while JavaScript ran or waited to run")                                                                        \
  X(MR_BAD_ARGUMENT, -5, "an argument is NULL, too large, or outside of what is allowed")                                                                 \
  X(MR_BAD_CONTEXT, -6, "no open context has this id: it was closed, or it never existed")                                                                \
  X(MR_BAD_HANDLE, -7, "no live handle of this context has this id: it was released, or it is another context's")                                         \
  X(MR_BAD_MESSAGE, -8, "the message breaks the wire format")                                                                                             \
  X(MR_NO_MEMORY, -9, "the machine has no memory left for this")                                                                                          \
  X(MR_NOT_INITIALIZED, -10, "mr_init() has not been called")                                                                                             \
  X(MR_ALREADY_INITIALIZED, -11, "mr_init() was called before")                                                                                           \
  X(MR_ICU_MISSING, -12, "the ICU data file cannot be read")                                                                                              \
  X(MR_ICU_FOREIGN, -13, "the ICU data file is cut, damaged or not of this build")                                                                        \
  X(MR_SNAPSHOT_MISSING, -14, "the V8 snapshot file cannot be read")                                                                                      \
  X(MR_SNAPSHOT_FOREIGN, -15, "the V8 snapshot file is cut, damaged or not of this build")                                                                \
  X(MR_NO_SUPPORT, -16, "this build of V8 lacks the feature")                                                                                             \
  X(MR_TOO_DEEP, -17, "the value is nested deeper than max_depth")                                                                                        \
  X(MR_TOO_LARGE, -18, "the value is larger than max_bytes, or than V8 or this format can hold")                                                          \
  X(MR_DEADLOCK, -19, "this thread would wait for itself: it runs JavaScript of a context that must first come to an end")                                \
  X(MR_CPU_TIME, -20, "JavaScript used up its CPU time")                                                                                                  \
  X(MR_FORKED, -21, "another thread was in this context, or V8 could not be brought to a stop, when the process was forked: open a new one in the child") \
  X(MR_INTERRUPTED, -22, "the interrupt hook, or a callback, ended the call")                                                                             \
  X(MR_BUSY, -23, "the context cannot be entered: its thread was interrupted here, another coroutine is in it, or the call does not wait")                \
  X(MR_NO_SNAPSHOT, -24, "the context cannot become a snapshot")

typedef enum mr_status {
#define MR_STATUS_ENUM(name, value, text) name = value,
  MR_STATUSES(MR_STATUS_ENUM)
#undef MR_STATUS_ENUM
} mr_status;

typedef uint64_t mr_context;  /* id of a context */
typedef uint64_t mr_handle;   /* id of a JavaScript value that the client keeps alive */
typedef uint64_t mr_snapshot; /* id of a snapshot that contexts are made of */

/* The answer of a call: one message of the wire format. Start with all bytes 0 and struct_size set; use it for as many calls as you like, one at a time, where it is (do not copy or move it):
 * each gives the memory of the one before back. mr_result_free() when it is no longer needed. Between calls the client only reads. */
typedef struct mr_result {
  uint32_t struct_size; /* sizeof(mr_result) */
  uint32_t taken; /* after a call: 1 when its message was read, so that the host functions, objects and errors in it are JavaScript's now; else they are not */
  uint8_t *data;  /* the message: inline_data, or memory of the library */
  uint64_t size;  /* bytes of the message; 0 when there is none */
  uint64_t capacity;       /* the library's own */
  uint8_t inline_data[96]; /* a message that fits lives here, so that a scalar needs no memory; the first byte of any message is here, too */
} mr_result;

typedef struct mr_init_options {
  uint32_t struct_size;      /* sizeof(mr_init_options) */
  uint32_t reserved;         /* 0 */
  const char *flags;         /* V8's flags, space-separated, e.g. "--single-threaded"; NULL: none */
  const char *icu_path;      /* icudtl.dat; NULL where V8 carries its own (feature "blobs" is 0) */
  const char *snapshot_path; /* snapshot_blob.bin; NULL likewise */
  uint64_t max_total_memory; /* bytes of heap that all contexts may hold together; 0: 3 GiB where V8 keeps all heaps in one range of 4 GiB, else no limit */
} mr_init_options;

/* What a host function has to say; see mr_reply_set(). It is there for the time of one callback. */
typedef struct mr_reply mr_reply;

/* JavaScript calls a host function (the wire's 'p'): its id, and a message [this, arguments...]; or it asks about a host object ('P'): MR_ASK_* in mr_wire.h. It says what comes of it through mr_reply_set(), and may call any
 * function of the library; it leaves only by returning.
 * Threads: the one that runs JavaScript, with the context's lock. */
typedef void (*mr_host_call)(void *data, mr_context context, uint64_t function, const uint8_t *in, uint64_t in_size, mr_reply *reply);

/* With mr_context_options.console: what `function` is when a script says something to its console. The message is MR_CONSOLE_*'s in mr_wire.h; no answer is needed. */
#define MR_HOST_CONSOLE 0u

/* Something has come about. Notes it down and returns; calls nothing of the library. The message is there for the time of the call.
 * Threads: the one that has the context's lock, but for MR_EVENT_DONE. */
typedef void (*mr_host_event)(void *data, mr_context context, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size);

/* Events. */
#define MR_EVENT_RELEASED \
  1u /* JavaScript has no use any more for the host function, object or error `id`; no message. Once for each message that has brought the id and was taken */
#define MR_EVENT_FULFILLED \
  2u /* a promise that mr_await() found pending; the message is its value; `id` is the promise's handle, or mr_options.call of mr_await() */
#define MR_EVENT_REJECTED \
  3u /* likewise; the message is an exception, or a string that says why the value could not be written, or empty: JavaScript was stopped */
#define MR_EVENT_UNHANDLED 4u /* a promise was rejected and nobody has taken notice; the message is an exception; `id` is 0 */
#define MR_EVENT_UNCAUGHT \
  5u /* a timer's callback threw, or was stopped, or a microtask threw; the message is an exception and `id` 0; or `id` is the status (as an int64) that stopped it, \
         and the message what a call's result would hold */

#define MR_EVENT_DONE \
  6u /* a submission has come to its end; the message is its result's, `id` its mr_options.call, and MR_EVENT_STATUS(event) how it ended. Without the context's lock */

#define MR_EVENT_CODE_CACHE 7u /* of mr_eval with MR_CODE_CACHE; the "message" is the cache, as mr_code_cache() gives it, `id` mr_options.call */

/* Of an event: which it is; and with MR_EVENT_DONE, how the submission ended, and whether this bit is set: mr_result.taken. */
#define MR_EVENT_TAKEN 0x100u
#define MR_EVENT_KIND(event) ((event) & 0xffu)
#define MR_EVENT_STATUS(event) ((mr_status)(int16_t)((event) >> 16))

/* Asked whether to stop; not 0: yes. See mr_interrupt_hook(). */
typedef int (*mr_hook)(void *data);

typedef struct mr_context_options {
  uint32_t struct_size;       /* sizeof(mr_context_options) */
  uint32_t reserved;          /* 0 */
  uint64_t max_memory;        /* bytes of JavaScript heap; 0: a quarter of the memory that this process may use, from 32 MB to 1 GB */
  uint64_t max_stack;         /* bytes of C stack that JavaScript may use on any one thread; 0: 984 KiB, less on threads with small stacks */
  mr_host_call call;          /* NULL: host functions throw */
  mr_host_event event;        /* NULL: nobody is told */
  void *data;                 /* what the two are called with */
  int64_t timeout;            /* nanoseconds; of calls that name none of their own, and of each timer's callback; 0: none */
  int64_t cpu_time;           /* likewise */
  uint64_t max_buffer_memory; /* bytes of ArrayBuffers, and with the source provider of WebAssembly's memories; 0: 2 GiB */
  uint64_t console;           /* 1: `call` hears what scripts say to `console`: see MR_HOST_CONSOLE; 0: nobody does */
  mr_snapshot snapshot;       /* what the context and its realms begin as; 0: as V8 makes them */
  uint64_t for_snapshot;      /* 1: mr_snapshot_take() can be called. Without FinalizationRegistry, Intl, SharedArrayBuffer, Temporal and WebAssembly, whose \
objects cannot be in a snapshot; contexts made of it have them */
} mr_context_options;

/* How a string that comes in is encoded. */
#define MR_UTF8 0u   /* bytes that are not UTF-8 become U+FFFD */
#define MR_LATIN1 1u /* one byte a character */
#define MR_UTF16 2u  /* two bytes a code unit, little-endian, lone surrogates allowed; lengths still count bytes, an odd one is MR_BAD_ARGUMENT */

/* Flags of mr_options. */
#define MR_COPY 1u          /* containers come as a whole ("deep copy"), not as handles */
#define MR_MAPS_AS_PAIRS 2u /* with MR_COPY: a Map is written as an array of pairs, a Set as an array */
#define MR_CLASS_NAMES 4u   /* with MR_COPY: an object that is an instance of a class comes with the class's name */

#define MR_CODE_CACHE 8u /* mr_eval: MR_EVENT_CODE_CACHE comes when the script has run without an exception */

#define MR_TRY 16u /* MR_BUSY at once, where the call would wait for a thread that has the context; mr_submit() waits all the same */

/* Memory of the caller. */
typedef struct mr_slice {
  const void *data;
  uint64_t size;
} mr_slice;

/* A long string of the caller's, for JavaScript to read where it is: no byte of it is copied. One that the call took (`taken` is 1 then) must stay as it is until `release`
 * is called with `owner`: once, by any thread, in the middle of a garbage collection or when the context goes; it returns at once and calls nothing of this library.
 * What was not taken, because it was copied, is in use already, or the message was refused, is the caller's again after the call. While it lasts it counts as
 * heap of the context. */
typedef struct mr_text {
  const void *data;
  uint64_t size;     /* bytes */
  uint32_t encoding; /* MR_LATIN1, or MR_UTF16 at an even address */
  uint32_t taken;    /* 0 */
  void (*release)(void *owner);
  void *owner;
} mr_text;

#define MR_UNLIMITED INT64_MAX /* as a time: no limit, also where the context has one */

/* What may be said of one call. NULL in place of the struct: all defaults. */
typedef struct mr_options {
  uint32_t struct_size;    /* sizeof(mr_options) */
  uint32_t flags;          /* MR_COPY, ... */
  int64_t timeout;         /* nanoseconds from now, waiting for the context included; 0: the context's; MR_UNLIMITED: none */
  uint64_t max_memory;     /* bytes of heap for this call; 0: the context's; larger than the context's has no effect */
  uint64_t max_bytes;      /* MR_COPY: largest answer, with 8 bytes counted for each element; 0: 1 GiB */
  uint32_t max_depth;      /* deepest nesting of a message, in or out; 0: 400 */
  uint32_t encoding;       /* mr_eval: of the code: MR_UTF8, MR_LATIN1 or MR_UTF16 */
  const char *filename;    /* mr_eval: for messages and stack traces, UTF-8, ended by NUL; NULL: "<anonymous>" */
  int32_t line_offset;     /* mr_eval: added to line numbers */
  int32_t column_offset;   /* mr_eval: added to the first line's columns */
  const mr_slice *buffers; /* what the message's 'W' refer to; of a script, its cache */
  uint64_t buffer_count;
  uint64_t call;    /* a number of the caller's own, for mr_cancel(); 0: none */
  int64_t cpu_time; /* nanoseconds of CPU that this thread may use for the call, its callbacks included; 0: the context's; MR_UNLIMITED: any */
  mr_handle realm;  /* the realm to run in: any object of it says which, mr_realm_new()'s as a rule; 0: the context's own */
  uint64_t
      max_stack; /* bytes of C stack that JavaScript may use in this call; 0: that of the call around it, else the context's; larger than the context's has no effect */
  mr_text *texts; /* what the message's 'x' refer to; in mr_submit() there are none */
  uint64_t text_count;
} mr_options;

/* --- the library --- */

/* Version of the ABI: MR_ABI_VERSION of the header that the library was compiled with. Before mr_init(), too. */
MR_API uint32_t mr_abi_version(void);

/* V8's version, e.g. "15.0.245.13". Static memory. Before mr_init(), too. */
MR_API const char *mr_v8_version(void);

/* The build of the library: a short text that changes with V8, its blobs and its arguments. Static memory. Before mr_init(), too. */
MR_API const char *mr_build_id(void);

/* 1 when the library has the named feature, else 0 (also for NULL and names it does not know). Before mr_init(), too. Names: "blobs" (needs ICU and
 * snapshot files), "sandbox" (V8's sandbox is on), "intl", "webassembly", "temporal", "source" (V8 was built from source with our patches), "fork" (a child can use
 * the V8 of its parent). */
MR_API int32_t mr_feature(const char *name);

/* The status's name ("MR_TIMEOUT") and text. Static memory; "MR_UNKNOWN" and a text for numbers that are no status. Before mr_init(), too. */
MR_API const char *mr_status_name(int32_t status);
MR_API const char *mr_status_text(int32_t status);

/* Starts V8, once in a process. Files are checked (size and fingerprint of this build) before V8 sees them.
 * Errors: MR_ALREADY_INITIALIZED; MR_ICU_MISSING, MR_ICU_FOREIGN, MR_SNAPSHOT_MISSING, MR_SNAPSHOT_FOREIGN: after these it may be called again;
 * MR_NO_MEMORY when a limit of the process leaves V8 too few addresses, see mr_address_space_needed(): likewise. */
MR_API mr_status mr_init(const mr_init_options *options);

/* In a child of a fork: starts the threads again that the parent had for timers and deadlines. The first call that runs JavaScript does so, too; for who makes none
 * and waits for timers. Elsewhere nothing happens.
 *
 * Forks. A fork waits until no thread is in V8: scripts are held for as long, threads in host functions are not waited for. In the child, contexts that no other thread
 * was in work on, and new ones do; all calls into the others return MR_FORKED. When a thread does not come out of V8 within a second, or V8 has kept its memory
 * to the parent (feature "fork" is 0), all calls of the child return it. A thread that forks in a host function goes on in the child as in the parent. */
MR_API void mr_resume(void);

/* Bytes of addresses, not of memory, that mr_init() needs and that RLIMIT_AS (`ulimit -v`) has to leave it. Before mr_init(), too. */
MR_API uint64_t mr_address_space_needed(void);

/* Makes the result empty and gives its memory back. NULL is allowed. The struct can be used again. */
MR_API void mr_result_free(mr_result *result);

/* --- contexts --- */

/* Opens a context; its id goes to *context. options may be NULL. Errors: MR_NO_MEMORY; MR_BAD_ARGUMENT for a time below 0. */
MR_API mr_status mr_context_new(const mr_context_options *options, mr_context *context);

/* Closes a context: ends what runs in it (those calls return MR_CLOSED), waits for that, frees everything. From within a callback, of this context or another, it
 * does not wait: the context goes when its outermost call returns. An id that is not open: MR_OK, nothing happens.
 * Threads: any. Frees: the context, its handles. */
MR_API mr_status mr_context_close(mr_context context);

/* For a host that is about to end, and whose threads may then end inside of a callback without giving their context back. Waits until no thread is in
 * any context, for at most `wait` nanoseconds; contexts that are busy beyond that are closed without waiting. From now on no callback begins: a thread that comes to
 * one is held there for good, and its context closed; on the thread that calls this, host functions throw and events are lost. Contexts that nobody is busy in can
 * be used and closed as before. */
MR_API mr_status mr_quiesce(int64_t wait);

/* Takes a snapshot of a context that was opened with for_snapshot: what its scripts have set up, and the functions that have been compiled, are there when a context is
 * made of the snapshot. Closes the context; also when it has no memory for that. `fresh`: what was set up is left out, and the snapshot is of what the context began as, with
 * the functions that have been compiled since. The limits are those of the options. With MR_NO_SNAPSHOT the context stays open, and the result holds a string that says
 * why: host functions, objects or errors that scripts can reach, timers, modules, further realms, asm.js, too much memory. MR_BUSY within a callback of the context.
 * Runs JS: what was due. */
MR_API mr_status mr_snapshot_take(mr_context context, int32_t fresh, const mr_options *options, mr_result *result, mr_snapshot *snapshot);

/* The snapshot's bytes, there until it is released; and a snapshot of such bytes, which are copied. They are trusted: V8 looks at their version, and at nothing else.
 * Errors: MR_SNAPSHOT_FOREIGN when that is another one; MR_NO_MEMORY. MR_BAD_ARGUMENT for an id that is of none. */
MR_API mr_status mr_snapshot_data(mr_snapshot snapshot, mr_slice *bytes);
MR_API mr_status mr_snapshot_new(const void *bytes, size_t size, mr_snapshot *snapshot);

/* Lets a snapshot go. Contexts that were made of it keep what they need. An id that is stale: nothing happens. */
MR_API void mr_snapshot_release(mr_snapshot snapshot);

/* How many contexts are open in the process, or still closing. */
MR_API uint64_t mr_context_count(void);

/* How many handles of the context the client holds, into *count. */
MR_API mr_status mr_handle_count(mr_context context, uint64_t *count);

/* Ends the JavaScript that the context runs now, if any: the running call returns MR_TERMINATED, and so do those around it that are in this context, and those that they have made in others. Calls that
 * wait for the context are not meant. Never waits. Not for a handler of the C kind, which may interrupt a thread anywhere. */
MR_API mr_status mr_terminate(mr_context context);

/* Ends the call or the submission with this number (mr_options.call) and those inside of it, or keeps it from beginning: it comes to MR_TERMINATED. Never waits. MR_OK,
 * too, when there is no such call. */
MR_API mr_status mr_cancel(mr_context context, uint64_t call);

/* In a callback: the call that it belongs to ends with MR_INTERRUPTED, whatever the script does. For errors that a script must not catch. Never waits.
 * Threads: the callback's. Errors: MR_BAD_CONTEXT when the thread is in no call of this context, or in one of another further in. */
MR_API mr_status mr_interrupt(mr_context context);

/* Sets the hook by which a host gets a word in, such as for signals: once in a process. While the thread `thread` (pthread_self(); 0: the one that calls this) runs
 * JavaScript for longer than a tick (25 to 50 ms), or waits in the library, the hook is called on it, about 40 times a second. When it answers other than 0, what runs
 * or waits ends with MR_INTERRUPTED; mr_context_close() returns it, too, and the context closes without being waited for. The hook may call any function, but
 * calls into the context that it interrupts return MR_BUSY. In a forked child the thread that forked takes the thread's place.
 * Errors: MR_ALREADY_INITIALIZED when there is a hook. */
MR_API mr_status mr_interrupt_hook(mr_hook hook, void *data, uint64_t thread);

/* Waits until *done is not 0, which the client's mr_host_event sets before it returns: for a promise, after mr_await() answered a hole. `timeout` in nanoseconds; 0:
 * none. In a host function it ends with the call that this is in, and says why: MR_TERMINATED, also where that call's timeout is over, MR_CPU_TIME, ...
 * Errors: MR_TIMEOUT; MR_CLOSED; MR_INTERRUPTED; MR_DEADLOCK when only this thread could bring the event about: it is in a callback of the context, or
 * whoever is in the context waits for one that this thread is in. */
MR_API mr_status mr_wait(mr_context context, const int32_t *done, int64_t timeout);
/* The number (mr_options.call) of the outermost call or submission, in any context, that this thread runs, for host functions that want to know whom they serve; 0: there is
 * none that has one. */
MR_API uint64_t mr_running_call(void);

/* Drops one reference to each of `count` handles. Never waits and never runs V8: the values go at the context's next entry, or with the context. Ids that
 * are stale, 0, or of a closed context are passed over. */
MR_API void mr_release(mr_context context, const mr_handle *handles, size_t count);

/* Lets a store go that the wire's 'v' has named. Process-wide: also after the context closed. An id that is stale: nothing happens. Never waits. */
MR_API void mr_store_release(uint64_t store);

/* Lets a store go whose memory stays where it is, as somebody else has it too, and returns 1; also for an id that is stale. 0: nothing has happened, as the memory would
 * go back to the system, which takes long where there is much of it: for who has a lock of its own, such as the GIL, and gives it up for that. Never waits. */
MR_API int32_t mr_store_release_now(uint64_t store);

/* From now on V8 collects garbage with more zeal, and remembers it, when this many bytes of heap are in use after a collection; 0: never. */
MR_API mr_status mr_soft_limit(mr_context context, uint64_t bytes);

/* Whether the soft limit was reached since it was set, into *reached: 0 or 1. */
MR_API mr_status mr_soft_limit_reached(mr_context context, int32_t *reached);

/* --- JavaScript --- */
/* All of these: Runs JS: yes. Errors: MR_EXCEPTION (the result holds the error), MR_TIMEOUT, MR_CPU_TIME, MR_MEMORY_LIMIT, MR_TERMINATED, MR_CLOSED, MR_BAD_MESSAGE,
 * MR_TOO_DEEP, MR_TOO_LARGE, MR_NO_MEMORY, MR_INTERRUPTED, MR_BUSY, MR_DEADLOCK (in a callback: whoever has the context waits for one that this thread is in). With MR_TOO_DEEP, MR_TOO_LARGE, MR_BAD_MESSAGE and MR_BAD_HANDLE the result may hold a string: the path to the place in the
 * value. With MR_TIMEOUT, MR_CPU_TIME and MR_MEMORY_LIMIT it holds an array: the limit's name, as the field of mr_options or mr_context_options has it; its value, in
 * that field's unit; and how much was used, undefined where nobody knows. The limit may be that of a call around this one. After each of them the context can be used again, but for MR_CLOSED. Microtasks run before the outermost call returns.
 * `in` is one message of the wire format, `in_size` its bytes. Results are scalars, or handles; with MR_COPY containers come whole. */

/* Evaluates `size` bytes of code as a classic script. The value of its last statement is the result. options->buffers[0] may be a cache, as for mr_compile(). */
MR_API mr_status mr_eval(mr_context context, const void *code, size_t size, const mr_options *options, mr_result *result);

/* Compiles a classic script without running it. With options->buffers[0] as the cache of an earlier compilation of the same code, V8 parses nothing. The result is an
 * array: the script's handle, and whether V8 has refused the cache: it was made of other code, by another V8 or with other flags; the script is compiled all the same.
 * A cache is trusted: V8 does not look for damage within. */
MR_API mr_status mr_compile(mr_context context, const void *code, size_t size, const mr_options *options, mr_result *result);

/* Runs a compiled script. The value of its last statement is the result. */
MR_API mr_status mr_run(mr_context context, mr_handle script, const mr_options *options, mr_result *result);

/* What V8 can use in place of parsing and compiling: the script, and those of its functions that have been called by now. The result is a buffer. */
MR_API mr_status mr_code_cache(mr_context context, mr_handle script, const mr_options *options, mr_result *result);

/* Calls the function. `in`: an array: this, then the arguments. */
MR_API mr_status mr_call(mr_context context, mr_handle function, const void *in, size_t in_size, const mr_options *options, mr_result *result);

/* Calls a method of the object. `in`: an array: the name (or a symbol), then the arguments. */
MR_API mr_status mr_call_method(mr_context context, mr_handle object, const void *in, size_t in_size, const mr_options *options, mr_result *result);

/* Calls the constructor, as `new` does. `in`: an array of the arguments. */
MR_API mr_status mr_construct(mr_context context, mr_handle function, const void *in, size_t in_size, const mr_options *options, mr_result *result);

/* Reads, writes, deletes, looks for a property. `in`: the key (a string, a number, or a symbol's handle); mr_set: an array of the key and the value. mr_get
 * answers a hole where the object (with its prototypes) has no such property; mr_set, mr_delete and mr_has answer a boolean. */
MR_API mr_status mr_get(mr_context context, mr_handle object, const void *in, size_t in_size, const mr_options *options, mr_result *result);
MR_API mr_status mr_set(mr_context context, mr_handle object, const void *in, size_t in_size, const mr_options *options, mr_result *result);
MR_API mr_status mr_delete(mr_context context, mr_handle object, const void *in, size_t in_size, const mr_options *options, mr_result *result);
MR_API mr_status mr_has(mr_context context, mr_handle object, const void *in, size_t in_size, const mr_options *options, mr_result *result);

/* As mr_get() and mr_set(), when no code has to run for it and nobody to be waited for: a property of a plain object or an element of an array, while the calling thread was
 * the last to use the context. For a client with a lock of its own, as an interpreter has, which can keep it meanwhile. MR_BUSY: nothing has happened, for whatever reason, and
 * mr_get() or mr_set() is to be asked, which also says what is wrong.
 * Runs JS: no. Errors: MR_BUSY, MR_BAD_ARGUMENT, MR_NO_MEMORY. */
MR_API mr_status mr_get_now(mr_context context, mr_handle object, const void *in, size_t in_size, mr_result *result);
MR_API mr_status mr_set_now(mr_context context, mr_handle object, const void *in, size_t in_size);

/* The keys that a for-in loop meets, prototypes included, as an array of strings and numbers. */
MR_API mr_status mr_keys(mr_context context, mr_handle object, const mr_options *options, mr_result *result);

/* The object's iterator, by [Symbol.iterator]() or, with `async`, [Symbol.asyncIterator](); a hole where there is none. And the next value of an iterator that is
 * not async; a hole when it is at its end. */
MR_API mr_status mr_iterate(mr_context context, mr_handle object, int32_t async, const mr_options *options, mr_result *result);
MR_API mr_status mr_next(mr_context context, mr_handle iterator, const mr_options *options, mr_result *result);

/* Elements of an array, read ahead: `in`: an array of the index to begin with and of how many to read at most, both below 2^32. Answers an array with them, and a gap
 * is undefined. There are fewer when the array ends, when they are large, and before one that takes JavaScript to read, such as a getter, unless that is the first:
 * so there is none just when the array ends. */
MR_API mr_status mr_elements(mr_context context, mr_handle array, const void *in, size_t in_size, const mr_options *options, mr_result *result);

/* How often JavaScript may have changed something in the context since it was opened: as long as the number stays, nothing has. One run makes it one more; so does each
 * return of a host function. Runs no JavaScript, and waits for nobody. */
MR_API mr_status mr_changes(mr_context context, uint64_t *count);

/* The value itself: the way to a whole copy of what a handle stands for (MR_COPY). */
MR_API mr_status mr_read(mr_context context, mr_handle value, const mr_options *options, mr_result *result);

/* A new realm of the context: globals of its own, on the same heap, under the same limits. A handle to its global object; with that gone, and all that came of it, the
 * realm goes. Objects of one realm can be passed to another. */
MR_API mr_status mr_realm_new(mr_context context, const mr_options *options, mr_result *result);

/* A handle to the global object: of the context, or of options->realm. */
MR_API mr_status mr_globals(mr_context context, const mr_options *options, mr_result *result);

/* What the promise came to: its value; MR_EXCEPTION with what it was rejected with; or, while it is pending, a hole, and then MR_EVENT_FULFILLED or
 * MR_EVENT_REJECTED is going to come, with mr_options.call, or else the promise's handle. While that is on its way, asking once more with the same of these changes
 * nothing. One whose promise is collected, so that nothing can settle it, ends like one whose JavaScript was stopped. The promise counts as handled. With MR_COPY the value comes as a copy, now or later. */
MR_API mr_status mr_await(mr_context context, mr_handle promise, const mr_options *options, mr_result *result);

/* A new pending promise's handle; and its end. `in` of mr_promise_settle: an array [true, value] to fulfil, [false, reason] to reject. Once settled, nothing happens. */
MR_API mr_status mr_promise_new(mr_context context, const mr_options *options, mr_result *result);
MR_API mr_status mr_promise_settle(mr_context context, mr_handle promise, const void *in, size_t in_size, const mr_options *options, mr_result *result);

/* A new ArrayBuffer of so many zero bytes, as the wire's 'v', or typed array over one. Errors: MR_EXCEPTION (a RangeError) when there is not so much memory. */
MR_API mr_status mr_buffer_new(mr_context context, uint32_t element, uint64_t bytes, const mr_options *options, mr_result *result);

/* A short text for people: the constructor's name and a glimpse of what is inside. Runs no getters and no traps. Runs JS: no. */
MR_API mr_status mr_preview(mr_context context, mr_handle value, const mr_options *options, mr_result *result);

/* Numbers of the heap: an object of them, in bytes, named as V8 names them. Runs JS: no. */
MR_API mr_status mr_heap_stats(mr_context context, const mr_options *options, mr_result *result);

/* Numbers of the context, as an object of numbers and of one object of objects. Sizes are in bytes, times in nanoseconds. Runs JS: no.
 *   contexts, stores          open in the process, or still closing; memory of scripts, in the process, that the client has views of
 *   handles, timers, awaited  that the client holds; that are to run; promises that are waited for
 *   calls, js_time            begun, nested ones and timers' callbacks included; what the outermost of them took, callbacks included, by a clock of some milliseconds
 *   waiting, wait_time        calls that wait for other threads' calls now; what all such waits took
 *   timeouts, cpu_timeouts, memory_stops     calls that a limit stopped
 *   gcs, gc_time              garbage collections of the isolate on its own thread
 *   used_heap_size, total_heap_size, total_physical_size, heap_size_limit, malloced_memory, external_memory     as V8 has them
 *   buffer_memory, buffer_memory_limit, buffers_refused     what max_buffer_memory counts, what it is, and how often more was asked for
 *   heap_spaces               an object of one object for each of V8's spaces, by its name: size, used, available, physical */
MR_API mr_status mr_stats(mr_context context, const mr_options *options, mr_result *result);

/* A snapshot of the heap, as the JSON text that Chromium's developer tools read. */
MR_API mr_status mr_heap_snapshot(mr_context context, const mr_options *options, mr_result *result);

/* Collects all garbage that there is. The result is undefined. */
MR_API mr_status mr_low_memory(mr_context context, const mr_options *options, mr_result *result);

/* --- without waiting --- */

/* What can be submitted: each is the function of that name. */
typedef enum mr_operation {
  MR_DO_EVAL = 1,
  MR_DO_CALL,
  MR_DO_CALL_METHOD,
  MR_DO_CONSTRUCT,
  MR_DO_GET,
  MR_DO_SET,
  MR_DO_DELETE,
  MR_DO_HAS,
  MR_DO_KEYS,
  MR_DO_READ,
  MR_DO_GLOBALS,
  MR_DO_AWAIT,
  MR_DO_PROMISE_NEW,
  MR_DO_PROMISE_SETTLE,
  MR_DO_PREVIEW,
  MR_DO_HEAP_STATS,
  MR_DO_HEAP_SNAPSHOT,
  MR_DO_LOW_MEMORY
} mr_operation;

/* Has the operation done on a thread of the library's, and returns. `target` is the handle that the function takes, 0 where it takes none; `in` its code or message.
 * options->call is the caller's number, not 0, and not one that is still in use. Submissions to one context run one after the other, in order; one that
 * waits while others use the context costs no thread. The timeout counts from now.
 * MR_OK: MR_EVENT_DONE is going to come, exactly once; maybe before this returns. From a library thread, or from one that closes the context: with MR_CLOSED, and before
 * mr_context_close() returns, if that waits. mr_cancel() ends one that runs, and one that does not run yet. With MR_DO_AWAIT the promise's own event may come before it. In a
 * forked child, submissions that the parent made are gone, without an event. Otherwise nothing happens, and no event comes.
 * Runs JS: no. Never waits. Errors: MR_BAD_ARGUMENT for an operation that is none, and where options->call is 0; MR_BAD_HANDLE for a target of 0 where one is needed;
 * MR_NO_MEMORY. A target that is stale is found out when it runs. */
MR_API mr_status mr_submit(mr_context context, uint32_t operation, mr_handle target, const void *in, size_t in_size, const mr_options *options);

/* --- ES modules --- */
/* A module is compiled, linked with the modules that it imports, and evaluated; which module a specifier means is the client's matter. The client holds a module by the
 * handle of a token, an object without properties, and releases it as any other. As for the functions above: Runs JS: yes. */

/* Compiles `size` bytes of code as a module, whose name is mr_options.filename. The result is an array: the module, then for each of its imports an array of the
 * specifier, line, column (from 1), phase (0; 1: `import source`; 2: `import defer`), and keys and values of its attributes by turns. */
MR_API mr_status mr_module_compile(mr_context context, const void *code, size_t size, const mr_options *options, mr_result *result);

/* A module whose exports the client says. `in`: an array: the name, a function, then the names of the exports. When the module is evaluated, the function is called
 * once, without arguments, and returns an array of the exports' values. The result is the module. */
MR_API mr_status mr_module_synthetic(mr_context context, const void *in, size_t in_size, const mr_options *options, mr_result *result);

/* Links modules. `in`: an array with an array for each: the module, then, for each of its imports in order, a module (a WebAssembly.Module for an `import source`).
 * Those that are imported are better named before those that import them: V8 then needs less of the stack. Those that are linked already are passed over. When one
 * cannot be linked, the ones before it are. */
MR_API mr_status mr_module_link(mr_context context, const void *in, size_t in_size, const mr_options *options, mr_result *result);

/* Evaluates linked modules, one after the other, until one throws. `in`: an array: the longest chain of imports that are not evaluated yet (0: short), then the modules.
 * The result is undefined when the last one has come to its end, or the handle of a promise that its `await`s keep pending. One that failed before throws the same
 * error again; one that is being evaluated right now, further out on this stack, throws. */
MR_API mr_status mr_module_evaluate(mr_context context, const void *in, size_t in_size, const mr_options *options, mr_result *result);

/* The namespace of a linked module: an object whose properties are the exports as they are now. */
MR_API mr_status mr_module_namespace(mr_context context, mr_handle module, const mr_options *options, mr_result *result);

/* What is called when a script asks for modules. `in`: an array of two functions. The first is called by import(), in a microtask, with the specifier, the name of the
 * script or module (or undefined), the line, the phase, and the attributes by turns; what it returns, a promise as a rule, is what the import() promises. The second is
 * called with a new import.meta and the module's name. Until then import() rejects. */
MR_API mr_status mr_module_hooks(mr_context context, const void *in, size_t in_size, const mr_options *options, mr_result *result);

/* --- in a host function --- */

#define MR_REPLY_RETURN 0u /* the message is what the function returns */
#define MR_REPLY_THROW 1u  /* the message is what it throws; a host error ('Y'), as a rule */

/* Says what comes of a host function's call. The message is read at once; `buffers` are what its 'W' refer to. The last one counts.
 * Threads: the callback's. Errors: MR_BAD_MESSAGE, MR_BAD_HANDLE, MR_TOO_DEEP, MR_TOO_LARGE, MR_EXCEPTION: the function then throws. */
MR_API mr_status mr_reply_set(mr_reply *reply, uint32_t outcome, const void *message, size_t size, const mr_slice *buffers, size_t buffer_count);

#ifdef __cplusplus
}
#endif

#endif /* MINI_RACER_H_ */
