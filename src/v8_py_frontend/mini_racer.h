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
#define MR_STATUSES(X)                                                                                                          \
  X(MR_OK, 0, "success")                                                                                                        \
  X(MR_EXCEPTION, 1, "JavaScript threw an exception")                                                                           \
  X(MR_TIMEOUT, -1, "JavaScript was terminated by timeout")                                                                     \
  X(MR_MEMORY_LIMIT, -2, "JavaScript memory limit reached")                                                                     \
  X(MR_TERMINATED, -3, "JavaScript was terminated")                                                                             \
  X(MR_CLOSED, -4, "the context was closed while JavaScript ran or waited to run")                                              \
  X(MR_BAD_ARGUMENT, -5, "an argument is NULL, too large, or outside of what is allowed")                                       \
  X(MR_BAD_CONTEXT, -6, "no open context has this id: it was closed, or it never existed")                                      \
  X(MR_BAD_HANDLE, -7, "no live handle of this context has this id: it was released, or it is another context's")               \
  X(MR_BAD_MESSAGE, -8, "the message breaks the wire format")                                                                   \
  X(MR_NO_MEMORY, -9, "the machine has no memory left for this")                                                                \
  X(MR_NOT_INITIALIZED, -10, "mr_init() has not been called")                                                                   \
  X(MR_ALREADY_INITIALIZED, -11, "mr_init() was called before")                                                                 \
  X(MR_ICU_MISSING, -12, "the ICU data file cannot be read")                                                                    \
  X(MR_ICU_FOREIGN, -13, "the ICU data file is cut, damaged or not of this build")                                              \
  X(MR_SNAPSHOT_MISSING, -14, "the V8 snapshot file cannot be read")                                                            \
  X(MR_SNAPSHOT_FOREIGN, -15, "the V8 snapshot file is cut, damaged or not of this build")                                      \
  X(MR_NO_SUPPORT, -16, "this build of V8 lacks the feature")                                                                   \
  X(MR_TOO_DEEP, -17, "the value is nested deeper than max_depth")                                                              \
  X(MR_TOO_LARGE, -18, "the value is larger than max_bytes, or than V8 or this format can hold")                                \
  X(MR_DEADLOCK, -19, "this thread would wait for itself: it runs JavaScript of a context that must first come to an end")

typedef enum mr_status {
#define MR_STATUS_ENUM(name, value, text) name = value,
  MR_STATUSES(MR_STATUS_ENUM)
#undef MR_STATUS_ENUM
} mr_status;

typedef uint64_t mr_context; /* id of a context */
typedef uint64_t mr_handle;  /* id of a JavaScript value that the client keeps alive */

/* The answer of a call: one message of the wire format. Start with all bytes 0 and struct_size set; use it for as many calls as you like, one at a time:
 * each gives the memory of the one before back. mr_result_free() when it is no longer needed. Between calls the client only reads. */
typedef struct mr_result {
  uint32_t struct_size;    /* sizeof(mr_result) */
  uint32_t reserved;       /* 0 */
  uint8_t *data;           /* the message: inline_data, or memory of the library */
  uint64_t size;           /* bytes of the message; 0 when there is none */
  uint64_t capacity;       /* the library's own */
  uint8_t inline_data[96]; /* a message that fits lives here, so that a scalar needs no memory; the first byte of any message is here, too */
} mr_result;

typedef struct mr_init_options {
  uint32_t struct_size;      /* sizeof(mr_init_options) */
  uint32_t reserved;         /* 0 */
  const char *flags;         /* V8's flags, space-separated, e.g. "--single-threaded"; NULL: none */
  const char *icu_path;      /* icudtl.dat; NULL where V8 carries its own (feature "blobs" is 0) */
  const char *snapshot_path; /* snapshot_blob.bin; NULL likewise */
} mr_init_options;

typedef struct mr_context_options {
  uint32_t struct_size;     /* sizeof(mr_context_options) */
  uint32_t reserved;        /* 0 */
  uint64_t max_memory;      /* bytes of JavaScript heap; 0: V8's default for this machine */
  uint64_t max_stack;       /* bytes of C stack that JavaScript may use on any one thread; 0: 984 KiB, less on threads with small stacks */
} mr_context_options;

/* How a string that comes in is encoded. */
#define MR_UTF8 0u   /* bytes that are not UTF-8 become U+FFFD */
#define MR_LATIN1 1u /* one byte a character */
#define MR_UTF16 2u  /* two bytes a code unit, little-endian, lone surrogates allowed; lengths still count bytes */

/* Flags of mr_options. */
#define MR_COPY 1u           /* containers come as a whole ("deep copy"), not as handles */
#define MR_MAPS_AS_PAIRS 2u  /* with MR_COPY: a Map or Set is written as an array (of pairs) */

