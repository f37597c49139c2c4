/* mrv8_read.cc: from a message to a JavaScript value. Trusts no byte of it. Runs on the thread of the run; owns nothing. */
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "mr_wire.h"
#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

constexpr uint32_t kFew = 1024;

/* The largest id of the host's: JavaScript's values remember theirs as a number, which is exact up to here. */
constexpr uint64_t kMostId = (uint64_t{1} << 53) - 1;

/* V8 ends the process when it is to make an array of more elements at once than this. */
constexpr uint32_t kMostElements = (1u << 27) - 16;

mr_status
Reader::ReadLatin1(v8::NewStringType type, v8::Local<v8::Value> *value)
{
  uint32_t length = 0;
  if (!TakeCount(&length, 1)) return MR_BAD_MESSAGE;
  if (length > static_cast<uint32_t>(v8::String::kMaxLength)) return MR_TOO_LARGE;
  v8::Local<v8::String> string;
  if (!v8::String::NewFromOneByte(run_.isolate, at_, type, static_cast<int>(length)).ToLocal(&string)) return MR_EXCEPTION;
  at_ += length;
  *value = string;
  return MR_OK;
}

/* Names of properties that come again and again: neither made nor looked for in V8's table of all strings. A name is kept when it comes for the second time, so that keys
 * which are data leave those alone that are names. */
struct KnownNames {
  static constexpr size_t kPlaces = 128, kMostBytes = 23;
  struct Name {
    uint64_t last = 0; /* the hash of the one that came last */
    uint8_t size = 0;
    uint8_t bytes[kMostBytes] = {0};
    v8::Global<v8::String> string;
  };
  Name places[kPlaces];
};

mr_status
NameOf(mrv8_isolate *self, const uint8_t *bytes, uint32_t length, v8::Local<v8::Value> *value)
{
  v8::Local<v8::String> string;
  KnownNames::Name *place = nullptr;
  uint64_t hash = 0;
  if (length <= KnownNames::kMostBytes) {
    if (!self->names) self->names = std::make_shared<KnownNames>();
    hash = HashOfBytes(bytes, length);
    place = &self->names->places[hash % KnownNames::kPlaces];
    if (length && place->size == length && std::memcmp(place->bytes, bytes, length) == 0) {
      *value = place->string.Get(self->isolate);
      return MR_OK;
    }
  }
  if (length > static_cast<uint32_t>(v8::String::kMaxLength)) return MR_TOO_LARGE;
  if (!v8::String::NewFromOneByte(self->isolate, bytes, v8::NewStringType::kInternalized, static_cast<int>(length)).ToLocal(&string)) return MR_EXCEPTION;
  *value = string;
  bool again = place && length && place->last == hash;
  if (place) place->last = hash;
  if (!again) return MR_OK;
  place->string.Reset(self->isolate, string);
  place->size = static_cast<uint8_t>(length);
  std::memcpy(place->bytes, bytes, length);
  return MR_OK;
}

mr_status
Reader::ReadInternalized(v8::Local<v8::Value> *value)
{
  uint32_t length = 0;
  if (!TakeCount(&length, 1)) return MR_BAD_MESSAGE;
  const uint8_t *bytes = at_;
  at_ += length;
  return NameOf(run_.self, bytes, length, value);
}

mr_status
Reader::ReadUtf16(v8::NewStringType type, v8::Local<v8::Value> *value)
{
  uint32_t length = 0;
  if (!TakeCount(&length, 2)) return MR_BAD_MESSAGE;
  if (length > static_cast<uint32_t>(v8::String::kMaxLength)) return MR_TOO_LARGE;
  std::unique_ptr<uint16_t[]> aligned;
  const auto *units = reinterpret_cast<const uint16_t *>(at_);
  if (reinterpret_cast<uintptr_t>(at_) % sizeof(uint16_t)) {
    aligned.reset(new (std::nothrow) uint16_t[length ? length : 1]);
    if (!aligned) return MR_NO_MEMORY;
    std::memcpy(aligned.get(), at_, size_t{2} * length);
    units = aligned.get();
  }
  v8::Local<v8::String> string;
  if (!v8::String::NewFromTwoByte(run_.isolate, units, type, static_cast<int>(length)).ToLocal(&string)) return MR_EXCEPTION;
  at_ += size_t{2} * length;
  *value = string;
  return MR_OK;
}

