/* mrv8_isolate.cc: making, limiting, stopping and freeing isolates. Entered by the thread that has the context's lock; terminate and its undoing by any. */
#include "mrv8_isolate.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <new>

#include "mr_clock.h"
#include "mrv8_compat.h"
#include "mrv8_platform.h"

namespace {

constexpr uint64_t kGrain = 1 << 20; /* V8 ends the process over ranges of code that are no multiple of its pages */
constexpr uint64_t kRoom = 4 << 20;  /* of a heap for new objects */
constexpr uint64_t kDefaultStack = 984 * 1024;
constexpr uintptr_t kReserve = 128 * 1024; /* for V8's own C++ functions, which look at the limit only when they are called, and for the host's callbacks */

/* What stops the script while it goes on; not the steps of marking in between, which begin and do not end. */
constexpr auto kCollections = static_cast<v8::GCType>(v8::kGCTypeScavenge | v8::kGCTypeMarkSweepCompact);

/* What a thread knows of its stack, found out once. */
struct ThisThread {
  uint64_t number;
  uintptr_t lowest; /* address that the stack may grow down to */

  ThisThread()
  {
    static std::atomic<uint64_t> numbers{0};
    number = ++numbers;
    lowest = 0;
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
    void *address = nullptr;
    size_t size = 0, guard = 0;
    if (pthread_attr_getstack(&attributes, &address, &size) == 0 && pthread_attr_getguardsize(&attributes, &guard) == 0)
      lowest = reinterpret_cast<uintptr_t>(address) + guard;
    pthread_attr_destroy(&attributes);
  }
};

const ThisThread &
Thread()
{
  static thread_local ThisThread thread;
  return thread;
}

/* Address of a page of the heap that all isolates share and that never goes. V8 can be built to keep its memory to the parent (MADV_DONTFORK): then it is not there in
 * a child. */
std::atomic<uintptr_t> some_page;

void
RememberPage(v8::Isolate *isolate)
{
  v8::Global<v8::Primitive> undefined(isolate, v8::Undefined(isolate));
  const auto *const *slot = reinterpret_cast<const uintptr_t *const *>(&undefined);
  some_page = **slot & ~uintptr_t{0xffff};
}

size_t
OnNearHeapLimit(void *data, size_t current, size_t initial)
{
  auto *self = static_cast<mrv8_isolate *>(data);
  if (mrv8::IsAboutBuffers(self)) return current;
  size_t limit = self->host->near_heap_limit(self->owner, current, initial);
  v8::HeapStatistics heap;
  self->isolate->GetHeapStatistics(&heap);
  size_t enough = heap.total_heap_size() + (limit - current); /* it may be past the limit already, and then the limit has to be past it */
  return limit < enough ? enough : limit;
}

void
OnCollecting(v8::Isolate *, v8::GCType, v8::GCCallbackFlags, void *data)
{
  auto *self = static_cast<mrv8_isolate *>(data);
  if (!self->gc_start) self->gc_start = mr__now(); /* a collection may begin with another one */
}

void
OnCollected(v8::Isolate *isolate, v8::GCType, v8::GCCallbackFlags, void *data)
{
  auto *self = static_cast<mrv8_isolate *>(data);
  if (self->gc_start) {
    self->gcs++;
    self->gc_time += mr__now() - self->gc_start;
    self->gc_start = 0;
  }
  v8::HeapStatistics heap;
  isolate->GetHeapStatistics(&heap);
  mrv8::BuffersCollected(self);
  /* What objects hold outside of the heap counts as heap, but for the bytes of buffers, which have a limit of their own. */
  mrv8_buffers buffers;
  mrv8_buffers_of(self, &buffers);
  uint64_t external = mrv8::ExternalMemory(isolate), outside = external > buffers.bytes ? external - buffers.bytes : 0;
  self->host->heap_used(self->owner, heap.used_heap_size() + outside, heap.total_heap_size());
}

void
OnInterrupt(v8::Isolate *, void *data)
{
  auto *self = static_cast<mrv8_isolate *>(data);
  self->interrupt_is_due.store(false);
  self->host->interrupted(self->owner);
}

void
Configure(mrv8_isolate *self)
{
  v8::Isolate *isolate = self->isolate;
  isolate->SetData(0, self);
  mrv8::WatchFatal(isolate);
  isolate->SetCaptureStackTraceForUncaughtExceptions(true, 100);
  isolate->AddNearHeapLimitCallback(OnNearHeapLimit, self);
  isolate->AutomaticallyRestoreInitialHeapLimit();
  isolate->AddGCPrologueCallback(OnCollecting, self, kCollections);
  isolate->AddGCEpilogueCallback(OnCollected, self);
}

}  // namespace

