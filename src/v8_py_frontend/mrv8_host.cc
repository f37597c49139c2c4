/* mrv8_host.cc: what of the host JavaScript can hold: functions that call it, errors that stand for its own, timers. On the thread that has the lock. */
#include <cmath>

#include "mr_result.h"
#include "mr_wire.h"
#include "mrv8_run.h"

/* Of one callback that runs. */
struct mr_reply {
  mrv8_isolate *self;
  v8::Local<v8::Value> value;
  bool thrown;
  bool hole;
};

namespace mrv8 {

namespace {

/* A message that no request asked for is written and read as one with the defaults is. */
constexpr mrv8_request kNoRequest = {MRV8_NOTHING, 0, nullptr, 0, nullptr, 0, nullptr, 0, &mr__default_options, nullptr};

mrv8_isolate *
SelfOf(v8::Isolate *isolate)
{
  return static_cast<mrv8_isolate *>(isolate->GetData(0));
}

void
OnLetGo(const v8::WeakCallbackInfo<HostReference> &info)
{
  HostReference *reference = info.GetParameter();
  reference->self->released.insert(reference->self->released.end(), reference->count, reference->id);
  reference->self->references.erase(reference->id);
  delete reference;
}

void
ThrowError(v8::Isolate *isolate, const char *text)
{
  v8::Local<v8::String> said;
  if (v8::String::NewFromUtf8(isolate, text).ToLocal(&said)) isolate->ThrowException(v8::Exception::Error(said));
}

mr_status
WriteCall(const Run &run, const v8::FunctionCallbackInfo<v8::Value> &info)
{
  mr_status status = WriteHead(run, MR_TAG_ARRAY, static_cast<uint32_t>(info.Length()) + 1);
  v8::Local<v8::Value> receiver = info.This();
  if (receiver == run.context->Global()) receiver = v8::Undefined(run.isolate);
  if (status == MR_OK) status = WriteFlat(run, receiver);
  for (int i = 0; i < info.Length() && status == MR_OK; i++) status = WriteFlat(run, info[i]);
  return status;
}

/* A script that was stopped while the host had it would go on until V8's next check, through its catches and to the host once more: entering a script is such a check. */
bool
EndIfStopped(const Run &run)
{
  if (!run.self->terminating.load()) return false;
  v8::Local<v8::Script> script;
  v8::Local<v8::Value> ignored;
  return !v8::Script::Compile(run.context, v8::String::Empty(run.isolate)).ToLocal(&script) || !script->Run(run.context).ToLocal(&ignored);
}

/* The message of a question, and the host's answer to it. */
class Question {
 public:
  explicit Question(v8::Isolate *isolate)
      : run_{SelfOf(isolate), isolate, isolate->GetCurrentContext(), &kNoRequest, &message_}, reply_{run_.self, {}, false, false}
  {
    mr_result_free(&message_); /* makes it ready for use */
  }
  Question(const Question &) = delete;
  Question &operator=(const Question &) = delete;
  ~Question() { mr_result_free(&message_); }

  const Run &run() const { return run_; }

  /* False: it has thrown what ends the script. */
  bool Tell(uint64_t id)
  {
    mrv8_isolate *self = run_.self;
    uint64_t limited = self->limited;
    self->host->call(self->owner, id, message_.data, message_.size, &reply_);
    if (limited != self->limited) { /* by a call from there, for another place on the stack */
      self->entered_by = 0;
      LimitStack(self);
    }
    return !EndIfStopped(run_);
  }

  /* `status`: of the writing. */
  HostAnswer Ask(mr_status status, uint64_t id)
  {
    if (status == MR_OK && run_.self->runs_no_code) status = MR_BUSY;
    if (status == MR_OK && !Tell(id)) return {v8::Local<v8::Value>(), false, false};
    if (status != MR_OK) {
      run_.self->host->forget(run_.self->owner, &message_);
      ThrowError(run_.isolate, mr_status_text(status));
    } else if (reply_.value.IsEmpty()) {
      ThrowError(run_.isolate, "the host function gave no answer");
    } else if (reply_.thrown) {
      run_.isolate->ThrowException(reply_.value);
    } else {
      return {reply_.value, true, reply_.hole};
    }
    return {v8::Local<v8::Value>(), false, false};
  }

