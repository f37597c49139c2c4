/* mrv8_write.cc: from a JavaScript value to a message. Runs on the thread of the run; owns nothing.
 *
 * A copy is one walk. It makes no handle scopes within: what it has met must stay comparable to its end, for cycles and for what is shared. */
#include <cstring>
#include <memory>
#include <new>

#include "mr_result.h"
#include "mr_wire.h"
#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

mr_status
Put(const Run &run, char tag, const void *payload, uint64_t size)
{
  return mr__result_put_tag(run.result, tag, payload, size) ? MR_OK : MR_NO_MEMORY;
}

/* Makes room for a tag, a count and `size` bytes, writes the first two, and returns where the bytes go. */
uint8_t *
PutBlock(const Run &run, char tag, uint32_t count, uint64_t size)
{
  if (!mr__result_put_tag(run.result, tag, &count, sizeof count)) return nullptr;
  if (size > run.result->capacity - run.result->size && !mr__result_grow(run.result, size)) return nullptr;
  uint8_t *to = run.result->data + run.result->size;
  run.result->size += size;
  return to;
}

mr_status
WriteString(const Run &run, v8::Local<v8::String> string)
{
  auto length = static_cast<uint32_t>(string->Length());
  if (string->IsOneByte()) {
    uint8_t *to = PutBlock(run, MR_TAG_LATIN1, length, length);
    if (!to) return MR_NO_MEMORY;
    CopyLatin1(run.isolate, string, to);
    return MR_OK;
  }
  uint8_t *to = PutBlock(run, MR_TAG_UTF16, length, uint64_t{2} * length);
  if (!to) return MR_NO_MEMORY;
  if (reinterpret_cast<uintptr_t>(to) % sizeof(uint16_t) == 0) {
    CopyUtf16(run.isolate, string, string->Length(), reinterpret_cast<uint16_t *>(to));
    return MR_OK;
  }
  std::unique_ptr<uint16_t[]> aligned(new (std::nothrow) uint16_t[length]);
  if (!aligned) return MR_NO_MEMORY;
  CopyUtf16(run.isolate, string, string->Length(), aligned.get());
  std::memcpy(to, aligned.get(), size_t{2} * length);
  return MR_OK;
}

mr_status
WriteBigInt(const Run &run, v8::Local<v8::BigInt> bigint)
{
  int words = bigint->WordCount(), negative = 0;
  std::unique_ptr<uint64_t[]> magnitude(new (std::nothrow) uint64_t[words ? words : 1]);
  if (!magnitude) return MR_NO_MEMORY;
  bigint->ToWordsArray(&negative, &words, magnitude.get());
  auto sign = static_cast<uint8_t>(negative);
  auto size = static_cast<uint32_t>(words) * 8;
  bool ok = mr__result_put_tag(run.result, MR_TAG_BIGINT, &sign, 1) && mr__result_put(run.result, &size, sizeof size) &&
            mr__result_put(run.result, magnitude.get(), size);
  return ok ? MR_OK : MR_NO_MEMORY;
}

/* What is no container of its own comes first: a proxy of a function is a function. */
uint8_t
KindOf(v8::Local<v8::Value> value)
{
  if (value->IsFunction()) return MR_KIND_FUNCTION;
  if (value->IsArray()) return MR_KIND_ARRAY;
  if (value->IsSymbol()) return MR_KIND_SYMBOL;
  if (value->IsPromise()) return MR_KIND_PROMISE;
  if (value->IsProxy()) return MR_KIND_PROXY;
  if (value->IsRegExp()) return MR_KIND_REGEXP;
  if (value->IsMap()) return MR_KIND_MAP;
  if (value->IsSet()) return MR_KIND_SET;
  if (value->IsNativeError()) return MR_KIND_ERROR;
  if (value->IsModuleNamespaceObject()) return MR_KIND_MODULE;
  return MR_KIND_OBJECT;
}

int
Same(const void *local, const mrv8_value *held)
{
  return *static_cast<const v8::Local<v8::Value> *>(local) == held->value;
}

