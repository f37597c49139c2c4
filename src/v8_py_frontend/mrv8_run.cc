/* mrv8_run.cc: mrv8_run(), the one place where JavaScript is entered and where every way out of it becomes a status. On the thread that has the lock. */
#include "mrv8_run.h"

#include <v8-profiler.h>

#include <cstring>
#include <vector>

#include "mr_result.h"
#include "mr_wire.h"
#include "mrv8_compat.h"
#include "mrv8_platform.h"

namespace {

using mrv8::Reader;
using mrv8::Run;

/* Of an operation: MR_OK and `value`; MR_EXCEPTION when V8 has something to catch; else why it was not done. */
struct Answer {
  mr_status status = MR_EXCEPTION;
  v8::Local<v8::Value> value;
  bool hole = false;
  bool written = false; /* the operation has written its answer itself */
  uint8_t flags = 0;    /* MR_X_*, for what it throws */

  void Take(v8::MaybeLocal<v8::Value> result) { status = result.ToLocal(&value) ? MR_OK : MR_EXCEPTION; }

  void Take(v8::Isolate *isolate, v8::Maybe<bool> result)
  {
    bool flag = false;
    status = result.To(&flag) ? MR_OK : MR_EXCEPTION;
    value = v8::Boolean::New(isolate, flag);
  }
};

void
Eval(const Run &run, Answer *answer)
{
  bool first = false, rejected = false;
  v8::Local<v8::UnboundScript> script;
  v8::Local<v8::Script> bound;
  mrv8::KnownScript *place = mrv8::FindScript(run, &bound, &first);
  if (!bound.IsEmpty()) return answer->Take(bound->Run(run.context));
  if (!mrv8::CompileScript(run, first, &rejected, &answer->status).ToLocal(&script)) {
    answer->flags = MR_X_PARSE;
    return;
  }
  bound = script->BindToCurrentContext();
  if (place) mrv8::KeepScript(run, place, bound);
  answer->Take(bound->Run(run.context));
  if (answer->status == MR_OK && (run.request->options->flags & MR_CODE_CACHE)) mrv8::TellCodeCache(run, script);
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
  if (answer->status == MR_OK) answer->status = reader.ReadName(&key);
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
  if (!object->GetPropertyNames(run.context, v8::KeyCollectionMode::kIncludePrototypes, filter, v8::IndexFilter::kIncludeIndices).ToLocal(&keys))
    return MR_EXCEPTION;
  uint32_t count = keys->Length();
  mr_status status = mrv8::WriteHead(run, MR_TAG_ARRAY, count);
  for (uint32_t i = 0; i < count && status == MR_OK; i++) {
    v8::HandleScope scope(run.isolate);
    v8::Local<v8::Value> key;
    status = keys->Get(run.context, i).ToLocal(&key) ? mrv8::WriteFlat(run, key) : MR_EXCEPTION;
  }
  return status;
}

void
Settle(const Run &run, v8::Local<v8::Value> target, Answer *answer)
{
  Reader reader(run);
  uint32_t count = 0;
  v8::Local<v8::Value> fulfilled, value;
  answer->status = target->IsPromise() ? reader.ReadArrayHead(&count) : MR_BAD_ARGUMENT;
  if (answer->status == MR_OK) answer->status = count == 2 ? reader.Read(&fulfilled) : MR_BAD_MESSAGE;
  if (answer->status == MR_OK) answer->status = reader.Read(&value);
  if (answer->status != MR_OK) return;
  auto resolver = target.As<v8::Promise::Resolver>();
  answer->Take(run.isolate, fulfilled->IsTrue() ? resolver->Resolve(run.context, value) : resolver->Reject(run.context, value));
}

void
NewPromise(const Run &run, Answer *answer)
{
  v8::Local<v8::Promise::Resolver> resolver;
  if (v8::Promise::Resolver::New(run.context).ToLocal(&resolver)) answer->Take(resolver->GetPromise());
}

void
NewRealm(const Run &run, Answer *answer)
{
  v8::Local<v8::Context> made;
  if (!mrv8::NewContext(run.self).ToLocal(&made)) return;
  run.self->realms = true;
  made->SetSecurityToken(run.context->GetSecurityToken()); /* what is passed from one realm to another can be used there */
  answer->Take(made->Global());
}

void
CallTimer(const Run &run, Answer *answer)
{
  mrv8_timer *timer = run.request->timer;
  std::vector<v8::Local<v8::Value>> arguments;
  for (const auto &argument : timer->arguments) arguments.push_back(argument.Get(run.isolate));
  v8::Local<v8::Value> receiver = v8::Undefined(run.isolate);
  answer->Take(timer->callback.Get(run.isolate)->Call(run.context, receiver, static_cast<int>(arguments.size()), arguments.data()));
}

mr_status
WriteHeapStats(const Run &run)
{
  v8::HeapStatistics heap;
  run.isolate->GetHeapStatistics(&heap);
  const struct {
    const char *name;
    size_t bytes;
  } rows[] = {{"total_physical_size", heap.total_physical_size()}, {"total_heap_size_executable", heap.total_heap_size_executable()},
              {"total_heap_size", heap.total_heap_size()},         {"used_heap_size", heap.used_heap_size()},
              {"heap_size_limit", heap.heap_size_limit()},         {"malloced_memory", heap.malloced_memory()},
              {"external_memory", heap.external_memory()}};
  mr_status status = mrv8::WriteHead(run, MR_TAG_OBJECT, sizeof rows / sizeof *rows);
  for (const auto &row : rows) {
    v8::Local<v8::String> name;
    if (status == MR_OK && !v8::String::NewFromUtf8(run.isolate, row.name).ToLocal(&name)) status = MR_EXCEPTION;
    if (status == MR_OK) status = mrv8::WriteFlat(run, name);
    if (status == MR_OK) status = mrv8::WriteFlat(run, v8::Number::New(run.isolate, static_cast<double>(row.bytes)));
  }
  return status;
}

/* The snapshot's JSON as a Latin-1 string's message: it is ASCII. */
class SnapshotMessage : public v8::OutputStream {
 public:
  explicit SnapshotMessage(const Run &run) : run_(run) { status_ = mrv8::WriteHead(run, MR_TAG_LATIN1, 0); }
  int GetChunkSize() override { return 1 << 20; }
  void EndOfStream() override {}
  WriteResult WriteAsciiChunk(char *data, int size) override
  {
    if (status_ == MR_OK && !mr__result_put(run_.result, data, static_cast<uint64_t>(size))) status_ = MR_NO_MEMORY;
    return status_ == MR_OK ? kContinue : kAbort;
  }
  mr_status Finish()
  {
    uint64_t size = run_.result->size - 5;
    if (status_ == MR_OK && size > UINT32_MAX) status_ = MR_TOO_LARGE;
    auto count = static_cast<uint32_t>(size);
    if (status_ == MR_OK) std::memcpy(run_.result->data + 1, &count, sizeof count);
    return status_;
  }

