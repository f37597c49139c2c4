/* mrv8_isolate.h: the isolate and the value behind the bridge's opaque types. Used by the thread that has the context's lock. */
#ifndef MRV8_ISOLATE_H_
#define MRV8_ISOLATE_H_

#include <v8-snapshot.h>
#include <v8.h>

#include <atomic>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "mrv8_bridge.h"

struct mrv8_value {
  v8::Global<v8::Value> value;
  uint32_t hash = 0;
  v8::Global<v8::UnboundScript> script; /* of a compiled script; the value is then an empty object */
};

struct mrv8_timer {
  v8::Global<v8::Function> callback;
  std::vector<v8::Global<v8::Value>> arguments;
};

struct mrv8_store {
  std::shared_ptr<v8::BackingStore> store;
};

namespace mrv8 {

/* A function or an error that JavaScript holds and that stands for something of the host's. Deletes itself when JavaScript lets it go. */
struct HostReference {
  mrv8_isolate *self;
  uint64_t id;
  v8::Global<v8::Value> value;
  uint64_t count; /* how many messages have brought it: the host is told as many times that it is gone */
};

/* Promises that were rejected while nobody takes notice, in that order. A script can make millions: what is not needed to tell of them is made when one is looked for. */
struct Rejections {
  std::vector<v8::Global<v8::Promise>> all;    /* empty: somebody has taken notice since */
  std::unordered_multimap<int, size_t> places; /* of the first `indexed`, by identity hash */
  size_t indexed = 0, gone = 0;                /* gone: how many of them all are empty */
  bool changed = false;                        /* since it was last known that the host holds them all */

  void Clear()
  {
    places.clear();
    all.clear();
    indexed = gone = 0;
  }
};

/* A promise that the host waits for. */
struct Awaited {
  mrv8_isolate *self;
  uint64_t number;
  v8::Global<v8::Promise> promise; /* weak: one that nothing can settle any more goes */
};

struct Modules;      /* mrv8_module.cc */
struct KnownScripts; /* mrv8_script.cc */
struct KnownNames;   /* mrv8_read.cc */
struct KnownShapes;  /* mrv8_shape.cc */
struct KnownTexts;   /* mrv8_text.cc */
struct Texts;        /* mrv8_snapshot.cc */

/* A snapshot: V8's part, which V8 reads for as long as there is an isolate that was made of it, and the texts of large scripts, to which its strings refer. */
struct Bytes {
  v8::StartupData data{nullptr, 0}; /* V8's part; the bytes begin with it */
  size_t size = 0;                  /* of all */
  uint64_t heap = 0;                /* bytes that the heap had which it was made of */
  std::vector<mr_slice> texts;      /* by the number that V8's part knows them by; an empty one is not needed any more */

  Bytes() = default;
  Bytes(const Bytes &) = delete;
  Bytes &operator=(const Bytes &) = delete;
  ~Bytes() { delete[] data.data; }
};

}  // namespace mrv8

struct mrv8_blob {
  std::shared_ptr<const mrv8::Bytes> bytes;
};

