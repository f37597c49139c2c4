/* mr_python_signals.h: CPython's signals and greenlets, for the package py_mini_racer and the fast lane alone. No part of the C ABI. */
#ifndef MR_PYTHON_SIGNALS_H_
#define MR_PYTHON_SIGNALS_H_

#include "mini_racer.h"
#include "mr_python_abi.h"

/* Sets the interrupt hook for the thread `main_thread` (threading.main_thread().ident), and what the callbacks call: `call(context, function, reply, message)` and
 * `event(context, id, event, message)`. `inside` is a dict, which from now on has the ident of each thread that is in a callback. 1; 0: this is no Python that it
 * can be for. Once. Threads: one with the GIL. */
MR_API int mr_python_signals(mr__object *call, mr__object *event, mr__object *inside, uint64_t main_thread);

/* For mr_context_options. What the Python code raises, the call that the callback belongs to ends with: MR_INTERRUPTED, and mr_python_take() has the exception. */
MR_API void mr_python_call(void *data, mr_context context, uint64_t function, const uint8_t *in, uint64_t in_size, mr_reply *reply);
MR_API void mr_python_event(void *data, mr_context context, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size);

/* The exception that this thread's call ended with, with a reference; None when there is none. Threads: with the GIL. */
MR_API mr__object *mr_python_take(void);

/* 0: this thread is in a callback, and this is another greenlet than that of the callback. Threads: with the GIL. */
MR_API int mr_python_may_enter(void);

#endif /* MR_PYTHON_SIGNALS_H_ */
