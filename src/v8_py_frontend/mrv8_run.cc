/* mrv8_run.cc: mrv8_run(), the one place where JavaScript is entered and where every way out of it becomes a status. On the thread that has the lock. */
#include "mrv8_run.h"

#include <cstring>
#include <vector>

#include "mr_result.h"
#include "mr_wire.h"
#include "mrv8_compat.h"

namespace {

using mrv8::Reader;
using mrv8::Run;

/* Of an operation: MR_OK and `value`; MR_EXCEPTION when V8 has something to catch; else why it was not done. */
struct Answer {
  mr_status status = MR_EXCEPTION;
  v8::Local<v8::Value> value;
  bool hole = false;
  bool parsing = false;

  void Take(v8::MaybeLocal<v8::Value> result) { status = result.ToLocal(&value) ? MR_OK : MR_EXCEPTION; }

  void Take(v8::Isolate *isolate, v8::Maybe<bool> result)
  {
    bool flag = false;
    status = result.To(&flag) ? MR_OK : MR_EXCEPTION;
    value = v8::Boolean::New(isolate, flag);
  }
};

bool
IsAscii(const uint8_t *bytes, size_t size)
{
  uint8_t seen = 0;
  for (size_t i = 0; i < size; i++) seen |= bytes[i];
  return seen < 0x80;
}

mr_status
MakeString(const Run &run, const void *text, size_t size, uint32_t encoding, v8::Local<v8::String> *string)
{
  v8::Isolate *isolate = run.isolate;
  const auto *bytes = static_cast<const uint8_t *>(text);
  constexpr auto normal = v8::NewStringType::kNormal;
  size_t length = encoding == MR_UTF16 ? size / 2 : size;
  if (length > static_cast<size_t>(v8::String::kMaxLength)) return MR_TOO_LARGE;
  auto count = static_cast<int>(length);
  v8::MaybeLocal<v8::String> made;
  if (encoding == MR_UTF16) {
    std::vector<uint16_t> units(length + 1); /* aligned, which the caller's bytes may not be */
    std::memcpy(units.data(), bytes, length * 2);
    made = v8::String::NewFromTwoByte(isolate, units.data(), normal, count);
  } else if (encoding == MR_LATIN1 || IsAscii(bytes, size)) {
    made = v8::String::NewFromOneByte(isolate, bytes, normal, count);
  } else {
    made = v8::String::NewFromUtf8(isolate, reinterpret_cast<const char *>(bytes), normal, count);
  }
  return made.ToLocal(string) ? MR_OK : MR_EXCEPTION;
}

void
Eval(const Run &run, Answer *answer)
{
  const mr_options *options = run.request->options;
  v8::Local<v8::String> code, name = run.self->anonymous.Get(run.isolate);
  answer->status = MakeString(run, run.request->in, run.request->in_size, options->encoding, &code);
  if (answer->status == MR_OK && options->filename) answer->status = MakeString(run, options->filename, std::strlen(options->filename), MR_UTF8, &name);
  if (answer->status != MR_OK) return;
  v8::ScriptOrigin origin = mrv8::Origin(run.isolate, name, options->line_offset, options->column_offset);
  v8::Local<v8::Script> script;
  answer->parsing = !v8::Script::Compile(run.context, code, &origin).ToLocal(&script);
  if (answer->parsing) answer->status = MR_EXCEPTION;
  else answer->Take(script->Run(run.context));
}

/* Reads what is left of an array, as arguments. Few of them, as a rule: those need no memory. */
class Arguments {
 public:
  mr_status Read(Reader *reader, uint32_t count)
  {
    count_ = static_cast<int>(count);
    if (count > kInline) more_.resize(count);
    for (uint32_t i = 0; i < count; i++) {
      mr_status status = reader->Read(&data()[i]);
      if (status != MR_OK) return status;
    }
    return reader->AtEnd() ? MR_OK : MR_BAD_MESSAGE;
  }
  v8::Local<v8::Value> *data() { return more_.empty() ? few_ : more_.data(); }
  int count() const { return count_; }

