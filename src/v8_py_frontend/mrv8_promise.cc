/* mrv8_promise.cc: what becomes of promises: waiting for one, and those that were rejected while nobody looked. On the thread that has the lock. */
#include "mr_result.h"
#include "mr_wire.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

/* A failure's path and text. */
std::u16string
Reason(const Run &run, mr_status status)
{
  std::u16string text;
  mrv8_request request = {};
  request.options = &mr__default_options;
  Run quiet = run;
  quiet.request = &request;
  v8::Local<v8::Value> path;
  if (run.result->size && Reader(quiet, run.result->data, run.result->size, nullptr, 0).Read(&path) == MR_OK && path->IsString()) {
    AppendText(run, &text, path.As<v8::String>(), 1000);
    text += u": ";
  }
  std::string said = mr_status_text(status);
  text.append(said.begin(), said.end());
  return text;
}

/* Writes one message with `write`, and tells the host. */
template <typename Writer>
void
Tell(mrv8_isolate *self, uint32_t event, uint64_t id, const mr_options &options, Writer write)
{
  v8::Isolate *isolate = self->isolate;
  mrv8_request request = {MRV8_NOTHING, 0, nullptr, 0, nullptr, 0, nullptr, 0, &options, nullptr};
  mr_result message = {};
  mr_result_free(&message); /* makes it ready for use */
  Run run{self, isolate, isolate->GetCurrentContext(), &request, &message};
  v8::TryCatch caught(isolate);
  mr_status status = write(run);
  if (status == MR_EXCEPTION && !caught.HasTerminated()) {
    self->host->forget(self->owner, &message);
    event = event == MR_EVENT_FULFILLED ? MR_EVENT_REJECTED : event;
    status = WriteException(run, &caught, 0);
  }
  if (status == MR_TERMINATED && id) { /* who waits must hear of it, and nothing more of the script may run */
    event = MR_EVENT_REJECTED;
    self->host->forget(self->owner, &message);
    status = MR_OK;
  } else if (status < 0 && status != MR_TERMINATED) { /* who waits must hear of it, whatever it is; the message may hold the path to the place */
    event = event == MR_EVENT_FULFILLED ? MR_EVENT_REJECTED : event;
    WriteDetail(run, Reason(run, status));
    status = MR_OK;
  }
  if (status == MR_OK) self->host->event(self->owner, event, id, message.data, message.size);
  else self->host->forget(self->owner, &message);
  mr_result_free(&message);
  if (self->terminating.load()) isolate->TerminateExecution(); /* what was stopped in here must not go on out there */
}

/* The function's data: [number of the wait, whether it is the listener to a rejection, and flags, max_depth, max_bytes of the options]. */
void
OnSettled(const v8::FunctionCallbackInfo<v8::Value> &info)
{
  v8::Isolate *isolate = info.GetIsolate();
  auto *self = static_cast<mrv8_isolate *>(isolate->GetData(0));
  v8::Local<v8::Value> parts[5];
  for (uint32_t i = 0; i < 5; i++)
    if (!info.Data().As<v8::Array>()->Get(isolate->GetCurrentContext(), i).ToLocal(&parts[i])) return;
  bool lossless = false;
  uint64_t id = parts[0].As<v8::BigInt>()->Uint64Value(&lossless);
  self->awaited.erase(id);
  mr_options options = mr__default_options;
  options.flags = parts[2].As<v8::Uint32>()->Value();
  options.max_depth = parts[3].As<v8::Uint32>()->Value();
  options.max_bytes = static_cast<uint64_t>(parts[4].As<v8::Number>()->Value());
  v8::Local<v8::Value> value = info[0];
  if (parts[1]->IsTrue()) Tell(self, MR_EVENT_REJECTED, id, mr__default_options, [&](const Run &run) { return WriteRejection(run, value); });
  else Tell(self, MR_EVENT_FULFILLED, id, options, [&](const Run &run) { return Write(run, value); });
}

/* What the event is going to have as its id. */
uint64_t
NumberOf(const Run &run)
{
  return run.request->options->call ? run.request->options->call : run.request->target_handle;
}

