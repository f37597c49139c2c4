/* mrv8_compat.h: what differs between V8 10.2 and 15. No other file asks for V8's version. */
#ifndef MRV8_COMPAT_H_
#define MRV8_COMPAT_H_

#include <v8.h>

#include <cstdint>

#define MRV8_AT_LEAST(major, minor) (V8_MAJOR_VERSION > (major) || (V8_MAJOR_VERSION == (major) && V8_MINOR_VERSION >= (minor)))

namespace mrv8 {

/* Copies the whole string; the caller made room for Length() characters. */
inline void
CopyLatin1(v8::Isolate *isolate, v8::Local<v8::String> string, uint8_t *to)
{
#if MRV8_AT_LEAST(15, 0)
  string->WriteOneByte(isolate, 0, static_cast<uint32_t>(string->Length()), to);
#elif MRV8_AT_LEAST(13, 5)
  string->WriteOneByteV2(isolate, 0, static_cast<uint32_t>(string->Length()), to);
#else
  string->WriteOneByte(isolate, to, 0, string->Length(), v8::String::NO_NULL_TERMINATION);
#endif
}

inline void
CopyUtf16(v8::Isolate *isolate, v8::Local<v8::String> string, uint16_t *to)
{
#if MRV8_AT_LEAST(15, 0)
  string->Write(isolate, 0, static_cast<uint32_t>(string->Length()), to);
#elif MRV8_AT_LEAST(13, 5)
  string->WriteV2(isolate, 0, static_cast<uint32_t>(string->Length()), to);
#else
  string->Write(isolate, to, 0, string->Length(), v8::String::NO_NULL_TERMINATION);
#endif
}

inline v8::ScriptOrigin
Origin(v8::Isolate *isolate, v8::Local<v8::Value> name, int line, int column)
{
#if MRV8_AT_LEAST(12, 0)
  (void)isolate;
  return v8::ScriptOrigin(name, line, column);
#else
  return v8::ScriptOrigin(isolate, name, line, column);
#endif
}

/* Whether V8's sandbox holds what it promises. */
inline bool
SandboxIsSecure()
{
#if defined(V8_ENABLE_SANDBOX) && MRV8_AT_LEAST(11, 0)
  return v8::V8::IsSandboxConfiguredSecurely();
#else
  return false;
#endif
}

inline constexpr bool kSandbox =
#ifdef V8_ENABLE_SANDBOX
    true;
#else
    false;
#endif

}  // namespace mrv8

#endif  // MRV8_COMPAT_H_
