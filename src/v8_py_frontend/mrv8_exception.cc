/* mrv8_exception.cc: the record of an exception. Everything here may run a script's code (toString, getters) and so may throw or be terminated once more. */
#include <algorithm>
#include <initializer_list>
#include <string>

#include "mr_result.h"
#include "mr_wire.h"
#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

/* The record's text is put together as UTF-16, so that whatever is in the parts stays in it; of each part as much as anybody may want to read. */
constexpr int kLongest = 1 << 20;

void
Append(const Run &run, std::u16string *text, v8::Local<v8::String> part)
{
  AppendText(run, text, part, kLongest);
}

/* What `String(value)` says, or that it says nothing. False when the script's own code was stopped while it was asked: nothing more of it may run, as the
 * termination is spent. */
bool
Describe(const Run &run, v8::Local<v8::Value> value, v8::Local<v8::String> *text)
{
  v8::TryCatch inner(run.isolate);
  if (!value->ToString(run.context).ToLocal(text)) *text = v8::String::NewFromUtf8Literal(run.isolate, "<string conversion failed>");
  return !inner.HasTerminated();
}

/* As much of a string as anybody may want to read; undefined when there is no room for it. */
v8::Local<v8::Value>
Shortened(const Run &run, v8::Local<v8::String> string)
{
  if (string->Length() <= kLongest) return string;
  std::u16string text;
  Append(run, &text, string);
  v8::Local<v8::String> start;
  auto made =
      v8::String::NewFromTwoByte(run.isolate, reinterpret_cast<const uint16_t *>(text.data()), v8::NewStringType::kNormal, static_cast<int>(text.size()));
  return made.ToLocal(&start) ? start.As<v8::Value>() : v8::Undefined(run.isolate).As<v8::Value>();
}

/* A property of the thrown object that is a string, else undefined. False as above. */
bool
StringProperty(const Run &run, v8::Local<v8::Value> thrown, v8::Local<v8::String> name, v8::Local<v8::Value> *value)
{
  v8::TryCatch inner(run.isolate);
  bool is_string = thrown->IsObject() && thrown.As<v8::Object>()->Get(run.context, name).ToLocal(value) && (*value)->IsString();
  *value = is_string ? Shortened(run, value->As<v8::String>()) : v8::Undefined(run.isolate).As<v8::Value>();
  return !inner.HasTerminated();
}

/* "<file>:<line>: <what>\n<source line>\n<marks under it>\n\n<stack>\n", as mini-racer has it. */
std::u16string
TextOf(const Run &run, v8::Local<v8::Message> message, v8::Local<v8::String> what, v8::Local<v8::Value> stack)
{
  std::u16string text;
  v8::Local<v8::String> line;
  if (!message.IsEmpty()) {
    v8::Local<v8::String> file;
    Describe(run, message->GetScriptResourceName(), &file); /* a string or undefined: no script's code */
    Append(run, &text, file);
    std::string number = ":" + std::to_string(message->GetLineNumber(run.context).FromMaybe(0)) + ": ";
    text.append(number.begin(), number.end());
  }
  Append(run, &text, what);
  text += u'\n';
  if (!message.IsEmpty() && message->GetSourceLine(run.context).ToLocal(&line)) {
    v8::ScriptOrigin origin = message->GetScriptOrigin();
    int before = message->GetLineNumber(run.context).FromMaybe(0) == origin.LineOffset() + 1 ? origin.ColumnOffset() : 0; /* columns that are not in the line */
    int length = std::min(line->Length(), kLongest);
    int start = std::clamp(message->GetStartColumn() - before, 0, length), end = std::clamp(message->GetEndColumn() - before, start, length);
    Append(run, &text, line);
    text += u'\n';
    text.append(static_cast<size_t>(start), u' ');
    text.append(end > start ? static_cast<size_t>(end - start) : 1, u'^');
    text += u'\n';
  }
  if (stack->IsString() && stack.As<v8::String>()->Length() > 0) {
    text += u'\n';
    Append(run, &text, stack.As<v8::String>());
    text += u'\n';
  }
  return text;
}

mr_status
WriteText(const Run &run, const std::u16string &text)
{
  v8::Local<v8::String> string;
  if (!v8::String::NewFromTwoByte(run.isolate, reinterpret_cast<const uint16_t *>(text.data()), v8::NewStringType::kNormal, static_cast<int>(text.size()))
           .ToLocal(&string))
    return MR_NO_MEMORY;
  return WriteFlat(run, string);
}

mr_status
WriteFrames(const Run &run, v8::Local<v8::Message> message)
{
  v8::Local<v8::StackTrace> trace;
  if (!message.IsEmpty()) trace = message->GetStackTrace();
  int count = trace.IsEmpty() ? 0 : trace->GetFrameCount();
  mr_status status = WriteHead(run, MR_TAG_ARRAY, static_cast<uint32_t>(count));
  for (int i = 0; i < count && status == MR_OK; i++) {
    v8::Local<v8::StackFrame> frame = trace->GetFrame(run.isolate, static_cast<uint32_t>(i));
    v8::Local<v8::Value> function = frame->GetFunctionName(), file = frame->GetScriptNameOrSourceURL();
    v8::Local<v8::Value> none = v8::Undefined(run.isolate);
    v8::Local<v8::Value> parts[] = {function.IsEmpty() ? none : function, file.IsEmpty() ? none : file, v8::Integer::New(run.isolate, frame->GetLineNumber()),
                                    v8::Integer::New(run.isolate, frame->GetColumn())};
    status = WriteHead(run, MR_TAG_ARRAY, 4);
    for (auto part : parts)
      if (status == MR_OK) status = WriteFlat(run, part);
  }
  return status;
}