struct mrv8_isolate {
  v8::Isolate *isolate = nullptr;
  std::unique_ptr<mrv8_value> spare; /* the value that the host let go of last, weak now: it may be the next answer again */
  const mrv8_host *host = nullptr;
  void *owner = nullptr;
  mrv8_queue *queue = nullptr;                           /* V8's tasks for who is in the isolate */
  std::shared_ptr<v8::ArrayBuffer::Allocator> allocator; /* shared with the stores, which may live longer */
  std::unique_ptr<v8::MicrotaskQueue> microtasks;
  std::unordered_map<uint64_t, mrv8::HostReference *> references; /* by id */
  std::vector<uint64_t> released;                                 /* ids of references that are gone; the host has not been told yet */
  mrv8::Rejections rejections;
  std::vector<v8::Global<v8::Value>> uncaught;                /* thrown, and nobody was there to catch it */
  bool has_news = false;                                      /* some of these two are to be told to the host */
  std::map<uint64_t, std::unique_ptr<mrv8::Awaited>> awaited; /* by what the host knows the wait by */
  std::vector<uint64_t> lost;                                 /* waits for promises that are gone; the host has not been told yet */
  v8::Global<v8::Private> host_error;                         /* the key under which an error keeps the id of the host's */
  v8::Global<v8::FunctionTemplate> handlers, iterators[2];    /* of host objects; made when first needed. [1]: async iterators */
  v8::Global<v8::Object> iterator_prototypes[2];
  std::shared_ptr<mrv8::Modules> modules;        /* null: the context has none yet */
  std::shared_ptr<mrv8::KnownScripts> scripts;   /* null: nothing short was evaluated yet */
  std::shared_ptr<mrv8::KnownNames> names;       /* null: there was no name of a property yet */
  std::shared_ptr<mrv8::KnownShapes> shapes;     /* null: there was no object yet */
  std::shared_ptr<mrv8::KnownTexts> known_texts; /* null: there was no text of the host's yet */
  v8::Global<v8::Context> context;
  bool runs_no_code = false;                    /* no code may run, the host's neither */
  bool console = false;                         /* the host wants to hear of it */
  bool realms = false;                          /* there is, or was, another one */
  std::shared_ptr<const mrv8::Bytes> blob;      /* what the isolate was made of; null: V8's own */
  std::unique_ptr<v8::SnapshotCreator> creator; /* null: the isolate is not for a snapshot */
  std::shared_ptr<mrv8::Texts> texts;           /* that a snapshot has, or is to have; null: there is none */
  bool has_asm = false;                         /* a script of an isolate that is for a snapshot has said "use asm" */
  v8::Global<v8::String> anonymous;             /* "<anonymous>", the name of code that has none */
  std::atomic<bool> interrupt_is_due{false};
  std::atomic<bool> terminating{false}; /* what V8 was told; it answers only while JavaScript runs */
  uint64_t gcs = 0;                     /* collections that have ended */
  int64_t gc_time = 0;                  /* nanoseconds that they took */
  int64_t gc_start = 0;                 /* of the one that runs; 0: none does */
  uint64_t max_stack = 0;               /* bytes that JavaScript may use of a thread's stack */
  uint64_t stack_of_call = 0;           /* the same in the call that runs; 0: it has no limit of its own */
  uintptr_t entered_at = 0;             /* where on its stack the thread was that the stack limit was last set for */
  uint64_t limited = 0;                 /* how often it was set */
  uintptr_t stack_limit = 0;            /* address, for the thread that is inside */
  uint64_t entered_by = 0;              /* a number of that thread, never used again */
  uint64_t entered_as = 0;              /* the same, as the core numbers it; 0: unknown */
};

