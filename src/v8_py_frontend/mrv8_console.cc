/* mrv8_console.cc: a script's `console`. Each method makes its text and tells the host once; what it remembers (counters, timers, groups) is in the script's own heap, so
 * that it is limited as that is, and goes with the realm. Runs none of the script's code. On the thread that has the lock. */
#include "mrv8_console.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "mr_clock.h"
#include "mr_wire.h"
#include "mrv8_compat.h"

namespace mrv8 {

namespace {

enum Method {
  kAssert,
  kClear,
  kCount,
  kCountReset,
  kDebug,
  kDir,
  kDirXml,
  kError,
  kGroup,
  kGroupCollapsed,
  kGroupEnd,
  kInfo,
  kLog,
  kProfile,
  kProfileEnd,
  kTable,
  kTime,
  kTimeEnd,
  kTimeLog,
  kTimeStamp,
  kTrace,
  kWarn,
  kMethods
};

constexpr struct {
  const char *name;
  uint32_t level;
} kShown[kMethods] = {{"assert", MR_CONSOLE_ERROR},     {"clear", MR_CONSOLE_INFO},
                      {"count", MR_CONSOLE_INFO},       {"countReset", MR_CONSOLE_INFO},
                      {"debug", MR_CONSOLE_DEBUG},      {"dir", MR_CONSOLE_INFO},
                      {"dirxml", MR_CONSOLE_INFO},      {"error", MR_CONSOLE_ERROR},
                      {"group", MR_CONSOLE_INFO},       {"groupCollapsed", MR_CONSOLE_INFO},
                      {"groupEnd", MR_CONSOLE_INFO},    {"info", MR_CONSOLE_INFO},
                      {"log", MR_CONSOLE_INFO},         {"profile", MR_CONSOLE_DEBUG},
                      {"profileEnd", MR_CONSOLE_DEBUG}, {"table", MR_CONSOLE_INFO},
                      {"time", MR_CONSOLE_INFO},        {"timeEnd", MR_CONSOLE_INFO},
                      {"timeLog", MR_CONSOLE_INFO},     {"timeStamp", MR_CONSOLE_DEBUG},
                      {"trace", MR_CONSOLE_INFO},       {"warn", MR_CONSOLE_WARNING}};

using Arguments = v8::FunctionCallbackInfo<v8::Value>;

/* One call of a method. */
class Said {
 public:
  Said(const Arguments &info, Method method)
      : info_(info),
        isolate_(info.GetIsolate()),
        run_{static_cast<mrv8_isolate *>(isolate_->GetData(0)), isolate_, isolate_->GetCurrentContext(), nullptr, nullptr},
        state_(info.Data().As<v8::Map>()),
        method_(method),
        level_(kShown[method].level),
        inspector_(run_)
  {
  }

  void Do();

 private:
  v8::Local<v8::String> Key(const char *what);
  double Remembered(v8::Local<v8::Value> key);
  bool Remember(v8::Local<v8::Value> key, double number);
  void AddLabel();
  void AddTime(double started);
  void Format(int first);
  bool Directive(char16_t letter, v8::Local<v8::Value> value);
  void AddNumber(v8::Local<v8::Value> value, bool integer);
  void AddRest(int first, bool begun);
  bool Count();
  bool Time();
  void Dir();
  v8::Local<v8::Value> Stack();
  v8::Local<v8::Value> Rows();
  v8::Local<v8::Value> Cell(v8::Local<v8::Value> value);
  v8::Local<v8::Value> Text(const std::u16string &text);
  v8::Local<v8::Value> Raw(v8::Local<v8::Value> value);
  void Tell(v8::Local<v8::Value> detail);

