/* mrv8_buffer.cc: JavaScript's memory in the host's hands. Makes stores, which keep a backing store alive whatever becomes of the buffer and the isolate. */
#include <cstring>
#include <new>

#include "mr_result.h"
#include "mr_wire.h"
#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

uint8_t
ElementOf(v8::Local<v8::Value> view)
{
  if (view->IsUint8Array()) return MR_ELEMENT_UINT8;
  if (view->IsFloat64Array()) return MR_ELEMENT_FLOAT64;
  if (view->IsFloat32Array()) return MR_ELEMENT_FLOAT32;
  if (view->IsInt32Array()) return MR_ELEMENT_INT32;
  if (view->IsUint32Array()) return MR_ELEMENT_UINT32;
  if (view->IsInt8Array()) return MR_ELEMENT_INT8;
  if (view->IsUint8ClampedArray()) return MR_ELEMENT_UINT8_CLAMPED;
  if (view->IsInt16Array()) return MR_ELEMENT_INT16;
  if (view->IsUint16Array()) return MR_ELEMENT_UINT16;
  if (view->IsBigInt64Array()) return MR_ELEMENT_BIGINT64;
  if (view->IsBigUint64Array()) return MR_ELEMENT_BIGUINT64;
#if MRV8_AT_LEAST(13, 0)
  if (view->IsFloat16Array()) return MR_ELEMENT_FLOAT16;
#endif
  return MR_ELEMENT_DATA_VIEW;
}

/* What a buffer's message says, before it has a handle. */
struct Span {
  uint8_t element = MR_ELEMENT_BYTES;
  uint8_t flags = 0;
  std::shared_ptr<v8::BackingStore> store;
  uint8_t *address = nullptr;
  size_t size = 0;
};

Span
SpanOf(v8::Local<v8::Object> object)
{
  Span span;
  if (object->IsArrayBufferView()) {
    auto view = object.As<v8::ArrayBufferView>();
    span.element = ElementOf(object);
    span.size = view->ByteLength();
    span.store = view->Buffer()->GetBackingStore();
    if (span.store && span.size) span.address = static_cast<uint8_t *>(span.store->Data()) + view->ByteOffset();
    return span;
  }
  if (object->IsSharedArrayBuffer()) {
    span.store = object.As<v8::SharedArrayBuffer>()->GetBackingStore();
    span.size = object.As<v8::SharedArrayBuffer>()->ByteLength();
  } else {
    span.store = object.As<v8::ArrayBuffer>()->GetBackingStore();
    span.size = object.As<v8::ArrayBuffer>()->ByteLength();
  }
  if (span.store && span.size) span.address = static_cast<uint8_t *>(span.store->Data());
  return span;
}

}  // namespace

mr_status
WriteBuffer(const Run &run, v8::Local<v8::Object> buffer)
{
  Span span = SpanOf(buffer);
  if (span.store && CanShrink(*span.store) && span.size) {
    std::unique_ptr<v8::BackingStore> copy = NewStore(run.isolate, run.self->allocator, span.size, false);
    if (!copy) return MR_NO_MEMORY;
    std::memcpy(copy->Data(), span.address, span.size);
    span.address = static_cast<uint8_t *>(copy->Data());
    span.store = std::move(copy);
    span.flags = MR_BUFFER_COPY;
  }
  uint64_t store = 0, handle = 0, address = reinterpret_cast<uintptr_t>(span.address), size = span.address ? span.size : 0;
  if (size) {
    std::unique_ptr<mrv8_store> held(new (std::nothrow) mrv8_store{std::move(span.store)});
    store = held ? run.self->host->store_new(held.get()) : 0;
    if (!store) return MR_NO_MEMORY;
    (void)held.release();
  }
  if (!span.flags && !(handle = HandleOf(run, buffer))) return MR_NO_MEMORY;
  uint8_t head[] = {span.element, span.flags};
  uint64_t numbers[] = {store, address, size, handle};
  return mr__result_put_tag(run.result, MR_TAG_BUFFER, head, sizeof head) && mr__result_put(run.result, numbers, sizeof numbers) ? MR_OK : MR_NO_MEMORY;
}

}  // namespace mrv8

void
mrv8_store_delete(mrv8_store *store)
{
  delete store;
}

int
mrv8_store_is_shared(const mrv8_store *store)
{
  return store->store.use_count() > 1;
}
