/* mrv8_iterate.cc: JavaScript's iterators in the host's hands. During mrv8_run(), on its thread. */
#include <cstring>

#include "mr_wire.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

void
ThrowTypeError(const Run &run, const char *text)
{
  v8::Local<v8::String> said;
  if (v8::String::NewFromUtf8(run.isolate, text).ToLocal(&said)) run.isolate->ThrowException(v8::Exception::TypeError(said));
}

}  // namespace

mr_status
Iterate(const Run &run, v8::Local<v8::Object> object, v8::Local<v8::Value> *iterator, bool *none)
{
  v8::Local<v8::Symbol> symbol = run.request->number ? v8::Symbol::GetAsyncIterator(run.isolate) : v8::Symbol::GetIterator(run.isolate);
  v8::Local<v8::Value> method;
  if (!object->Get(run.context, symbol).ToLocal(&method)) return MR_EXCEPTION;
  *none = method->IsNullOrUndefined();
  if (*none) return MR_OK;
  if (!method->IsFunction()) return ThrowTypeError(run, "the object's method for iteration is not a function"), MR_EXCEPTION;
  if (!method.As<v8::Function>()->Call(run.context, object, 0, nullptr).ToLocal(iterator)) return MR_EXCEPTION;
  if (!(*iterator)->IsObject()) return ThrowTypeError(run, "the object's method for iteration has not returned an iterator"), MR_EXCEPTION;
  return MR_OK;
}

mr_status
Next(const Run &run, v8::Local<v8::Object> iterator, v8::Local<v8::Value> *value, bool *done)
{
  v8::Local<v8::String> names[] = {v8::String::NewFromUtf8Literal(run.isolate, "next", v8::NewStringType::kInternalized),
                                   v8::String::NewFromUtf8Literal(run.isolate, "done", v8::NewStringType::kInternalized),
                                   v8::String::NewFromUtf8Literal(run.isolate, "value", v8::NewStringType::kInternalized)};
  v8::Local<v8::Value> method, result, flag;
  if (!iterator->Get(run.context, names[0]).ToLocal(&method)) return MR_EXCEPTION;
  if (!method->IsFunction()) return ThrowTypeError(run, "the iterator has no next()"), MR_EXCEPTION;
  if (!method.As<v8::Function>()->Call(run.context, iterator, 0, nullptr).ToLocal(&result)) return MR_EXCEPTION;
  if (!result->IsObject()) return ThrowTypeError(run, "the iterator's next() has not returned an object"), MR_EXCEPTION;
  auto step = result.As<v8::Object>();
  if (!step->Get(run.context, names[1]).ToLocal(&flag)) return MR_EXCEPTION;
  *done = flag->BooleanValue(run.isolate);
  return *done || step->Get(run.context, names[2]).ToLocal(value) ? MR_OK : MR_EXCEPTION;
}

namespace {

constexpr uint64_t kEnough = 16384; /* bytes of a message, after which no more elements are read ahead */

/* Reads without running any code. False: that cannot be done. */
class Ahead {
 public:
  explicit Ahead(const Run &run) : run_(run), caught_(run.isolate), no_code_(run.isolate, v8::Isolate::DisallowJavascriptExecutionScope::THROW_ON_FAILURE)
  {
    run.self->runs_no_code = true;
  }
  Ahead(const Ahead &) = delete;
  Ahead &operator=(const Ahead &) = delete;
  ~Ahead() { run_.self->runs_no_code = false; }

  bool Get(v8::Local<v8::Array> array, uint32_t index, v8::Local<v8::Value> *value)
  {
    if (run_.result->size > kEnough || !array->Get(run_.context, index).ToLocal(value)) return false;
    return !(*value)->IsString() || static_cast<uint64_t>(value->As<v8::String>()->Length()) <= kEnough;
  }

 private:
  const Run &run_;
  v8::TryCatch caught_;
  v8::Isolate::DisallowJavascriptExecutionScope no_code_;
};

bool
ReadIndex(Reader *reader, uint32_t *index)
{
  v8::Local<v8::Value> value;
  if (reader->Read(&value) != MR_OK || !value->IsUint32()) return false;
  *index = value.As<v8::Uint32>()->Value();
  return true;
}

}  // namespace

mr_status
WriteElements(const Run &run, v8::Local<v8::Value> target)
{
  Reader reader(run);
  uint32_t count = 0, next = 0, most = 0;
  if (reader.ReadArrayHead(&count) != MR_OK || count != 2 || !ReadIndex(&reader, &next) || !ReadIndex(&reader, &most) || !reader.AtEnd()) return MR_BAD_MESSAGE;
  if (!target->IsArray()) return ThrowTypeError(run, "this value is not an array"), MR_EXCEPTION;
  auto array = target.As<v8::Array>();
  mr_status status = WriteHead(run, MR_TAG_ARRAY, 0);
  uint32_t done = 0;
  if (status == MR_OK && most && next < array->Length()) {
    v8::Local<v8::Value> value;
    if (!array->Get(run.context, next).ToLocal(&value)) return MR_EXCEPTION;
    status = WriteFlat(run, value);
    done++;
  }
  if (status == MR_OK && done && done < most) {
    Ahead ahead(run);
    for (uint32_t length = array->Length(); status == MR_OK && done < most && length - next > done; done++) {
      v8::HandleScope handles(run.isolate);
      v8::Local<v8::Value> value;
      if (!ahead.Get(array, next + done, &value)) break;
      status = WriteFlat(run, value);
    }
  }
  if (status == MR_OK) std::memcpy(run.result->data + 1, &done, sizeof done);
  return status;
}

}  // namespace mrv8
