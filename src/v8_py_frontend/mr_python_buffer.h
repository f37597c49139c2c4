/* mr_python_buffer.h: JavaScript's memory as memoryviews. With the GIL. */
#ifndef MR_PYTHON_BUFFER_H_
#define MR_PYTHON_BUFFER_H_

#include "mini_racer.h"
#include "mr_python_abi.h"

/* What a buffer's message says; see mr_wire.h. */
typedef struct mr__python_buffer {
  uint8_t element, flags;
  uint64_t store, address, size;
  mr_handle handle;
} mr__python_buffer;

/* Makes the type of what the memoryviews are of. NULL: with an exception. Once. */
mr__object *mr__python_memory_type(void);

/* A memoryview of a script's memory. NULL: with an exception, and the store and the handle are given back. `context`: the Context, whose id is `id`. */
mr__object *mr__python_view(mr__object *context, mr_context id, const mr__python_buffer *buffer);

/* The handle of the buffer that the memoryview is of, when it is one of this Context's, as a whole and with its own elements; 0: it is not, as far as can be seen at once. */
mr_handle mr__python_handle_of(mr__object *view, const mr__object *context);

#endif /* MR_PYTHON_BUFFER_H_ */