mr_status
Reader::ReadTextOf(v8::Local<v8::Value> *value)
{
  uint32_t index = 0;
  v8::Local<v8::String> string;
  if (!Take(&index) || index >= text_count_) return MR_BAD_MESSAGE;
  mr_status status = ReadText(run_, &texts_[index], &string);
  if (status == MR_OK) *value = string;
  return status;
}

mr_status
Reader::ReadBigInt(v8::Local<v8::Value> *value)
{
  uint8_t negative = 0;
  uint32_t size = 0;
  if (!Take(&negative) || negative > 1 || !TakeCount(&size, 1)) return MR_BAD_MESSAGE;
  std::vector<uint64_t> words((size_t{size} + 7) / 8);
  if (size) std::memcpy(words.data(), at_, size);
  at_ += size;
  v8::Local<v8::BigInt> bigint;
  if (!v8::BigInt::NewFromWords(run_.context, negative, static_cast<int>(words.size()), words.data()).ToLocal(&bigint)) return MR_EXCEPTION;
  *value = bigint;
  return MR_OK;
}

mr_status
Reader::ReadHandle(v8::Local<v8::Value> *value)
{
  uint8_t kind = 0;
  mr_handle handle = 0;
  if (!Take(&kind) || !Take(&handle)) return MR_BAD_MESSAGE;
  mrv8_value *held = run_.self->host->handle_get(run_.self->owner, handle);
  if (!held) return MR_BAD_HANDLE;
  *value = held->value.Get(run_.isolate);
  return MR_OK;
}

mr_status
Reader::ReadArrayHead(uint32_t *count)
{
  char tag = 0;
  failed_ = !Take(&tag) || tag != MR_TAG_ARRAY || !TakeCount(count, 1); /* an element takes a byte at least */
  if (failed_) return MR_BAD_MESSAGE;
  containers_.push_back({v8::Local<v8::Value>(), *count});
  return MR_OK;
}

mr_status
Reader::ReadReference(v8::Local<v8::Value> *value)
{
  uint32_t index = 0;
  if (!Take(&index) || index >= containers_.size()) return MR_BAD_MESSAGE;
  Container &container = containers_[index];
  if (container.value.IsEmpty() && container.object) container.value = v8::Object::New(run_.isolate);
  else if (container.value.IsEmpty()) container.value = v8::Array::New(run_.isolate, static_cast<int>(container.length));
  *value = container.value;
  return MR_OK;
}

mr_status
Reader::ReadArray(v8::Local<v8::Value> *value)
{
  uint32_t count = 0;
  if (!TakeCount(&count, 1)) return MR_BAD_MESSAGE;
  if (count > kMostElements) return MR_TOO_LARGE;
  size_t number = containers_.size();
  containers_.push_back({v8::Local<v8::Value>(), count});
  std::vector<v8::Local<v8::Value>> elements; /* grows as they come: what is only claimed takes no memory */
  elements.reserve(count < kFew ? count : kFew);
  for (uint32_t i = 0; i < count; i++) {
    v8::Local<v8::Value> element;
    mr_status status = Read(&element);
    if (status != MR_OK) return status;
    elements.push_back(element);
  }
  v8::Local<v8::Value> &made = containers_[number].value;
  if (made.IsEmpty()) {
    made = v8::Array::New(run_.isolate, elements.data(), count);
  } else { /* something within refers to it: it is there already, and empty */
    for (uint32_t i = 0; i < count; i++)
      if (made.As<v8::Array>()->CreateDataProperty(run_.context, i, elements[i]).IsNothing()) return MR_EXCEPTION;
  }
  *value = made;
  return MR_OK;
}

mr_status
Reader::ReadNumbers(bool doubles, v8::Local<v8::Value> *value)
{
  uint32_t count = 0;
  if (!TakeCount(&count, doubles ? sizeof(double) : sizeof(int32_t))) return MR_BAD_MESSAGE;
  if (count > kMostElements) return MR_TOO_LARGE;
  std::vector<v8::Local<v8::Value>> elements(count);
  for (uint32_t i = 0; i < count; i++) {
    double number = 0;
    int32_t integer = 0;
    if (doubles ? !Take(&number) : !Take(&integer)) return MR_BAD_MESSAGE;
    elements[i] = doubles ? v8::Number::New(run_.isolate, number).As<v8::Value>() : v8::Integer::New(run_.isolate, integer).As<v8::Value>();
  }
  *value = v8::Array::New(run_.isolate, elements.data(), count);
  containers_.push_back({*value, count});
  return MR_OK;
}

