/* mrv8_isolate.h: the isolate and the value behind the bridge's opaque types. Used by the thread that has the context's lock. */
#ifndef MRV8_ISOLATE_H_
#define MRV8_ISOLATE_H_

#include <v8.h>

#include <memory>

#include "mrv8_bridge.h"

struct mrv8_value {
  v8::Global<v8::Value> value;
};

struct mrv8_isolate {
  v8::Isolate *isolate = nullptr;
  const mrv8_host *host = nullptr;
  void *owner = nullptr;
  std::unique_ptr<v8::ArrayBuffer::Allocator> allocator;
  std::unique_ptr<v8::MicrotaskQueue> microtasks;
  v8::Global<v8::Context> context;
  v8::Global<v8::String> anonymous; /* "<anonymous>", the name of code that has none */
  uint64_t max_stack = 0;           /* bytes that JavaScript may use of a thread's stack */
  uintptr_t entered_at = 0;         /* where on its stack the thread was that the stack limit was last set for */
  uint64_t entered_by = 0;          /* a number of that thread, never used again */
};

namespace mrv8 {

/* Runs the tasks that V8 has posted to the isolate's thread and that are due. */
void RunForegroundTasks(v8::Isolate *isolate);

/* The platform's tasks for the isolate are dropped; it is about to go. */
void ForgetIsolate(v8::Isolate *isolate);

/* Tells V8 how much of this thread's stack it may use. */
void LimitStack(mrv8_isolate *self);

/* One stay in the isolate: locked, limited, in its context. Nests. */
class Stay {
 public:
  explicit Stay(mrv8_isolate *self)
      : locker_(self->isolate), isolate_scope_(self->isolate), handles_(self->isolate), context_(self->context.Get(self->isolate)), context_scope_(context_)
  {
    LimitStack(self);
  }
  Stay(const Stay &) = delete;
  Stay &operator=(const Stay &) = delete;

  v8::Local<v8::Context> context() const { return context_; }

 private:
  v8::Locker locker_;
  v8::Isolate::Scope isolate_scope_;
  v8::HandleScope handles_;
  v8::Local<v8::Context> context_;
  v8::Context::Scope context_scope_;
};

}  // namespace mrv8

#endif  // MRV8_ISOLATE_H_