void
mrv8::LimitStack(mrv8_isolate *self)
{
  const ThisThread &thread = Thread();
  auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  if (self->entered_by == thread.number && here - self->entered_at + kDrift <= 2 * kDrift) return;
  self->limited++;
  self->entered_as = 0;
  self->entered_by = thread.number;
  self->entered_at = here;
  uint64_t most = self->stack_of_call && self->stack_of_call < self->max_stack ? self->stack_of_call : self->max_stack;
  uintptr_t limit = here > most ? here - most : 1;
  uintptr_t floor = thread.lowest + kReserve;
  self->stack_limit = limit > floor ? limit : floor;
  self->isolate->SetStackLimit(self->stack_limit);
}

bool
mrv8::StackIsLow()
{
  return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) < Thread().lowest + kReserve;
}

uintptr_t
mrv8::StackLeft(const mrv8_isolate *self)
{
  auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  return here > self->stack_limit ? here - self->stack_limit : 0;
}

v8::MaybeLocal<v8::Context>
mrv8::NewContext(mrv8_isolate *self)
{
  v8::Local<v8::Context> context = v8::Context::New(self->isolate, nullptr, v8::MaybeLocal<v8::ObjectTemplate>(), v8::MaybeLocal<v8::Value>(),
                                                    v8::DeserializeInternalFieldsCallback(), self->microtasks.get());
  if (context.IsEmpty()) return context;
  if (!self->blob) InstallTimers(self, context); /* a snapshot has them */
  if (!self->blob && self->console) InstallConsole(self, context);
  if (self->creator) HideFromSnapshot(self, context);
  else if (self->blob) RestoreHidden(self, context);
  return context;
}

v8::Local<v8::Context>
mrv8::ContextOf(mrv8_isolate *self, const mrv8_value *realm)
{
  v8::Local<v8::Value> value;
  v8::Local<v8::Context> context;
  if (realm) value = realm->value.Get(self->isolate);
  if (realm && value->IsObject() && CreationContext(self->isolate, value.As<v8::Object>()).ToLocal(&context)) return context;
  return self->context.Get(self->isolate);
}

mr_status
mrv8_isolate_new(const mr_context_options *options, const mrv8_blob *blob, const mrv8_host *host, void *owner, mrv8_isolate **made)
{
  std::unique_ptr<mrv8_isolate> self(new (std::nothrow) mrv8_isolate);
  if (!self) return MR_NO_MEMORY;
  self->host = host;
  self->owner = owner;
  uint64_t flagged = mrv8::StackSizeOfFlags();
  self->max_stack = options->max_stack ? options->max_stack : flagged ? flagged : kDefaultStack;
  self->console = options->console != 0;
  self->allocator = mrv8::NewAllocator(options->max_buffer_memory);
  v8::Isolate::CreateParams params;
  params.array_buffer_allocator_shared = self->allocator;
  uint64_t most = options->max_memory;
  /* V8 ends the process over a snapshot that has no room. One that is larger than the limit has what it needs, and hardly more. */
  if (most && blob) most = std::max(most, blob->bytes->heap + blob->bytes->heap / 8 + kRoom);
  if (most) params.constraints.ConfigureDefaultsFromHeapSize(0, (most + kGrain - 1) / kGrain * kGrain);
  if (blob) self->blob = blob->bytes;
  if (blob) params.snapshot_blob = const_cast<v8::StartupData *>(&self->blob->data); /* not const in V8 10.2, which does not write it either */
  if (blob || options->for_snapshot) params.external_references = mrv8::ExternalReferences(self.get(), options->for_snapshot != 0);
  v8::Isolate *isolate = self->isolate = options->for_snapshot ? mrv8::NewIsolateForSnapshot(self.get(), params) : v8::Isolate::New(params);
  {
    v8::Isolate::Scope isolate_scope(isolate);
    v8::HandleScope handles(isolate);
    RememberPage(isolate);
    Configure(self.get());
    self->queue = mrv8::QueueOf(self.get());
    mrv8::WatchRejections(self.get());
    mrv8::LimitStack(self.get());
    self->microtasks = v8::MicrotaskQueue::New(isolate, v8::MicrotasksPolicy::kExplicit);
    v8::Local<v8::Context> context;
    if (mrv8::NewContext(self.get()).ToLocal(&context)) self->context.Reset(isolate, context);
    OnCollected(isolate, v8::kGCTypeAll, v8::kNoGCCallbackFlags, self.get());
    self->host_error.Reset(isolate, v8::Private::New(isolate));
    self->anonymous.Reset(isolate, v8::String::NewFromUtf8Literal(isolate, "<anonymous>", v8::NewStringType::kInternalized));
  }
  *made = self.release();
  if (!(*made)->context.IsEmpty()) return MR_OK;
  mrv8_isolate_delete(*made);
  *made = nullptr;
  return MR_NO_MEMORY;
}

