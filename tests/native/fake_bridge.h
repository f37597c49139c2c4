/* fake_bridge.h: what the tests see and set of the fake bridge. The script language is described in fake_bridge.c. */
#ifndef FAKE_BRIDGE_H_
#define FAKE_BRIDGE_H_

#include <stdatomic.h>
#include <stdint.h>

#include "mrv8_bridge.h"

/* A function of a test, called in the middle of something. */
typedef struct fake_hook {
  void (*function)(void *data);
  void *data;
} fake_hook;

/* What the script's `call` calls, on the thread that set it. */
extern _Thread_local fake_hook fake_on_call;

/* Called once, on the thread that set them: when values are deleted; when a run has begun but is not inside yet. */
extern _Thread_local fake_hook fake_on_delete, fake_on_enter;

/* What this thread's last run was asked. */
typedef struct fake_seen {
  mrv8_operation operation;
  int outermost;
  char target[32]; /* name of the value, "" for none */
  size_t in_size;
  uint32_t number;
  mr_options options; /* the filename points to the copy */
  char filename[64];
} fake_seen;
extern _Thread_local fake_seen fake_last;

/* What the next starts and new isolates answer. */
extern atomic_int fake_initialize_status, fake_isolate_status;

/* Whether V8's memory is said not to have followed into this process. */
extern atomic_int fake_has_no_heap;

/* What mrv8_initialize() and mrv8_isolate_new() were asked last, by this thread. */
extern _Thread_local mr_init_options fake_init_options;
extern _Thread_local mr_context_options fake_context_options;

/* Live isolates, values, timers and stores; and how often memory pressure was told. */
uint64_t fake_isolates(void);
uint64_t fake_values(void);
uint64_t fake_timers(void);
uint64_t fake_stores(void);
uint64_t fake_pressure(void);

/* How many of V8's tasks have run. */
uint64_t fake_tasks(void);

/* What mrv8_initialize() was given. */
extern const mrv8_pool *fake_pool;
extern mrv8_files fake_files;

#endif /* FAKE_BRIDGE_H_ */