bool
NewListener(const Run &run, bool rejected, v8::Local<v8::Function> *listener)
{
  v8::Isolate *isolate = run.isolate;
  const mr_options *options = run.request->options;
  v8::Local<v8::Value> parts[] = {v8::BigInt::NewFromUnsigned(isolate, NumberOf(run)), v8::Boolean::New(isolate, rejected),
                                  v8::Integer::NewFromUnsigned(isolate, options->flags), v8::Integer::NewFromUnsigned(isolate, options->max_depth),
                                  v8::Number::New(isolate, static_cast<double>(options->max_bytes))};
  return v8::Function::New(run.context, OnSettled, v8::Array::New(isolate, parts, 5), 1, v8::ConstructorBehavior::kThrow).ToLocal(listener);
}

void
OnRejectedPromise(v8::PromiseRejectMessage message)
{
  v8::Local<v8::Promise> promise = message.GetPromise();
  v8::Isolate *isolate = v8::Isolate::GetCurrent();
  auto *self = static_cast<mrv8_isolate *>(isolate->GetData(0));
  if (message.GetEvent() == v8::kPromiseRejectWithNoHandler) {
    self->rejections.all.emplace_back(isolate, promise);
    self->rejections.changed = true;
  } else if (message.GetEvent() == v8::kPromiseHandlerAddedAfterReject) {
    ForgetRejection(self, promise);
  }
}

int
SamePromise(const void *local, const mrv8_value *held)
{
  return *static_cast<const v8::Local<v8::Promise> *>(local) == held->value;
}

/* What a microtask threw. V8 would print it. */
void
OnUncaught(v8::Local<v8::Message>, v8::Local<v8::Value> thrown)
{
  v8::Isolate *isolate = v8::Isolate::GetCurrent();
  static_cast<mrv8_isolate *>(isolate->GetData(0))->uncaught.emplace_back(isolate, thrown);
}

void
TellUncaught(const Run &run)
{
  std::vector<v8::Global<v8::Value>> uncaught;
  uncaught.swap(run.self->uncaught);
  for (const auto &held : uncaught) {
    v8::Local<v8::Value> thrown = held.Get(run.isolate);
    Tell(run.self, MR_EVENT_UNCAUGHT, 0, mr__default_options, [thrown](const Run &inner) {
      inner.isolate->ThrowException(thrown);
      return MR_EXCEPTION;
    });
  }
}

}  // namespace

void
WatchRejections(mrv8_isolate *self)
{
  self->isolate->SetPromiseRejectCallback(OnRejectedPromise);
  self->isolate->AddMessageListener(OnUncaught);
}

void
ForgetRejection(mrv8_isolate *self, v8::Local<v8::Promise> promise)
{
  Rejections &rejections = self->rejections;
  auto &all = rejections.all;
  for (; rejections.indexed < all.size(); rejections.indexed++) {
    v8::HandleScope scope(self->isolate);
    if (!all[rejections.indexed].IsEmpty()) rejections.places.emplace(all[rejections.indexed].Get(self->isolate)->GetIdentityHash(), rejections.indexed);
  }
  auto [at, end] = rejections.places.equal_range(promise->GetIdentityHash());
  while (at != end && all[at->second] != promise) ++at;
  if (at == end) return;
  all[at->second].Reset();
  rejections.places.erase(at);
  if (++rejections.gone <= all.size() / 2) return;
  std::vector<v8::Global<v8::Promise>> left;
  for (auto &each : all)
    if (!each.IsEmpty()) left.push_back(std::move(each));
  rejections.Clear();
  all = std::move(left);
}

/* Nothing can settle it any more. */
static void
OnLost(const v8::WeakCallbackInfo<Awaited> &info)
{
  mrv8_isolate *self = info.GetParameter()->self;
  uint64_t number = info.GetParameter()->number;
  self->awaited.erase(number);
  self->lost.push_back(number);
}