namespace mrv8 {

/* Whether this thread's stack has no room for one more level of a walk through a nested value. */
bool StackIsLow();

/* Bytes of stack that JavaScript may still use here. */
uintptr_t StackLeft(const mrv8_isolate *self);

/* A `console` that tells the host. It is made when a script first asks for it. */
void InstallConsole(mrv8_isolate *self, v8::Local<v8::Context> context);

/* setTimeout and its kin, and what V8 tells of promises. */
void InstallTimers(mrv8_isolate *self, v8::Local<v8::Context> context);
void WatchRejections(mrv8_isolate *self);
void UnwatchRejections(mrv8_isolate *self);

/* Bytes that the flag --stack-size asks for; 0: it was not given. */
uint64_t StackSizeOfFlags();

/* Memory for the buffers of an isolate, at most so many bytes; 0: the default. */
std::shared_ptr<v8::ArrayBuffer::Allocator> NewAllocator(uint64_t limit);

/* V8 also says that the heap is nearly full when it is a buffer that was refused, before it collects for the last time: the script then gets a RangeError, and goes on.
 * Its own requests are refused again after a collection. */
void BuffersCollected(const mrv8_isolate *self);
bool IsAboutBuffers(const mrv8_isolate *self);

/* Before V8 ends the process, it says why. Of an isolate, and where there is none. */
void WatchFatal(v8::Isolate *isolate);
void WatchFatalEverywhere();

/* Tells V8 how much of this thread's stack it may use. */
void LimitStack(mrv8_isolate *self);

/* How far from where the limit was set a thread may enter before it is set anew. */
constexpr uintptr_t kDrift = 32 * 1024;

/* The same for a thread that the core has numbered; 0: it has not. */
inline void
LimitStackOf(mrv8_isolate *self, uint64_t thread)
{
  auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  if (thread && self->entered_as == thread && here - self->entered_at + kDrift <= 2 * kDrift) return;
  LimitStack(self);
  self->entered_as = thread;
}

/* What V8 may find in a snapshot in place of addresses, with a 0 at the end: each of our callbacks that something in a context can hold, in one order for all, and then
 * the texts of the snapshot that the isolate is made of. One that is for a snapshot has places for more of these. It lives as long as the isolate. */
const intptr_t *ExternalReferences(mrv8_isolate *self, bool for_snapshot);
void AddReferencesOfConsole(std::vector<intptr_t> *references);
void AddReferencesOfHost(std::vector<intptr_t> *references);
void AddReferencesOfModules(std::vector<intptr_t> *references);
void AddReferencesOfObjects(std::vector<intptr_t> *references);
void AddReferencesOfPromises(std::vector<intptr_t> *references);

/* A text for the heap of an isolate that is for a snapshot, which then refers to it and has no copy. Owned by the isolate. NULL: there are too many, or no memory. */
v8::String::ExternalOneByteStringResource *TextForSnapshot(mrv8_isolate *self, const void *bytes, size_t size);

/* An isolate that a snapshot can be taken of. */
v8::Isolate *NewIsolateForSnapshot(mrv8_isolate *self, const v8::Isolate::CreateParams &params);

void DeleteIsolateForSnapshot(mrv8_isolate *self);

/* Lets go of all that the isolate's own members hold in the heap. */
void ForgetValues(mrv8_isolate *self);

/* Of a new context, or of one from a snapshot: takes away what scripts could make objects with that no snapshot can hold; gives it back. */
void HideFromSnapshot(mrv8_isolate *self, v8::Local<v8::Context> context);
void RestoreHidden(mrv8_isolate *self, v8::Local<v8::Context> context);

/* A new context with what every realm has. Empty: V8 threw, or has no memory. */
v8::MaybeLocal<v8::Context> NewContext(mrv8_isolate *self);

/* The context of the realm that the value is an object of; the isolate's first for NULL and for what is of no realm. */
v8::Local<v8::Context> ContextOf(mrv8_isolate *self, const mrv8_value *realm);

/* One stay in the isolate: limited, in its context. Nests. There is no v8::Locker: the context's lock keeps other threads out, nobody leaves the isolate to another one
 * half-way, and the Locker's saving and restoring of what a thread left behind would take a third of a short call. */
class Stay {
 public:
  Stay(mrv8_isolate *self, const mrv8_value *realm, uint64_t thread)
      : isolate_scope_(self->isolate), handles_(self->isolate), context_(ContextOf(self, realm)), context_scope_(context_)
  {
    LimitStackOf(self, thread);
  }
  Stay(const Stay &) = delete;
  Stay &operator=(const Stay &) = delete;

  v8::Local<v8::Context> context() const { return context_; }

 private:
  v8::Isolate::Scope isolate_scope_;
  v8::HandleScope handles_;
  v8::Local<v8::Context> context_;
  v8::Context::Scope context_scope_;
};

}  // namespace mrv8

#endif  // MRV8_ISOLATE_H_