 private:
  static constexpr uint32_t kInline = 8;
  v8::Local<v8::Value> few_[kInline];
  std::vector<v8::Local<v8::Value>> more_;
  int count_ = 0;
};

void
ThrowTypeError(const Run &run, const char *text)
{
  v8::Local<v8::String> said;
  if (v8::String::NewFromUtf8(run.isolate, text).ToLocal(&said)) run.isolate->ThrowException(v8::Exception::TypeError(said));
}

/* A message [first, arguments...]. */
mr_status
ReadCall(const Run &run, v8::Local<v8::Value> *first, Arguments *arguments)
{
  Reader reader(run);
  uint32_t count = 0;
  mr_status status = reader.ReadArrayHead(&count);
  if (status == MR_OK) status = count ? reader.Read(first) : MR_BAD_MESSAGE;
  return status == MR_OK ? arguments->Read(&reader, count - 1) : status;
}

void
Call(const Run &run, v8::Local<v8::Value> target, Answer *answer)
{
  if (!target->IsFunction()) return ThrowTypeError(run, "this value is not a function");
  v8::Local<v8::Value> receiver;
  Arguments arguments;
  answer->status = ReadCall(run, &receiver, &arguments);
  if (answer->status == MR_OK) answer->Take(target.As<v8::Function>()->Call(run.context, receiver, arguments.count(), arguments.data()));
}

void
CallMethod(const Run &run, v8::Local<v8::Object> object, Answer *answer)
{
  v8::Local<v8::Value> name, method;
  Arguments arguments;
  answer->status = ReadCall(run, &name, &arguments);
  if (answer->status != MR_OK) return;
  answer->status = MR_EXCEPTION;
  if (!object->Get(run.context, name).ToLocal(&method)) return;
  if (!method->IsFunction()) return ThrowTypeError(run, "the object has no such method");
  answer->Take(method.As<v8::Function>()->Call(run.context, object, arguments.count(), arguments.data()));
}

void
Construct(const Run &run, v8::Local<v8::Value> target, Answer *answer)
{
  if (!target->IsFunction()) return ThrowTypeError(run, "this value is not a constructor");
  Reader reader(run);
  uint32_t count = 0;
  Arguments arguments;
  answer->status = reader.ReadArrayHead(&count);
  if (answer->status == MR_OK) answer->status = arguments.Read(&reader, count);
  if (answer->status != MR_OK) return;
  v8::Local<v8::Object> made;
  if (target.As<v8::Function>()->NewInstance(run.context, arguments.count(), arguments.data()).ToLocal(&made)) answer->Take(made);
  else answer->status = MR_EXCEPTION;
}

void
Property(const Run &run, v8::Local<v8::Object> object, Answer *answer)
{
  Reader reader(run);
  v8::Local<v8::Value> key, value;
  mrv8_operation operation = run.request->operation;
  uint32_t count = 0;
  answer->status = operation == MRV8_SET ? reader.ReadArrayHead(&count) : MR_OK;
  if (answer->status == MR_OK) answer->status = reader.Read(&key);
  if (answer->status == MR_OK && operation == MRV8_SET) answer->status = count == 2 ? reader.Read(&value) : MR_BAD_MESSAGE;
  if (answer->status == MR_OK && !reader.AtEnd()) answer->status = MR_BAD_MESSAGE;
  if (answer->status != MR_OK) return;
  switch (operation) {
    case MRV8_SET:
      return answer->Take(run.isolate, object->Set(run.context, key, value));
    case MRV8_DELETE:
      return answer->Take(run.isolate, object->Delete(run.context, key));
    case MRV8_HAS:
      return answer->Take(run.isolate, object->Has(run.context, key));
    default:
      break;
  }
  answer->Take(object->Get(run.context, key));
  if (answer->status != MR_OK || !answer->value->IsUndefined()) return;
  bool has = false;
  if (object->Has(run.context, key).To(&has)) answer->hole = !has;
  else answer->status = MR_EXCEPTION;
}

/* Not a copy of an array: the keys, written right away, as they have no handle. */
mr_status
WriteKeys(const Run &run, v8::Local<v8::Object> object)
{
  v8::Local<v8::Array> keys;
  auto filter = static_cast<v8::PropertyFilter>(v8::ONLY_ENUMERABLE | v8::SKIP_SYMBOLS);
  if (!object->GetPropertyNames(run.context, v8::KeyCollectionMode::kIncludePrototypes, filter, v8::IndexFilter::kIncludeIndices).ToLocal(&keys)) return MR_EXCEPTION;
  uint32_t count = keys->Length();
  mr_status status = mrv8::WriteHead(run, MR_TAG_ARRAY, count);
  for (uint32_t i = 0; i < count && status == MR_OK; i++) {
    v8::HandleScope scope(run.isolate);
    v8::Local<v8::Value> key;
    status = keys->Get(run.context, i).ToLocal(&key) ? mrv8::Write(run, key) : MR_EXCEPTION;
  }
  return status;
}

mr_status
Operate(const Run &run, Answer *answer)
{
  v8::Local<v8::Value> target;
  v8::Local<v8::Object> object;
  if (run.request->target) target = run.request->target->value.Get(run.isolate);
  switch (run.request->operation) {
    case MRV8_NOTHING:
      answer->Take(v8::Undefined(run.isolate));
      break;
    case MRV8_EVAL:
      Eval(run, answer);
      break;
    case MRV8_CALL:
      Call(run, target, answer);
      break;
    case MRV8_CONSTRUCT:
      Construct(run, target, answer);
      break;
    case MRV8_READ:
      answer->Take(target);
      break;
    case MRV8_GLOBALS:
      answer->Take(run.context->Global());
      break;
    default:
      if (!target->ToObject(run.context).ToLocal(&object)) break;
      if (run.request->operation == MRV8_KEYS) return WriteKeys(run, object);
      if (run.request->operation == MRV8_CALL_METHOD) CallMethod(run, object, answer);
      else Property(run, object, answer);
  }
  if (answer->status != MR_OK) return answer->status;
  return answer->hole ? mrv8::WriteTag(run, MR_TAG_HOLE) : mrv8::Write(run, answer->value);
}

/* Microtasks and the tasks that V8 has posted. What they throw has nobody to go to. */
void
RunTasks(const Run &run)
{
  v8::TryCatch ignored(run.isolate);
  run.self->microtasks->PerformCheckpoint(run.isolate);
  if (!run.isolate->IsExecutionTerminating()) mrv8::RunForegroundTasks(run.isolate);
}

}  // namespace

mr_status
mrv8_run(mrv8_isolate *self, const mrv8_request *request, mr_result *result)
{
  mrv8::Stay stay(self);
  Run run{self, self->isolate, stay.context(), request, result};
  v8::TryCatch caught(run.isolate);
  Answer answer;
  mr_status status = Operate(run, &answer);
  if (request->outermost && !caught.HasTerminated()) RunTasks(run);
  if (caught.HasTerminated() || run.isolate->IsExecutionTerminating()) return MR_TERMINATED;
  if (status != MR_EXCEPTION) return status;
  mr__result_start(result);
  status = mrv8::WriteException(run, caught, answer.parsing);
  return status == MR_OK ? MR_EXCEPTION : status;
}
