/* mrv8_iterate.cc: JavaScript's iterators in the host's hands. During mrv8_run(), on its thread. */
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

}  // namespace mrv8