 private:
  const Run &run_;
  mr_status status_;
};

mr_status
WriteHeapSnapshot(const Run &run)
{
  const v8::HeapSnapshot *snapshot = run.isolate->GetHeapProfiler()->TakeHeapSnapshot();
  if (!snapshot) return MR_NO_MEMORY;
  SnapshotMessage message(run);
  snapshot->Serialize(&message, v8::HeapSnapshot::kJSON);
  const_cast<v8::HeapSnapshot *>(snapshot)->Delete();
  return message.Finish();
}

/* Operations on the context. */
void
OperateOnContext(const Run &run, Answer *answer)
{
  switch (run.request->operation) {
    case MRV8_EVAL:
      return Eval(run, answer);
    case MRV8_COMPILE:
      answer->written = true;
      answer->status = mrv8::CompileOnly(run, &answer->flags);
      return;
    case MRV8_REALM:
      return NewRealm(run, answer);
    case MRV8_GLOBALS:
      return answer->Take(run.context->Global());
    case MRV8_PROMISE:
      return NewPromise(run, answer);
    case MRV8_BUFFER:
      answer->status = mrv8::NewBuffer(run, run.request->number, nullptr, run.request->in_size, &answer->value);
      return;
    case MRV8_TIMER:
      return CallTimer(run, answer);
    case MRV8_TELL:
      mrv8::TellErrors(run);
      if (!run.self->terminating.load()) break;
      answer->status = MR_TERMINATED; /* in the middle of a description, which was caught there */
      return;
    case MRV8_MODULE_COMPILE:
    case MRV8_MODULE_SYNTHETIC:
    case MRV8_MODULE_LINK:
    case MRV8_MODULE_EVALUATE:
    case MRV8_MODULE_HOOKS:
      answer->written = true;
      answer->status = mrv8::OperateOnModules(run, &answer->flags);
      return;
    case MRV8_SNAPSHOT_CHECK:
      return answer->Take(mrv8::WhyNoSnapshot(run));
    case MRV8_LOW_MEMORY:
      run.self->scripts.reset();
      run.isolate->LowMemoryNotification();
      break;
    case MRV8_NUMBERS:
      answer->written = true;
      answer->status = mrv8::WriteAllStats(run);
      return;
    case MRV8_HEAP_STATS:
    case MRV8_HEAP_SNAPSHOT:
      answer->written = true;
      answer->status = run.request->operation == MRV8_HEAP_STATS ? WriteHeapStats(run) : WriteHeapSnapshot(run);
      return;
    default:
      break;
  }
  answer->Take(v8::Undefined(run.isolate));
}

/* Operations on a value. */
void
OperateOnValue(const Run &run, Answer *answer)
{
  v8::Local<v8::Value> target = run.request->target->value.Get(run.isolate);
  v8::Local<v8::Object> object;
  switch (run.request->operation) {
    case MRV8_CALL:
      return Call(run, target, answer);
    case MRV8_CONSTRUCT:
      return Construct(run, target, answer);
    case MRV8_READ:
      return answer->Take(target);
    case MRV8_RUN: {
      v8::MaybeLocal<v8::Value> result;
      answer->status = mrv8::RunScript(run, &result);
      if (answer->status == MR_OK) answer->Take(result);
      return;
    }
    case MRV8_CODE_CACHE:
      answer->status = mrv8::CodeCache(run, &answer->value);
      return;
    case MRV8_SETTLE:
      return Settle(run, target, answer);
    case MRV8_AWAIT:
      answer->written = true;
      if (target->IsPromise() && target.As<v8::Promise>()->State() == v8::Promise::kRejected) answer->flags = MR_X_REJECTED;
      answer->status = mrv8::Await(run, target);
      return;
    case MRV8_MODULE_NAMESPACE:
      answer->written = true;
      answer->status = mrv8::OperateOnModules(run, &answer->flags);
      return;
    case MRV8_ELEMENTS:
      answer->written = true;
      answer->status = mrv8::WriteElements(run, target);
      return;
    case MRV8_PREVIEW:
      answer->written = true;
      answer->status = mrv8::Preview(run, target);
      return;
    default:
      break;
  }
  if (target->IsObject()) object = target.As<v8::Object>();
  else if (!target->ToObject(run.context).ToLocal(&object)) return;
  if (run.request->operation == MRV8_ITERATE) {
    answer->status = mrv8::Iterate(run, object, &answer->value, &answer->hole);
  } else if (run.request->operation == MRV8_NEXT) {
    answer->status = mrv8::Next(run, object, &answer->value, &answer->hole);
  } else if (run.request->operation == MRV8_KEYS) {
    answer->written = true;
    answer->status = WriteKeys(run, object);
  } else if (run.request->operation == MRV8_CALL_METHOD) {
    CallMethod(run, object, answer);
  } else {
    Property(run, object, answer);
  }
}

mr_status
Operate(const Run &run, Answer *answer)
{
  if (run.request->target) OperateOnValue(run, answer);
  else OperateOnContext(run, answer);
  return answer->status;
}

/* Microtasks and the tasks that V8 has posted. What they throw goes to the host later. False when they were stopped: a task of V8's may catch that itself, as
 * the one of FinalizationRegistry does. */
bool
RunTasks(const Run &run, v8::TryCatch *ignored)
{
  v8::MicrotaskQueue *microtasks = run.self->microtasks.get();
  auto stopped = [&] { return ignored->HasTerminated() || run.self->terminating.load(); };
  do microtasks->PerformCheckpoint(run.isolate);
  while (!stopped() && mrv8::RunForegroundTask(run.self));
  if (!stopped()) {
    if (ignored->HasCaught()) ignored->Reset();
    return true;
  }
  mrv8::TellLost(run.self);
  return false;
}

/* The same while an exception waits to be written. */
bool
RunTasks(const Run &run)
{
  v8::TryCatch ignored(run.isolate);
  return RunTasks(run, &ignored);
}

/* A timer's throw goes to the host, as there is no caller. */
void
TellUncaught(const Run &run, mr_status status)
{
  if (status == MR_EXCEPTION) run.self->host->event(run.self->owner, MR_EVENT_UNCAUGHT, 0, run.result->data, run.result->size);
}

/* Does it, and writes the answer or the exception. */
mr_status
Perform(const Run &run)
{
  v8::TryCatch caught(run.isolate);
  Answer answer;
  mr_status status = Operate(run, &answer);
  if (run.request->outermost && !caught.HasTerminated() && !(status == MR_OK ? RunTasks(run, &caught) : RunTasks(run))) return MR_TERMINATED;
  if (status == MR_OK && !answer.written) status = answer.hole ? mrv8::WriteTag(run, MR_TAG_HOLE) : mrv8::Write(run, answer.value);
  if (caught.HasTerminated() || run.isolate->IsExecutionTerminating()) return MR_TERMINATED;
  bool runs_code = status == MR_EXCEPTION || (run.request->options->flags & MR_COPY); /* the answer is made with getters, which may leave microtasks */
  if (status == MR_EXCEPTION) {
    run.self->host->forget(run.self->owner, run.result);
    status = mrv8::WriteException(run, &caught, answer.flags);
    if (status == MR_OK) status = MR_EXCEPTION;
    if (run.request->operation == MRV8_TIMER) TellUncaught(run, status);
  }
  return runs_code && run.request->outermost && status != MR_TERMINATED && !RunTasks(run) ? MR_TERMINATED : status;
}

}  // namespace