mr_status
Reader::ReadKey(Key *key)
{
  char tag = 0;
  if (!Take(&tag)) return MR_BAD_MESSAGE;
  if (tag == MR_TAG_KEY) {
    uint32_t index = 0;
    if (!Take(&index) || index >= keys_.size()) return MR_BAD_MESSAGE;
    *key = keys_[index];
    return MR_OK;
  }
  v8::Local<v8::Value> string;
  const uint8_t *bytes = at_ + sizeof(uint32_t);
  mr_status status = tag == MR_TAG_LATIN1  ? ReadInternalized(&string)
                     : tag == MR_TAG_UTF16 ? ReadUtf16(v8::NewStringType::kInternalized, &string)
                                           : MR_BAD_MESSAGE;
  if (status != MR_OK) return status;
  *key = {string.As<v8::Name>(), tag == MR_TAG_LATIN1 ? HashOfBytes(bytes, static_cast<size_t>(at_ - bytes)) : 0};
  keys_.push_back(*key);
  return MR_OK;
}

mr_status
Reader::ReadProperty(Key *key, v8::Local<v8::Value> *value)
{
  mr_status status = ReadKey(key);
  return status == MR_OK ? Read(value) : status;
}

/* Of what has more properties than an object's shape is looked for. */
mr_status
Reader::ReadLargeObject(uint32_t count, v8::Local<v8::Value> *value)
{
  v8::Local<v8::Object> object = v8::Object::New(run_.isolate);
  containers_.push_back({object, 0});
  for (uint32_t i = 0; i < count; i++) {
    Key key;
    v8::Local<v8::Value> item;
    mr_status status = ReadProperty(&key, &item);
    if (status != MR_OK) return status;
    if (object->CreateDataProperty(run_.context, key.name, item).IsNothing()) return MR_EXCEPTION;
  }
  *value = object;
  return MR_OK;
}

mr_status
Reader::ReadObject(v8::Local<v8::Value> *value)
{
  uint32_t count = 0;
  if (!TakeCount(&count, 2)) return MR_BAD_MESSAGE;
  if (count > kMostOfShape) return ReadLargeObject(count, value);
  size_t number = containers_.size(), first = names_.size();
  containers_.push_back({v8::Local<v8::Value>(), 0, true});
  uint64_t hash = count;
  for (uint32_t i = 0; i < count; i++) {
    Key key;
    v8::Local<v8::Value> item;
    mr_status status = ReadProperty(&key, &item);
    if (status != MR_OK) return status;
    names_.push_back(key.name);
    values_.emplace_back(item);
    hash = key.hash && hash ? HashOfPair(hash, key.hash) : 0;
  }
  mr_status status = MakeObject(number, first, hash, value);
  names_.resize(first);
  values_.resize(first);
  return status;
}

/* The object of the names and values from `first` on. */
mr_status
Reader::MakeObject(size_t number, size_t first, uint64_t hash, v8::Local<v8::Value> *value)
{
  size_t count = names_.size() - first;
  v8::Local<v8::Object> object;
  v8::Local<v8::Value> &made = containers_[number].value;
  if (!made.IsEmpty()) { /* something within refers to it */
    object = made.As<v8::Object>();
  } else if (NewOfShape(run_, hash, names_.data() + first, values_.data() + first, count).ToLocal(&object)) {
    *value = made = object;
    return MR_OK;
  } else {
    object = v8::Object::New(run_.isolate);
  }
  *value = made = object;
  for (size_t i = first; i < names_.size(); i++)
    if (object->CreateDataProperty(run_.context, names_[i], values_[i].FromMaybe(v8::Local<v8::Value>())).IsNothing()) return MR_EXCEPTION;
  return MR_OK;
}