 private:
  mr_result message_ = {};
  Run run_;
  mr_reply reply_;
};

void
OnCall(const v8::FunctionCallbackInfo<v8::Value> &info)
{
  Question question(info.GetIsolate());
  HostAnswer answer = question.Ask(WriteCall(question.run(), info), static_cast<uint64_t>(info.Data().As<v8::Number>()->Value()));
  if (answer.returned) info.GetReturnValue().Set(answer.value);
}

}  // namespace

HostAnswer
AskHost(v8::Isolate *isolate, uint64_t id, uint32_t operation, const v8::Local<v8::Value> *values, int count)
{
  Question question(isolate);
  const Run &run = question.run();
  mr_status status = WriteHead(run, MR_TAG_ARRAY, static_cast<uint32_t>(count) + 1);
  if (status == MR_OK) status = WriteFlat(run, v8::Integer::NewFromUnsigned(isolate, operation));
  for (int i = 0; i < count && status == MR_OK; i++) status = WriteFlat(run, values[i]);
  return question.Ask(status, id);
}

void
TellHost(v8::Isolate *isolate, uint64_t id, const std::vector<v8::Local<v8::Value>> &values)
{
  if (SelfOf(isolate)->runs_no_code) return ThrowError(isolate, mr_status_text(MR_BUSY));
  Question question(isolate);
  const Run &run = question.run();
  mr_status status = WriteHead(run, MR_TAG_ARRAY, static_cast<uint32_t>(values.size()));
  for (size_t i = 0; i < values.size() && status == MR_OK; i++) status = WriteFlat(run, values[i]);
  if (status == MR_OK) question.Tell(id);
  else run.self->host->forget(run.self->owner, run.result);
}

bool
FindReference(const Run &run, uint64_t id, v8::Local<v8::Value> *value)
{
  auto found = run.self->references.find(id);
  if (found == run.self->references.end()) return false;
  *value = found->second->value.Get(run.isolate);
  found->second->count++;
  return true;
}

void
KeepReference(const Run &run, uint64_t id, v8::Local<v8::Value> value)
{
  auto *reference = new HostReference{run.self, id, v8::Global<v8::Value>(run.isolate, value), 1};
  reference->value.SetWeak(reference, OnLetGo, v8::WeakCallbackType::kParameter);
  run.self->references[id] = reference;
}

void
ForgetReference(mrv8_isolate *self, uint64_t id)
{
  auto found = self->references.find(id);
  if (found == self->references.end() || --found->second->count) return;
  delete found->second;
  self->references.erase(found);
}

v8::MaybeLocal<v8::Function>
NewHostFunction(const Run &run, uint64_t id, uint32_t length, v8::Local<v8::Value> name)
{
  v8::Local<v8::Function> function;
  v8::Local<v8::Value> data = v8::Number::New(run.isolate, static_cast<double>(id));
  constexpr uint32_t kMost = 255;
  auto shown = static_cast<int>(length < kMost ? length : kMost);
  if (!v8::Function::New(run.context, OnCall, data, shown, v8::ConstructorBehavior::kThrow).ToLocal(&function)) return v8::MaybeLocal<v8::Function>();
  if (name->IsString()) function->SetName(name.As<v8::String>());
  KeepReference(run, id, function);
  return function;
}

v8::MaybeLocal<v8::Object>
NewHostError(const Run &run, uint64_t id, v8::Local<v8::Value> name, v8::Local<v8::Value> message)
{
  v8::Local<v8::String> said = message->IsString() ? message.As<v8::String>() : v8::String::Empty(run.isolate);
  v8::Local<v8::Object> error = v8::Exception::Error(said).As<v8::Object>();
  v8::Local<v8::String> key = v8::String::NewFromUtf8Literal(run.isolate, "name", v8::NewStringType::kInternalized);
  if (name->IsString() && error->DefineOwnProperty(run.context, key, name, v8::DontEnum).IsNothing()) return v8::MaybeLocal<v8::Object>();
  if (!id) return error;
  v8::Local<v8::Value> number = v8::Number::New(run.isolate, static_cast<double>(id));
  if (error->SetPrivate(run.context, run.self->host_error.Get(run.isolate), number).IsNothing()) return v8::MaybeLocal<v8::Object>();
  KeepReference(run, id, error);
  return error;
}

uint64_t
HostErrorOf(const Run &run, v8::Local<v8::Value> value)
{
  v8::Local<v8::Value> id;
  if (!value->IsNativeError() || !value.As<v8::Object>()->GetPrivate(run.context, run.self->host_error.Get(run.isolate)).ToLocal(&id) || !id->IsNumber())
    return 0;
  return static_cast<uint64_t>(id.As<v8::Number>()->Value());
}

/* --- timers --- */

namespace {

constexpr double kLongestDelay = 2147483647; /* milliseconds, as in browsers */

void
SetTimer(const v8::FunctionCallbackInfo<v8::Value> &info, int repeats)
{
  v8::Isolate *isolate = info.GetIsolate();
  mrv8_isolate *self = SelfOf(isolate);
  double delay = 0;
  if (!info[0]->IsFunction()) {
    v8::Local<v8::String> text = v8::String::NewFromUtf8Literal(isolate, "the first argument of a timer must be a function");
    isolate->ThrowException(v8::Exception::TypeError(text));
    return;
  }
  if (!info[1]->NumberValue(isolate->GetCurrentContext()).To(&delay)) return;
  if (!(delay >= 1 && delay <= kLongestDelay)) delay = repeats || delay > kLongestDelay ? 1 : 0;
  auto *timer = new mrv8_timer;
  timer->callback.Reset(isolate, info[0].As<v8::Function>());
  for (int i = 2; i < info.Length(); i++) timer->arguments.emplace_back(isolate, info[i]);
  uint32_t number = self->host->timer_new(self->owner, static_cast<int64_t>(delay * 1e6), repeats, timer);
  if (!number) delete timer;
  info.GetReturnValue().Set(number);
}

void
SetTimeout(const v8::FunctionCallbackInfo<v8::Value> &info)
{
  SetTimer(info, 0);
}

void
SetInterval(const v8::FunctionCallbackInfo<v8::Value> &info)
{
  SetTimer(info, 1);
}

void
ClearTimer(const v8::FunctionCallbackInfo<v8::Value> &info)
{
  mrv8_isolate *self = SelfOf(info.GetIsolate());
  if (info[0]->IsUint32()) delete self->host->timer_take(self->owner, info[0].As<v8::Uint32>()->Value());
}

void
QueueMicrotask(const v8::FunctionCallbackInfo<v8::Value> &info)
{
  v8::Isolate *isolate = info.GetIsolate();
  if (info[0]->IsFunction()) return SelfOf(isolate)->microtasks->EnqueueMicrotask(isolate, info[0].As<v8::Function>());
  isolate->ThrowException(v8::Exception::TypeError(v8::String::NewFromUtf8Literal(isolate, "the argument of queueMicrotask must be a function")));
}

}  // namespace

void
InstallTimers(mrv8_isolate *self, v8::Local<v8::Context> context)
{
  static const struct {
    const char *name;
    v8::FunctionCallback callback;
  } functions[] = {{"setTimeout", SetTimeout},
                   {"setInterval", SetInterval},
                   {"clearTimeout", ClearTimer},
                   {"clearInterval", ClearTimer},
                   {"queueMicrotask", QueueMicrotask}};
  v8::Context::Scope scope(context);
  for (const auto &each : functions) {
    v8::Local<v8::String> name;
    v8::Local<v8::Function> function;
    if (!v8::String::NewFromUtf8(self->isolate, each.name, v8::NewStringType::kInternalized).ToLocal(&name)) return;
    if (!v8::Function::New(context, each.callback, v8::Local<v8::Value>(), 0, v8::ConstructorBehavior::kThrow).ToLocal(&function)) return;
    function->SetName(name);
    context->Global()->DefineOwnProperty(context, name, function, v8::DontEnum).FromMaybe(false);
  }
}

void
AddReferencesOfHost(std::vector<intptr_t> *references)
{
  for (v8::FunctionCallback each : {OnCall, SetTimeout, SetInterval, ClearTimer, QueueMicrotask}) references->push_back(reinterpret_cast<intptr_t>(each));
}

}  // namespace mrv8

