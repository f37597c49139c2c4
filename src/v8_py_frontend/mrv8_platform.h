/* mrv8_platform.h: our v8::Platform, and the tasks that V8 has for the thread in an isolate. */
#ifndef MRV8_PLATFORM_H_
#define MRV8_PLATFORM_H_

#include <v8.h>

#include "mrv8_isolate.h"

namespace mrv8 {

/* The one of the process. */
v8::Platform *NewPlatform(const mrv8_pool *pool);

/* The queue of V8's tasks for the isolate, of which the host hears from now on. */
mrv8_queue *QueueOf(mrv8_isolate *self);

/* Runs one of the tasks that V8 has posted to the isolate's thread and that are due; false: there was none. */
bool RunForegroundTask(mrv8_isolate *self);

/* The isolate's tasks are dropped, and no more come; it is about to go. */
void ForgetIsolate(mrv8_isolate *self);

}  // namespace mrv8

#endif  // MRV8_PLATFORM_H_