mr_status
WriteHandle(const Run &run, v8::Local<v8::Value> value)
{
  uint8_t payload[9] = {0};
  uint64_t id = HostObjectOf(run, value);
  std::memcpy(payload + 1, &id, sizeof id);
  if (id) return Put(run, MR_TAG_HOST_OBJECT, payload, sizeof payload);
  mr_handle handle = HandleOf(run, value);
  return handle ? mrv8::WriteHandle(run, KindOf(value), handle) : MR_NO_MEMORY;
}

uint32_t
HashOf(v8::Local<v8::Value> value)
{
  return static_cast<uint32_t>(value->IsObject() ? value.As<v8::Object>()->GetIdentityHash() : value.As<v8::Name>()->GetIdentityHash());
}

}  // namespace

mr_status
WriteHandle(const Run &run, uint8_t kind, mr_handle handle)
{
  uint8_t payload[9] = {kind};
  std::memcpy(payload + 1, &handle, sizeof handle);
  return Put(run, MR_TAG_HANDLE, payload, sizeof payload);
}

mr_status
WriteTag(const Run &run, char tag)
{
  return Put(run, tag, nullptr, 0);
}

mr_status
WriteHead(const Run &run, char tag, uint32_t count)
{
  return Put(run, tag, &count, sizeof count);
}

mr_handle
HandleOf(const Run &run, v8::Local<v8::Value> value)
{
  const mrv8_host *host = run.self->host;
  std::unique_ptr<mrv8_value> &spare = run.self->spare;
  std::unique_ptr<mrv8_value> held;
  uint32_t hash = 0;
  mr_handle handle = 0;
  if (spare && spare->value == value) { /* it has no handle now */
    held = std::move(spare);
    hash = held->hash;
    (void)held->value.ClearWeak<void>();
  } else {
    hash = HashOf(value);
    handle = host->handle_share(run.self->owner, hash, Same, &value, 1);
    if (handle) return handle;
    held.reset(new (std::nothrow) mrv8_value);
    if (!held) return 0;
    held->value.Reset(run.isolate, value);
    held->hash = hash;
  }
  handle = host->handle_new(run.self->owner, hash, held.get());
  if (handle) (void)held.release();
  return handle;
}

namespace {

/* Writes what is neither an object nor a symbol; false: it is one of these. */
bool
WritePrimitive(const Run &run, v8::Local<v8::Value> value, mr_status *status)
{
  if (value->IsInt32()) {
    int32_t number = value.As<v8::Int32>()->Value();
    *status = Put(run, MR_TAG_INT32, &number, sizeof number);
  } else if (value->IsString()) {
    *status = WriteString(run, value.As<v8::String>());
  } else if (value->IsNumber()) {
    double number = value.As<v8::Number>()->Value();
    *status = Put(run, MR_TAG_DOUBLE, &number, sizeof number);
  } else if (value->IsObject()) {
    return false;
  } else if (value->IsUndefined()) {
    *status = WriteTag(run, MR_TAG_UNDEFINED);
  } else if (value->IsNull()) {
    *status = WriteTag(run, MR_TAG_NULL);
  } else if (value->IsBoolean()) {
    *status = WriteTag(run, value->IsTrue() ? MR_TAG_TRUE : MR_TAG_FALSE);
  } else if (value->IsBigInt()) {
    *status = WriteBigInt(run, value.As<v8::BigInt>());
  } else {
    return false;
  }
  return true;
}

bool
IsBuffer(v8::Local<v8::Value> value)
{
  return value->IsArrayBufferView() || value->IsArrayBuffer() || value->IsSharedArrayBuffer();
}

mr_status
WriteDate(const Run &run, v8::Local<v8::Value> date)
{
  double time = date.As<v8::Date>()->ValueOf();
  return Put(run, MR_TAG_DATE, &time, sizeof time);
}

/* Values by identity, with the number of each: V8 moves objects, so they are found by their hash. */
class Numbers {
 public:
  /* True, and its number, if it was met before; else it gets the next one. */
  bool Find(v8::Local<v8::Value> value, uint32_t *number)
  {
    if (values_.size() * 2 >= slots_.size()) Grow();
    uint32_t hash = HashOf(value);
    for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
      uint32_t slot = slots_[at];
      if (!slot) {
        *number = static_cast<uint32_t>(values_.size());
        slots_[at] = *number + 1;
        values_.push_back(value);
        hashes_.push_back(hash);
        return false;
      }
      if (hashes_[slot - 1] == hash && values_[slot - 1] == value) {
        *number = slot - 1;
        return true;
      }
    }
  }

