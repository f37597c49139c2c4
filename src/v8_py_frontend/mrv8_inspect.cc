/* mrv8_inspect.cc: what a value looks like in a console. Runs none of the script's code. */
#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>

#include "mrv8_compat.h"
#include "mrv8_console.h"

namespace mrv8 {

namespace {

constexpr int kMostValues = 10000;     /* in one text */
constexpr uint32_t kMostEntries = 100; /* of one object */
constexpr uint32_t kMostHoles = 1000;  /* elements of one array that are looked at */
constexpr size_t kLargestMap = 100000; /* V8 copies a Map whole before it shows the first entry */
constexpr int kLongestInner = 10000;   /* characters of a string within an object */
constexpr int kLongestBigInt = 256;    /* words of 64 bits: the time to print one grows faster than its size */
constexpr int kDeepest = 20;

}  // namespace

void
Inspector::Add(const char *ascii)
{
  for (; *ascii; ascii++) text += static_cast<char16_t>(*ascii);
}

bool
Inspector::IsFull()
{
  if (!stopped_ && (++shown_ > kMostValues || text.size() > kLongestText || StackIsLow())) {
    stopped_ = true;
    text += u'\u2026';
  }
  return stopped_;
}

void
Inspector::ShowAlone(v8::Local<v8::Value> value)
{
  if (IsFull()) return;
  if (value->IsString()) return Add(value.As<v8::String>());
  Show(value, 0);
}

void
Inspector::Show(v8::Local<v8::Value> value, int depth)
{
  if (IsFull()) return;
  if (!value->IsObject()) return ShowPrimitive(value, true);
  v8::Local<v8::Object> object = value.As<v8::Object>();
  if (std::find(around_.begin(), around_.end(), object) != around_.end()) return Add("[Circular]");
  around_.push_back(object);
  ShowObject(object, depth);
  around_.pop_back();
}

void
Inspector::ShowText(v8::Local<v8::Value> value)
{
  v8::Local<v8::String> string;
  if (value->ToDetailString(run_.context).ToLocal(&string)) Add(string, kLongestInner);
}

void
Inspector::ShowPrimitive(v8::Local<v8::Value> value, bool quoted)
{
  if (value->IsString()) return quoted ? ShowQuoted(value.As<v8::String>()) : Add(value.As<v8::String>(), kLongestInner);
  if (value->IsNumber() && value.As<v8::Number>()->Value() == 0 && std::signbit(value.As<v8::Number>()->Value())) return Add("-0");
  if (value->IsBigInt() && value.As<v8::BigInt>()->WordCount() > kLongestBigInt) {
    char said[64];
    std::snprintf(said, sizeof said, "BigInt(%lld bits)", 64LL * value.As<v8::BigInt>()->WordCount());
    return Add(said);
  }
  ShowText(value);
  if (value->IsBigInt()) text += u'n';
}

void
Inspector::ShowQuoted(v8::Local<v8::String> string)
{
  std::u16string plain;
  AppendText(run_, &plain, string, kLongestInner);
  text += u'\'';
  for (char16_t c : plain) {
    char escaped[8];
    if (c == u'\n') Add("\\n");
    else if (c == u'\r') Add("\\r");
    else if (c == u'\t') Add("\\t");
    else if (c == u'\'' || c == u'\\') (text += u'\\') += c;
    else if (c < 0x20 || c == 0x7f) std::snprintf(escaped, sizeof escaped, "\\x%02x", c), Add(escaped);
    else text += c;
  }
  text += u'\'';
}

bool
Inspector::Own(v8::Local<v8::Object> object, v8::Local<v8::Name> key, v8::Local<v8::Value> *value, bool *getter)
{
  *getter = false;
  if (object->IsProxy()) return false;
  v8::TryCatch caught(run_.isolate);
  v8::Local<v8::Value> found;
  v8::Local<v8::String> name = v8::String::NewFromUtf8Literal(run_.isolate, "value", v8::NewStringType::kInternalized);
  bool plain = false, read = object->GetOwnPropertyDescriptor(run_.context, key).ToLocal(&found);
  if (read && !found->IsObject()) return false;
  if (read && found.As<v8::Object>()->HasOwnProperty(run_.context, name).To(&plain)) {
    *getter = !plain;
    if (plain && found.As<v8::Object>()->Get(run_.context, name).ToLocal(value)) return true;
  }
  if (caught.HasTerminated()) {
    stopped_ = true;
    caught.ReThrow();
  }
  return false; /* of a module that has not been evaluated: it has no value yet */
}

v8::Local<v8::Array>
Inspector::Keys(v8::Local<v8::Object> object, bool elements)
{
  v8::Local<v8::Array> names;
  auto indices = elements ? v8::IndexFilter::kIncludeIndices : v8::IndexFilter::kSkipIndices;
  v8::TryCatch caught(run_.isolate);
  if (object->IsProxy() ||
      !object->GetPropertyNames(run_.context, v8::KeyCollectionMode::kOwnOnly, v8::PropertyFilter::ONLY_ENUMERABLE, indices).ToLocal(&names))
    names = v8::Array::New(run_.isolate);
  if (caught.HasTerminated()) {
    stopped_ = true;
    caught.ReThrow();
  }
  return names;
}

v8::Local<v8::Name>
Inspector::KeyOf(uint32_t index)
{
  v8::Local<v8::String> key;
  if (!v8::Integer::NewFromUnsigned(run_.isolate, index)->ToString(run_.context).ToLocal(&key)) return v8::String::Empty(run_.isolate);
  return key;
}

void
Inspector::ShowCount(v8::Local<v8::Object> object, size_t count)
{
  char said[32];
  ShowClass(object);
  std::snprintf(said, sizeof said, "(%zu)", count);
  Add(said);
}

void
Inspector::ShowFunction(v8::Local<v8::Function> function)
{
  v8::Local<v8::String> source;
  std::u16string start;
  if (function->FunctionProtoToString(run_.context).ToLocal(&source)) AppendText(run_, &start, source, 5);
  v8::Local<v8::Value> name = function->GetDebugName();
  if (start.compare(0, 5, u"class") == 0) Add("class ");
  else text += u"\u0192 ";
  if (name->IsString() && name.As<v8::String>()->Length()) Add(name.As<v8::String>(), 200);
  else Add("(anonymous)");
  if (start.compare(0, 5, u"class") != 0) Add("()");
}

/* ISO 8601, as Date.prototype.toISOString() has it, which the script may have replaced. */
void
Inspector::ShowDate(double time)
{
  if (std::isnan(time)) return Add("Invalid Date");
  auto milliseconds = static_cast<int64_t>(time);
  constexpr int64_t kDay = 86400000;
  int64_t days = milliseconds / kDay - (milliseconds % kDay < 0), rest = milliseconds - days * kDay;
  /* The civil date of a day's number, counted in eras of 400 years that begin in March. */
  int64_t shifted = days + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097, of_era = shifted - era * 146097;
  int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100), march = (5 * of_year + 2) / 153;
  int64_t day = of_year - (153 * march + 2) / 5 + 1, month = march < 10 ? march + 3 : march - 9, year = year_of_era + era * 400 + (month <= 2);
  char said[64];
  std::snprintf(said, sizeof said, year >= 0 && year <= 9999 ? "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d.%03dZ" : "%+07" PRId64 "-%02d-%02dT%02d:%02d:%02d.%03dZ",
                year, static_cast<int>(month), static_cast<int>(day), static_cast<int>(rest / 3600000), static_cast<int>(rest / 60000 % 60),
                static_cast<int>(rest / 1000 % 60), static_cast<int>(rest % 1000));
  Add(said);
}

