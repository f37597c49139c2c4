/* mrv8_bridge.h: what the C core asks of V8, and what V8 asks of the core. Plain C: the core includes this and never a V8 header.
 *
 * One side is implemented by mrv8_*.cc over V8, and once more by tests/native/fake_bridge.c, which follows a script, so that the core can be tested without
 * V8. No policy here: the core decides who may enter, when to stop, and what a stop means.
 *
 * Threads: whoever calls a function marked (locked) holds the context's lock. The others may be called at any time while the isolate is alive. */
#ifndef MRV8_BRIDGE_H_
#define MRV8_BRIDGE_H_

#include "mini_racer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mrv8_isolate mrv8_isolate; /* one isolate with its realm */
typedef struct mrv8_value mrv8_value;     /* one JavaScript value, kept alive */
typedef struct mrv8_timer mrv8_timer;     /* a callback that a timer is going to call, with its arguments */
typedef struct mrv8_store mrv8_store;     /* memory of a buffer, kept alive; outlives isolates */
typedef struct mrv8_blob mrv8_blob;       /* a snapshot; isolates that were made of it keep its bytes */

/* A number with its name, in mr_stats(). */
typedef struct mrv8_stat {
  const char *name;
  double value;
} mrv8_stat;

#define MRV8_MOST_STATS 16 /* the core's are at most so many */

/* Something that V8 wants done, in a queue. */
typedef struct mrv8_task {
  struct mrv8_task *next;               /* the queue's, as is `due` */
  int64_t due;                          /* in the core's time; 0: at once */
  void (*run)(struct mrv8_task *task);  /* does it, and frees the task */
  void (*drop)(struct mrv8_task *task); /* frees it */
} mrv8_task;

/* Work of V8's that several threads can do at once. */
typedef struct mrv8_job mrv8_job;
typedef struct mrv8_turn {
  mrv8_job *job;
  int joining; /* by the thread that waits for the job */
  int number;  /* among those at it; -1: none was asked for */
} mrv8_turn;
typedef struct mrv8_work {
  void *data;
  void (*run)(void *data, mrv8_turn *turn);
  size_t (*most)(void *data, size_t workers);
  void (*free)(void *data);
} mrv8_work;

typedef struct mrv8_queue mrv8_queue; /* tasks for who is in an isolate */
typedef struct mrv8_host mrv8_host;

/* What V8's platform does by the core. Any thread; mr_pool.h, mr_job.h and mr_tasks.h say what each does. */
typedef struct mrv8_pool {
  uint32_t workers; /* most threads; 0: V8 is to do without */
  void (*post)(mrv8_task *task, int urgent);
  void (*post_later)(mrv8_task *task, int64_t delay);
  mrv8_job *(*job_new)(const mrv8_work *work, int urgent);
  void (*job_notify)(mrv8_job *job);
  void (*job_join)(mrv8_job *job);
  void (*job_cancel)(mrv8_job *job, int wait);
  int (*job_is_active)(mrv8_job *job);
  int (*turn_must_end)(const mrv8_turn *turn);
  uint8_t (*turn_number)(mrv8_turn *turn);
  mrv8_queue *(*queue_new)(void);
  void (*queue_tell)(mrv8_queue *queue, const mrv8_host *host, void *owner);
  void (*queue_post)(mrv8_queue *queue, mrv8_task *task, int64_t delay);
  mrv8_task *(*queue_take)(mrv8_queue *queue);
  int64_t (*queue_next)(const mrv8_queue *queue);
  void (*queue_delete)(mrv8_queue *queue);
} mrv8_pool;

/* The bridge's questions to the core; `owner` is what mrv8_isolate_new() was given. All are asked by the thread that holds the lock, during a (locked) call. */
struct mrv8_host {
  /* The handle of a value that is already held, with so many references more; 0 when there is none. `same` compares a held value with `local`. */
  mr_handle (*handle_share)(void *owner, uint32_t hash, int (*same)(const void *local, const mrv8_value *held), const void *local, uint32_t references);
  /* A new handle with one reference; takes the value over. 0 (and nothing taken): out of memory. */
  mr_handle (*handle_new)(void *owner, uint32_t hash, mrv8_value *value);
  /* The value of a handle; NULL when it is stale. */
  mrv8_value *(*handle_get)(void *owner, mr_handle handle);
  /* The heap is about to hit its limit. Returns the limit to go on with; may call mrv8_terminate(). */
  size_t (*near_heap_limit)(void *owner, size_t current_limit, size_t initial_limit);
  /* A garbage collection ended with so many bytes in use, of those that the heap has. May call mrv8_terminate(). */
  void (*heap_used)(void *owner, size_t used, size_t committed);
  /* JavaScript calls a host function; the answer comes by mrv8_reply_set(). */
  void (*call)(void *owner, uint64_t function, const uint8_t *in, uint64_t in_size, mr_reply *reply);
  /* Gives back what the message refers to, and empties it: nobody is going to get it. */
  void (*forget)(void *owner, mr_result *message);
  /* Something for the client to know: MR_EVENT_*. */
  void (*event)(void *owner, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size);
  /* An id for a store, which it takes over; 0 (and nothing taken): out of memory. */
  uint64_t (*store_new)(mrv8_store *store);
  /* A timer that is due in so many nanoseconds, again and again if it repeats; takes it over. Returns its number; 0 (and nothing taken): out of memory. */
  uint32_t (*timer_new)(void *owner, int64_t delay, int repeats, mrv8_timer *timer);
  /* Takes the timer of that number back; NULL when there is none. */
  mrv8_timer *(*timer_take)(void *owner, uint32_t number);
  /* What mrv8_interrupt() has asked for. JavaScript waits meanwhile, and nothing of V8's may be used but mrv8_terminate(). */
  void (*interrupted)(void *owner);
  /* The core's numbers for mr_stats(); how many there are. */
  size_t (*stats)(void *owner, mrv8_stat stats[MRV8_MOST_STATS]);
  /* V8 has a task for who is in the isolate, due then. Any thread; the isolate is there. */
  void (*posted)(void *owner, int64_t due);
};