void
mrv8::ForgetValues(mrv8_isolate *self)
{
  for (const auto &reference : self->references) delete reference.second;
  self->references.clear();
  self->spare.reset();
  self->handlers.Reset();
  for (int async : {0, 1}) {
    self->iterators[async].Reset();
    self->iterator_prototypes[async].Reset();
  }
  self->rejections.Clear();
  self->uncaught.clear();
  self->awaited.clear();
  self->modules.reset();
  self->scripts.reset();
  self->names.reset();
  self->shapes.reset();
  self->known_texts.reset();
  self->host_error.Reset();
  self->anonymous.Reset();
  self->context.Reset();
}

void
mrv8_isolate_delete(mrv8_isolate *self)
{
  {
    v8::Isolate::Scope isolate_scope(self->isolate);
    self->isolate->RemoveNearHeapLimitCallback(OnNearHeapLimit, 0);
    self->isolate->RemoveGCPrologueCallback(OnCollecting, self);
    self->isolate->RemoveGCEpilogueCallback(OnCollected, self);
    mrv8::ForgetValues(self);
    self->microtasks.reset();
    mrv8::ForgetIsolate(self);
  }
  if (self->creator) mrv8::DeleteIsolateForSnapshot(self);
  else self->isolate->Dispose();
  delete self;
}

void
mrv8_terminate(mrv8_isolate *self)
{
  self->terminating.store(true);
  self->isolate->TerminateExecution();
}

void
mrv8_cancel_terminate(mrv8_isolate *self)
{
  self->terminating.store(false);
  self->isolate->CancelTerminateExecution();
}

void
mrv8_interrupt(mrv8_isolate *self)
{
  if (!self->interrupt_is_due.exchange(true)) self->isolate->RequestInterrupt(OnInterrupt, self);
}

void
mrv8_thread_ends(mrv8_isolate *self)
{
  self->isolate->DiscardThreadSpecificMetadata();
}

int
mrv8_has_no_heap(void)
{
  unsigned char resident;
  return some_page && mincore(reinterpret_cast<void *>(some_page.load()), 1, &resident) != 0 && errno == ENOMEM;
}

void
mrv8_values_delete(mrv8_isolate *self, mrv8_value *const *values, size_t count)
{
  if (!count) return;
  for (size_t i = 0; i + 1 < count; i++) delete values[i];
  mrv8_value *last = values[count - 1];
  bool spared = last->script.IsEmpty() && !self->creator; /* a snapshot is taken when nothing is held, weakly neither */
  self->spare.reset(spared ? last : nullptr);
  if (spared) last->value.SetWeak();
  else delete last;
  self->rejections.changed = true; /* the host may have held one of these promises */
}

void
mrv8_collect(mrv8_isolate *self)
{
  v8::Isolate::Scope isolate_scope(self->isolate);
  v8::HandleScope handles(self->isolate);
  mrv8::LimitStack(self);
  self->isolate->MemoryPressureNotification(v8::MemoryPressureLevel::kCritical);
}

void
mrv8_memory_pressure(mrv8_isolate *self)
{
  self->isolate->MemoryPressureNotification(v8::MemoryPressureLevel::kModerate);
}
