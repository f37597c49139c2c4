/* mrv8_compat.h: what differs between V8 10.2 and 15. No other file asks for V8's version. */
#ifndef MRV8_COMPAT_H_
#define MRV8_COMPAT_H_

#include <v8-platform.h>
#include <v8-snapshot.h>
#include <v8.h>
#ifdef V8_USE_EXTERNAL_STARTUP_DATA
#include <unicode/udata.h>
#endif

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#define MRV8_AT_LEAST(major, minor) (V8_MAJOR_VERSION > (major) || (V8_MAJOR_VERSION == (major) && V8_MINOR_VERSION >= (minor)))

namespace mrv8 {

/* Copies the whole string; the caller made room for Length() characters. */
inline void
CopyLatin1(v8::Isolate *isolate, v8::Local<v8::String> string, uint8_t *to)
{
#if MRV8_AT_LEAST(15, 0)
  string->WriteOneByte(isolate, 0, static_cast<uint32_t>(string->Length()), to);
#elif MRV8_AT_LEAST(13, 5)
  string->WriteOneByteV2(isolate, 0, static_cast<uint32_t>(string->Length()), to);
#else
  string->WriteOneByte(isolate, to, 0, string->Length(), v8::String::NO_NULL_TERMINATION);
#endif
}

/* Copies the first `count` characters; there are so many. */
inline void
CopyUtf16(v8::Isolate *isolate, v8::Local<v8::String> string, int count, uint16_t *to)
{
#if MRV8_AT_LEAST(15, 0)
  string->Write(isolate, 0, static_cast<uint32_t>(count), to);
#elif MRV8_AT_LEAST(13, 5)
  string->WriteV2(isolate, 0, static_cast<uint32_t>(count), to);
#else
  string->Write(isolate, to, 0, count, v8::String::NO_NULL_TERMINATION);
#endif
}

inline v8::Local<v8::Value>
PrototypeOf(v8::Local<v8::Object> object)
{
#if MRV8_AT_LEAST(13, 0) && !MRV8_AT_LEAST(15, 0)
  return object->GetPrototypeV2();
#else
  return object->GetPrototype();
#endif
}

inline v8::Maybe<bool>
SetPrototypeOf(v8::Local<v8::Context> context, v8::Local<v8::Object> object, v8::Local<v8::Value> prototype)
{
#if MRV8_AT_LEAST(13, 0) && !MRV8_AT_LEAST(15, 0)
  return object->SetPrototypeV2(context, prototype);
#else
  return object->SetPrototype(context, prototype);
#endif
}

inline v8::MaybeLocal<v8::Context>
CreationContext(v8::Isolate *isolate, v8::Local<v8::Object> object)
{
#if MRV8_AT_LEAST(13, 0)
  return object->GetCreationContext(isolate);
#else
  (void)isolate;
  return object->GetCreationContext();
#endif
}

inline v8::ScriptOrigin
Origin(v8::Isolate *isolate, v8::Local<v8::Value> name, int line, int column)
{
#if MRV8_AT_LEAST(12, 0)
  (void)isolate;
  return v8::ScriptOrigin(name, line, column);
#else
  return v8::ScriptOrigin(isolate, name, line, column);
#endif
}

/* --- hidden classes --- */

/* What an object is made of, word by word. V8 keeps its place for this in the header that its own inline functions are made of. */
class Words {
 public:
  explicit Words(v8::Local<v8::Value> value)
#if MRV8_AT_LEAST(12, 0)
      : object_(v8::internal::ValueHelper::ValueAsAddress(*value))
#else
      : object_(*reinterpret_cast<const v8::internal::Address *>(*value))
#endif
  {
  }

  /* An ordinary object: what braces, JSON.parse and classes make; nothing that has a nature of its own, as arrays, dates, errors and proxies do. */
  bool IsPlain() const { return Internals::HasHeapObjectTag(object_) && Internals::GetInstanceType(object_) == Internals::kJSObjectType; }

  /* Whether both, which are plain, have the same names of properties in the same order: they share a hidden class, and elements, of which there are none as a rule. False
   * where that cannot be seen: an object whose properties are in a dictionary has them there where others have a small integer, their hash, or what is of the type
   * `list`, the values that had no room in the object. */
  bool HasNamesOf(const Words &other, int list) const
  {
    if (Word(0) != other.Word(0) || Word(2) != other.Word(2)) return false;
    return !Internals::HasHeapObjectTag(Word(1)) || (list && TypeOfProperties() == list);
  }

  /* Of what is not a small integer there; else 0. */
  int TypeOfProperties() const { return Internals::HasHeapObjectTag(Word(1)) ? Internals::GetInstanceType(Word(1)) : 0; }