/* A string that an object or one of its prototypes has under that name, if no getter is in the way. */
v8::Local<v8::String>
Inspector::Inherited(v8::Local<v8::Object> object, const char *name)
{
  v8::Local<v8::String> key;
  if (!v8::String::NewFromUtf8(run_.isolate, name, v8::NewStringType::kInternalized).ToLocal(&key)) return v8::String::Empty(run_.isolate);
  for (int i = 0; i < kDeepest && !stopped_; i++) {
    v8::Local<v8::Value> value;
    bool getter = false;
    if (Own(object, key, &value, &getter)) return value->IsString() ? value.As<v8::String>() : v8::String::Empty(run_.isolate);
    if (getter || object->IsProxy()) break;
    v8::Local<v8::Value> prototype = PrototypeOf(object);
    if (!prototype->IsObject()) break;
    object = prototype.As<v8::Object>();
  }
  return v8::String::Empty(run_.isolate);
}

void
Inspector::ShowFrames(v8::Local<v8::StackTrace> trace)
{
  for (int i = 0; i < trace->GetFrameCount(); i++) {
    v8::Local<v8::StackFrame> frame = trace->GetFrame(run_.isolate, static_cast<uint32_t>(i));
    v8::Local<v8::String> function = frame->GetFunctionName(), file = frame->GetScriptNameOrSourceURL();
    bool named = !function.IsEmpty() && function->Length();
    Add(i ? "\n    at " : "    at ");
    if (named) Add(function, 200), Add(" (");
    if (file.IsEmpty()) Add("<anonymous>");
    else Add(file, 1000);
    char place[48];
    std::snprintf(place, sizeof place, ":%d:%d", frame->GetLineNumber(), frame->GetColumn());
    Add(place);
    if (named) text += u')';
  }
}