 private:
  void Grow()
  {
    std::vector<uint32_t> slots(slots_.empty() ? 64 : slots_.size() * 2);
    for (uint32_t i = 0; i < values_.size(); i++) {
      size_t at = hashes_[i] & (slots.size() - 1);
      while (slots[at]) at = (at + 1) & (slots.size() - 1);
      slots[at] = i + 1;
    }
    slots_.swap(slots);
  }

  std::vector<uint32_t> slots_;
  std::vector<v8::Local<v8::Value>> values_;
  std::vector<uint32_t> hashes_;
};

/* What the header does not name: the type of a list of values that have no room in their object. 0: objects look in another way than thought. */
int
TypeOfList(const Run &run)
{
  static const int type = [&run] {
    v8::Local<v8::Value> value = v8::Null(run.isolate);
    v8::Local<v8::Object> object = v8::Object::New(run.isolate);
    v8::Local<v8::Name> name;
    for (const char *text : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
      v8::Local<v8::String> made;
      if (!v8::String::NewFromUtf8(run.isolate, text, v8::NewStringType::kInternalized).ToLocal(&made)) return 0;
      if (object->CreateDataProperty(run.context, made, value).IsNothing()) return 0;
      name = made;
    }
    v8::Local<v8::Object> dictionary = v8::Object::New(run.isolate, value, &name, &value, 1);
    int list = Words(object).TypeOfProperties(), other = Words(dictionary).TypeOfProperties();
    return Words(object).IsPlain() && Words(dictionary).IsPlain() && other && list != other ? list : 0;
  }();
  return type;
}

/* The keys of plain objects, by their hidden class: V8 makes the list of them anew for each object. The first so many classes of a walk; none is forgotten in it. */
class Shapes {
 public:
  struct Shape {
    v8::Local<v8::Object> sample; /* a copy of an object that has them, which no script can reach and change */
    std::vector<v8::Local<v8::Value>> keys;
    std::vector<uint32_t> numbers; /* of the keys in the message */
  };

  explicit Shapes(const Run &run) : list_(TypeOfList(run)) {}

  /* NULL: not known. */
  const Shape *Find(v8::Local<v8::Object> object)
  {
    Words words(object);
    if (!words.IsPlain()) return nullptr;
    for (size_t i = 0, at = last_; i < shapes_.size(); i++, at = at + 1 < shapes_.size() ? at + 1 : 0) {
      if (!words.HasNamesOf(Words(shapes_[at]->sample), list_)) continue;
      last_ = at;
      return shapes_[at].get();
    }
    return nullptr;
  }

  /* A copy to remember the object's keys by, made before its getters run; empty: they are not to be remembered. */
  v8::Local<v8::Object> Sample(v8::Local<v8::Object> object, size_t keys) const
  {
    bool wanted = shapes_.size() < kMost && keys <= kMostKeys && Words(object).IsPlain() && Words(object).HasNamesOf(Words(object), list_);
    return wanted ? object->Clone() : v8::Local<v8::Object>();
  }

  void Keep(v8::Local<v8::Object> object, Shape *shape)
  {
    if (!shape->sample.IsEmpty() && shapes_.size() < kMost && !Find(object)) shapes_.push_back(std::make_unique<Shape>(std::move(*shape)));
  }

 private:
  static constexpr size_t kMost = 32, kMostKeys = 64;

  int list_;
  std::vector<std::unique_ptr<Shape>> shapes_; /* which stay where they are while others come */
  size_t last_ = 0;
};