/* V8 is about to end the process, and says where and why; the core tells the user. `owner` is of the isolate that the thread is in, or NULL. Called in any state. */
void mr__fatal(void *owner, const char *where, const char *what);

/* The defaults of a call; the core's. */
extern const mr_options mr__default_options;

typedef enum mrv8_operation {
  MRV8_NOTHING,     /* enter and leave; for what is due on entry */
  MRV8_EVAL,        /* `in`: the code */
  MRV8_CALL,        /* `in`: [this, arguments...] */
  MRV8_CALL_METHOD, /* `in`: [name, arguments...] */
  MRV8_CONSTRUCT,   /* `in`: [arguments...] */
  MRV8_GET,         /* `in`: the key */
  MRV8_SET,         /* `in`: [key, value] */
  MRV8_DELETE,      /* `in`: the key */
  MRV8_HAS,         /* `in`: the key */
  MRV8_KEYS,
  MRV8_ELEMENTS, /* an array of them */
  MRV8_ITERATE,  /* `number`: 1 for an async iterator; a hole where there is none */
  MRV8_NEXT,     /* a hole at the end */
  MRV8_READ,
  MRV8_GLOBALS,
  MRV8_REALM,
  MRV8_COMPILE, /* `in`: the code */
  MRV8_RUN,
  MRV8_CODE_CACHE,
  MRV8_AWAIT,
  MRV8_PROMISE,
  MRV8_SETTLE, /* `in`: [whether it is fulfilled, value] */
  MRV8_BUFFER, /* `number`: element, `in_size`: bytes; no `in` */
  MRV8_PREVIEW,
  MRV8_HEAP_STATS,
  MRV8_NUMBERS, /* of the core and of V8 */
  MRV8_HEAP_SNAPSHOT,
  MRV8_LOW_MEMORY,
  MRV8_TIMER,            /* `timer`; what it throws goes to MR_EVENT_UNCAUGHT */
  MRV8_TELL,             /* tells the host of errors that nobody has caught, as mrv8_has_news() says */
  MRV8_MODULE_COMPILE,   /* `in`: the code */
  MRV8_MODULE_SYNTHETIC, /* `in`: [name, evaluator, names...] */
  MRV8_MODULE_LINK,      /* `in`: [[module, targets...], ...] */
  MRV8_MODULE_EVALUATE,  /* `in`: [depth, modules...] */
  MRV8_MODULE_NAMESPACE,
  MRV8_MODULE_HOOKS,  /* `in`: [import, meta] */
  MRV8_SNAPSHOT_CHECK /* undefined, or a string that says why the isolate cannot become a snapshot */
} mrv8_operation;

typedef struct mrv8_request {
  mrv8_operation operation;
  int outermost;           /* microtasks run at its end */
  mrv8_value *target;      /* NULL for operations on the context */
  mr_handle target_handle; /* its handle; 0 likewise */
  mrv8_timer *timer;
  uint32_t number;
  const void *in; /* a message, or code */
  size_t in_size;
  const mr_options *options; /* never NULL, complete, defaults filled in */
  mrv8_value *realm;         /* an object of the realm to run in; NULL: the isolate's first */
  uint64_t thread;           /* a number of the thread, never used again; 0: unknown */
} mrv8_request;

/* V8's version. Before mrv8_initialize(), too. */
const char *mrv8_version(void);

/* As mr_feature(), for what the bridge knows. Before mrv8_initialize(), too. */
int32_t mrv8_feature(const char *name);

/* A file's contents, mapped for as long as the process lives; NULL where V8 has its own. */
typedef struct mrv8_file {
  const void *data;
  size_t size;
} mrv8_file;

typedef struct mrv8_files {
  mrv8_file icu, snapshot;
} mrv8_files;

/* Starts V8. The files have been checked. */
mr_status mrv8_initialize(const mr_init_options *options, const mrv8_files *files, const mrv8_pool *pool);

/* (locked) When V8 has something to do in the isolate, which any outermost mrv8_run() does; INT64_MAX: nothing. */
int64_t mrv8_next_task(mrv8_isolate *isolate);

