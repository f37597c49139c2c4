/* mrv8_script.cc: classic scripts, compiled once and run as often as one likes, and V8's cache of what was compiled. On the thread that has the lock.
 *
 * A compiled script is no JavaScript value, so that its handle has an empty object as well, which is what everybody else sees of it. */
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "mr_text.h"
#include "mr_wire.h"
#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

constexpr size_t kLarge = size_t{64} << 10; /* bytes of a script from which on V8 gets no copy of its own */

/* V8 has let go of a text that the process has once. */
void
ReleaseShared(void *text)
{
  mr__text_release(static_cast<mr__text *>(text));
}

/* The request's code. */
mr_status
CodeOf(const Run &run, v8::Local<v8::String> *code)
{
  const void *text = run.request->in;
  size_t size = run.request->in_size;
  uint32_t encoding = run.request->options->encoding;
  bool one_byte = encoding == MR_LATIN1 || (encoding == MR_UTF8 && size >= kLarge && IsAscii(text, size));
  if (size < kLarge || !one_byte || size > static_cast<size_t>(v8::String::kMaxLength)) return MakeString(run, text, size, encoding, code);
  if (run.self->creator) {
    auto *resource = TextForSnapshot(run.self, text, size);
    if (!resource) return MakeString(run, text, size, encoding, code);
    return v8::String::NewExternalOneByte(run.isolate, resource).ToLocal(code) ? MR_OK : MR_EXCEPTION;
  }
  mr__text *shared = mr__text_share(text, size);
  if (!shared) return MR_NO_MEMORY;
  mr_status status = HoldUncounted(run, {mr__text_bytes(shared), size, MR_LATIN1, 0, ReleaseShared, shared}, code);
  if (status != MR_OK) mr__text_release(shared);
  return status;
}

mr_handle
Keep(const Run &run, v8::Local<v8::UnboundScript> script)
{
  std::unique_ptr<mrv8_value> kept(new (std::nothrow) mrv8_value);
  if (!kept) return 0;
  v8::Local<v8::Object> token = v8::Object::New(run.isolate, v8::Null(run.isolate), nullptr, nullptr, 0);
  kept->value.Reset(run.isolate, token);
  kept->script.Reset(run.isolate, script);
  mr_handle handle = run.self->host->handle_new(run.self->owner, static_cast<uint32_t>(token->GetIdentityHash()), kept.get());
  if (handle) (void)kept.release();
  return handle;
}

}  // namespace

/* --- short codes that are evaluated again and again, and those that are evaluated once ---
 *
 * V8 finds what it has compiled, too, but it makes a string of the code first, hashes that, and makes a new function of what it finds: together that is as long as a
 * short script takes. Here a code that comes for the second time is kept with its function, which is run as often as it comes. What is evaluated once takes no place
 * from these, and none in V8's cache: there it would stay for some collections, which would find more and more of it. Of what has come, the hash is remembered;
 * who comes again after too many others is taken for new, and is no more than compiled once more. */

struct KnownScript {
  uint64_t hash = 0; /* of the code that came last and is not the one that is kept */
  uint64_t kept_hash = 0;
  uint32_t encoding = 0;
  std::string code;
  v8::Global<v8::Script> script;
};

struct KnownScripts {
  static constexpr size_t kPlaces = 64, kMostBytes = 4096, kSets = 512, kOfSet = 4;
  KnownScript places[kPlaces];
  uint32_t seen[kSets][kOfSet] = {}; /* the upper halves of hashes, by the lower ones; the last one first */
};

namespace {

/* Whether it has come before; from now on it has. */
bool
IsSeen(KnownScripts *scripts, uint64_t hash)
{
  uint32_t *set = scripts->seen[hash % KnownScripts::kSets];
  auto mark = static_cast<uint32_t>(hash >> 32);
  for (size_t i = 0; i < KnownScripts::kOfSet; i++)
    if (set[i] == mark) return true;
  std::memmove(set + 1, set, (KnownScripts::kOfSet - 1) * sizeof *set);
  *set = mark;
  return false;
}

}  // namespace

KnownScript *
FindScript(const Run &run, v8::Local<v8::Script> *script, bool *first)
{
  const mrv8_request *request = run.request;
  const mr_options *options = request->options;
  mrv8_isolate *self = run.self;
  *first = false;
  if (request->in_size > KnownScripts::kMostBytes || options->buffer_count || (options->flags & MR_CODE_CACHE) || self->creator) return nullptr;
  if (!self->scripts) self->scripts = std::make_shared<KnownScripts>();
  uint64_t hash = HashOfBytes(static_cast<const uint8_t *>(request->in), request->in_size);
  KnownScript *place = &self->scripts->places[hash % KnownScripts::kPlaces];
  bool plain = !request->realm && !options->filename && !options->line_offset && !options->column_offset;
  bool kept = plain && place->kept_hash == hash && !place->script.IsEmpty() && place->encoding == options->encoding && place->code.size() == request->in_size;
  if (kept && std::memcmp(place->code.data(), request->in, request->in_size) == 0) {
    *script = place->script.Get(run.isolate);
    return nullptr;
  }
  *first = !IsSeen(self->scripts.get(), hash);
  if (plain && place->hash == hash) return place;
  if (plain) place->hash = hash;
  return nullptr;
}