void
Inspector::ShowError(v8::Local<v8::Object> error, int depth)
{
  v8::Local<v8::String> name = Inherited(error, "name"), message = Inherited(error, "message");
  if (depth) text += u'[';
  if (name->Length()) Add(name, 200);
  else ShowClass(error);
  if (message->Length()) Add(": "), Add(message, kLongestInner);
  if (depth) text += u']';
  v8::Local<v8::StackTrace> trace = v8::Exception::GetStackTrace(error);
  if (!depth && !trace.IsEmpty() && trace->GetFrameCount()) {
    text += u'\n';
    ShowFrames(trace);
  }
  if (Keys(error, true)->Length()) {
    text += u' ';
    ShowProperties(error, depth, true, true);
    text += u'}';
  }
  v8::Local<v8::Value> cause;
  bool getter = false;
  if (!Own(error, v8::String::NewFromUtf8Literal(run_.isolate, "cause"), &cause, &getter)) return;
  Add(depth ? " [cause]: " : "\n[cause]: ");
  bool deep = static_cast<int>(around_.size()) > kDeepest;
  if (deep) text += u'\u2026';
  else Show(cause, depth);
}

void
Inspector::ShowPromise(v8::Local<v8::Promise> promise, int depth)
{
  Add(" {<");
  v8::Promise::PromiseState state = promise->State();
  Add(state == v8::Promise::kPending ? "pending>" : state == v8::Promise::kFulfilled ? "fulfilled>: " : "rejected>: ");
  if (state != v8::Promise::kPending) Show(promise->Result(), depth + 1);
  text += u'}';
}

bool
Inspector::ShowBoxed(v8::Local<v8::Object> object)
{
  v8::Local<v8::Value> inner;
  if (object->IsNumberObject()) inner = v8::Number::New(run_.isolate, object.As<v8::NumberObject>()->ValueOf());
  else if (object->IsStringObject()) inner = object.As<v8::StringObject>()->ValueOf();
  else if (object->IsBooleanObject()) inner = v8::Boolean::New(run_.isolate, object.As<v8::BooleanObject>()->ValueOf());
  else if (object->IsBigIntObject()) inner = object.As<v8::BigIntObject>()->ValueOf();
  else if (object->IsSymbolObject()) inner = object.As<v8::SymbolObject>()->ValueOf();
  else return false;
  ShowClass(object);
  Add(" {");
  ShowPrimitive(inner, true);
  ShowProperties(object, 0, false, false);
  text += u'}';
  return true;
}