/* What may be said of one call. NULL in place of the struct: all defaults. */
typedef struct mr_options {
  uint32_t struct_size;   /* sizeof(mr_options) */
  uint32_t flags;         /* MR_COPY, ... */
  int64_t timeout;        /* nanoseconds from now, waiting for the context included; 0: none */
  uint64_t max_memory;    /* bytes of heap for this call; 0: the context's; larger than the context's has no effect */
  uint64_t max_bytes;     /* MR_COPY: largest answer; 0: 2 GiB */
  uint32_t max_depth;     /* MR_COPY: deepest nesting; 0: 1,000 */
  uint32_t encoding;      /* mr_eval: of the code: MR_UTF8, MR_LATIN1 or MR_UTF16 */
  const char *filename;   /* mr_eval: for messages and stack traces, UTF-8, ended by NUL; NULL: "<anonymous>" */
  int32_t line_offset;    /* mr_eval: added to line numbers */
  int32_t column_offset;  /* mr_eval: added to the first line's columns */
} mr_options;

/* --- the library --- */

/* Version of the ABI: MR_ABI_VERSION of the header that the library was compiled with. Before mr_init(), too. */
MR_API uint32_t mr_abi_version(void);

/* V8's version, e.g. "15.0.245.13". Static memory. Before mr_init(), too. */
MR_API const char *mr_v8_version(void);

/* The build of the library: a short text that changes with V8, its blobs and its arguments. Static memory. Before mr_init(), too. */
MR_API const char *mr_build_id(void);

/* 1 when the library has the named feature, else 0 (also for NULL and names it does not know). Before mr_init(), too. Names: "blobs" (needs ICU and
 * snapshot files), "sandbox" (V8's sandbox is on), "intl", "webassembly", "temporal", "source" (V8 was built from source with our patches). */
MR_API int32_t mr_feature(const char *name);

/* The status's name ("MR_TIMEOUT") and text. Static memory; "MR_UNKNOWN" and a text for numbers that are no status. Before mr_init(), too. */
MR_API const char *mr_status_name(int32_t status);
MR_API const char *mr_status_text(int32_t status);

/* Starts V8, once in a process. Files are checked (size and fingerprint of this build) before V8 sees them.
 * Errors: MR_ALREADY_INITIALIZED; MR_ICU_MISSING, MR_ICU_FOREIGN, MR_SNAPSHOT_MISSING, MR_SNAPSHOT_FOREIGN: after these it may be called again;
 * MR_NO_MEMORY when V8 cannot reserve its address space. */
MR_API mr_status mr_init(const mr_init_options *options);

/* Makes the result empty and gives its memory back. NULL is allowed. The struct can be used again. */
MR_API void mr_result_free(mr_result *result);

/* --- contexts --- */

/* Opens a context; its id goes to *context. options may be NULL. Errors: MR_NO_MEMORY. */
MR_API mr_status mr_context_new(const mr_context_options *options, mr_context *context);

/* Closes a context: ends what runs in it (those calls return MR_CLOSED), waits for that, frees everything. From a callback of the context it returns at
 * once, and the context goes when its outermost call returns. An id that is not open: MR_OK, nothing happens.
 * Threads: any. Frees: the context, its handles. */
MR_API mr_status mr_context_close(mr_context context);

/* How many contexts are open in the process, or still closing. */
MR_API uint64_t mr_context_count(void);

/* How many handles of the context the client holds, into *count. */
MR_API mr_status mr_handle_count(mr_context context, uint64_t *count);

/* Ends the JavaScript that the context runs now, if any: the innermost running call returns MR_TERMINATED. Never waits; fit for signal handlers' helpers and for
 * other threads. */
MR_API mr_status mr_terminate(mr_context context);

/* Drops one reference to each of `count` handles. Never waits and never runs V8: the values go at the context's next entry, or with the context. Ids that
 * are stale, 0, or of a closed context are passed over. */
MR_API void mr_release(mr_context context, const mr_handle *handles, size_t count);

/* --- JavaScript --- */
/* All of these: Runs JS: yes. Errors: MR_EXCEPTION (the result holds the error), MR_TIMEOUT, MR_MEMORY_LIMIT, MR_TERMINATED, MR_CLOSED, MR_BAD_MESSAGE,
 * MR_TOO_DEEP, MR_TOO_LARGE, MR_NO_MEMORY. After each of them the context can be used again, but for MR_CLOSED. Microtasks run before the outermost call returns.
 * `in` is one message of the wire format, `in_size` its bytes. Results are scalars, or handles; with MR_COPY containers come whole. */

/* Evaluates `size` bytes of code as a classic script. The value of its last statement is the result. */
MR_API mr_status mr_eval(mr_context context, const void *code, size_t size, const mr_options *options, mr_result *result);

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

/* The keys that a for-in loop meets, prototypes included, as an array of strings and numbers. */
MR_API mr_status mr_keys(mr_context context, mr_handle object, const mr_options *options, mr_result *result);

/* The value itself: the way to a whole copy of what a handle stands for (MR_COPY). */
MR_API mr_status mr_read(mr_context context, mr_handle value, const mr_options *options, mr_result *result);

/* A handle to the context's global object. */
MR_API mr_status mr_globals(mr_context context, const mr_options *options, mr_result *result);

#ifdef __cplusplus
}
#endif

#endif /* MINI_RACER_H_ */
