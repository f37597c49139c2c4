/* mrv8_read.cc: from a message to a JavaScript value. Trusts no byte of it. Runs on the thread of the run; owns nothing. */
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "mr_wire.h"
#include "mrv8_run.h"

namespace mrv8 {

bool
Reader::Take(void *to, size_t size)
{
  if (static_cast<size_t>(end_ - at_) < size) return false;
  std::memcpy(to, at_, size);
  at_ += size;
  return true;
}

mr_status
Reader::ReadLatin1(v8::Local<v8::Value> *value)
{
  uint32_t length = 0;
  if (!Take(&length, sizeof length) || static_cast<size_t>(end_ - at_) < length) return MR_BAD_MESSAGE;
  if (length > static_cast<uint32_t>(v8::String::kMaxLength)) return MR_TOO_LARGE;
  v8::Local<v8::String> string;
  if (!v8::String::NewFromOneByte(run_.isolate, at_, v8::NewStringType::kNormal, static_cast<int>(length)).ToLocal(&string)) return MR_EXCEPTION;
  at_ += length;
  *value = string;
  return MR_OK;
}

mr_status
Reader::ReadUtf16(v8::Local<v8::Value> *value)
{
  uint32_t length = 0;
  if (!Take(&length, sizeof length) || static_cast<size_t>(end_ - at_) / 2 < length) return MR_BAD_MESSAGE;
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
  if (!v8::String::NewFromTwoByte(run_.isolate, units, v8::NewStringType::kNormal, static_cast<int>(length)).ToLocal(&string)) return MR_EXCEPTION;
  at_ += size_t{2} * length;
  *value = string;
  return MR_OK;
}

mr_status
Reader::ReadBigInt(v8::Local<v8::Value> *value)
{
  uint8_t negative = 0;
  uint32_t size = 0;
  if (!Take(&negative, 1) || negative > 1 || !Take(&size, sizeof size) || static_cast<size_t>(end_ - at_) < size) return MR_BAD_MESSAGE;
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
  if (!Take(&kind, sizeof kind) || !Take(&handle, sizeof handle)) return MR_BAD_MESSAGE;
  mrv8_value *held = run_.self->host->handle_get(run_.self->owner, handle);
  if (!held) return MR_BAD_HANDLE;
  *value = held->value.Get(run_.isolate);
  return MR_OK;
}

mr_status
Reader::ReadArrayHead(uint32_t *count)
{
  char tag = 0;
  if (!Take(&tag, 1) || tag != MR_TAG_ARRAY || !Take(count, sizeof *count)) return MR_BAD_MESSAGE;
  return *count <= static_cast<size_t>(end_ - at_) ? MR_OK : MR_BAD_MESSAGE; /* an element takes a byte at least */
}

mr_status
Reader::ReadArray(v8::Local<v8::Value> *value)
{
  uint32_t count = 0;
  if (!Take(&count, sizeof count) || count > static_cast<size_t>(end_ - at_)) return MR_BAD_MESSAGE;
  if (++depth_ > run_.request->options->max_depth) return MR_TOO_DEEP;
  std::vector<v8::Local<v8::Value>> elements(count);
  for (uint32_t i = 0; i < count; i++) {
    mr_status status = Read(&elements[i]);
    if (status != MR_OK) return status;
  }
  depth_--;
  *value = v8::Array::New(run_.isolate, elements.data(), count);
  return MR_OK;
}

mr_status
Reader::ReadNumbers(v8::Local<v8::Value> *value, bool doubles)
{
  uint32_t count = 0;
  size_t size = doubles ? sizeof(double) : sizeof(int32_t);
  if (!Take(&count, sizeof count) || static_cast<size_t>(end_ - at_) / size < count) return MR_BAD_MESSAGE;
  std::vector<v8::Local<v8::Value>> elements(count);
  for (uint32_t i = 0; i < count; i++) {
    double number = 0;
    int32_t integer = 0;
    if (doubles) Take(&number, size);
    else Take(&integer, size);
    elements[i] = doubles ? v8::Number::New(run_.isolate, number).As<v8::Value>() : v8::Integer::New(run_.isolate, integer).As<v8::Value>();
  }
  *value = v8::Array::New(run_.isolate, elements.data(), count);
  return MR_OK;
}

mr_status
Reader::Read(v8::Local<v8::Value> *value)
{
  char tag = 0;
  if (!Take(&tag, 1)) return MR_BAD_MESSAGE;
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
      if (!Take(&number, sizeof number)) return MR_BAD_MESSAGE;
      *value = v8::Integer::New(run_.isolate, number);
      return MR_OK;
    }
    case MR_TAG_DOUBLE: {
      double number = 0;
      if (!Take(&number, sizeof number)) return MR_BAD_MESSAGE;
      *value = v8::Number::New(run_.isolate, number);
      return MR_OK;
    }
    case MR_TAG_DATE: {
      double time = 0;
      if (!Take(&time, sizeof time)) return MR_BAD_MESSAGE;
      return v8::Date::New(run_.context, time).ToLocal(value) ? MR_OK : MR_EXCEPTION;
    }
    case MR_TAG_BIGINT:
      return ReadBigInt(value);
    case MR_TAG_LATIN1:
      return ReadLatin1(value);
    case MR_TAG_UTF16:
      return ReadUtf16(value);
    case MR_TAG_HANDLE:
      return ReadHandle(value);
    case MR_TAG_ARRAY:
      return ReadArray(value);
    case MR_TAG_INT32S:
    case MR_TAG_DOUBLES:
      return ReadNumbers(value, tag == MR_TAG_DOUBLES);
    default:
      return MR_BAD_MESSAGE;
  }
}

}  // namespace mrv8