/* What does not depend on the depth. */
bool
Inspector::ShowLeaf(v8::Local<v8::Object> object, int depth)
{
  if (HostObjectOf(run_, object)) {
    Add("[Python object]");
  } else if (object->IsProxy()) {
    v8::Local<v8::Value> target = object.As<v8::Proxy>()->GetTarget();
    Add("Proxy(");
    if (object.As<v8::Proxy>()->IsRevoked()) Add("revoked");
    else if (depth > deepest) text += u'\u2026';
    else Show(target, depth + 1);
    text += u')';
  } else if (object->IsFunction()) {
    ShowFunction(object.As<v8::Function>());
  } else if (object->IsDate()) {
    ShowDate(object.As<v8::Date>()->ValueOf());
  } else if (object->IsRegExp()) {
    v8::Local<v8::String> source = object.As<v8::RegExp>()->GetSource();
    int flags = object.As<v8::RegExp>()->GetFlags();
    text += u'/';
    Add(source, kLongestInner);
    text += u'/';
    static const struct {
      int bit;
      char16_t letter;
    } letters[] = {{v8::RegExp::kHasIndices, u'd'}, {v8::RegExp::kGlobal, u'g'},  {v8::RegExp::kIgnoreCase, u'i'}, {v8::RegExp::kMultiline, u'm'},
                   {v8::RegExp::kDotAll, u's'},     {v8::RegExp::kUnicode, u'u'}, {v8::RegExp::kSticky, u'y'}};
    for (const auto &each : letters)
      if (flags & each.bit) text += each.letter;
  } else if (object->IsNativeError()) {
    ShowError(object, depth);
  } else {
    return ShowBoxed(object);
  }
  return true;
}

void
Inspector::ShowElements(v8::Local<v8::Object> object, uint64_t length, int depth)
{
  bool typed = object->IsTypedArray(), first = true;
  uint32_t shown = 0;
  uint64_t holes = 0, at = 0;
  char said[64];
  auto separate = [&] {
    if (!first) Add(", ");
    first = false;
  };
  auto fill = [&] {
    if (!holes) return;
    separate();
    Add("empty");
    if (holes > 1) {
      text += u" \u00d7 ";
      std::snprintf(said, sizeof said, "%" PRIu64, holes);
      Add(said);
    }
    holes = 0;
  };
  text += u'[';
  for (; at < length && shown < kMostEntries && at < kMostHoles && !stopped_; at++) {
    v8::Local<v8::Value> value;
    bool getter = false;
    auto index = static_cast<uint32_t>(at);
    bool there = typed ? object->Get(run_.context, index).ToLocal(&value) : Own(object, KeyOf(index), &value, &getter);
    if (!there && !getter) {
      holes++;
      continue;
    }
    fill();
    separate();
    shown++;
    if (there) Show(value, depth + 1);
    else Add("(...)");
  }
  fill();
  if (at < length && !stopped_) {
    separate();
    text += u'\u2026';
    std::snprintf(said, sizeof said, " %" PRIu64 " more", length - at);
    Add(said);
  }
  if (length <= UINT32_MAX) ShowProperties(object, depth, false, first);
  text += u']';
}

void
Inspector::ShowEntries(v8::Local<v8::Array> flat, bool pairs, int depth)
{
  uint32_t count = flat->Length(), step = pairs ? 2 : 1;
  for (uint32_t i = 0; i < count && !stopped_; i += step) {
    v8::Local<v8::Value> key, value;
    if (i) Add(", ");
    if (i / step == kMostEntries) {
      char said[32];
      text += u'\u2026';
      std::snprintf(said, sizeof said, " %u more", (count - i) / step);
      return Add(said);
    }
    if (!flat->Get(run_.context, i).ToLocal(&key)) return;
    Show(key, depth + 1);
    if (!pairs || !flat->Get(run_.context, i + 1).ToLocal(&value)) continue;
    Add(" => ");
    Show(value, depth + 1);
  }
}

