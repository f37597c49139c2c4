/* mrv8_exception.cc: the record of an exception. Everything here may run a script's code (toString, getters) and so may throw or be terminated once more. */
#include <string>

#include "mr_result.h"
#include "mr_wire.h"
#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

/* The record's text is put together as UTF-16, so that whatever is in the parts stays in it. */
void
Append(const Run &run, std::u16string *text, v8::Local<v8::String> part)
{
  size_t before = text->size();
  text->resize(before + static_cast<size_t>(part->Length()));
  CopyUtf16(run.isolate, part, reinterpret_cast<uint16_t *>(&(*text)[before]));
}

/* What `String(value)` says, or that it says nothing. */
v8::Local<v8::String>
Describe(const Run &run, v8::Local<v8::Value> value)
{
  v8::TryCatch inner(run.isolate);
  v8::Local<v8::String> text;
  if (value->ToString(run.context).ToLocal(&text)) return text;
  return v8::String::NewFromUtf8Literal(run.isolate, "<string conversion failed>");
}

/* A property of the thrown object that is a string, else undefined. */
v8::Local<v8::Value>
StringProperty(const Run &run, v8::Local<v8::Value> thrown, v8::Local<v8::String> name)
{
  v8::TryCatch inner(run.isolate);
  v8::Local<v8::Value> value;
  if (thrown->IsObject() && thrown.As<v8::Object>()->Get(run.context, name).ToLocal(&value) && value->IsString()) return value;
  return v8::Undefined(run.isolate);
}

/* "<file>:<line>: <what>\n<source line>\n<marks under it>\n\n<stack>\n", as mini-racer has it. */
std::u16string
TextOf(const Run &run, v8::Local<v8::Message> message, v8::Local<v8::String> what, v8::Local<v8::Value> stack)
{
  std::u16string text;
  v8::Local<v8::String> line;
  if (!message.IsEmpty()) {
    Append(run, &text, Describe(run, message->GetScriptResourceName()));
    std::string number = ":" + std::to_string(message->GetLineNumber(run.context).FromMaybe(0)) + ": ";
    text.append(number.begin(), number.end());
  }
  Append(run, &text, what);
  text += u'\n';
  if (!message.IsEmpty() && message->GetSourceLine(run.context).ToLocal(&line)) {
    int start = message->GetStartColumn(), end = message->GetEndColumn();
    Append(run, &text, line);
    text += u'\n';
    if (start > 0) text.append(static_cast<size_t>(start), u' ');
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
  if (text.size() > static_cast<size_t>(v8::String::kMaxLength)) return MR_TOO_LARGE;
  if (!v8::String::NewFromTwoByte(run.isolate, reinterpret_cast<const uint16_t *>(text.data()), v8::NewStringType::kNormal, static_cast<int>(text.size())).ToLocal(&string))
    return MR_NO_MEMORY;
  return Write(run, string);
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
      if (status == MR_OK) status = Write(run, part);
  }
  return status;
}

}  // namespace

mr_status
WriteException(const Run &run, const v8::TryCatch &caught, bool parsing)
{
  v8::Isolate *isolate = run.isolate;
  v8::Local<v8::Value> thrown = caught.Exception();
  v8::Local<v8::Message> message = caught.Message();
  v8::Local<v8::Value> none = v8::Undefined(isolate);
  v8::Local<v8::String> what = Describe(run, thrown);
  v8::Local<v8::Value> name = StringProperty(run, thrown, v8::String::NewFromUtf8Literal(isolate, "name"));
  v8::Local<v8::Value> said = StringProperty(run, thrown, v8::String::NewFromUtf8Literal(isolate, "message"));
  v8::Local<v8::Value> stack = StringProperty(run, thrown, v8::String::NewFromUtf8Literal(isolate, "stack"));
  if (isolate->IsExecutionTerminating()) return MR_TERMINATED;
  bool known = !message.IsEmpty();
  v8::Local<v8::Value> file = known ? message->GetScriptResourceName() : none;
  int line = known ? message->GetLineNumber(run.context).FromMaybe(0) : 0;
  uint8_t flags = parsing ? MR_X_PARSE : 0;
  if (!mr__result_put_tag(run.result, MR_TAG_EXCEPTION, &flags, 1)) return MR_NO_MEMORY;
  mr_status status = WriteText(run, TextOf(run, message, what, stack));
  v8::Local<v8::Value> parts[] = {name, said, file->IsString() ? file : none, v8::Integer::New(isolate, line), v8::Integer::New(isolate, known ? message->GetStartColumn() + 1 : 0)};
  for (auto part : parts)
    if (status == MR_OK) status = Write(run, part);
  if (status == MR_OK) status = WriteFrames(run, message);
  if (status == MR_OK) status = Write(run, thrown);
  if (status == MR_OK) status = Write(run, stack);
  return status;
}

}  // namespace mrv8