 private:
  using Internals = v8::internal::Internals;
  static_assert(Internals::kHeapObjectMapOffset == 0 && Internals::kJSObjectHeaderSize == 3 * v8::internal::kApiTaggedSize, "class, properties, elements");

  v8::internal::Address Word(int index) const { return Internals::ReadTaggedPointerField(object_, index * v8::internal::kApiTaggedSize); }

  v8::internal::Address object_;
};

/* --- modules --- */

inline v8::ScriptOrigin
ModuleOrigin(v8::Isolate *isolate, v8::Local<v8::Value> name, int line, int column)
{
#if MRV8_AT_LEAST(12, 0)
  (void)isolate;
  return v8::ScriptOrigin(name, line, column, false, -1, v8::Local<v8::Value>(), false, false, true);
#else
  return v8::ScriptOrigin(isolate, name, line, column, false, -1, v8::Local<v8::Value>(), false, false, true);
#endif
}

inline v8::Local<v8::Data>
ItemOf(v8::Local<v8::Context> context, v8::Local<v8::FixedArray> array, int index)
{
#if MRV8_AT_LEAST(15, 0)
  (void)context;
  return array->Get(index);
#else
  return array->Get(context, index);
#endif
}

/* What stands behind `with` in an import; in an old V8 behind `assert`: keys, values and offsets by turns. */
inline v8::Local<v8::FixedArray>
AttributesOf(v8::Local<v8::ModuleRequest> request)
{
#if MRV8_AT_LEAST(12, 0)
  return request->GetImportAttributes();
#else
  return request->GetImportAssertions();
#endif
}

inline constexpr int kPhaseEvaluation = 0, kPhaseSource = 1, kPhaseDefer = 2;

#if MRV8_AT_LEAST(15, 0)
inline int
NumberOf(v8::ModuleImportPhase phase)
{
  return phase == v8::ModuleImportPhase::kSource ? kPhaseSource : phase == v8::ModuleImportPhase::kDefer ? kPhaseDefer : kPhaseEvaluation;
}
#endif

/* `import source`, `import defer`, or neither. */
inline int
PhaseOf(v8::Local<v8::ModuleRequest> request)
{
#if MRV8_AT_LEAST(15, 0)
  return NumberOf(request->GetPhase());
#else
  (void)request;
  return kPhaseEvaluation;
#endif
}

using SourceResolver = v8::MaybeLocal<v8::Object> (*)(v8::Local<v8::Context>, v8::Local<v8::String>, v8::Local<v8::FixedArray>, v8::Local<v8::Module>);

inline v8::Maybe<bool>
Instantiate(v8::Local<v8::Module> module, v8::Local<v8::Context> context, v8::Module::ResolveModuleCallback resolve, SourceResolver resolve_source)
{
#if MRV8_AT_LEAST(15, 0)
  return module->InstantiateModule(context, resolve, resolve_source);
#else
  (void)resolve_source;
  return module->InstantiateModule(context, resolve);
#endif
}

inline v8::Local<v8::Module>
NewSyntheticModule(v8::Isolate *isolate, v8::Local<v8::String> name, const std::vector<v8::Local<v8::String>> &names,
                   v8::Module::SyntheticModuleEvaluationSteps steps)
{
#if MRV8_AT_LEAST(12, 0)
  return v8::Module::CreateSyntheticModule(isolate, name, v8::MemorySpan<const v8::Local<v8::String>>(names.data(), names.size()), steps);
#else
  return v8::Module::CreateSyntheticModule(isolate, name, names, steps);
#endif
}

using Importer = v8::MaybeLocal<v8::Promise>(v8::Local<v8::Context> context, v8::Local<v8::Value> referrer, v8::Local<v8::String> specifier, int phase,
                                             v8::Local<v8::FixedArray> attributes);

/* import() of any phase, in scripts and modules. */
template <Importer import>
inline void
SetImportCallback(v8::Isolate *isolate)
{
  isolate->SetHostImportModuleDynamicallyCallback(
      [](v8::Local<v8::Context> context, v8::Local<v8::Data>, v8::Local<v8::Value> referrer, v8::Local<v8::String> specifier,
         v8::Local<v8::FixedArray> attributes) { return import(context, referrer, specifier, kPhaseEvaluation, attributes); });
#if MRV8_AT_LEAST(15, 0)
  isolate->SetHostImportModuleWithPhaseDynamicallyCallback(
      [](v8::Local<v8::Context> context, v8::Local<v8::Data>, v8::Local<v8::Value> referrer, v8::Local<v8::String> specifier, v8::ModuleImportPhase phase,
         v8::Local<v8::FixedArray> attributes) { return import(context, referrer, specifier, NumberOf(phase), attributes); });
#endif
}

/* --- buffers --- */

/* Memory for a buffer, zeros if `clear`; null when there is not so much. */
inline std::unique_ptr<v8::BackingStore>
NewStore(v8::Isolate *isolate, const std::shared_ptr<v8::ArrayBuffer::Allocator> &allocator, size_t size, bool clear)
{
#if MRV8_AT_LEAST(13, 0)
  if (size > v8::ArrayBuffer::kMaxByteLength) return nullptr;
  (void)allocator;
  auto mode = clear ? v8::BackingStoreInitializationMode::kZeroInitialized : v8::BackingStoreInitializationMode::kUninitialized;
  return v8::ArrayBuffer::NewBackingStore(isolate, size, mode, v8::BackingStoreOnFailureMode::kReturnNull);
#else
  (void)isolate;
  if (size > v8::TypedArray::kMaxLength) return nullptr;
  using Shared = std::shared_ptr<v8::ArrayBuffer::Allocator>;
  void *data = clear ? allocator->Allocate(size) : allocator->AllocateUninitialized(size);
  if (!data) return nullptr;
  auto release = [](void *memory, size_t length, void *holder) {
    auto *shared = static_cast<Shared *>(holder);
    (*shared)->Free(memory, length);
    delete shared;
  };
  return v8::ArrayBuffer::NewBackingStore(data, size, release, new Shared(allocator));
#endif
}

/* ICU's data, where it has none of its own. It reads no other files then. */
#ifdef V8_USE_EXTERNAL_STARTUP_DATA
inline bool
UseIcuData(const void *data)
{
  UErrorCode error = U_ZERO_ERROR;
  udata_setCommonData(data, &error);
  udata_setFileAccess(UDATA_ONLY_PACKAGES, &error);
  return U_SUCCESS(error);
}
#else
inline bool
UseIcuData(const void *)
{
  return false;
}
#endif

/* A snapshot that a process's first isolate is for must not add to the read-only objects that all isolates share: beside plain isolates it would be a foreign one, and V8
 * would not notice.
 * A heap's first full collection comes when its old objects have grown to 64 MB, or to half of what they may have. By itself V8 lowers that mark with each collection of the
 * young ones, to 20 MB while a compiler such as Babel builds what it will keep: an eighth of its first run went into marking that found nothing to free. After the first
 * full collection V8's own rule holds. */
inline constexpr const char *kStartFlags =
#if MRV8_AT_LEAST(15, 0)
    "--no-extensible-ro-snapshot --preconfigured-old-space-size=64";
#elif MRV8_AT_LEAST(12, 0)
    "--no-extensible-ro-snapshot";
#else
    nullptr;
#endif

/* What makes snapshots of an isolate that has been allocated, and enters it; and whether it disposes of it in the end. */
#if MRV8_AT_LEAST(12, 0)
inline constexpr bool kCreatorDisposes = false;
inline std::unique_ptr<v8::SnapshotCreator>
NewSnapshotCreator(v8::Isolate *isolate, const v8::Isolate::CreateParams &params)
{
  return std::make_unique<v8::SnapshotCreator>(isolate, params);
}
#else
inline constexpr bool kCreatorDisposes = true;
inline std::unique_ptr<v8::SnapshotCreator>
NewSnapshotCreator(v8::Isolate *isolate, const v8::Isolate::CreateParams &params)
{
  return std::make_unique<v8::SnapshotCreator>(isolate, params.external_references, params.snapshot_blob);
}
#endif

/* What the isolate's objects are known to hold outside of the heap, in bytes, buffers included. HeapStatistics knows of buffers alone, and what
 * this is deprecated for has no way to ask. */
inline uint64_t
ExternalMemory(v8::Isolate *isolate)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  int64_t bytes = isolate->AdjustAmountOfExternalAllocatedMemory(0);
#pragma GCC diagnostic pop
  return bytes > 0 ? static_cast<uint64_t>(bytes) : 0;
}

