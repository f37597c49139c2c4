/* mrv8_text.cc: strings whose characters stay where they are. On the thread of the run, but for the end of one: V8 lets go of them in a collection, on any of its threads, or with
 * the isolate. Owns each isolate's list of the last ones. */
#include <atomic>
#include <memory>
#include <new>

#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

/* The last texts of the host's that became strings: one that comes again is the string that there is, whose memory counts once. */
struct KnownTexts {
  static constexpr unsigned kPlaces = 4;
  struct Place {
    std::atomic<const void *> resource{nullptr}; /* null: V8 has let go of it, and the host may use its memory for something else */
    mr_text text{nullptr, 0, 0, 0, nullptr, nullptr};
    v8::Global<v8::String> string; /* weak */
  };
  Place places[kPlaces];
  unsigned next = 0;
};

namespace {

template <typename Resource, typename Unit>
class HeldText final : public Resource {
 public:
  HeldText(mrv8_isolate *counted, const mr_text &text) : counted_(counted), text_(text) {}
  HeldText(const HeldText &) = delete;
  HeldText &operator=(const HeldText &) = delete;
  ~HeldText() override
  {
    if (!text_.release) return;
    if (counted_ && counted_->known_texts)
      for (auto &place : counted_->known_texts->places)
        if (place.resource.load() == this) place.resource.store(nullptr);
    if (counted_) CountExternalMemory(counted_->isolate, -static_cast<int64_t>(text_.size));
    text_.release(text_.owner);
  }

  const Unit *data() const override { return static_cast<const Unit *>(text_.data); }
  size_t length() const override { return text_.size / sizeof(Unit); }
  void Keep() { text_.release = nullptr; } /* it stays the owner's */

 private:
  mrv8_isolate *counted_; /* NULL: it counts towards no limit */
  mr_text text_;
};

using Narrow = HeldText<v8::String::ExternalOneByteStringResource, char>;
using Wide = HeldText<v8::String::ExternalStringResource, uint16_t>;

v8::MaybeLocal<v8::String>
MakeExternal(v8::Isolate *isolate, Narrow *resource)
{
  return v8::String::NewExternalOneByte(isolate, resource);
}

v8::MaybeLocal<v8::String>
MakeExternal(v8::Isolate *isolate, Wide *resource)
{
  return v8::String::NewExternalTwoByte(isolate, resource);
}

/* `made`: the resource. */
template <typename Kind>
mr_status
Hold(const Run &run, const mr_text &text, bool counted, const void **made, v8::Local<v8::String> *string)
{
  std::unique_ptr<Kind> resource(new (std::nothrow) Kind(counted ? run.self : nullptr, text));
  if (!resource) return MR_NO_MEMORY;
  *made = resource.get();
  if (MakeExternal(run.isolate, resource.get()).ToLocal(string)) return (void)resource.release(), MR_OK;
  resource->Keep();
  return MR_EXCEPTION;
}

/* What V8 still reads has not changed, whoever gives it now. */
bool
IsSame(const mr_text &one, const mr_text &other)
{
  return one.data == other.data && one.size == other.size && one.encoding == other.encoding;
}

mr_status
HoldText(const Run &run, const mr_text &text, bool counted, const void **made, v8::Local<v8::String> *string)
{
  return text.encoding == MR_UTF16 ? Hold<Wide>(run, text, counted, made, string) : Hold<Narrow>(run, text, counted, made, string);
}

}  // namespace

mr_status
HoldUncounted(const Run &run, const mr_text &text, v8::Local<v8::String> *string)
{
  const void *made = nullptr;
  return HoldText(run, text, false, &made, string);
}

mr_status
ReadText(const Run &run, mr_text *text, v8::Local<v8::String> *string)
{
  size_t unit = text->encoding == MR_UTF16 ? sizeof(uint16_t) : 1;
  if ((text->encoding != MR_LATIN1 && text->encoding != MR_UTF16) || (text->size && !text->data) || text->size % unit) return MR_BAD_MESSAGE;
  if (text->size / unit > static_cast<size_t>(v8::String::kMaxLength)) return MR_TOO_LARGE;
  bool aligned = reinterpret_cast<uintptr_t>(text->data) % unit == 0;
  if (!text->size || !text->release || text->taken || !aligned || run.self->creator) /* a snapshot has all in its heap */
    return MakeString(run, text->size ? text->data : "", text->size, text->encoding, string);
  if (!run.self->known_texts) run.self->known_texts = std::make_shared<KnownTexts>();
  for (auto &place : run.self->known_texts->places) {
    if (!place.resource.load() || place.string.IsEmpty() || !IsSame(place.text, *text)) continue;
    *string = place.string.Get(run.isolate);
    return MR_OK;
  }
  const void *made = nullptr;
  mr_status status = HoldText(run, *text, true, &made, string);
  if (status != MR_OK) return status;
  text->taken = 1;
  KnownTexts::Place &place = run.self->known_texts->places[run.self->known_texts->next++ % KnownTexts::kPlaces];
  place.text = *text;
  place.string.Reset(run.isolate, *string);
  place.string.SetWeak();
  place.resource.store(made);
  CountExternalMemory(run.isolate, static_cast<int64_t>(text->size)); /* V8 may collect now */
  return MR_OK;
}

}  // namespace mrv8
