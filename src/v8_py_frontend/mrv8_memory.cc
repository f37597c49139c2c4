/* mrv8_memory.cc: memory beside the heap, counted and refused: that of buffers; and V8's last words. Any thread. */
#include <atomic>
#include <cstdlib>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <new>

#include "mrv8_compat.h"
#include "mrv8_isolate.h"

namespace {

constexpr uint64_t kDefaultBufferMemory = uint64_t{2} << 30;

std::atomic<uint64_t> all_bytes{0}, all_refused{0};

/* V8's own allocator, with a count. Lives as long as the last buffer of its isolate, which may be after the isolate. */
class CountingAllocator final : public v8::ArrayBuffer::Allocator {
 public:
  explicit CountingAllocator(uint64_t limit) : limit_(limit), inner_(v8::ArrayBuffer::Allocator::NewDefaultAllocator()) {}

  void *Allocate(size_t length) override
  {
    return Counted(length, [&] { return inner_->Allocate(length); });
  }
  void *AllocateUninitialized(size_t length) override
  {
    return Counted(length, [&] { return inner_->AllocateUninitialized(length); });
  }
  void Free(void *data, size_t length) override
  {
    inner_->Free(data, length);
    GiveBack(length);
  }
#if MRV8_AT_LEAST(12, 0)
  size_t MaxAllocationSize() const override { return inner_->MaxAllocationSize(); }
  v8::PageAllocator *GetPageAllocator() override { return inner_->GetPageAllocator(); }
#endif

  bool Take(uint64_t bytes)
  {
    uint64_t before = bytes_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ || before > limit_ - bytes) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        all_refused.fetch_add(1, std::memory_order_relaxed);
        refused_at_.store(collections_.load());
        return false;
      }
    } while (!bytes_.compare_exchange_weak(before, before + bytes, std::memory_order_relaxed));
    all_bytes.fetch_add(bytes, std::memory_order_relaxed);
    return true;
  }

  void GiveBack(uint64_t bytes)
  {
    bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    all_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  }

  void Collected() { collections_.fetch_add(1); }
  bool RefusedSinceCollection() const { return refused_at_.load() == collections_.load(); }

  mrv8_buffers Numbers() const { return {bytes_.load(std::memory_order_relaxed), limit_, refused_.load(std::memory_order_relaxed)}; }

 private:
  template <typename Make>
  void *Counted(size_t length, Make make)
  {
    if (!Take(length)) return nullptr;
    void *made = make();
    if (!made) GiveBack(length);
    return made;
  }

  const uint64_t limit_;
  std::unique_ptr<v8::ArrayBuffer::Allocator> inner_;
  std::atomic<uint64_t> bytes_{0}, refused_{0};
  std::atomic<uint64_t> collections_{0}, refused_at_{UINT64_MAX}; /* of the isolate; how many there were when a request was last refused */
};

/* Memory that V8 takes from the system in pages, without an allocator: WebAssembly's, and that of buffers which can grow. */
struct Pages {
  std::shared_ptr<v8::ArrayBuffer::Allocator> allocator;
  uint64_t bytes;

  CountingAllocator *counter() const { return static_cast<CountingAllocator *>(allocator.get()); }
};

struct AllPages {
  std::mutex mutex;
  std::map<const void *, Pages> by_start;
};

AllPages &
Paged()
{
  static auto *all = new AllPages; /* never deleted: threads may give memory back to the last */
  return *all;
}

mrv8_isolate *
CurrentIsolate()
{
  v8::Isolate *current = v8::Isolate::TryGetCurrent();
  return current ? static_cast<mrv8_isolate *>(current->GetData(0)) : nullptr;
}

[[noreturn]] void
End(const char *where, const char *what)
{
  const mrv8_isolate *self = CurrentIsolate();
  mr__fatal(self ? self->owner : nullptr, where, what);
  std::abort();
}

void
OnFatal(const char *where, const char *what)
{
  End(where, what);
}

/* V8 10.2 says in a bool whether it is the heap, a later one in a struct; the type of the callback picks the function. */
void
OnOutOfMemory(const char *where, bool heap)
{
  End(where, heap ? "the JavaScript heap is full" : "the machine, or the address space, has no memory left");
}

template <typename Details>
void
OnOutOfMemory(const char *where, const Details &details)
{
  OnOutOfMemory(where, details.is_heap_oom);
}

#if MRV8_AT_LEAST(14, 0)
void
OnFailedCheck(const char *, int, const char *what)
{
  End("a check failed", what);
}
#endif

#ifdef _LIBCPP_VERSION
/* An exception that nobody catches; V8 and ICU throw none themselves, so it is operator new's. */
void
OnTerminate()
{
  End("operator new", "the machine, or the address space, has no memory left");
}
#endif

}  // namespace

/* Called by V8 as patched (helpers/patches): the pages that begin at `start` are about to hold so many bytes; SIZE_MAX: they are gone. False: that is too much.
 * The allocator is the isolate's that asks; without one, only what is known is counted. */
bool MiniRacerCountPages(const std::shared_ptr<v8::ArrayBuffer::Allocator> &allocator, const void *start, size_t bytes);

bool
MiniRacerCountPages(const std::shared_ptr<v8::ArrayBuffer::Allocator> &allocator, const void *start, size_t bytes)
{
  AllPages &all = Paged();
  std::lock_guard<std::mutex> guard(all.mutex);
  auto found = all.by_start.find(start);
  if (bytes == SIZE_MAX) {
    if (found == all.by_start.end()) return true;
    found->second.counter()->GiveBack(found->second.bytes);
    all.by_start.erase(found);
    return true;
  }
  if (found == all.by_start.end()) {
    if (!allocator) return true;
    if (!static_cast<CountingAllocator *>(allocator.get())->Take(bytes)) return false;
    all.by_start.emplace(start, Pages{allocator, bytes});
    return true;
  }
  Pages &pages = found->second;
  if (bytes > pages.bytes && !pages.counter()->Take(bytes - pages.bytes)) return false;
  if (bytes < pages.bytes) pages.counter()->GiveBack(pages.bytes - bytes);
  pages.bytes = bytes;
  return true;
}

std::shared_ptr<v8::ArrayBuffer::Allocator>
mrv8::NewAllocator(uint64_t limit)
{
  return std::make_shared<CountingAllocator>(limit ? limit : kDefaultBufferMemory);
}

void
mrv8::BuffersCollected(const mrv8_isolate *self)
{
  static_cast<CountingAllocator *>(self->allocator.get())->Collected();
}

bool
mrv8::IsAboutBuffers(const mrv8_isolate *self)
{
  return static_cast<const CountingAllocator *>(self->allocator.get())->RefusedSinceCollection();
}

void
mrv8::WatchFatal(v8::Isolate *isolate)
{
  isolate->SetFatalErrorHandler(OnFatal);
  isolate->SetOOMErrorHandler(OnOutOfMemory);
}

void
mrv8::WatchFatalEverywhere()
{
  v8::V8::SetFatalMemoryErrorCallback(OnOutOfMemory);
#if MRV8_AT_LEAST(14, 0)
  v8::V8::SetFatalErrorHandler(OnFailedCheck);
#endif
#ifdef _LIBCPP_VERSION
  std::set_terminate(OnTerminate); /* of the C++ library that is linked into ours: nobody else's */
#endif
}

void
mrv8_buffers_of(const mrv8_isolate *self, mrv8_buffers *buffers)
{
  if (self) *buffers = static_cast<CountingAllocator *>(self->allocator.get())->Numbers();
  else *buffers = {all_bytes.load(), 0, all_refused.load()};
}
