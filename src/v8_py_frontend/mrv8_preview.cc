/* mrv8_preview.cc: a short text about a value, for people. Runs none of the script's code: no getters, no traps, no toString. */
#include <string>

#include "mr_wire.h"
#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

constexpr uint32_t kMost = 5; /* properties or elements */
constexpr int kLongest = 40;  /* characters of a string or a name */

void
Add(const Run &run, std::u16string *text, v8::Local<v8::String> part)
{
  AppendText(run, text, part, kLongest);
}

void
AddAscii(std::u16string *text, const std::string &part)
{
  text->append(part.begin(), part.end());
}

/* A value within another: primitives as they are, of the rest the class. */
void
AddInner(const Run &run, std::u16string *text, v8::Local<v8::Value> value)
{
  v8::Local<v8::String> string;
  if (value->IsProxy()) return AddAscii(text, "Proxy");
  if (value->IsFunction()) return AddAscii(text, "function");
  if (value->IsObject()) return Add(run, text, value.As<v8::Object>()->GetConstructorName());
  if (!value->ToDetailString(run.context).ToLocal(&string)) return;
  bool quoted = value->IsString();
  if (quoted) *text += u'"';
  Add(run, text, string);
  if (quoted) *text += u'"';
}

/* Own data properties, without running a getter. */
void
AddProperties(const Run &run, std::u16string *text, v8::Local<v8::Object> object)
{
  v8::Local<v8::Array> names;
  auto filter = static_cast<v8::PropertyFilter>(v8::ONLY_ENUMERABLE | v8::SKIP_SYMBOLS);
  if (!object->GetPropertyNames(run.context, v8::KeyCollectionMode::kOwnOnly, filter, v8::IndexFilter::kIncludeIndices, v8::KeyConversionMode::kConvertToString)
           .ToLocal(&names))
    return;
  uint32_t count = names->Length();
  bool array = object->IsArray();
  *text += array ? u'[' : u'{';
  for (uint32_t i = 0; i < count && i < kMost; i++) {
    v8::Local<v8::Value> name, description, value;
    v8::Local<v8::String> key = v8::String::NewFromUtf8Literal(run.isolate, "value");
    if (!names->Get(run.context, i).ToLocal(&name)) return;
    if (i) AddAscii(text, ", ");
    if (!array) {
      Add(run, text, name.As<v8::String>());
      AddAscii(text, ": ");
    }
    if (!object->GetOwnPropertyDescriptor(run.context, name.As<v8::Name>()).ToLocal(&description) || !description->IsObject()) continue;
    bool plain = false;
    if (!description.As<v8::Object>()->HasOwnProperty(run.context, key).To(&plain)) return;
    if (!plain) AddAscii(text, "<getter>");
    else if (description.As<v8::Object>()->Get(run.context, key).ToLocal(&value)) AddInner(run, text, value);
  }
  if (count > kMost) text->append(u", \u2026");
  *text += array ? u']' : u'}';
}

}  // namespace

mr_status
Preview(const Run &run, v8::Local<v8::Value> target)
{
  std::u16string text;
  if (target->IsFunction() && !target->IsProxy()) {
    v8::Local<v8::Value> name = target.As<v8::Function>()->GetDebugName();
    AddAscii(&text, "function ");
    if (name->IsString()) Add(run, &text, name.As<v8::String>());
  } else if (target->IsProxy() || !target->IsObject()) {
    AddInner(run, &text, target);
  } else {
    v8::Local<v8::Object> object = target.As<v8::Object>();
    Add(run, &text, object->GetConstructorName());
    if (object->IsArray()) AddAscii(&text, "(" + std::to_string(object.As<v8::Array>()->Length()) + ")");
    text += u' ';
    AddProperties(run, &text, object);
  }
  WriteDetail(run, text);
  return MR_OK;
}

}  // namespace mrv8
