/* mrv8_promise.cc: what becomes of promises: waiting for one, and those that were rejected while nobody looked. On the thread that has the lock. */
#include "mr_result.h"
#include "mr_wire.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

/* Writes one message with `write`, and tells the host. */
template <typename Writer>
void
Tell(mrv8_isolate *self, uint32_t event, uint64_t id, uint32_t flags, Writer write)
{
  v8::Isolate *isolate = self->isolate;
  mr_options options = {sizeof(mr_options), flags, 0, 0, UINT64_C(1) << 30, 400, 0, nullptr, 0, 0, nullptr, 0, 0};
  mrv8_request request = {MRV8_NOTHING, 0, nullptr, 0, nullptr, 0, nullptr, 0, &options};
  mr_result message = {};
  mr_result_free(&message); /* makes it ready for use */
  Run run{self, isolate, isolate->GetCurrentContext(), &request, &message};
  v8::TryCatch caught(isolate);
  mr_status status = write(run);
  if (status == MR_EXCEPTION && !caught.HasTerminated()) {
    mr__result_start(&message);
    event = event == MR_EVENT_FULFILLED ? MR_EVENT_REJECTED : event;
    status = WriteException(run, caught, 0);
  }
  if (status == MR_OK) self->host->event(self->owner, event, id, message.data, message.size);
  mr_result_free(&message);
  if (caught.HasTerminated()) caught.ReThrow();
}

/* The function's data: [handle of the promise, flags of the options, whether it is the one for a rejection]. */
void
OnSettled(const v8::FunctionCallbackInfo<v8::Value> &info)
{
  v8::Isolate *isolate = info.GetIsolate();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  auto *self = static_cast<mrv8_isolate *>(isolate->GetData(0));
  v8::Local<v8::Array> data = info.Data().As<v8::Array>();
  v8::Local<v8::Value> handle, flags, rejected;
  if (!data->Get(context, 0).ToLocal(&handle) || !data->Get(context, 1).ToLocal(&flags) || !data->Get(context, 2).ToLocal(&rejected)) return;
  bool lossless = false;
  uint64_t id = handle.As<v8::BigInt>()->Uint64Value(&lossless);
  v8::Local<v8::Value> value = info[0];
  if (rejected->IsTrue()) Tell(self, MR_EVENT_REJECTED, id, 0, [&](const Run &run) { return WriteRejection(run, value); });
  else Tell(self, MR_EVENT_FULFILLED, id, flags.As<v8::Uint32>()->Value(), [&](const Run &run) { return Write(run, value); });
}

bool
NewListener(const Run &run, bool rejected, v8::Local<v8::Function> *listener)
{
  v8::Isolate *isolate = run.isolate;
  v8::Local<v8::Value> parts[] = {v8::BigInt::NewFromUnsigned(isolate, run.request->target_handle),
                                  v8::Integer::NewFromUnsigned(isolate, run.request->options->flags), v8::Boolean::New(isolate, rejected)};
  return v8::Function::New(run.context, OnSettled, v8::Array::New(isolate, parts, 3), 1, v8::ConstructorBehavior::kThrow).ToLocal(listener);
}

/* Somebody has taken notice. */
void
ForgetRejection(mrv8_isolate *self, v8::Local<v8::Promise> promise)
{
  auto &all = self->rejections;
  for (size_t i = all.size(); i-- > 0;)
    if (all[i].promise == promise) all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
}

void
OnRejectedPromise(v8::PromiseRejectMessage message)
{
  v8::Local<v8::Promise> promise = message.GetPromise();
  v8::Isolate *isolate = v8::Isolate::GetCurrent();
  auto *self = static_cast<mrv8_isolate *>(isolate->GetData(0));
  if (message.GetEvent() == v8::kPromiseRejectWithNoHandler) {
    self->rejections.push_back({v8::Global<v8::Promise>(isolate, promise), v8::Global<v8::Value>(isolate, message.GetValue())});
  } else if (message.GetEvent() == v8::kPromiseHandlerAddedAfterReject) {
    ForgetRejection(self, promise);
  }
}

int
SamePromise(const void *local, const mrv8_value *held)
{
  return *static_cast<const v8::Local<v8::Promise> *>(local) == held->value;
}

}  // namespace

void
WatchRejections(mrv8_isolate *self)
{
  self->isolate->SetPromiseRejectCallback(OnRejectedPromise);
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
  if (!NewListener(run, false, &fulfilled) || !NewListener(run, true, &rejected)) return MR_EXCEPTION;
  if (promise->Then(run.context, fulfilled, rejected).IsEmpty()) return MR_EXCEPTION;
  return WriteTag(run, MR_TAG_HOLE);
}

void
TellHost(const Run &run)
{
  mrv8_isolate *self = run.self;
  std::vector<uint64_t> released;
  released.swap(self->released);
  for (uint64_t id : released) self->host->event(self->owner, MR_EVENT_RELEASED, id, nullptr, 0);
  if (self->rejections.empty()) return;
  std::vector<Rejection> rejections, kept;
  rejections.swap(self->rejections);
  for (Rejection &rejection : rejections) {
    v8::Local<v8::Promise> promise = rejection.promise.Get(run.isolate);
    auto hash = static_cast<uint32_t>(promise->GetIdentityHash());
    if (self->host->handle_share(self->owner, hash, SamePromise, &promise, 0)) { /* the client may still ask */
      kept.push_back(std::move(rejection));
      continue;
    }
    v8::Local<v8::Value> reason = rejection.reason.Get(run.isolate);
    Tell(self, MR_EVENT_UNHANDLED, 0, 0, [&](const Run &inner) { return WriteRejection(inner, reason); });
  }
  for (Rejection &rejection : kept) self->rejections.push_back(std::move(rejection));
}

}  // namespace mrv8