mr_status
Reader::ReadMap(v8::Local<v8::Value> *value)
{
  uint32_t count = 0;
  if (!TakeCount(&count, 2)) return MR_BAD_MESSAGE;
  v8::Local<v8::Map> map = v8::Map::New(run_.isolate);
  containers_.push_back({map, 0});
  for (uint32_t i = 0; i < count; i++) {
    v8::Local<v8::Value> key, item;
    mr_status status = Read(&key);
    if (status == MR_OK) status = Read(&item);
    if (status != MR_OK) return status;
    if (map->Set(run_.context, key, item).IsEmpty()) return MR_EXCEPTION;
  }
  *value = map;
  return MR_OK;
}

mr_status
Reader::ReadSet(v8::Local<v8::Value> *value)
{
  uint32_t count = 0;
  if (!TakeCount(&count, 1)) return MR_BAD_MESSAGE;
  v8::Local<v8::Set> set = v8::Set::New(run_.isolate);
  containers_.push_back({set, 0});
  for (uint32_t i = 0; i < count; i++) {
    v8::Local<v8::Value> member;
    mr_status status = Read(&member);
    if (status != MR_OK) return status;
    if (set->Add(run_.context, member).IsEmpty()) return MR_EXCEPTION;
  }
  *value = set;
  return MR_OK;
}

v8::Local<v8::Value>
Reader::NewErrorOfNextName() const
{
  using Make = v8::Local<v8::Value> (*)(v8::Local<v8::String>);
  v8::Local<v8::String> empty = v8::String::Empty(run_.isolate);
  static const struct {
    const char *name;
    Make make;
  } kinds[] = {{"RangeError", [](v8::Local<v8::String> text) { return v8::Exception::RangeError(text); }},
               {"ReferenceError", [](v8::Local<v8::String> text) { return v8::Exception::ReferenceError(text); }},
               {"SyntaxError", [](v8::Local<v8::String> text) { return v8::Exception::SyntaxError(text); }},
               {"TypeError", [](v8::Local<v8::String> text) { return v8::Exception::TypeError(text); }}};
  constexpr size_t kHead = 5; /* a string's tag and length */
  for (const auto &kind : kinds) {
    size_t length = std::strlen(kind.name);
    if (Left() < kHead + length || *at_ != MR_TAG_LATIN1 || at_[1] != length || at_[2] || at_[3] || at_[4]) continue;
    if (std::memcmp(at_ + kHead, kind.name, length) == 0) return kind.make(empty);
  }
  return v8::Exception::Error(empty);
}

mr_status
Reader::ReadError(v8::Local<v8::Value> *value)
{
  v8::Isolate *isolate = run_.isolate;
  v8::Local<v8::Object> error = NewErrorOfNextName().As<v8::Object>();
  containers_.push_back({error, 0});
  v8::Local<v8::String> names[] = {v8::String::NewFromUtf8Literal(isolate, "name"), v8::String::NewFromUtf8Literal(isolate, "message"),
                                   v8::String::NewFromUtf8Literal(isolate, "stack"), v8::String::NewFromUtf8Literal(isolate, "cause")};
  constexpr int kLongestTitle = 1 << 20;
  v8::Local<v8::String> title = v8::String::Empty(isolate); /* "name: message", the stack of an error that brings none */
  for (int i = 0; i < 4; i++) {
    v8::Local<v8::Value> part;
    bool hole = at_ < end_ && *at_ == MR_TAG_HOLE;
    mr_status status = Read(&part);
    if (status != MR_OK) return status;
    if (i < 2 && part->IsString() && part.As<v8::String>()->Length() < kLongestTitle) {
      if (title->Length()) title = v8::String::Concat(isolate, title, v8::String::NewFromUtf8Literal(isolate, ": "));
      title = v8::String::Concat(isolate, title, part.As<v8::String>());
    }
    if (i == 2 && part->IsUndefined()) part = title;
    if (hole || (part->IsUndefined() && i < 3)) continue;
    if (error->DefineOwnProperty(run_.context, names[i], part, v8::DontEnum).IsNothing()) return MR_EXCEPTION;
  }
  *value = error;
  return MR_OK;
}