/* One walk through a value. */
class Copy {
 public:
  explicit Copy(const Run &run) : run_(run), options_(run.request->options), start_(run.result->size), shapes_(run) {}

  mr_status Write(v8::Local<v8::Value> value)
  {
    mr_status status = MR_OK;
    if (WritePrimitive(run_, value, &status)) return status == MR_OK ? Check(0) : status;
    uint32_t number = 0;
    bool plain = Words(value).IsPlain(), frequent = plain || value->IsArray(); /* nothing of what is asked for next */
    if (!frequent) {
      if (HostObjectOf(run_, value)) return WriteHandle(run_, value);
      if (value->IsSymbol() || value->IsFunction() || value->IsRegExp() || value->IsPromise() || value->IsGeneratorObject()) return WriteHandle(run_, value);
      if (value->IsDate()) return WriteDate(run_, value);
      if (value->IsNumberObject() || value->IsStringObject() || value->IsBooleanObject() || value->IsBigIntObject()) return Write(Unboxed(value));
    }
    if (containers_.Find(value, &number)) return Put(run_, MR_TAG_REFERENCE, &number, sizeof number);
    if (!frequent && IsBuffer(value)) return WriteBuffer(run_, value.As<v8::Object>());
    if (path_.size() >= options_->max_depth || StackIsLow()) return Fail(MR_TOO_DEEP);
    return plain ? WriteObject(value.As<v8::Object>()) : WriteContainer(value.As<v8::Object>());
  }

 private:
  v8::Local<v8::Value> Unboxed(v8::Local<v8::Value> value)
  {
    if (value->IsStringObject()) return value.As<v8::StringObject>()->ValueOf();
    if (value->IsNumberObject()) return v8::Number::New(run_.isolate, value.As<v8::NumberObject>()->ValueOf());
    if (value->IsBigIntObject()) return value.As<v8::BigIntObject>()->ValueOf();
    return v8::Boolean::New(run_.isolate, value.As<v8::BooleanObject>()->ValueOf());
  }

  /* A step on the path from the whole to the place: a key, or an index. */
  struct Step {
    v8::Local<v8::Value> key;
    uint32_t index;
  };

  static constexpr int kLongestKey = 60; /* characters of it in the path */

  mr_status Fail(mr_status status)
  {
    if (failed_) return status;
    failed_ = true;
    std::u16string text = u"$";
    for (const Step &step : path_) {
      if (step.key.IsEmpty() || !step.key->IsString()) {
        std::string index = "[" + std::to_string(step.index) + "]";
        text.append(index.begin(), index.end());
        continue;
      }
      text += u'.';
      AppendText(run_, &text, step.key.As<v8::String>(), kLongestKey);
    }
    WriteDetail(run_, text);
    return status;
  }

  /* So much is written, and so many elements are to come. Also the place to see whether the call was stopped: where no code of the script runs, V8 does not look. */
  mr_status Check(uint64_t elements)
  {
    if (Stopped()) return MR_TERMINATED;
    if (run_.result->size - start_ + elements * 8 > options_->max_bytes) return Fail(MR_TOO_LARGE);
    return MR_OK;
  }

  bool Stopped() const { return run_.self->terminating.load(std::memory_order_relaxed); }

  mr_status Child(v8::Local<v8::Value> value, v8::Local<v8::Value> key, uint32_t index)
  {
    mr_status status = MR_OK;
    if (WritePrimitive(run_, value, &status)) return status == MR_OK ? Check(0) : status;
    path_.push_back({key, index});
    status = Write(value);
    path_.pop_back();
    return status;
  }

  mr_status WriteContainer(v8::Local<v8::Object> object)
  {
    if (object->IsArray()) return WriteArray(object.As<v8::Array>());
    if (object->IsMap()) return WriteMap(object.As<v8::Map>());
    if (object->IsSet()) return WriteSet(object.As<v8::Set>());
    if (object->IsNativeError()) return WriteError(object);
    if (IsArrayProxy(object)) return WriteArrayProxy(object);
    return WriteObject(object);
  }

