/* mrv8_snapshot.cc: snapshots: making them of an isolate, and what contexts need to be made of them. On the thread that has the lock, but for blobs, which any may use.
 *
 * V8 ends the process over a heap with something in it that it cannot write. So scripts of an isolate that is for a snapshot cannot come to have such things: what makes
 * them is hidden; and what of the host they can reach, and asm.js, is looked for before. */
#include <v8-snapshot.h>

#include <cstring>
#include <iterator>
#include <new>
#include <string>
#include <vector>

#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

constexpr size_t kMost = size_t{1} << 30; /* bytes; V8 counts those of a blob in 31 bits */

/* Where what is hidden comes from, by name, and the key by which the global object keeps it in a snapshot. */
struct Hidden {
  const char *holder; /* a global whose prototype has it; NULL: it is a global */
  const char *name;
  const char *key;
};
constexpr Hidden kHidden[] = {{nullptr, "FinalizationRegistry", "mr:FinalizationRegistry"},
                              {nullptr, "Intl", "mr:Intl"},
                              {nullptr, "SharedArrayBuffer", "mr:SharedArrayBuffer"},
                              {nullptr, "Temporal", "mr:Temporal"},
                              {nullptr, "WebAssembly", "mr:WebAssembly"},
                              {"Date", "toTemporalInstant", "mr:toTemporalInstant"}};

constexpr const char *kError = "mr:Error"; /* likewise, of the constructor Error, which a script can put another one in the place of */

v8::Local<v8::String>
Name(v8::Isolate *isolate, const char *text)
{
  v8::Local<v8::String> name;
  return v8::String::NewFromUtf8(isolate, text, v8::NewStringType::kInternalized).ToLocal(&name) ? name : v8::String::Empty(isolate);
}

/* The object that a hidden one is a property of. A script may have put anything in its place. */
bool
HolderOf(v8::Isolate *isolate, v8::Local<v8::Context> context, const Hidden &hidden, v8::Local<v8::Object> *holder)
{
  *holder = context->Global();
  if (!hidden.holder) return true;
  v8::Local<v8::Value> constructor, prototype;
  if (!(*holder)->GetRealNamedProperty(context, Name(isolate, hidden.holder)).ToLocal(&constructor) || !constructor->IsFunction()) return false;
  if (!constructor.As<v8::Object>()->GetRealNamedProperty(context, Name(isolate, "prototype")).ToLocal(&prototype) || !prototype->IsObject()) return false;
  *holder = prototype.As<v8::Object>();
  return true;
}

void
OnUse(v8::Isolate *isolate, v8::Isolate::UseCounterFeature feature)
{
  if (feature == v8::Isolate::kUseAsm) static_cast<mrv8_isolate *>(isolate->GetData(0))->has_asm = true;
}

/* V8 adds properties to the global object and to Error when it makes a context of a snapshot, and ends the process over one that takes none. */
bool
TakesProperties(const Run &run, v8::Local<v8::Value> object)
{
  if (!object->IsObject()) return false;
  v8::Local<v8::Symbol> key = v8::Symbol::New(run.isolate);
  bool done = false;
  return object.As<v8::Object>()->CreateDataProperty(run.context, key, key).To(&done) && done &&
         object.As<v8::Object>()->Delete(run.context, key).FromMaybe(false);
}

std::string
Why(const Run &run)
{
  const mrv8_isolate *self = run.self;
  if (!self->creator) return "it was not opened for a snapshot";
  if (self->has_asm) return "a script says \"use asm\", and no snapshot can hold asm.js";
  if (self->modules) return "ES modules cannot be in a snapshot";
  if (self->realms) return "it has more realms than its first";
  if (!self->awaited.empty()) return "the host awaits a promise of it";
  v8::Local<v8::Value> error;
  v8::Local<v8::Object> global = run.context->Global();
  if (!TakesProperties(run, global)) return "the global object is frozen, or takes no more properties";
  if (!global->GetPrivate(run.context, v8::Private::ForApi(run.isolate, Name(run.isolate, kError))).ToLocal(&error) || !TakesProperties(run, error))
    return "the constructor Error is frozen, or takes no more properties";
  run.isolate->LowMemoryNotification();
  if (!self->references.empty()) return "scripts can reach " + std::to_string(self->references.size()) + " functions, objects or errors of the host's";
  v8::HeapStatistics heap;
  run.isolate->GetHeapStatistics(&heap);
  mrv8_buffers buffers;
  mrv8_buffers_of(self, &buffers);
  if (heap.used_heap_size() + heap.external_memory() + buffers.bytes > kMost) return "it holds more than 1 GiB";
  return "";
}

}  // namespace

const intptr_t *
ExternalReferences()
{
  static const auto *all = [] {
    auto *references = new std::vector<intptr_t>;
    AddReferencesOfConsole(references);
    AddReferencesOfHost(references);
    AddReferencesOfModules(references);
    AddReferencesOfObjects(references);
    AddReferencesOfPromises(references);
    references->push_back(0);
    return references;
  }();
  return all->data();
}

v8::MaybeLocal<v8::Value>
WhyNoSnapshot(const Run &run)
{
  std::string why = Why(run);
  if (why.empty()) return v8::Undefined(run.isolate);
  v8::Local<v8::String> said;
  return v8::String::NewFromUtf8(run.isolate, why.c_str()).ToLocal(&said) ? said.As<v8::Value>() : v8::MaybeLocal<v8::Value>();
}