/* What was thrown, as far as its own properties say. */
struct Thrown {
  v8::Local<v8::Value> value;
  v8::Local<v8::String> what;
  v8::Local<v8::Value> name, said, stack;

  /* False: the script's code was stopped. */
  bool Ask(const Run &run)
  {
    v8::Isolate *isolate = run.isolate;
    return Describe(run, value, &what) && StringProperty(run, value, v8::String::NewFromUtf8Literal(isolate, "name"), &name) &&
           StringProperty(run, value, v8::String::NewFromUtf8Literal(isolate, "message"), &said) &&
           StringProperty(run, value, v8::String::NewFromUtf8Literal(isolate, "stack"), &stack) && !isolate->IsExecutionTerminating();
  }
};

mr_status
WriteHostError(const Run &run, uint64_t id, const Thrown &thrown)
{
  if (!mr__result_put_tag(run.result, MR_TAG_HOST_ERROR, &id, sizeof id)) return MR_NO_MEMORY;
  mr_status status = MR_OK;
  for (auto part : {thrown.name, thrown.said})
    if (status == MR_OK) status = WriteFlat(run, part->IsString() ? part : v8::String::Empty(run.isolate).As<v8::Value>());
  return status;
}

/* An error's cause: a host error, an error with its own causes, any other value; a hole when there is none, or it cannot be had. */
mr_status
WriteCause(const Run &run, v8::Local<v8::Value> value, int depth)
{
  constexpr int kDeepest = 20; /* a chain may be a circle */
  v8::TryCatch inner(run.isolate);
  v8::Local<v8::String> key = v8::String::NewFromUtf8Literal(run.isolate, "cause");
  v8::Local<v8::Value> cause;
  bool has = false;
  if (depth > kDeepest || !value->IsNativeError() || !value.As<v8::Object>()->HasOwnProperty(run.context, key).To(&has) || !has ||
      !value.As<v8::Object>()->Get(run.context, key).ToLocal(&cause))
    return inner.HasTerminated() ? MR_TERMINATED : WriteTag(run, MR_TAG_HOLE);
  if (!cause->IsNativeError()) return WriteFlat(run, cause);
  Thrown thrown{cause, {}, {}, {}, {}};
  if (!thrown.Ask(run)) return MR_TERMINATED;
  uint64_t id = HostErrorOf(run, cause);
  if (id) return WriteHostError(run, id, thrown);
  mr_status status = WriteTag(run, MR_TAG_ERROR);
  for (auto part : {thrown.name, thrown.said, thrown.stack})
    if (status == MR_OK) status = WriteFlat(run, part);
  return status == MR_OK ? WriteCause(run, cause, depth + 1) : status;
}

mr_status
WriteRecord(const Run &run, const Thrown &thrown, v8::Local<v8::Message> message, const std::u16string &text, uint8_t flags)
{
  v8::Isolate *isolate = run.isolate;
  v8::Local<v8::Value> none = v8::Undefined(isolate), file = none;
  int line = 0, column = 0;
  if (!message.IsEmpty()) {
    file = message->GetScriptResourceName();
    line = message->GetLineNumber(run.context).FromMaybe(0);
    column = message->GetStartColumn() + 1;
  }
  uint64_t id = HostErrorOf(run, thrown.value);
  if (!mr__result_put_tag(run.result, MR_TAG_EXCEPTION, &flags, sizeof flags) || !mr__result_put(run.result, &id, sizeof id)) return MR_NO_MEMORY;
  mr_status status = WriteText(run, text);
  v8::Local<v8::Value> parts[] = {thrown.name, thrown.said, file->IsString() ? file : none, v8::Integer::New(isolate, line), v8::Integer::New(isolate, column)};
  for (auto part : parts)
    if (status == MR_OK) status = WriteFlat(run, part);
  if (status == MR_OK) status = WriteFrames(run, message);
  if (status == MR_OK) status = WriteFlat(run, thrown.value);
  if (status == MR_OK) status = WriteFlat(run, thrown.stack);
  return status == MR_OK ? WriteCause(run, thrown.value, 0) : status;
}

}  // namespace

mr_status
WriteException(const Run &run, v8::TryCatch *caught, uint8_t flags)
{
  v8::Local<v8::Message> message = caught->Message();
  Thrown thrown{caught->Exception(), {}, {}, {}, {}};
  caught->Reset(); /* V8 must not be asked anything while what was thrown outside of JavaScript is still on its way */
  if (flags & MR_X_REJECTED) return WriteRejection(run, thrown.value);
  if (!thrown.Ask(run)) return MR_TERMINATED;
  return WriteRecord(run, thrown, message, TextOf(run, message, thrown.what, thrown.stack), flags);
}

mr_status
WriteRejection(const Run &run, v8::Local<v8::Value> reason)
{
  Thrown thrown{reason, {}, {}, {}, {}};
  if (!thrown.Ask(run)) return MR_TERMINATED;
  std::u16string text;
  bool traced = thrown.stack->IsString() && thrown.stack.As<v8::String>()->Length();
  Append(run, &text, traced ? thrown.stack.As<v8::String>() : thrown.what);
  return WriteRecord(run, thrown, v8::Exception::CreateMessage(run.isolate, reason), text, MR_X_REJECTED);
}

}  // namespace mrv8
