/* mr_handles.h: the handles of one context: which JavaScript values the client holds, and how often. The thread that has the context's lock uses it. */
#ifndef MR_HANDLES_H_
#define MR_HANDLES_H_

#include <stddef.h>
#include <stdint.h>

#include "mrv8_bridge.h"

struct mr__handle_slot;

/* Start with all bytes 0. */
typedef struct mr__handles {
  struct mr__handle_slot *slots; /* a handle is the index of its slot, with the slot's generation above it */
  uint32_t *buckets;             /* heads of the chains of equal hash; as many as slots, a power of two */
  uint32_t capacity;
  uint32_t free;  /* first free slot, plus 1 */
  uint64_t count; /* live ones */
} mr__handles;

/* The handle of a value that is held already, with so many references more; 0: there is none. */
mr_handle mr__handles_share(mr__handles *handles, uint32_t hash, int (*same)(const void *, const mrv8_value *), const void *local, uint32_t references);

/* A new handle with one reference. 0: no memory, or no room. */
mr_handle mr__handles_new(mr__handles *handles, uint32_t hash, mrv8_value *value);

/* The value; NULL for a handle that is stale or was never one. */
mrv8_value *mr__handles_get(const mr__handles *handles, mr_handle handle);

/* Takes one reference away. Returns the value when that was the last, for the caller to delete, else NULL. */
mrv8_value *mr__handles_release(mr__handles *handles, mr_handle handle);

/* Takes any one value out, whatever its references; NULL when there is none. `at` begins at 0 and is the function's own. */
mrv8_value *mr__handles_drain(mr__handles *handles, uint32_t *at);

void mr__handles_destroy(mr__handles *handles);

#endif /* MR_HANDLES_H_ */