v8::Isolate *
NewIsolateForSnapshot(mrv8_isolate *self, const v8::Isolate::CreateParams &params)
{
  v8::Isolate *isolate = v8::Isolate::Allocate();
  self->creator = NewSnapshotCreator(isolate, params);
  isolate->Exit(); /* which the creator has entered, for good; others enter and leave as they do elsewhere */
  isolate->SetUseCounterCallback(OnUse);
  return isolate;
}

void
DeleteIsolateForSnapshot(mrv8_isolate *self)
{
  self->isolate->Enter(); /* the creator leaves it */
  self->creator.reset();
  if (!kCreatorDisposes) self->isolate->Dispose();
}

void
HideFromSnapshot(mrv8_isolate *self, v8::Local<v8::Context> context)
{
  v8::Isolate *isolate = self->isolate;
  v8::TryCatch ignored(isolate);
  v8::Context::Scope scope(context);
  v8::Local<v8::Private> kept = v8::Private::ForApi(isolate, Name(isolate, kError));
  v8::Local<v8::Value> error;
  if (!self->blob && context->Global()->GetRealNamedProperty(context, Name(isolate, "Error")).ToLocal(&error))
    context->Global()->SetPrivate(context, kept, error).FromMaybe(false);
  for (const Hidden &each : kHidden) {
    v8::Local<v8::Object> holder;
    v8::Local<v8::Value> value;
    v8::Local<v8::String> name = Name(isolate, each.name);
    if (!HolderOf(isolate, context, each, &holder) || !holder->GetRealNamedProperty(context, name).ToLocal(&value)) continue;
    context->Global()->SetPrivate(context, v8::Private::ForApi(isolate, Name(isolate, each.key)), value).FromMaybe(false);
    holder->Delete(context, name).FromMaybe(false);
  }
}

void
RestoreHidden(mrv8_isolate *self, v8::Local<v8::Context> context)
{
  v8::Isolate *isolate = self->isolate;
  v8::TryCatch ignored(isolate);
  v8::Context::Scope scope(context);
  for (const Hidden &each : kHidden) {
    v8::Local<v8::Object> holder;
    v8::Local<v8::Value> value;
    v8::Local<v8::String> name = Name(isolate, each.name);
    v8::Local<v8::Private> key = v8::Private::ForApi(isolate, Name(isolate, each.key));
    if (!context->Global()->GetPrivate(context, key).ToLocal(&value) || value->IsUndefined()) continue;
    context->Global()->DeletePrivate(context, key).FromMaybe(false);
    bool has = true; /* of its own: then it is the script's */
    if (HolderOf(isolate, context, each, &holder) && holder->HasOwnProperty(context, name).To(&has) && !has)
      holder->DefineOwnProperty(context, name, value, v8::DontEnum).FromMaybe(false);
  }
}

}  // namespace mrv8

mr_status
mrv8_snapshot(mrv8_isolate *self, int fresh, mrv8_blob **made)
{
  v8::Isolate *isolate = self->isolate;
  bool ready = false;
  {
    v8::Isolate::Scope isolate_scope(isolate);
    v8::HandleScope handles(isolate);
    mrv8::LimitStack(self);
    v8::Local<v8::Context> context = self->context.Get(isolate);
    if (!fresh || mrv8::NewContext(self).ToLocal(&context)) {
      self->creator->SetDefaultContext(context);
      ready = true;
    }
    mrv8::ForgetValues(self);
    mrv8::UnwatchRejections(self); /* which the heap remembers */
    isolate->ClearKeptObjects();
  }
  if (!ready) return MR_NO_MEMORY;
  auto bytes = std::make_shared<mrv8::Bytes>();
  {
    v8::Isolate::Scope isolate_scope(isolate);
    bytes->data = self->creator->CreateBlob(v8::SnapshotCreator::FunctionCodeHandling::kKeep);
  }
  if (!bytes->data.data) return MR_NO_MEMORY;
  *made = new mrv8_blob{std::move(bytes)};
  return MR_OK;
}

mr_status
mrv8_blob_new(const void *bytes, size_t size, mrv8_blob **made)
{
  constexpr size_t kLeast = 4096; /* more than V8's own head */
  if (size < kLeast || size > INT32_MAX) return MR_SNAPSHOT_FOREIGN;
  auto copy = std::make_shared<mrv8::Bytes>();
  char *data = new (std::nothrow) char[size];
  if (!data) return MR_NO_MEMORY;
  std::memcpy(data, bytes, size);
  copy->data = {data, static_cast<int>(size)};
  if (!copy->data.IsValid()) return MR_SNAPSHOT_FOREIGN;
  *made = new mrv8_blob{std::move(copy)};
  return MR_OK;
}

mrv8_blob *
mrv8_blob_share(const mrv8_blob *blob)
{
  return new mrv8_blob{blob->bytes};
}

mr_slice
mrv8_blob_bytes(const mrv8_blob *blob)
{
  return {blob->bytes->data.data, static_cast<uint64_t>(blob->bytes->data.raw_size)};
}

void
mrv8_blob_delete(mrv8_blob *blob)
{
  delete blob;
}
