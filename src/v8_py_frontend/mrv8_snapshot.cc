/* mrv8_snapshot.cc: snapshots: making them of an isolate, and what contexts need to be made of them. On the thread that has the lock, but for blobs, which any may use.
 *
 * V8 ends the process over a heap with something in it that it cannot write. So scripts of an isolate that is for a snapshot cannot come to have such things: what makes
 * them is hidden; and what of the host they can reach, and asm.js, is looked for before. */
#include <v8-snapshot.h>

#include <cstring>
#include <deque>
#include <iterator>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "mr_text.h"
#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

/* A text of a large script, outside of the heap. It stays where it is: V8 finds it in a snapshot by its place among the references. */
class PlacedText : public v8::String::ExternalOneByteStringResource {
 public:
  PlacedText() = default;
  explicit PlacedText(mr_slice bytes) : data_(static_cast<const char *>(bytes.data)), size_(bytes.size) {}
  ~PlacedText() override { Dispose(); }
  PlacedText(const PlacedText &) = delete;
  PlacedText &operator=(const PlacedText &) = delete;
  const char *data() const override { return data_; }
  size_t length() const override { return size_; }

  /* V8 has collected the string. */
  void Dispose() override
  {
    if (text_) mr__text_release(text_);
    text_ = nullptr;
    data_ = "";
    size_ = 0;
  }

  bool Set(const void *bytes, size_t size)
  {
    text_ = mr__text_share(bytes, size);
    if (!text_) return false;
    data_ = mr__text_bytes(text_);
    size_ = size;
    return true;
  }

 private:
  mr__text *text_ = nullptr; /* null: the bytes are the snapshot's that the isolate is made of, or there are none */
  const char *data_ = "";
  size_t size_ = 0;
};

struct Texts {
  std::deque<PlacedText> all;       /* each of the snapshot that the isolate is made of, and then places for more */
  size_t used = 0;                  /* of them; a place is not used twice, as V8 would take one string for another */
  std::vector<intptr_t> references; /* all that ExternalReferences() tells of */
};

namespace {

constexpr size_t kPlaces = 64;            /* for texts of large scripts; of more, the snapshot's heap has copies */
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
ExternalReferences(mrv8_isolate *self, bool for_snapshot)
{
  static const auto *ours = [] {
    auto *references = new std::vector<intptr_t>;
    AddReferencesOfConsole(references);
    AddReferencesOfHost(references);
    AddReferencesOfModules(references);
    AddReferencesOfObjects(references);
    AddReferencesOfPromises(references);
    return references;
  }();
  auto texts = std::make_shared<Texts>();
  if (self->blob)
    for (mr_slice text : self->blob->texts) texts->all.emplace_back(text);
  texts->used = texts->all.size();
  for (size_t i = 0; for_snapshot && i < kPlaces; i++) texts->all.emplace_back();
  texts->references = *ours;
  for (PlacedText &text : texts->all) texts->references.push_back(reinterpret_cast<intptr_t>(static_cast<v8::String::ExternalOneByteStringResource *>(&text)));
  texts->references.push_back(0);
  self->texts = std::move(texts);
  return self->texts->references.data();
}

v8::String::ExternalOneByteStringResource *
TextForSnapshot(mrv8_isolate *self, const void *bytes, size_t size)
{
  Texts &texts = *self->texts;
  if (texts.used == texts.all.size() || !texts.all[texts.used].Set(bytes, size)) return nullptr;
  return &texts.all[texts.used++];
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

namespace {

/* How a snapshot's bytes end: the size of each text as 8 bytes, then these. The texts are ahead of that, one after the other, and V8's part ahead of them. */
struct Tail {
  uint64_t heap;  /* bytes that the heap had */
  uint64_t texts; /* how many */
  uint64_t data;  /* bytes of V8's part */
};

/* Of V8's part, and the texts that it refers to, all that a snapshot is. False: no memory. */
bool
Pack(v8::StartupData data, uint64_t heap, const Texts &texts, Bytes *packed)
{
  Tail tail = {heap, texts.used, static_cast<uint64_t>(data.raw_size)};
  packed->size = tail.data + tail.texts * sizeof(uint64_t) + sizeof tail;
  for (const PlacedText &text : texts.all) packed->size += text.length();
  char *to = new (std::nothrow) char[packed->size];
  if (!to) return false;
  packed->heap = heap;
  packed->data = {to, data.raw_size};
  auto put = [&to](const void *bytes, size_t size) {
    if (size) std::memcpy(to, bytes, size);
    to += size;
  };
  put(data.data, tail.data);
  for (size_t i = 0; i < tail.texts; i++) {
    packed->texts.push_back({to, texts.all[i].length()});
    put(texts.all[i].data(), texts.all[i].length());
  }
  for (mr_slice text : packed->texts) put(&text.size, sizeof text.size);
  put(&tail, sizeof tail);
  return true;
}

/* The same, back: finds what is where. False: these are other bytes. */
bool
Unpack(const char *bytes, size_t size, Bytes *packed)
{
  Tail tail;
  std::memcpy(&tail, bytes + size - sizeof tail, sizeof tail);
  uint64_t left = size - sizeof tail;
  if (tail.texts > left / sizeof(uint64_t)) return false;
  left -= tail.texts * sizeof(uint64_t);
  const char *sizes = bytes + left;
  if (tail.data > left || tail.data > INT32_MAX) return false;
  left -= tail.data;
  const char *at = bytes + tail.data;
  for (uint64_t i = 0; i < tail.texts; i++) {
    mr_slice text = {at, 0};
    std::memcpy(&text.size, sizes + i * sizeof text.size, sizeof text.size);
    if (text.size > left) return false;
    packed->texts.push_back(text);
    left -= text.size;
    at += text.size;
  }
  if (left) return false;
  packed->data = {bytes, static_cast<int>(tail.data)};
  packed->size = size;
  packed->heap = tail.heap;
  return true;
}

}  // namespace

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
  v8::HeapStatistics heap;
  isolate->GetHeapStatistics(&heap);
  v8::StartupData data;
  {
    v8::Isolate::Scope isolate_scope(isolate);
    data = self->creator->CreateBlob(v8::SnapshotCreator::FunctionCodeHandling::kKeep);
  }
  std::unique_ptr<const char[]> owned(data.data);
  auto bytes = std::make_shared<mrv8::Bytes>();
  if (!owned || !mrv8::Pack(data, heap.used_heap_size(), *self->texts, bytes.get())) return MR_NO_MEMORY;
  *made = new mrv8_blob{std::move(bytes)};
  return MR_OK;
}

mr_status
mrv8_blob_new(const void *bytes, size_t size, mrv8_blob **made)
{
  constexpr size_t kLeast = 4096; /* more than V8's own head */
  if (size < kLeast || size > INT32_MAX) return MR_SNAPSHOT_FOREIGN;
  std::unique_ptr<char[]> data(new (std::nothrow) char[size]);
  if (!data) return MR_NO_MEMORY;
  std::memcpy(data.get(), bytes, size);
  auto copy = std::make_shared<mrv8::Bytes>();
  if (!mrv8::Unpack(data.get(), size, copy.get())) return MR_SNAPSHOT_FOREIGN;
  (void)data.release();
  if (copy->data.raw_size < static_cast<int>(kLeast) || !copy->data.IsValid()) return MR_SNAPSHOT_FOREIGN;
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
  return {blob->bytes->data.data, blob->bytes->size};
}

void
mrv8_blob_delete(mrv8_blob *blob)
{
  delete blob;
}