  /* As Array.isArray() has it. */
  static bool IsArrayProxy(v8::Local<v8::Value> value)
  {
    while (value->IsProxy()) value = value.As<v8::Proxy>()->GetTarget();
    return value->IsArray();
  }

  mr_status WriteArray(v8::Local<v8::Array> array)
  {
    uint32_t length = array->Length();
    mr_status status = Check(length);
    if (status != MR_OK) return status;
    NumberRun numbers{this, length, true, {}};
    v8::Local<v8::Value> next;
    status = numbers.Collect(array, &next);
    if (status != MR_OK) return status;
    auto done = static_cast<uint32_t>(numbers.values.size());
    if (done == length && length) return WriteNumbers(numbers);
    status = WriteHead(run_, MR_TAG_ARRAY, length);
    for (uint32_t i = 0; i < done && status == MR_OK; i++) status = Child(v8::Number::New(run_.isolate, numbers.values[i]), next, i);
    if (done < length && status == MR_OK) status = Child(next, v8::Local<v8::Value>(), done++);
    return WriteElements(array, done, length, status);
  }

  mr_status WriteElements(v8::Local<v8::Object> array, uint32_t from, uint32_t to, mr_status status)
  {
    for (uint32_t i = from; i < to && status == MR_OK; i++) {
      v8::Local<v8::Value> element;
      if (!array->Get(run_.context, i).ToLocal(&element)) return MR_EXCEPTION;
      status = Child(element, v8::Local<v8::Value>(), i);
    }
    return status;
  }

  /* The numbers that an array begins with, read without a handle for each. */
  struct NumberRun {
    Copy *copy;
    uint32_t length;
    bool integers;
    std::vector<double> values;

    bool Take(v8::Local<v8::Value> element)
    {
      if (!element->IsNumber()) return false;
      integers = integers && element->IsInt32();
      values.push_back(element.As<v8::Number>()->Value());
      return true;
    }

    mr_status Collect(v8::Local<v8::Array> array, v8::Local<v8::Value> *next)
    {
      const Run &run = copy->run_;
      for (uint32_t i = 0; i < length; i++) {
        if (!array->Get(run.context, i).ToLocal(next)) return MR_EXCEPTION;
        if (!Take(*next)) break;
        if (copy->Stopped()) return MR_TERMINATED;
      }
      return MR_OK;
    }
  };

  mr_status WriteNumbers(const NumberRun &numbers)
  {
    auto count = static_cast<uint32_t>(numbers.values.size());
    uint8_t *to = PutBlock(run_, numbers.integers ? MR_TAG_INT32S : MR_TAG_DOUBLES, count, uint64_t{count} * (numbers.integers ? 4 : 8));
    if (!to) return MR_NO_MEMORY;
    if (!numbers.integers) {
      std::memcpy(to, numbers.values.data(), size_t{count} * 8);
      return MR_OK;
    }
    for (double value : numbers.values) {
      auto integer = static_cast<int32_t>(value);
      std::memcpy(to, &integer, sizeof integer);
      to += sizeof integer;
    }
    return MR_OK;
  }

  mr_status WriteArrayProxy(v8::Local<v8::Object> proxy)
  {
    v8::Local<v8::Value> value;
    v8::Local<v8::String> name = v8::String::NewFromUtf8Literal(run_.isolate, "length", v8::NewStringType::kInternalized);
    double length = 0;
    if (!proxy->Get(run_.context, name).ToLocal(&value) || !value->NumberValue(run_.context).To(&length)) return MR_EXCEPTION;
    if (!(length >= 0 && length <= UINT32_MAX)) return Fail(MR_TOO_LARGE);
    auto count = static_cast<uint32_t>(length);
    mr_status status = Check(count);
    if (status == MR_OK) status = WriteHead(run_, MR_TAG_ARRAY, count);
    return WriteElements(proxy, 0, count, status);
  }

