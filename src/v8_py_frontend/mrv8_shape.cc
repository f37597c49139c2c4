/* mrv8_shape.cc: objects of the same names that come again and again, such as records. Those are made at once, and not property by property, in which V8 would look for
 * the object's next shape each time. During mrv8_run(), on its thread. */
#include <string>
#include <string_view>
#include <vector>

#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

#if MRV8_AT_LEAST(13, 0)

namespace {

constexpr size_t kPlaces = 64;
constexpr uint32_t kOften = 4;           /* how many in a row of those that have the place */
constexpr uint32_t kMostTemplates = 256; /* V8 keeps them as long as the isolate */

struct Shape {
  uint64_t last = 0; /* the hash of the names that came last */
  uint32_t times = 0;
  std::vector<v8::Global<v8::Name>> names;
  v8::Global<v8::DictionaryTemplate> objects; /* empty: there is none yet */
};

/* What V8 takes for a name in a template: no index, and we leave out what is not ASCII or has a meaning of its own. */
bool
IsPlain(const Run &run, v8::Local<v8::Name> name, std::string *text)
{
  auto string = name.As<v8::String>();
  if (!string->IsOneByte() || string->Length() > 256) return false;
  text->resize(static_cast<size_t>(string->Length()));
  if (!text->empty()) CopyLatin1(run.isolate, string, reinterpret_cast<uint8_t *>(&(*text)[0]));
  for (char unit : *text)
    if (static_cast<unsigned char>(unit) >= 0x80) return false;
  return !text->empty() && ((*text)[0] < '0' || (*text)[0] > '9') && *text != "__proto__";
}

/* A template for the names; none where two are the same, or one is no plain name. */
void
Learn(const Run &run, Shape *shape, const v8::Local<v8::Name> *names, size_t count)
{
  std::vector<std::string> texts(count);
  for (size_t i = 0; i < count; i++) {
    if (!IsPlain(run, names[i], &texts[i])) return;
    for (size_t before = 0; before < i; before++)
      if (names[before] == names[i]) return;
  }
  std::vector<std::string_view> views(texts.begin(), texts.end());
  shape->names.clear();
  for (size_t i = 0; i < count; i++) shape->names.emplace_back(run.isolate, names[i]);
  shape->objects.Reset(run.isolate, v8::DictionaryTemplate::New(run.isolate, v8::MemorySpan<const std::string_view>(views.data(), count)));
}

bool
HasNames(const Shape &shape, const v8::Local<v8::Name> *names, size_t count)
{
  if (shape.objects.IsEmpty() || shape.names.size() != count) return false;
  for (size_t i = 0; i < count; i++)
    if (shape.names[i] != names[i]) return false;
  return true;
}

}  // namespace

struct KnownShapes {
  Shape places[kPlaces];
  uint32_t templates = 0;
};

v8::MaybeLocal<v8::Object>
NewOfShape(const Run &run, uint64_t hash, const v8::Local<v8::Name> *names, v8::MaybeLocal<v8::Value> *values, size_t count)
{
  mrv8_isolate *self = run.self;
  if (!count || !hash || self->creator) return v8::MaybeLocal<v8::Object>();
  if (!self->shapes) self->shapes = std::make_shared<KnownShapes>();
  Shape *shape = &self->shapes->places[hash % kPlaces];
  if (HasNames(*shape, names, count))
    return shape->objects.Get(run.isolate)->NewInstance(run.context, v8::MemorySpan<v8::MaybeLocal<v8::Value>>(values, count));
  shape->times = shape->last == hash ? shape->times + 1 : 1;
  shape->last = hash;
  if (shape->times == kOften && self->shapes->templates < kMostTemplates) {
    self->shapes->templates++;
    Learn(run, shape, names, count);
  }
  return v8::MaybeLocal<v8::Object>();
}

#else

struct KnownShapes {};

v8::MaybeLocal<v8::Object>
NewOfShape(const Run &, uint64_t, const v8::Local<v8::Name> *, v8::MaybeLocal<v8::Value> *, size_t)
{
  return v8::MaybeLocal<v8::Object>();
}

#endif

}  // namespace mrv8