bool
mrv8::IsAscii(const void *text, size_t size)
{
  const auto *bytes = static_cast<const uint8_t *>(text);
  uint8_t seen = 0;
  for (size_t i = 0; i < size; i++) seen |= bytes[i];
  return seen < 0x80;
}

mr_status
mrv8::MakeString(const Run &run, const void *text, size_t size, uint32_t encoding, v8::Local<v8::String> *string)
{
  v8::Isolate *isolate = run.isolate;
  const auto *bytes = static_cast<const uint8_t *>(text);
  constexpr auto normal = v8::NewStringType::kNormal;
  if (encoding == MR_UTF16 && size % 2) return MR_BAD_ARGUMENT;
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

/* While a call runs, the stack is limited for it, and then as it was before: a call further out finds that when its callback returns. One without a limit of its own has
 * that of the call around it. */
class StackOfCall {
 public:
  StackOfCall(mrv8_isolate *self, uint64_t most) : self_(self), before_(self->stack_of_call) { Set(most ? most : before_); }
  StackOfCall(const StackOfCall &) = delete;
  StackOfCall &operator=(const StackOfCall &) = delete;
  ~StackOfCall() { Set(before_); }

 private:
  void Set(uint64_t most)
  {
    if (most != self_->stack_of_call) self_->entered_by = self_->entered_as = 0; /* the limit is set anew */
    self_->stack_of_call = most;
  }

  mrv8_isolate *self_;
  uint64_t before_;
};

mr_status
mrv8_run(mrv8_isolate *self, const mrv8_request *request, mr_result *result)
{
  StackOfCall limited(self, request->options->max_stack);
  mrv8::Stay stay(self, request->realm || !self->realms ? request->realm : request->target, request->thread); /* what becomes of a value is of its own realm */
  if (self->terminating.load()) return MR_TERMINATED; /* asked for before anything runs that V8 would stop */
  Run run{self, self->isolate, stay.context(), request, result};
  mr_status status = Perform(run);
  if (!request->outermost) return status;
  if (self->terminating.load()) { /* to tell of what the stopped script threw takes more of its code */
    self->uncaught.clear();
    self->rejections.Clear();
  }
  if (!self->released.empty() || !self->lost.empty()) mrv8::TellReleased(self);
  self->has_news = mrv8::HasErrors(run); /* after the answer: a promise that the client now holds is not a forgotten one */
  return status;
}

int
mrv8_has_news(const mrv8_isolate *self)
{
  return self->has_news;
}
