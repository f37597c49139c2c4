/* mrv8_write.cc: from a JavaScript value to a message. Runs on the thread of the run; owns nothing. */
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
    CopyUtf16(run.isolate, string, reinterpret_cast<uint16_t *>(to));
    return MR_OK;
  }
  std::unique_ptr<uint16_t[]> aligned(new (std::nothrow) uint16_t[length]);
  if (!aligned) return MR_NO_MEMORY;
  CopyUtf16(run.isolate, string, aligned.get());
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
  bool ok = mr__result_put_tag(run.result, MR_TAG_BIGINT, &sign, 1) && mr__result_put(run.result, &size, sizeof size) && mr__result_put(run.result, magnitude.get(), size);
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
  if (value->IsArrayBuffer() || value->IsSharedArrayBuffer()) return MR_KIND_ARRAY_BUFFER;
  if (value->IsArrayBufferView()) return MR_KIND_VIEW;
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
  const mrv8_host *host = run.self->host;
  auto hash = static_cast<uint32_t>(value->IsObject() ? value.As<v8::Object>()->GetIdentityHash() : value.As<v8::Name>()->GetIdentityHash());
  mr_handle handle = host->handle_share(run.self->owner, hash, Same, &value);
  if (!handle) {
    std::unique_ptr<mrv8_value> held(new (std::nothrow) mrv8_value);
    if (!held) return MR_NO_MEMORY;
    held->value.Reset(run.isolate, value);
    handle = host->handle_new(run.self->owner, hash, held.get());
    if (!handle) return MR_NO_MEMORY;
    (void)held.release();
  }
  uint8_t payload[9] = {KindOf(value)};
  std::memcpy(payload + 1, &handle, sizeof handle);
  return Put(run, MR_TAG_HANDLE, payload, sizeof payload);
}

}  // namespace

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

mr_status
Write(const Run &run, v8::Local<v8::Value> value)
{
  if (value->IsInt32()) {
    int32_t number = value.As<v8::Int32>()->Value();
    return Put(run, MR_TAG_INT32, &number, sizeof number);
  }
  if (value->IsString()) return WriteString(run, value.As<v8::String>());
  if (value->IsNumber()) {
    double number = value.As<v8::Number>()->Value();
    return Put(run, MR_TAG_DOUBLE, &number, sizeof number);
  }
  if (value->IsUndefined()) return WriteTag(run, MR_TAG_UNDEFINED);
  if (value->IsNull()) return WriteTag(run, MR_TAG_NULL);
  if (value->IsBoolean()) return WriteTag(run, value->IsTrue() ? MR_TAG_TRUE : MR_TAG_FALSE);
  if (value->IsBigInt()) return WriteBigInt(run, value.As<v8::BigInt>());
  if (value->IsDate()) {
    double time = value.As<v8::Date>()->ValueOf();
    return Put(run, MR_TAG_DATE, &time, sizeof time);
  }
  return WriteHandle(run, value);
}

}  // namespace mrv8