/* So many bytes more, or less, are held outside of the heap by its objects. More: in the isolate, and V8 may collect; less: any of its threads, in a collection too. */
inline void
CountExternalMemory(v8::Isolate *isolate, int64_t change)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  isolate->AdjustAmountOfExternalAllocatedMemory(change);
#pragma GCC diagnostic pop
}

/* Whether a script can make the memory smaller, or V8 may take pages of it away. */
inline bool
CanShrink(const v8::BackingStore &store)
{
#if MRV8_AT_LEAST(11, 0)
  return store.IsResizableByUserJavaScript();
#else
  (void)store;
  return false;
#endif
}

/* Whether V8's sandbox holds what it promises. */
inline bool
SandboxIsSecure()
{
#if defined(V8_ENABLE_SANDBOX) && MRV8_AT_LEAST(11, 0)
  return v8::V8::IsSandboxConfiguredSecurely();
#else
  return false;
#endif
}

/* A platform and a task runner whose functions have one shape for all versions. */
class TaskRunner : public v8::TaskRunner {
 public:
  bool IdleTasksEnabled() final { return false; }
  bool NonNestableTasksEnabled() const final { return true; }
  bool NonNestableDelayedTasksEnabled() const final { return true; }

 protected:
  /* `delay` in seconds. Tasks never run within others, nor within JavaScript: the outermost call runs them at its end. */
  virtual void Post(std::unique_ptr<v8::Task> task, double delay) = 0;

#if MRV8_AT_LEAST(12, 5)
  void PostTaskImpl(std::unique_ptr<v8::Task> task, const v8::SourceLocation &) final { Post(std::move(task), 0); }
  void PostNonNestableTaskImpl(std::unique_ptr<v8::Task> task, const v8::SourceLocation &) final { Post(std::move(task), 0); }
  void PostDelayedTaskImpl(std::unique_ptr<v8::Task> task, double delay, const v8::SourceLocation &) final { Post(std::move(task), delay); }
  void PostNonNestableDelayedTaskImpl(std::unique_ptr<v8::Task> task, double delay, const v8::SourceLocation &) final { Post(std::move(task), delay); }
#else
 public:
  void PostTask(std::unique_ptr<v8::Task> task) final { Post(std::move(task), 0); }
  void PostNonNestableTask(std::unique_ptr<v8::Task> task) final { Post(std::move(task), 0); }
  void PostDelayedTask(std::unique_ptr<v8::Task> task, double delay) final { Post(std::move(task), delay); }
  void PostNonNestableDelayedTask(std::unique_ptr<v8::Task> task, double delay) final { Post(std::move(task), delay); }
  void PostIdleTask(std::unique_ptr<v8::IdleTask>) final {}
#endif
};

