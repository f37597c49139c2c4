/* mrv8_now.cc: a property of a plain object or an array, read or written without any code: no getter, no trap of a proxy, no microtask. On the thread that has the lock.
 *
 * It is the shortest way there is, so what a run needs for code is left out, and V8 itself enters the context. */
#include <cstring>

#include "mr_wire.h"
#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace {

constexpr uint32_t kLongestText = 1024; /* characters; a longer one may have to be put together first */
constexpr uint32_t kLongest = 1 << 16;  /* elements of an array: V8 may copy them all to write one */

/* A stay in the isolate in which V8 throws instead of running code, and what it throws is lost. */
class Moment {
 public:
  Moment(mrv8_isolate *self, const mrv8_value *target, uint64_t thread)
      : self_(self),
        isolate_scope_(self->isolate),
        handles_(self->isolate),
        caught_(self->isolate),
        no_code_(self->isolate, v8::Isolate::DisallowJavascriptExecutionScope::THROW_ON_FAILURE),
        context_(mrv8::ContextOf(self, self->realms ? target : nullptr))
  {
    caught_.SetCaptureMessage(false);
    mrv8::LimitStackOf(self, thread);
    self->runs_no_code = true;
  }
  Moment(const Moment &) = delete;
  Moment &operator=(const Moment &) = delete;
  ~Moment() { self_->runs_no_code = false; }

  v8::Local<v8::Context> context() const { return context_; }

 private:
  mrv8_isolate *self_;
  v8::Isolate::Scope isolate_scope_;
  v8::HandleScope handles_;
  v8::TryCatch caught_;
  v8::Isolate::DisallowJavascriptExecutionScope no_code_;
  v8::Local<v8::Context> context_;
};

/* Takes scalars from a message, and short strings. */
class Scalars {
 public:
  Scalars(mrv8_isolate *self, const void *message, size_t size) : self_(self), at_(static_cast<const uint8_t *>(message)), end_(at_ + size) {}

  template <typename T>
  bool Take(T *to)
  {
    if (static_cast<size_t>(end_ - at_) < sizeof *to) return false;
    std::memcpy(to, at_, sizeof *to);
    at_ += sizeof *to;
    return true;
  }

  bool TakePair()
  {
    char tag = 0;
    uint32_t count = 0;
    return Take(&tag) && tag == MR_TAG_ARRAY && Take(&count) && count == 2;
  }

  bool TakeKey(v8::Local<v8::Value> *key)
  {
    char tag = 0;
    const uint8_t *bytes = nullptr;
    uint32_t length = 0;
    if (!Take(&tag)) return false;
    if (tag != MR_TAG_LATIN1) return tag == MR_TAG_INT32 && TakeNumber(key);
    return TakeText(&bytes, &length) && mrv8::NameOf(self_, bytes, length, key) == MR_OK;
  }

  /* The last. */
  bool TakeValue(v8::Local<v8::Value> *value)
  {
    char tag = 0;
    const uint8_t *bytes = at_;
    uint32_t length = 0;
    v8::Local<v8::String> text;
    bool scalar = mrv8::ReadScalar(self_->isolate, at_, static_cast<size_t>(end_ - at_), value);
    if (scalar) at_ = end_;
    if (scalar || !Take(&tag) || tag != MR_TAG_LATIN1 || !TakeText(&bytes, &length)) return scalar;
    if (!v8::String::NewFromOneByte(self_->isolate, bytes, v8::NewStringType::kNormal, static_cast<int>(length)).ToLocal(&text)) return false;
    *value = text;
    return true;
  }

  bool AtEnd() const { return at_ == end_; }

 private:
  bool TakeNumber(v8::Local<v8::Value> *value)
  {
    int32_t number = 0;
    if (!Take(&number)) return false;
    *value = v8::Integer::New(self_->isolate, number);
    return true;
  }

  bool TakeText(const uint8_t **bytes, uint32_t *length)
  {
    if (!Take(length) || *length > kLongestText || static_cast<size_t>(end_ - at_) < *length) return false;
    *bytes = at_;
    at_ += *length;
    return true;
  }

  mrv8_isolate *self_;
  const uint8_t *at_, *end_;
};

/* Whether it takes no longer than it should: an array's length is another matter than a property, and so is an index of what is no array. */
bool
IsSimple(v8::Local<v8::Value> target, v8::Local<v8::Value> key)
{
  if (mrv8::Words(target).IsPlain()) return key->IsString();
  if (!target->IsArray() || !key->IsUint32()) return false;
  uint32_t length = target.As<v8::Array>()->Length();
  return length <= kLongest && key.As<v8::Uint32>()->Value() < length;
}

bool
IsWritten(v8::Local<v8::Value> value)
{
  if (value->IsString()) return static_cast<uint32_t>(value.As<v8::String>()->Length()) <= kLongestText;
  return value->IsNumber() || value->IsBoolean() || value->IsNull() || mrv8::Words(value).IsPlain() || value->IsArray() || value->IsFunction();
}

/* V8 has lost something that the host is to be told of, which is for a run. */
bool
HasToTell(const mrv8_isolate *self)
{
  return self->terminating.load(std::memory_order_relaxed) || !self->released.empty() || !self->lost.empty();
}

}  // namespace

mr_status
mrv8_get_now(mrv8_isolate *self, const mrv8_property *wanted, mr_result *result)
{
  if (HasToTell(self)) return MR_BUSY;
  Moment moment(self, wanted->of, wanted->thread);
  v8::Local<v8::Value> target = wanted->of->value.Get(self->isolate), key, value;
  Scalars message(self, wanted->in, wanted->in_size);
  if (!message.TakeKey(&key) || !message.AtEnd() || !IsSimple(target, key)) return MR_BUSY;
  if (!target.As<v8::Object>()->Get(moment.context(), key).ToLocal(&value) || !IsWritten(value)) return MR_BUSY;
  return mrv8::WriteFlat({self, self->isolate, moment.context(), nullptr, result}, value);
}

mr_status
mrv8_set_now(mrv8_isolate *self, const mrv8_property *wanted)
{
  if (HasToTell(self)) return MR_BUSY;
  Moment moment(self, wanted->of, wanted->thread);
  v8::Local<v8::Value> target = wanted->of->value.Get(self->isolate), key, value;
  Scalars message(self, wanted->in, wanted->in_size);
  if (!message.TakePair() || !message.TakeKey(&key) || !message.TakeValue(&value) || !message.AtEnd() || !IsSimple(target, key)) return MR_BUSY;
  return target.As<v8::Object>()->Set(moment.context(), key, value).IsJust() ? MR_OK : MR_BUSY;
}