  mr_status WriteKey(v8::Local<v8::Value> key, uint32_t *number)
  {
    if (keys_.Find(key, number)) return Put(run_, MR_TAG_KEY, number, sizeof *number);
    return WriteString(run_, key.As<v8::String>());
  }

  bool NamesOf(v8::Local<v8::Object> object, std::vector<v8::Local<v8::Value>> *keys)
  {
    v8::Local<v8::Array> names;
    auto filter = static_cast<v8::PropertyFilter>(v8::ONLY_ENUMERABLE | v8::SKIP_SYMBOLS);
    if (!object
             ->GetPropertyNames(run_.context, v8::KeyCollectionMode::kOwnOnly, filter, v8::IndexFilter::kIncludeIndices,
                                v8::KeyConversionMode::kConvertToString)
             .ToLocal(&names))
      return false;
    keys->resize(names->Length());
    for (uint32_t i = 0; i < keys->size(); i++)
      if (!names->Get(run_.context, i).ToLocal(&(*keys)[i])) return false;
    return true;
  }

  mr_status WriteObject(v8::Local<v8::Object> object)
  {
    if (const Shapes::Shape *known = shapes_.Find(object)) return WriteKnown(object, *known);
    Shapes::Shape shape;
    if (!NamesOf(object, &shape.keys)) return MR_EXCEPTION;
    shape.sample = shapes_.Sample(object, shape.keys.size());
    auto count = static_cast<uint32_t>(shape.keys.size());
    shape.numbers.resize(count);
    mr_status status = Check(count);
    if (status == MR_OK) status = WriteObjectHead(object, count);
    for (uint32_t i = 0; i < count && status == MR_OK; i++) {
      v8::Local<v8::Value> key = shape.keys[i], value;
      if (!object->Get(run_.context, key).ToLocal(&value)) return MR_EXCEPTION;
      status = WriteKey(key, &shape.numbers[i]);
      if (status == MR_OK) status = Child(value, key, 0);
    }
    if (status == MR_OK) shapes_.Keep(object, &shape);
    return status;
  }

  mr_status WriteKnown(v8::Local<v8::Object> object, const Shapes::Shape &shape)
  {
    size_t count = shape.keys.size();
    mr_status status = Check(count);
    if (status == MR_OK) status = WriteObjectHead(object, static_cast<uint32_t>(count));
    for (size_t i = 0; i < count && status == MR_OK; i++) {
      v8::Local<v8::Value> value;
      if (!object->Get(run_.context, shape.keys[i]).ToLocal(&value)) return MR_EXCEPTION;
      status = Put(run_, MR_TAG_KEY, &shape.numbers[i], sizeof shape.numbers[i]);
      if (status == MR_OK) status = Child(value, shape.keys[i], 0);
    }
    return status;
  }

  mr_status WriteObjectHead(v8::Local<v8::Object> object, uint32_t count)
  {
    if (options_->flags & MR_CLASS_NAMES && !object->IsProxy()) {
      v8::Local<v8::String> name = object->GetConstructorName();
      if (!name->StringEquals(v8::String::NewFromUtf8Literal(run_.isolate, "Object"))) {
        mr_status status = WriteTag(run_, MR_TAG_INSTANCE);
        if (status == MR_OK) status = WriteString(run_, name);
        return status == MR_OK && mr__result_put(run_.result, &count, sizeof count) ? status : MR_NO_MEMORY;
      }
    }
    return WriteHead(run_, MR_TAG_OBJECT, count);
  }

  mr_status WriteMap(v8::Local<v8::Map> map)
  {
    v8::Local<v8::Array> flat = map->AsArray();
    uint32_t count = flat->Length() / 2;
    mr_status status = Check(flat->Length());
    bool pairs = options_->flags & MR_MAPS_AS_PAIRS;
    if (status == MR_OK) status = WriteHead(run_, pairs ? MR_TAG_ARRAY : MR_TAG_MAP, count);
    for (uint32_t i = 0; i < count && status == MR_OK; i++) {
      v8::Local<v8::Value> key, value;
      if (!flat->Get(run_.context, 2 * i).ToLocal(&key) || !flat->Get(run_.context, 2 * i + 1).ToLocal(&value)) return MR_EXCEPTION;
      if (pairs) {
        uint32_t unused = 0;
        containers_.Find(v8::Object::New(run_.isolate), &unused); /* a pair is a container with a number, which nothing refers to */
        status = WriteHead(run_, MR_TAG_ARRAY, 2);
      }
      if (status == MR_OK) status = Child(key, v8::Local<v8::Value>(), i);
      if (status == MR_OK) status = Child(value, key, i);
    }
    return status;
  }