mr_status
mrv8_reply_set(mr_reply *reply, uint32_t outcome, const void *message, size_t size, const mr_slice *buffers, size_t buffer_count)
{
  v8::Isolate *isolate = reply->self->isolate;
  if (outcome == MR_REPLY_RETURN && mrv8::ReadScalar(isolate, message, size, &reply->value)) {
    reply->thrown = reply->hole = false;
    return MR_OK;
  }
  v8::TryCatch caught(isolate);
  mrv8::Run run{reply->self, isolate, isolate->GetCurrentContext(), &mrv8::kNoRequest, nullptr};
  mrv8::Reader reader(run, message, size, buffers, buffer_count);
  v8::Local<v8::Value> value;
  mr_status status = reader.Read(&value);
  if (status == MR_OK && !reader.AtEnd()) status = MR_BAD_MESSAGE;
  reply->hole = size && *static_cast<const char *>(message) == MR_TAG_HOLE;
  reply->thrown = status != MR_OK || outcome == MR_REPLY_THROW;
  if (status == MR_OK) {
    reply->value = value;
  } else if (status == MR_EXCEPTION && !caught.HasTerminated()) {
    reply->value = caught.Exception();
  } else {
    v8::Local<v8::String> text;
    if (v8::String::NewFromUtf8(isolate, mr_status_text(status)).ToLocal(&text)) reply->value = v8::Exception::Error(text);
  }
  return status;
}

void
mrv8_timer_delete(mrv8_isolate *self, mrv8_timer *timer)
{
  delete timer;
}