  const Arguments &info_;
  v8::Isolate *isolate_;
  Run run_;
  v8::Local<v8::Map> state_;
  Method method_;
  uint32_t level_;
  Inspector inspector_;
  v8::Local<v8::Value> whole_; /* the text, where it is one string of the script's */
};

/* What is remembered under a label. */
v8::Local<v8::String>
Said::Key(const char *what)
{
  v8::Local<v8::String> key;
  std::u16string text(what, what + 1);
  Inspector inspector(run_);
  if (info_.Length() && !info_[0]->IsUndefined()) inspector.ShowAlone(info_[0]);
  else inspector.Add("default");
  text += inspector.text;
  if (!v8::String::NewFromTwoByte(isolate_, reinterpret_cast<const uint16_t *>(text.data()), v8::NewStringType::kNormal, static_cast<int>(text.size()))
           .ToLocal(&key))
    return v8::String::Empty(isolate_);
  return key;
}

double
Said::Remembered(v8::Local<v8::Value> key)
{
  v8::Local<v8::Value> found;
  return state_->Get(run_.context, key).ToLocal(&found) && found->IsNumber() ? found.As<v8::Number>()->Value() : -1;
}

bool
Said::Remember(v8::Local<v8::Value> key, double number)
{
  return !state_->Set(run_.context, key, v8::Number::New(isolate_, number)).IsEmpty();
}

void
Said::AddLabel()
{
  if (info_.Length() && !info_[0]->IsUndefined()) inspector_.ShowAlone(info_[0]);
  else inspector_.Add("default");
}

void
Said::AddNumber(v8::Local<v8::Value> value, bool integer)
{
  double number = std::nan("");
  if (value->IsNumber()) {
    number = value.As<v8::Number>()->Value();
  } else if (value->IsBigInt()) {
    return inspector_.Show(value, 0);
  } else if (value->IsString()) {
    std::u16string start;
    std::string digits;
    AppendText(run_, &start, value.As<v8::String>(), 400);
    size_t at = start.find_first_not_of(u" \t\n\r");
    for (; at < start.size() && start[at] < 0x80; at++) digits += static_cast<char>(start[at]);
    bool fits = digits.find_first_of("xXnN") == std::string::npos; /* strtod() knows hexadecimal numbers and NaNs, parseFloat() does not */
    char *end = nullptr;
    if (!fits) digits.resize(digits.find_first_of("xXnN"));
    number = std::strtod(digits.c_str(), &end);
    if (end == digits.c_str()) number = std::nan("");
  }
  if (integer) number = std::isfinite(number) ? std::trunc(number) + 0.0 : std::nan("");
  inspector_.Show(v8::Number::New(isolate_, number), 0);
}

/* False: there is no such directive. */
bool
Said::Directive(char16_t letter, v8::Local<v8::Value> value)
{
  switch (letter) {
    case u's':
      inspector_.ShowAlone(value);
      return true;
    case u'd':
    case u'i':
      AddNumber(value, true);
      return true;
    case u'f':
      AddNumber(value, false);
      return true;
    case u'o':
      inspector_.deepest = 4;
      inspector_.Show(value, 0);
      inspector_.deepest = 2;
      return true;
    case u'O':
      inspector_.Show(value, 0);
      return true;
    case u'c':
      return true; /* a style sheet */
    default:
      return false;
  }
}

void
Said::AddRest(int first, bool begun)
{
  for (int i = first; i < info_.Length() && !inspector_.stopped(); i++) {
    if (begun) inspector_.text += u' ';
    begun = true;
    inspector_.ShowAlone(info_[i]);
  }
}

/* The arguments from `first` on, which may be a format. */
void
Said::Format(int first)
{
  int count = info_.Length();
  if (first >= count) return;
  bool string = info_[first]->IsString();
  if (string && first + 1 == count && inspector_.text.empty() && info_[first].As<v8::String>()->Length() <= kLongestText) {
    whole_ = info_[first];
    return;
  }
  if (!string || first + 1 == count) return AddRest(first, false);
  std::u16string format;
  AppendText(run_, &format, info_[first].As<v8::String>(), kLongestText);
  int next = first + 1;
  for (size_t i = 0; i < format.size() && !inspector_.stopped(); i++) {
    char16_t letter = format[i] == u'%' && i + 1 < format.size() ? format[i + 1] : u'\0';
    bool done = letter == u'%' || (letter && next < count && Directive(letter, info_[next]));
    if (!done || letter == u'%') inspector_.text += format[i];
    if (done) i++;
    if (done && letter != u'%') next++;
  }
  AddRest(next, true);
}

/* False: there is nothing to tell. */
bool
Said::Count()
{
  v8::Local<v8::String> key = Key("c");
  double count = Remembered(key);
  AddLabel();
  if (method_ == kCountReset) {
    if (count >= 0) return !Remember(key, 0);
    inspector_.Add(": there is no such counter");
    level_ = MR_CONSOLE_WARNING;
    return true;
  }
  count = count < 0 ? 1 : count + 1;
  Remember(key, count);
  inspector_.Add(": ");
  inspector_.Show(v8::Number::New(isolate_, count), 0);
  return true;
}

bool
Said::Time()
{
  v8::Local<v8::String> key = Key("t");
  double started = Remembered(key), now = static_cast<double>(mr__now());
  AddLabel();
  if ((method_ == kTime) == (started >= 0)) {
    inspector_.Add(started >= 0 ? ": this timer runs already" : ": there is no such timer");
    level_ = MR_CONSOLE_WARNING;
    return true;
  }
  if (method_ == kTime) return !Remember(key, now);
  if (method_ == kTimeEnd) (void)state_->Delete(run_.context, key).FromMaybe(false);
  char said[64];
  std::snprintf(said, sizeof said, now - started < 1e9 ? ": %.3f ms" : ": %.3f s", (now - started) / (now - started < 1e9 ? 1e6 : 1e9));
  inspector_.Add(said);
  if (method_ == kTimeLog) AddRest(1, true);
  return true;
}

/* The object as such, as deep as the second argument says. */
void
Said::Dir()
{
  v8::Local<v8::Value> depth;
  bool getter = false;
  v8::Local<v8::String> name = v8::String::NewFromUtf8Literal(isolate_, "depth");
  if (info_.Length() > 1 && info_[1]->IsObject() && inspector_.Own(info_[1].As<v8::Object>(), name, &depth, &getter)) {
    constexpr int kMost = 20;
    double wanted = depth->IsNumber() ? depth.As<v8::Number>()->Value() : kMost;
    inspector_.deepest = wanted >= 0 && wanted < kMost ? static_cast<int>(wanted) : kMost;
  }
  if (info_.Length()) inspector_.Show(info_[0], 0);
}

v8::Local<v8::Value>
Said::Text(const std::u16string &text)
{
  v8::Local<v8::String> string;
  if (!v8::String::NewFromTwoByte(isolate_, reinterpret_cast<const uint16_t *>(text.data()), v8::NewStringType::kNormal, static_cast<int>(text.size()))
           .ToLocal(&string))
    return v8::String::Empty(isolate_);
  return string;
}

v8::Local<v8::Value>
Said::Stack()
{
  constexpr int kMostFrames = 100;
  Inspector frames(run_);
  frames.ShowFrames(v8::StackTrace::CurrentStackTrace(isolate_, kMostFrames, v8::StackTrace::kDetailed));
  return Text(frames.text);
}

v8::Local<v8::Value>
Said::Cell(v8::Local<v8::Value> value)
{
  Inspector cell(run_);
  cell.deepest = 0;
  cell.Show(value, 0);
  constexpr size_t kLongestCell = 1000;
  if (cell.text.size() > kLongestCell) {
    cell.text.resize(kLongestCell);
    cell.text += u'\u2026';
  }
  return Text(cell.text);
}

/* What console.table() shows, as an array of rows; undefined when it is no table. The second argument is an array of the columns wanted. */
v8::Local<v8::Value>
Said::Rows()
{
  constexpr uint32_t kMostRows = 1000, kMostColumns = 50;
  v8::Local<v8::Value> none = v8::Undefined(isolate_), value;
  if (!info_.Length() || !info_[0]->IsObject() || info_[0]->IsProxy() || info_[0]->IsFunction() || HostObjectOf(run_, info_[0])) return none;
  v8::Local<v8::Object> data = info_[0].As<v8::Object>();
  std::vector<v8::Local<v8::Name>> keys;
  std::vector<v8::Local<v8::Value>> columns, head;
  bool getter = false, values = false;
  auto names_of = [&](v8::Local<v8::Object> object, std::vector<v8::Local<v8::Name>> *into, uint32_t most) {
    uint32_t length = object->IsArray() ? object.As<v8::Array>()->Length() : 0;
    for (uint32_t i = 0; i < length && i < most; i++) into->push_back(inspector_.KeyOf(i));
    if (object->IsTypedArray()) return;
    v8::Local<v8::Array> names = inspector_.Keys(object, !object->IsArray());
    for (uint32_t i = 0; i < names->Length() && into->size() < most; i++) {
      v8::Local<v8::Value> name;
      v8::Local<v8::String> string;
      if (names->Get(run_.context, i).ToLocal(&name) && !name->IsSymbol() && name->ToString(run_.context).ToLocal(&string)) into->push_back(string);
    }
  };
  names_of(data, &keys, kMostRows);
  if (info_.Length() > 1 && info_[1]->IsArray()) {
    for (uint32_t i = 0; i < info_[1].As<v8::Array>()->Length() && i < kMostColumns; i++)
      if (inspector_.Own(info_[1].As<v8::Object>(), inspector_.KeyOf(i), &value, &getter) && value->IsString()) columns.push_back(value);
  }
  bool given = info_.Length() > 1 && info_[1]->IsArray();
  for (auto key : keys) {
    if (!inspector_.Own(data, key, &value, &getter)) continue;
    if (!value->IsObject() || value->IsFunction()) {
      values = true;
      continue;
    }
    std::vector<v8::Local<v8::Name>> names;
    if (!given) names_of(value.As<v8::Object>(), &names, kMostColumns);
    for (auto name : names) {
      bool known = columns.size() >= kMostColumns;
      for (size_t i = 0; i < columns.size() && !known; i++) known = columns[i]->StrictEquals(name);
      if (!known) columns.push_back(name);
    }
  }
  head.push_back(v8::String::NewFromUtf8Literal(isolate_, "(index)"));
  for (auto column : columns) {
    std::u16string name;
    AppendText(run_, &name, column.As<v8::String>(), 200);
    head.push_back(Text(name));
  }
  if (values) head.push_back(v8::String::NewFromUtf8Literal(isolate_, "Value"));
  std::vector<v8::Local<v8::Value>> rows = {v8::Array::New(isolate_, head.data(), head.size())};
  for (auto key : keys) {
    if (inspector_.stopped()) break;
    v8::Local<v8::Value> row;
    std::u16string name;
    AppendText(run_, &name, key.As<v8::String>(), 200);
    std::vector<v8::Local<v8::Value>> cells = {Text(name)};
    bool there = inspector_.Own(data, key, &row, &getter), object = there && row->IsObject() && !row->IsFunction();
    for (auto column : columns)
      cells.push_back(object && inspector_.Own(row.As<v8::Object>(), column.As<v8::Name>(), &value, &getter) ? Cell(value)
                                                                                                             : v8::String::Empty(isolate_).As<v8::Value>());
    if (values) cells.push_back(there && !object ? Cell(row) : v8::String::Empty(isolate_).As<v8::Value>());
    rows.push_back(v8::Array::New(isolate_, cells.data(), cells.size()));
  }
  return v8::Array::New(isolate_, rows.data(), rows.size());
}

/* An argument as the host gets it. */
v8::Local<v8::Value>
Said::Raw(v8::Local<v8::Value> value)
{
  if (!value->IsString() || value.As<v8::String>()->Length() <= kLongestText) return value;
  std::u16string start;
  AppendText(run_, &start, value.As<v8::String>(), kLongestText);
  return Text(start);
}

void
Said::Tell(v8::Local<v8::Value> detail)
{
  v8::Local<v8::Value> none = v8::Undefined(isolate_), file = none;
  v8::Local<v8::String> method;
  if (!v8::String::NewFromUtf8(isolate_, kShown[method_].name, v8::NewStringType::kInternalized).ToLocal(&method)) return;
  int line = 0, column = 0;
  v8::Local<v8::StackTrace> trace = v8::StackTrace::CurrentStackTrace(isolate_, 1, v8::StackTrace::kOverview);
  if (trace->GetFrameCount()) {
    v8::Local<v8::StackFrame> frame = trace->GetFrame(isolate_, 0);
    v8::Local<v8::String> name = frame->GetScriptNameOrSourceURL();
    file = name.IsEmpty() ? run_.self->anonymous.Get(isolate_).As<v8::Value>() : Raw(name);
    line = frame->GetLineNumber();
    column = frame->GetColumn();
  }
  double groups = Remembered(none);
  std::vector<v8::Local<v8::Value>> message = {none,
                                               method,
                                               v8::Integer::NewFromUnsigned(isolate_, level_),
                                               whole_.IsEmpty() ? Text(inspector_.text) : whole_,
                                               file,
                                               v8::Integer::New(isolate_, line),
                                               v8::Integer::New(isolate_, column),
                                               v8::Number::New(isolate_, groups < 0 ? 0 : groups),
                                               detail};
  for (int i = 0; i < info_.Length(); i++) message.push_back(Raw(info_[i]));
  TellHost(isolate_, MR_HOST_CONSOLE, message);
}

void
Said::Do()
{
  v8::Local<v8::Value> none = v8::Undefined(isolate_), detail = none;
  double groups = Remembered(none);
  switch (method_) {
    case kAssert:
      if (info_.Length() && info_[0]->BooleanValue(isolate_)) return;
      inspector_.Add("Assertion failed");
      if (info_.Length() > 1) {
        inspector_.Add(": ");
        Format(1);
      }
      break;
    case kCount:
    case kCountReset:
      if (!Count()) return;
      break;
    case kTime:
    case kTimeEnd:
    case kTimeLog:
      if (!Time()) return;
      break;
    case kDir:
      Dir();
      break;
    case kGroupEnd:
      if (groups > 0) Remember(none, groups - 1);
      return;
    case kTable:
      detail = Rows();
      Format(0);
      break;
    case kTrace:
      Format(0);
      if (!info_.Length()) inspector_.Add("console.trace");
      detail = Stack();
      break;
    default:
      Format(0);
  }
  if (isolate_->IsExecutionTerminating()) return;
  Tell(detail);
  if (method_ == kGroup || method_ == kGroupCollapsed) Remember(none, groups > 0 ? groups + 1 : 1);
}

template <int method>
void
OnMethod(const Arguments &info)
{
  if (!static_cast<mrv8_isolate *>(info.GetIsolate()->GetData(0))->console) return; /* it is there from a snapshot, and nobody listens */
  v8::TryCatch caught(info.GetIsolate());
  Said(info, static_cast<Method>(method)).Do();
  if (caught.HasTerminated()) caught.ReThrow(); /* all else that may have been thrown, for want of memory or of stack, is not the script's business */
}

template <int... methods>
bool
AddMethods(v8::Isolate *isolate, v8::Local<v8::Context> context, v8::Local<v8::Object> console, std::integer_sequence<int, methods...>)
{
  static constexpr v8::FunctionCallback callbacks[] = {OnMethod<methods>...};
  v8::Local<v8::Map> state = v8::Map::New(isolate);
  for (int i = 0; i < kMethods; i++) {
    v8::Local<v8::String> name;
    v8::Local<v8::Function> function;
    if (!v8::String::NewFromUtf8(isolate, kShown[i].name, v8::NewStringType::kInternalized).ToLocal(&name)) return false;
    if (!v8::Function::New(context, callbacks[i], state, 0, v8::ConstructorBehavior::kThrow).ToLocal(&function)) return false;
    function->SetName(name);
    if (!console->CreateDataProperty(context, name, function).FromMaybe(false)) return false;
  }
  v8::Local<v8::String> said = v8::String::NewFromUtf8Literal(isolate, "console");
  auto attributes = static_cast<v8::PropertyAttribute>(v8::DontEnum | v8::ReadOnly);
  return console->DefineOwnProperty(context, v8::Symbol::GetToStringTag(isolate), said, attributes).FromMaybe(false);
}

void
MakeConsole(v8::Local<v8::Name>, const v8::PropertyCallbackInfo<v8::Value> &info)
{
  v8::Isolate *isolate = info.GetIsolate();
  v8::Local<v8::Context> context;
  if (!CreationContext(isolate, info.Holder()).ToLocal(&context)) context = isolate->GetCurrentContext();
  v8::Context::Scope scope(context);
  v8::Local<v8::Object> console = v8::Object::New(isolate);
  if (!SetPrototypeOf(context, console, v8::Object::New(isolate)).FromMaybe(false)) return;
  if (AddMethods(isolate, context, console, std::make_integer_sequence<int, kMethods>())) info.GetReturnValue().Set(console);
}

template <int... methods>
void
AddReferences(std::vector<intptr_t> *references, std::integer_sequence<int, methods...>)
{
  for (v8::FunctionCallback each : {OnMethod<methods>...}) references->push_back(reinterpret_cast<intptr_t>(each));
}

}  // namespace

void
AddReferencesOfConsole(std::vector<intptr_t> *references)
{
  AddReferences(references, std::make_integer_sequence<int, kMethods>());
  references->push_back(reinterpret_cast<intptr_t>(MakeConsole));
}

void
InstallConsole(mrv8_isolate *self, v8::Local<v8::Context> context)
{
  v8::Context::Scope scope(context);
  v8::Local<v8::String> name = v8::String::NewFromUtf8Literal(self->isolate, "console", v8::NewStringType::kInternalized);
  (void)context->Global()->SetLazyDataProperty(context, name, MakeConsole, v8::Local<v8::Value>(), v8::DontEnum).FromMaybe(false);
}

}  // namespace mrv8