  mr_status WriteSet(v8::Local<v8::Set> set)
  {
    v8::Local<v8::Array> members = set->AsArray();
    uint32_t count = members->Length();
    mr_status status = Check(count);
    if (status == MR_OK) status = WriteHead(run_, options_->flags & MR_MAPS_AS_PAIRS ? MR_TAG_ARRAY : MR_TAG_SET, count);
    return WriteElements(members, 0, count, status);
  }

  mr_status WriteError(v8::Local<v8::Object> error)
  {
    v8::Isolate *isolate = run_.isolate;
    v8::Local<v8::String> names[] = {v8::String::NewFromUtf8Literal(isolate, "name"), v8::String::NewFromUtf8Literal(isolate, "message"),
                                     v8::String::NewFromUtf8Literal(isolate, "stack"), v8::String::NewFromUtf8Literal(isolate, "cause")};
    mr_status status = WriteTag(run_, MR_TAG_ERROR);
    for (int i = 0; i < 3 && status == MR_OK; i++) {
      v8::Local<v8::Value> value;
      if (!error->Get(run_.context, names[i]).ToLocal(&value)) return MR_EXCEPTION;
      status = value->IsString() ? WriteString(run_, value.As<v8::String>()) : WriteTag(run_, MR_TAG_UNDEFINED);
    }
    bool has = false;
    if (status != MR_OK) return status;
    if (!error->HasOwnProperty(run_.context, names[3]).To(&has)) return MR_EXCEPTION;
    if (!has) return WriteTag(run_, MR_TAG_HOLE);
    v8::Local<v8::Value> cause;
    if (!error->Get(run_.context, names[3]).ToLocal(&cause)) return MR_EXCEPTION;
    return Child(cause, names[3], 0);
  }

  const Run &run_;
  const mr_options *options_;
  uint64_t start_;
  Numbers containers_, keys_;
  Shapes shapes_;
  std::vector<Step> path_;
  bool failed_ = false;
};

}  // namespace

mr_status
WriteFlat(const Run &run, v8::Local<v8::Value> value)
{
  mr_status status = MR_OK;
  if (WritePrimitive(run, value, &status)) return status;
  if (IsBuffer(value)) return WriteBuffer(run, value.As<v8::Object>());
  if (value->IsDate()) return WriteDate(run, value);
  return WriteHandle(run, value);
}

mr_status
Write(const Run &run, v8::Local<v8::Value> value)
{
  if (!(run.request->options->flags & MR_COPY)) return WriteFlat(run, value);
  return Copy(run).Write(value);
}

void
AppendText(const Run &run, std::u16string *text, v8::Local<v8::String> part, int most)
{
  size_t before = text->size();
  int count = part->Length() > most ? most : part->Length();
  text->resize(before + static_cast<size_t>(count));
  CopyUtf16(run.isolate, part, count, reinterpret_cast<uint16_t *>(&(*text)[before]));
  if (count < part->Length()) *text += u'\u2026';
}

void
WriteDetail(const Run &run, const std::u16string &text)
{
  v8::Local<v8::String> string;
  run.self->host->forget(run.self->owner, run.result);
  if (text.size() > static_cast<size_t>(v8::String::kMaxLength)) return;
  if (v8::String::NewFromTwoByte(run.isolate, reinterpret_cast<const uint16_t *>(text.data()), v8::NewStringType::kNormal, static_cast<int>(text.size()))
          .ToLocal(&string))
    (void)WriteString(run, string);
}

}  // namespace mrv8