namespace {

struct Element {
  size_t size;
  v8::Local<v8::Value> (*view)(v8::Local<v8::ArrayBuffer> buffer, size_t size);
};

template <typename View, size_t kSize>
constexpr Element
ElementOf()
{
  return {kSize, [](v8::Local<v8::ArrayBuffer> buffer, size_t size) -> v8::Local<v8::Value> { return View::New(buffer, 0, size / kSize); }};
}

v8::Local<v8::Value>
Bare(v8::Local<v8::ArrayBuffer> buffer, size_t)
{
  return buffer;
}

/* By MR_ELEMENT_*. */
constexpr Element kElements[] = {
    {1, Bare},
    ElementOf<v8::Int8Array, 1>(),
    ElementOf<v8::Uint8Array, 1>(),
    ElementOf<v8::Uint8ClampedArray, 1>(),
    ElementOf<v8::Int16Array, 2>(),
    ElementOf<v8::Uint16Array, 2>(),
    ElementOf<v8::Int32Array, 4>(),
    ElementOf<v8::Uint32Array, 4>(),
    ElementOf<v8::BigInt64Array, 8>(),
    ElementOf<v8::BigUint64Array, 8>(),
#if MRV8_AT_LEAST(13, 0)
    ElementOf<v8::Float16Array, 2>(),
#else
    {2, nullptr},
#endif
    ElementOf<v8::Float32Array, 4>(),
    ElementOf<v8::Float64Array, 8>(),
    ElementOf<v8::DataView, 1>(),
};

}  // namespace

mr_status
NewBuffer(const Run &run, uint32_t element, const void *content, size_t size, v8::Local<v8::Value> *value)
{
  if (element >= sizeof kElements / sizeof *kElements || size % kElements[element].size) return MR_BAD_MESSAGE;
  if (!kElements[element].view) return MR_NO_SUPPORT;
  std::unique_ptr<v8::BackingStore> store = NewStore(run.isolate, run.self->allocator, size, !content);
  if (!store) {
    v8::Local<v8::String> text = v8::String::NewFromUtf8Literal(run.isolate, "there is not enough memory for a buffer of this size");
    run.isolate->ThrowException(v8::Exception::RangeError(text));
    return MR_EXCEPTION;
  }
  if (content && size) std::memcpy(store->Data(), content, size);
  *value = kElements[element].view(v8::ArrayBuffer::New(run.isolate, std::move(store)), size);
  return MR_OK;
}

mr_status
Reader::ReadTypedArray(bool out_of_line, v8::Local<v8::Value> *value)
{
  uint8_t element = 0;
  mr_slice slice = {nullptr, 0};
  if (!Take(&element)) return MR_BAD_MESSAGE;
  if (out_of_line) {
    uint32_t index = 0;
    if (!Take(&index) || index >= buffer_count_) return MR_BAD_MESSAGE;
    slice = buffers_[index];
  } else {
    if (!Take(&slice.size) || Left() < slice.size) return MR_BAD_MESSAGE;
    slice.data = at_;
    at_ += slice.size;
  }
  static const uint8_t none = 0;
  mr_status status = NewBuffer(run_, element, slice.data ? slice.data : &none, slice.size, value);
  containers_.push_back({*value, 0});
  return status;
}

mr_status
Reader::ReadHost(bool function, v8::Local<v8::Value> *value)
{
  uint64_t id = 0;
  uint32_t length = 0;
  v8::Local<v8::Value> name, message;
  if (!Take(&id) || id > kMostId || (function && !Take(&length))) return MR_BAD_MESSAGE;
  mr_status status = Read(&name);
  if (status == MR_OK && !function) status = Read(&message);
  if (status != MR_OK) return status;
  if (FindReference(run_, id, value)) {
    taken_.push_back(id);
    return (function ? (*value)->IsFunction() : (*value)->IsNativeError()) ? MR_OK : MR_BAD_MESSAGE;
  }
  if (!function) {
    v8::Local<v8::Object> error;
    if (!NewHostError(run_, id, name, message).ToLocal(&error)) return MR_EXCEPTION;
    if (id) taken_.push_back(id);
    *value = error;
    return MR_OK;
  }
  v8::Local<v8::Function> made;
  if (!NewHostFunction(run_, id, length, name).ToLocal(&made)) return MR_EXCEPTION;
  taken_.push_back(id);
  *value = made;
  return MR_OK;
}