/* Makes an isolate; of the blob, if there is one. MR_OK, or MR_NO_MEMORY. */
mr_status mrv8_isolate_new(const mr_context_options *options, const mrv8_blob *blob, const mrv8_host *host, void *owner, mrv8_isolate **isolate);

/* (locked) Makes a blob of an isolate that was made for it, and that MRV8_SNAPSHOT_CHECK has just found fit. Values and timers have been deleted; after this the isolate can
 * only be freed. `fresh`: see mr_snapshot_take(). MR_OK, or MR_NO_MEMORY. */
mr_status mrv8_snapshot(mrv8_isolate *isolate, int fresh, mrv8_blob **blob);

/* A blob of bytes, which it copies, or of another blob, whose bytes it shares. Any thread. */
mr_status mrv8_blob_new(const void *bytes, size_t size, mrv8_blob **blob);
mrv8_blob *mrv8_blob_share(const mrv8_blob *blob);
mr_slice mrv8_blob_bytes(const mrv8_blob *blob);
void mrv8_blob_delete(mrv8_blob *blob);

/* (locked) Frees the isolate. All its values have been deleted. */
void mrv8_isolate_delete(mrv8_isolate *isolate);

/* (locked) Does one thing in JavaScript and writes the answer. MR_OK; MR_EXCEPTION; MR_TERMINATED: mrv8_terminate() stopped it, and the core knows why; or the
 * reason why it cannot be done. Whatever it returns, the isolate can be entered again. */
mr_status mrv8_run(mrv8_isolate *isolate, const mrv8_request *request, mr_result *result);

/* A property of an object. */
typedef struct mrv8_property {
  const mrv8_value *of;
  uint64_t thread; /* as in mrv8_request, and known */
  const void *in;  /* the key; to set it: [key, value] */
  size_t in_size;
} mrv8_property;

/* (locked, outside of any run) Reads it, writes it, when that is done at once and runs no code. MR_OK; MR_BUSY: it is not, nothing has changed, and mrv8_run() is to be
 * asked; MR_NO_MEMORY. */
mr_status mrv8_get_now(mrv8_isolate *isolate, const mrv8_property *wanted, mr_result *result);
mr_status mrv8_set_now(mrv8_isolate *isolate, const mrv8_property *wanted);

/* (locked) Whether the last outermost run has left errors that the host is to be told of. To describe them may run the script's code. */
int mrv8_has_news(const mrv8_isolate *isolate);

/* Makes JavaScript that runs in the isolate, or will run there, unwind until mrv8_cancel_terminate(). */
void mrv8_terminate(mrv8_isolate *isolate);
void mrv8_cancel_terminate(mrv8_isolate *isolate);

/* (locked) During a host->call: what the function returns or throws. As mr_reply_set(). */
mr_status mrv8_reply_set(mr_reply *reply, uint32_t outcome, const void *message, size_t size, const mr_slice *buffers, size_t buffer_count);

/* host->interrupted() is called on the thread that runs JavaScript in the isolate, between two instructions of it, or when it runs next. Any thread. */
void mrv8_interrupt(mrv8_isolate *isolate);

/* This thread ends, and V8 forgets that it has been in the isolate. Any thread that is not in it. */
void mrv8_thread_ends(mrv8_isolate *isolate);

/* Whether this process is a child that V8's memory did not follow into. Any thread. */
int mrv8_has_no_heap(void);

/* (locked) Drops a timer that did not run, or will not again. */
void mrv8_timer_delete(mrv8_isolate *isolate, mrv8_timer *timer);

/* Lets a store go. Needs no isolate. */
void mrv8_store_delete(mrv8_store *store);

/* Whether somebody else has its memory as well: a buffer, or another store. Needs no isolate. */
int mrv8_store_is_shared(const mrv8_store *store);

/* (locked) Asks V8 to collect with more zeal. */
void mrv8_memory_pressure(mrv8_isolate *isolate);

/* (locked) Collects garbage now. */
void mrv8_collect(mrv8_isolate *isolate);

/* Bytes of the range of addresses that all heaps share; 0: each has its own. */
uint64_t mrv8_cage(void);

/* Bytes of addresses that V8 reserves when it starts, and with a new isolate and what that may need soon. Before mrv8_initialize(), too. */
uint64_t mrv8_addresses_to_start(void);
uint64_t mrv8_addresses_of_isolate(void);

/* What the buffers hold that a context's scripts and its host made, with those that only the host still uses; with NULL, all there are. */
typedef struct mrv8_buffers {
  uint64_t bytes, limit, refused; /* `refused`: how often a request would have passed the limit */
} mrv8_buffers;
void mrv8_buffers_of(const mrv8_isolate *isolate, mrv8_buffers *buffers);

/* (locked) Drops values. */
void mrv8_values_delete(mrv8_isolate *isolate, mrv8_value *const *values, size_t count);

#ifdef __cplusplus
}
#endif

#endif /* MRV8_BRIDGE_H_ */