/* `first`: nothing is in the braces yet, nor is the opening one when it shows an object. */
void
Inspector::ShowProperties(v8::Local<v8::Object> object, int depth, bool elements, bool first)
{
  if (elements) text += u'{';
  v8::Local<v8::Array> names = Keys(object, elements);
  uint32_t count = names->Length();
  for (uint32_t i = 0; i < count && !stopped_; i++) {
    v8::Local<v8::Value> key, value;
    v8::Local<v8::String> name;
    if (!first) Add(", ");
    first = false;
    if (i == kMostEntries) {
      char said[32];
      text += u'\u2026';
      std::snprintf(said, sizeof said, " %u more", count - i);
      return Add(said);
    }
    if (!names->Get(run_.context, i).ToLocal(&key)) return;
    if (key->IsSymbol()) text += u'[', ShowText(key), text += u']';
    else if (key->ToString(run_.context).ToLocal(&name)) Add(name, 200);
    Add(": ");
    bool getter = false;
    v8::Local<v8::Name> own = key->IsSymbol() ? key.As<v8::Name>() : name.As<v8::Name>();
    if (Own(object, own, &value, &getter)) Show(value, depth + 1);
    else Add(getter ? "(...)" : "<no value yet>");
  }
}

void
Inspector::ShowObject(v8::Local<v8::Object> object, int depth)
{
  if (ShowLeaf(object, depth)) return;
  bool deep = depth > std::min(deepest, kDeepest);
  if (object->IsArray() || object->IsTypedArray()) {
    uint64_t length = object->IsArray() ? object.As<v8::Array>()->Length() : object.As<v8::TypedArray>()->Length();
    if (!object->IsArray() || deep || !object->GetConstructorName()->StringEquals(v8::String::NewFromUtf8Literal(run_.isolate, "Array"))) {
      ShowCount(object, length);
      if (!deep) text += u' ';
    } else if (length > 1) {
      char said[32];
      std::snprintf(said, sizeof said, "(%" PRIu64 ") ", length);
      Add(said);
    }
    if (!deep) ShowElements(object, length, depth);
    return;
  }
  if (object->IsMap() || object->IsSet()) {
    bool map = object->IsMap();
    size_t size = map ? object.As<v8::Map>()->Size() : object.As<v8::Set>()->Size();
    ShowCount(object, size);
    if (deep) return;
    Add(" {");
    if (size > kLargestMap) text += u'\u2026';
    else ShowEntries(map ? object.As<v8::Map>()->AsArray() : object.As<v8::Set>()->AsArray(), map, depth);
    text += u'}';
    return;
  }
  if (object->IsArrayBuffer()) return ShowCount(object, object.As<v8::ArrayBuffer>()->ByteLength());
  if (object->IsSharedArrayBuffer()) return ShowCount(object, object.As<v8::SharedArrayBuffer>()->ByteLength());
  if (object->IsDataView()) return ShowCount(object, object.As<v8::DataView>()->ByteLength());
  if (object->IsPromise()) {
    ShowClass(object);
    return ShowPromise(object.As<v8::Promise>(), depth);
  }
  if (object->IsModuleNamespaceObject()) {
    Add("Module ");
  } else if (!object->GetConstructorName()->StringEquals(v8::String::NewFromUtf8Literal(run_.isolate, "Object"))) {
    ShowClass(object);
    text += u' ';
  }
  if (deep) {
    Add("{");
    text += u'\u2026';
  } else {
    ShowProperties(object, depth, true, true);
  }
  text += u'}';
}

}  // namespace mrv8