mr_status
Reader::ReadHostObject(v8::Local<v8::Value> *value)
{
  uint8_t flags = 0;
  uint64_t id = 0;
  if (!Take(&flags) || !Take(&id) || !id || id > kMostId) return MR_BAD_MESSAGE;
  mr_status status = NewHostObject(run_, id, flags, value);
  if (status == MR_OK) taken_.push_back(id);
  return status;
}

Reader::~Reader()
{
  bool whole = AtEnd();
  if (whole && run_.result) run_.result->taken = 1;
  if (whole) return;
  for (uint64_t id : taken_) ForgetReference(run_.self, id);
}

mr_status
Reader::ReadContainer(char tag, v8::Local<v8::Value> *value)
{
  if (depth_ >= run_.request->options->max_depth || StackIsLow()) return MR_TOO_DEEP;
  depth_++;
  mr_status status = MR_BAD_MESSAGE;
  switch (tag) {
    case MR_TAG_ARRAY:
      status = ReadArray(value);
      break;
    case MR_TAG_OBJECT:
      status = ReadObject(value);
      break;
    case MR_TAG_MAP:
      status = ReadMap(value);
      break;
    case MR_TAG_SET:
      status = ReadSet(value);
      break;
    case MR_TAG_ERROR:
      status = ReadError(value);
      break;
    case MR_TAG_HOST_FUNCTION:
    case MR_TAG_HOST_ERROR:
      status = ReadHost(tag == MR_TAG_HOST_FUNCTION, value);
      break;
    default:
      break;
  }
  depth_--;
  return status;
}

mr_status
Reader::Read(v8::Local<v8::Value> *value)
{
  mr_status status = ReadValue(value);
  if (status != MR_OK) failed_ = true;
  return status;
}

mr_status
Reader::ReadName(v8::Local<v8::Value> *value)
{
  if (at_ == end_ || *at_ != MR_TAG_LATIN1) return Read(value);
  at_++;
  mr_status status = ReadInternalized(value);
  if (status != MR_OK) failed_ = true;
  return status;
}

mr_status
Reader::ReadValue(v8::Local<v8::Value> *value)
{
  char tag = 0;
  if (!Take(&tag)) return MR_BAD_MESSAGE;
  switch (tag) {
    case MR_TAG_UNDEFINED:
    case MR_TAG_HOLE:
      *value = v8::Undefined(run_.isolate);
      return MR_OK;
    case MR_TAG_NULL:
      *value = v8::Null(run_.isolate);
      return MR_OK;
    case MR_TAG_TRUE:
    case MR_TAG_FALSE:
      *value = v8::Boolean::New(run_.isolate, tag == MR_TAG_TRUE);
      return MR_OK;
    case MR_TAG_INT32: {
      int32_t number = 0;
      if (!Take(&number)) return MR_BAD_MESSAGE;
      *value = v8::Integer::New(run_.isolate, number);
      return MR_OK;
    }
    case MR_TAG_DOUBLE: {
      double number = 0;
      if (!Take(&number)) return MR_BAD_MESSAGE;
      *value = v8::Number::New(run_.isolate, number);
      return MR_OK;
    }
    case MR_TAG_DATE: {
      double time = 0;
      if (!Take(&time)) return MR_BAD_MESSAGE;
      return v8::Date::New(run_.context, time).ToLocal(value) ? MR_OK : MR_EXCEPTION;
    }
    case MR_TAG_BIGINT:
      return ReadBigInt(value);
    case MR_TAG_LATIN1:
      return ReadLatin1(v8::NewStringType::kNormal, value);
    case MR_TAG_UTF16:
      return ReadUtf16(v8::NewStringType::kNormal, value);
    case MR_TAG_TEXT:
      return ReadTextOf(value);
    case MR_TAG_HANDLE:
      return ReadHandle(value);
    case MR_TAG_REFERENCE:
      return ReadReference(value);
    case MR_TAG_INT32S:
    case MR_TAG_DOUBLES:
      return ReadNumbers(tag == MR_TAG_DOUBLES, value);
    case MR_TAG_HOST_OBJECT:
      return ReadHostObject(value);
    case MR_TAG_TYPED_ARRAY:
    case MR_TAG_TYPED_ARRAY_OF:
      return ReadTypedArray(tag == MR_TAG_TYPED_ARRAY_OF, value);
    default:
      return ReadContainer(tag, value);
  }
}

}  // namespace mrv8