void
KeepScript(const Run &run, KnownScript *place, v8::Local<v8::Script> script)
{
  place->kept_hash = place->hash;
  place->encoding = run.request->options->encoding;
  place->code.assign(static_cast<const char *>(run.request->in), run.request->in_size);
  place->script.Reset(run.isolate, script);
}

v8::MaybeLocal<v8::UnboundScript>
CompileScript(const Run &run, bool first, bool *rejected, mr_status *status)
{
  const mr_options *options = run.request->options;
  const mr_slice *cache = options->buffer_count ? &options->buffers[0] : nullptr;
  v8::Local<v8::String> code, name = run.self->anonymous.Get(run.isolate);
  *status = cache && (!cache->data || !cache->size || cache->size > INT32_MAX) ? MR_BAD_ARGUMENT : MR_OK;
  if (*status == MR_OK) *status = CodeOf(run, &code);
  if (*status == MR_OK && options->filename) *status = MakeString(run, options->filename, std::strlen(options->filename), MR_UTF8, &name);
  if (*status != MR_OK) return v8::MaybeLocal<v8::UnboundScript>();
  *status = MR_EXCEPTION;
  v8::ScriptOrigin origin = Origin(run.isolate, name, options->line_offset, options->column_offset);
  auto *data = cache ? new v8::ScriptCompiler::CachedData(static_cast<const uint8_t *>(cache->data), static_cast<int>(cache->size)) : nullptr;
  v8::ScriptCompiler::Source source(code, origin, data); /* it frees `data`, but not what that points to */
  auto how = cache ? v8::ScriptCompiler::kConsumeCodeCache : v8::ScriptCompiler::kNoCompileOptions;
  v8::Local<v8::UnboundScript> script;
  /* With our patch, V8 then keeps it in no cache of its own either. */
  auto why = first ? v8::ScriptCompiler::kNoCacheBecauseCacheTooCold : v8::ScriptCompiler::kNoCacheNoReason;
  if (!v8::ScriptCompiler::CompileUnboundScript(run.isolate, &source, how, why).ToLocal(&script)) return v8::MaybeLocal<v8::UnboundScript>();
  *rejected = cache && source.GetCachedData()->rejected;
  *status = MR_OK;
  return script;
}

void
TellCodeCache(const Run &run, v8::Local<v8::UnboundScript> script)
{
  if (run.self->creator) return; /* V8 would end the process */
  std::unique_ptr<v8::ScriptCompiler::CachedData> cache(v8::ScriptCompiler::CreateCodeCache(script));
  if (cache) run.self->host->event(run.self->owner, MR_EVENT_CODE_CACHE, run.request->options->call, cache->data, static_cast<uint64_t>(cache->length));
}

mr_status
CompileOnly(const Run &run, uint8_t *flags)
{
  bool rejected = false;
  mr_status status = MR_OK;
  v8::Local<v8::UnboundScript> script;
  if (!CompileScript(run, false, &rejected, &status).ToLocal(&script)) {
    *flags = MR_X_PARSE;
    return status;
  }
  mr_handle handle = Keep(run, script);
  if (!handle) return MR_NO_MEMORY;
  status = WriteHead(run, MR_TAG_ARRAY, 2);
  if (status == MR_OK) status = WriteHandle(run, MR_KIND_SCRIPT, handle);
  if (status == MR_OK) status = WriteTag(run, rejected ? MR_TAG_TRUE : MR_TAG_FALSE);
  return status;
}

mr_status
RunScript(const Run &run, v8::MaybeLocal<v8::Value> *result)
{
  if (run.request->target->script.IsEmpty()) return MR_BAD_ARGUMENT;
  *result = run.request->target->script.Get(run.isolate)->BindToCurrentContext()->Run(run.context);
  return MR_OK;
}

mr_status
CodeCache(const Run &run, v8::Local<v8::Value> *buffer)
{
  if (run.request->target->script.IsEmpty()) return MR_BAD_ARGUMENT;
  if (run.self->creator) return MR_NO_SUPPORT; /* V8 would end the process */
  std::unique_ptr<v8::ScriptCompiler::CachedData> cache(v8::ScriptCompiler::CreateCodeCache(run.request->target->script.Get(run.isolate)));
  return cache ? NewBuffer(run, MR_ELEMENT_UINT8, cache->data, static_cast<size_t>(cache->length), buffer) : MR_NO_MEMORY;
}

}  // namespace mrv8