mr_status
Await(const Run &run, v8::Local<v8::Value> target)
{
  if (!target->IsPromise()) return MR_BAD_ARGUMENT;
  v8::Local<v8::Promise> promise = target.As<v8::Promise>();
  v8::Local<v8::Function> fulfilled, rejected;
  switch (promise->State()) {
    case v8::Promise::kFulfilled:
      return Write(run, promise->Result());
    case v8::Promise::kRejected:
      promise->MarkAsHandled();
      ForgetRejection(run.self, promise);
      run.isolate->ThrowException(promise->Result());
      return MR_EXCEPTION;
    default:
      break;
  }
  uint64_t number = NumberOf(run);
  auto known = run.self->awaited.find(number);
  if (known != run.self->awaited.end() && known->second->promise == promise) return WriteTag(run, MR_TAG_HOLE); /* it has its listeners */
  if (!NewListener(run, false, &fulfilled) || !NewListener(run, true, &rejected)) return MR_EXCEPTION;
  if (promise->Then(run.context, fulfilled, rejected).IsEmpty()) return MR_EXCEPTION;
  std::unique_ptr<Awaited> awaited(new Awaited{run.self, number, v8::Global<v8::Promise>(run.isolate, promise)});
  awaited->promise.SetWeak(awaited.get(), OnLost, v8::WeakCallbackType::kParameter);
  run.self->awaited[number] = std::move(awaited);
  return WriteTag(run, MR_TAG_HOLE);
}

void
TellLost(mrv8_isolate *self)
{
  std::vector<uint64_t> lost;
  for (const auto &[number, awaited] : self->awaited)
    if (awaited->promise.Get(self->isolate)->State() != v8::Promise::kPending) lost.push_back(number);
  for (uint64_t number : lost) self->awaited.erase(number);
  for (uint64_t number : lost) self->host->event(self->owner, MR_EVENT_REJECTED, number, nullptr, 0);
}

void
TellReleased(mrv8_isolate *self)
{
  std::vector<uint64_t> released;
  released.swap(self->released);
  for (uint64_t id : released) self->host->event(self->owner, MR_EVENT_RELEASED, id, nullptr, 0);
  std::vector<uint64_t> lost;
  lost.swap(self->lost);
  for (uint64_t number : lost) self->host->event(self->owner, MR_EVENT_REJECTED, number, nullptr, 0);
}

/* The client holds the promise, and may still ask. */
static bool
IsHeld(const Run &run, v8::Local<v8::Promise> promise)
{
  auto hash = static_cast<uint32_t>(promise->GetIdentityHash());
  return run.self->host->handle_share(run.self->owner, hash, SamePromise, &promise, 0) != 0;
}

bool
HasErrors(const Run &run)
{
  if (!run.self->uncaught.empty()) return true;
  if (!run.self->rejections.changed) return false;
  for (const auto &promise : run.self->rejections.all)
    if (!promise.IsEmpty() && !IsHeld(run, promise.Get(run.isolate))) return true;
  run.self->rejections.changed = false;
  return false;
}

void
TellErrors(const Run &run)
{
  mrv8_isolate *self = run.self;
  TellUncaught(run);
  std::vector<v8::Global<v8::Promise>> held, unheld;
  for (auto &promise : self->rejections.all) {
    if (promise.IsEmpty()) continue;
    bool is_held = IsHeld(run, promise.Get(run.isolate));
    (is_held ? held : unheld).push_back(std::move(promise));
  }
  self->rejections.Clear();
  self->rejections.all = std::move(held);
  for (const auto &promise : unheld) {
    v8::Local<v8::Value> reason = promise.Get(run.isolate)->Result();
    Tell(self, MR_EVENT_UNHANDLED, 0, mr__default_options, [&](const Run &inner) { return WriteRejection(inner, reason); });
  }
}

void
AddReferencesOfPromises(std::vector<intptr_t> *references)
{
  references->push_back(reinterpret_cast<intptr_t>(OnSettled));
}

void
UnwatchRejections(mrv8_isolate *self)
{
  self->isolate->RemoveMessageListeners(OnUncaught);
}

}  // namespace mrv8