class Platform : public v8::Platform {
 public:
  double MonotonicallyIncreasingTime() final { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
  double CurrentClockTimeMillis() final { return SystemClockTimeMillis(); }
  v8::TracingController *GetTracingController() final { return &tracing_; }

 protected:
  virtual std::shared_ptr<v8::TaskRunner> Foreground(v8::Isolate *isolate) = 0;
  virtual void Post(std::unique_ptr<v8::Task> task, bool urgent, double delay) = 0; /* to the pool; `delay` in seconds */
  virtual std::unique_ptr<v8::JobHandle> NewJob(std::unique_ptr<v8::JobTask> task, bool urgent) = 0;

#if MRV8_AT_LEAST(12, 5)
  std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner(v8::Isolate *isolate, v8::TaskPriority) final { return Foreground(isolate); }
  void PostTaskOnWorkerThreadImpl(v8::TaskPriority priority, std::unique_ptr<v8::Task> task, const v8::SourceLocation &) final
  {
    Post(std::move(task), priority == v8::TaskPriority::kUserBlocking, 0);
  }
  void PostDelayedTaskOnWorkerThreadImpl(v8::TaskPriority, std::unique_ptr<v8::Task> task, double delay, const v8::SourceLocation &) final
  {
    Post(std::move(task), false, delay);
  }
  std::unique_ptr<v8::JobHandle> CreateJobImpl(v8::TaskPriority priority, std::unique_ptr<v8::JobTask> task, const v8::SourceLocation &) final
  {
    return NewJob(std::move(task), priority == v8::TaskPriority::kUserBlocking);
  }
#else
 public:
  std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner(v8::Isolate *isolate) final { return Foreground(isolate); }
  void CallOnWorkerThread(std::unique_ptr<v8::Task> task) final { Post(std::move(task), false, 0); }
  void CallBlockingTaskOnWorkerThread(std::unique_ptr<v8::Task> task) final { Post(std::move(task), true, 0); }
  void CallDelayedOnWorkerThread(std::unique_ptr<v8::Task> task, double delay) final { Post(std::move(task), false, delay); }
  std::unique_ptr<v8::JobHandle> PostJob(v8::TaskPriority priority, std::unique_ptr<v8::JobTask> task) final
  {
    auto job = NewJob(std::move(task), priority == v8::TaskPriority::kUserBlocking);
    job->NotifyConcurrencyIncrease();
    return job;
  }
#endif

 private:
  v8::TracingController tracing_; /* traces nothing */
};

inline constexpr bool kSandbox =
#ifdef V8_ENABLE_SANDBOX
    true;
#else
    false;
#endif

}  // namespace mrv8

#endif  // MRV8_COMPAT_H_
