/* mrv8_module.cc: ES modules, as V8 has them. Owns a record for each module of the isolate; which module is which, and where it comes from, is the client's matter.
 * On the thread that has the lock.
 *
 * A module is no JavaScript value, so that the client holds a token instead: an empty object whose handle it releases like any other. The record lives for as long as
 * the token or the module does. */
#include <string>
#include <unordered_map>

#include "mr_wire.h"
#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

struct Record {
  uint64_t id;
  v8::Global<v8::Module> module; /* weak once the token is gone */
  v8::Global<v8::Object> token;  /* weak */
  v8::Global<v8::String> name;
  v8::Global<v8::Function> evaluator;        /* of a synthetic module that has not been evaluated */
  std::vector<v8::Global<v8::String>> names; /* of its exports */
  std::vector<uint64_t> requested;           /* what its imports came to; for the walk before an evaluation inside of another */
  Modules *all;
};

/* What the imports of one module come to, while its graph is linked. */
struct Imports {
  v8::Local<v8::FixedArray> requests;
  std::vector<v8::Local<v8::Value>> targets; /* of each request: a token, or the source object of an `import source` */
  size_t next = 0;                           /* V8 asks in order */
};

}  // namespace

struct Modules {
  std::unordered_map<uint64_t, std::unique_ptr<Record>> records;
  std::unordered_multimap<int, Record *> by_hash; /* of the module */
  std::vector<uint64_t> untied, gone;             /* records whose token, or module, the garbage collection has taken; it must not do more itself */
  std::unordered_map<uint64_t, Imports> *linking = nullptr;
  v8::Global<v8::Private> number; /* the key under which a token keeps the record's */
  v8::Global<v8::Function> import, meta;
  uint64_t last = 0;
  int evaluating = 0;            /* evaluations on the stack */
  bool synthetic_failed = false; /* V8 forgets that a synthetic module has failed when it is imported once more */
};

namespace {

constexpr uintptr_t kEvaluateRoom = 64 * 1024; /* bytes of stack: V8 takes the failure to begin an async module for impossible */
constexpr uintptr_t kLevelRoom = 640;          /* for each import that leads to another */

void
ThrowError(const Run &run, v8::Local<v8::Value> (*kind)(v8::Local<v8::String>), const char *text)
{
  v8::Local<v8::String> said;
  if (v8::String::NewFromUtf8(run.isolate, text).ToLocal(&said)) run.isolate->ThrowException(kind(said));
}

v8::Local<v8::Value>
PlainError(v8::Local<v8::String> text)
{
  return v8::Exception::Error(text);
}

v8::Local<v8::Value>
RangeError(v8::Local<v8::String> text)
{
  return v8::Exception::RangeError(text);
}

void
OnTokenGone(const v8::WeakCallbackInfo<Record> &info)
{
  Record *record = info.GetParameter();
  record->token.Reset();
  record->all->untied.push_back(record->id);
}

void
OnModuleGone(const v8::WeakCallbackInfo<Record> &info)
{
  Record *record = info.GetParameter();
  record->module.Reset();
  record->all->gone.push_back(record->id);
}

Modules &
ModulesOf(const Run &run)
{
  if (!run.self->modules) {
    run.self->modules = std::make_shared<Modules>();
    run.self->modules->number.Reset(run.isolate, v8::Private::New(run.isolate));
  }
  return *run.self->modules;
}

/* Does what the garbage collection could not. */
void
Sweep(Modules *all)
{
  for (uint64_t id : all->untied) {
    auto found = all->records.find(id);
    if (found == all->records.end()) continue;
    found->second->module.SetWeak(found->second.get(), OnModuleGone, v8::WeakCallbackType::kParameter);
  }
  for (uint64_t id : all->gone) {
    for (auto each = all->by_hash.begin(); each != all->by_hash.end(); ++each)
      if (each->second->id == id) {
        all->by_hash.erase(each);
        break;
      }
    all->records.erase(id);
  }
  all->untied.clear();
  all->gone.clear();
}

/* Makes the record of a new module, with its token. */
Record *
Remember(const Run &run, v8::Local<v8::Module> module, v8::Local<v8::String> name, v8::Local<v8::Object> *token)
{
  Modules &all = ModulesOf(run);
  Sweep(&all);
  *token = v8::Object::New(run.isolate, v8::Null(run.isolate), nullptr, nullptr, 0);
  uint64_t id = ++all.last;
  if ((*token)->SetPrivate(run.context, all.number.Get(run.isolate), v8::Number::New(run.isolate, static_cast<double>(id))).IsNothing()) return nullptr;
  auto record = std::make_unique<Record>();
  record->id = id;
  record->all = &all;
  record->module.Reset(run.isolate, module);
  record->name.Reset(run.isolate, name);
  record->token.Reset(run.isolate, *token);
  record->token.SetWeak(record.get(), OnTokenGone, v8::WeakCallbackType::kParameter);
  Record *made = record.get();
  all.by_hash.emplace(module->GetIdentityHash(), made);
  all.records.emplace(id, std::move(record));
  return made;
}

/* The record of a token; null: the value is none. */
Record *
RecordOfToken(const Run &run, v8::Local<v8::Value> token)
{
  v8::Local<v8::Value> id;
  Modules &all = ModulesOf(run);
  if (!token->IsObject() || !token.As<v8::Object>()->GetPrivate(run.context, all.number.Get(run.isolate)).ToLocal(&id) || !id->IsNumber()) return nullptr;
  auto found = all.records.find(static_cast<uint64_t>(id.As<v8::Number>()->Value()));
  return found == all.records.end() ? nullptr : found->second.get();
}

Record *
RecordOfModule(v8::Isolate *isolate, v8::Local<v8::Module> module)
{
  auto *self = static_cast<mrv8_isolate *>(isolate->GetData(0));
  if (!self->modules) return nullptr;
  auto range = self->modules->by_hash.equal_range(module->GetIdentityHash());
  for (auto each = range.first; each != range.second; ++each)
    if (each->second->module == module) return each->second;
  return nullptr;
}

/* --- compiling --- */

mr_status
WriteRequest(const Run &run, v8::Local<v8::Module> module, v8::Local<v8::ModuleRequest> request)
{
  v8::Local<v8::FixedArray> attributes = AttributesOf(request);
  constexpr int kEach = 3; /* key, value, offset */
  int count = attributes->Length() / kEach;
  v8::Location place = module->SourceOffsetToLocation(request->GetSourceOffset());
  mr_status status = WriteHead(run, MR_TAG_ARRAY, static_cast<uint32_t>(4 + 2 * count));
  v8::Local<v8::Value> parts[] = {request->GetSpecifier(), v8::Integer::New(run.isolate, place.GetLineNumber() + 1),
                                  v8::Integer::New(run.isolate, place.GetColumnNumber() + 1), v8::Integer::New(run.isolate, PhaseOf(request))};
  for (auto part : parts)
    if (status == MR_OK) status = WriteFlat(run, part);
  for (int i = 0; i < count && status == MR_OK; i++) {
    status = WriteFlat(run, ItemOf(run.context, attributes, kEach * i).As<v8::Value>());
    if (status == MR_OK) status = WriteFlat(run, ItemOf(run.context, attributes, kEach * i + 1).As<v8::Value>());
  }
  return status;
}

mr_status
Compile(const Run &run, uint8_t *flags)
{
  const mr_options *options = run.request->options;
  v8::Local<v8::String> code, name = run.self->anonymous.Get(run.isolate);
  mr_status status = MakeString(run, run.request->in, run.request->in_size, options->encoding, &code);
  if (status == MR_OK && options->filename) status = MakeString(run, options->filename, std::strlen(options->filename), MR_UTF8, &name);
  if (status != MR_OK) return status;
  v8::ScriptCompiler::Source source(code, ModuleOrigin(run.isolate, name, options->line_offset, options->column_offset));
  v8::Local<v8::Module> module;
  *flags = MR_X_PARSE;
  if (!v8::ScriptCompiler::CompileModule(run.isolate, &source).ToLocal(&module)) return MR_EXCEPTION;
  *flags = 0;
  v8::Local<v8::Object> token;
  if (!Remember(run, module, name, &token)) return MR_EXCEPTION;
  v8::Local<v8::FixedArray> requests = module->GetModuleRequests();
  status = WriteHead(run, MR_TAG_ARRAY, static_cast<uint32_t>(1 + requests->Length()));
  if (status == MR_OK) status = WriteFlat(run, token);
  for (int i = 0; i < requests->Length() && status == MR_OK; i++) {
    v8::HandleScope scope(run.isolate);
    status = WriteRequest(run, module, ItemOf(run.context, requests, i).As<v8::ModuleRequest>());
  }
  return status;
}

/* Calls the evaluator and sets the exports. False: it threw. */
bool
SetExports(v8::Local<v8::Context> context, v8::Local<v8::Module> module, Record *record)
{
  v8::Isolate *isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::Function> evaluator = record->evaluator.Get(isolate);
  v8::Local<v8::Value> values;
  record->evaluator.Reset();
  if (!evaluator->Call(context, v8::Undefined(isolate), 0, nullptr).ToLocal(&values)) return false;
  for (uint32_t i = 0; i < record->names.size(); i++) {
    v8::Local<v8::Value> value = v8::Undefined(isolate);
    if (values->IsObject() && !values.As<v8::Object>()->Get(context, i).ToLocal(&value)) return false;
    if (module->SetSyntheticModuleExport(isolate, record->names[i].Get(isolate), value).IsNothing()) return false;
  }
  record->names.clear();
  return true;
}

/* What V8 calls to evaluate a synthetic module. */
v8::MaybeLocal<v8::Value>
EvaluateSynthetic(v8::Local<v8::Context> context, v8::Local<v8::Module> module)
{
  v8::Isolate *isolate = v8::Isolate::GetCurrent();
  Record *record = RecordOfModule(isolate, module);
  v8::Local<v8::Promise::Resolver> done;
  v8::TryCatch caught(isolate); /* an old V8 ends the process when nothing is on its way; thrown once more, something is */
  if (!record || record->evaluator.IsEmpty() || !v8::Promise::Resolver::New(context).ToLocal(&done)) return v8::Undefined(isolate).As<v8::Value>();
  bool is_set = SetExports(context, module, record);
  if (!is_set && !caught.HasTerminated()) {
    record->all->synthetic_failed = true;
    caught.ReThrow();
    return v8::MaybeLocal<v8::Value>();
  }
  if (!is_set) isolate->TerminateExecution(); /* a termination cannot be thrown once more; who evaluates looks for it */
  done->Resolve(context, v8::Undefined(isolate)).FromMaybe(false);
  return done->GetPromise().As<v8::Value>();
}

/* `in`: [name, evaluator, names of the exports...]. */
mr_status
CompileSynthetic(const Run &run)
{
  Reader reader(run);
  uint32_t count = 0;
  v8::Local<v8::Value> name, evaluator;
  mr_status status = reader.ReadArrayHead(&count);
  if (status == MR_OK) status = count >= 2 ? reader.Read(&name) : MR_BAD_MESSAGE;
  if (status == MR_OK) status = reader.Read(&evaluator);
  std::vector<v8::Local<v8::String>> names;
  v8::Local<v8::Set> known = v8::Set::New(run.isolate); /* V8 ends the process over a name that comes twice */
  for (uint32_t i = 2; i < count && status == MR_OK; i++) {
    v8::Local<v8::Value> each;
    status = reader.Read(&each);
    if (status == MR_OK && !each->IsString()) status = MR_BAD_MESSAGE;
    if (status == MR_OK && known->Add(run.context, each).IsEmpty()) status = MR_EXCEPTION;
    if (status == MR_OK) names.push_back(each.As<v8::String>());
  }
  if (status == MR_OK && (!reader.AtEnd() || !name->IsString() || !evaluator->IsFunction() || known->Size() != names.size())) status = MR_BAD_MESSAGE;
  if (status != MR_OK) return status;
  v8::Local<v8::Object> token;
  Record *record = Remember(run, NewSyntheticModule(run.isolate, name.As<v8::String>(), names, EvaluateSynthetic), name.As<v8::String>(), &token);
  if (!record) return MR_EXCEPTION;
  record->evaluator.Reset(run.isolate, evaluator.As<v8::Function>());
  for (auto each : names) record->names.emplace_back(run.isolate, each);
  return WriteFlat(run, token);
}

/* --- linking --- */

bool
SameAttributes(v8::Local<v8::Context> context, v8::Local<v8::FixedArray> one, v8::Local<v8::FixedArray> other)
{
  if (one->Length() != other->Length()) return false;
  for (int i = 0; i < one->Length(); i++)
    if (!ItemOf(context, one, i).As<v8::Value>()->StrictEquals(ItemOf(context, other, i).As<v8::Value>())) return false;
  return true;
}

/* What a request of the module came to. Empty: the client did not say. */
v8::Local<v8::Value>
TargetOf(v8::Local<v8::Context> context, v8::Local<v8::String> specifier, v8::Local<v8::FixedArray> attributes, v8::Local<v8::Module> referrer, bool source)
{
  Record *record = RecordOfModule(v8::Isolate::GetCurrent(), referrer);
  if (!record || !record->all->linking) return v8::Local<v8::Value>();
  auto found = record->all->linking->find(record->id);
  if (found == record->all->linking->end()) return v8::Local<v8::Value>();
  Imports &imports = found->second;
  size_t count = std::min(imports.targets.size(), static_cast<size_t>(imports.requests->Length()));
  for (size_t i = 0; i < count; i++) {
    size_t at = (imports.next + i) % count;
    auto request = ItemOf(context, imports.requests, static_cast<int>(at)).As<v8::ModuleRequest>();
    if ((PhaseOf(request) == kPhaseSource) != source || !request->GetSpecifier()->StringEquals(specifier) ||
        !SameAttributes(context, AttributesOf(request), attributes))
      continue;
    imports.next = at + 1;
    return imports.targets[at];
  }
  return v8::Local<v8::Value>();
}

void
ThrowUnresolved(v8::Isolate *isolate)
{
  isolate->ThrowException(v8::Exception::Error(v8::String::NewFromUtf8Literal(isolate, "an import of the module was not resolved before it was linked")));
}

v8::MaybeLocal<v8::Module>
OnResolve(v8::Local<v8::Context> context, v8::Local<v8::String> specifier, v8::Local<v8::FixedArray> attributes, v8::Local<v8::Module> referrer)
{
  v8::Isolate *isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::Value> target = TargetOf(context, specifier, attributes, referrer, false);
  auto *self = static_cast<mrv8_isolate *>(isolate->GetData(0));
  Run run{self, isolate, context, nullptr, nullptr};
  Record *found = target.IsEmpty() ? nullptr : RecordOfToken(run, target);
  if (found) return found->module.Get(isolate);
  ThrowUnresolved(isolate);
  return v8::MaybeLocal<v8::Module>();
}

v8::MaybeLocal<v8::Object>
OnResolveSource(v8::Local<v8::Context> context, v8::Local<v8::String> specifier, v8::Local<v8::FixedArray> attributes, v8::Local<v8::Module> referrer)
{
  v8::Isolate *isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::Value> target = TargetOf(context, specifier, attributes, referrer, true);
  if (!target.IsEmpty() && target->IsWasmModuleObject()) return target.As<v8::Object>();
  ThrowUnresolved(isolate);
  return v8::MaybeLocal<v8::Object>();
}

/* One element of Link()'s message: [module, target of each request...]. */
mr_status
ReadImports(const Run &run, Reader *reader, std::unordered_map<uint64_t, Imports> *linking, std::vector<Record *> *order)
{
  uint32_t count = 0;
  v8::Local<v8::Value> token;
  mr_status status = reader->ReadArrayHead(&count);
  if (status == MR_OK) status = count ? reader->Read(&token) : MR_BAD_MESSAGE;
  if (status != MR_OK) return status;
  Record *record = RecordOfToken(run, token);
  if (!record) return MR_BAD_ARGUMENT;
  Imports imports;
  std::vector<uint64_t> requested;
  for (uint32_t i = 1; i < count; i++) {
    v8::Local<v8::Value> target;
    status = reader->Read(&target);
    if (status != MR_OK) return status;
    imports.targets.push_back(target);
    const Record *found = RecordOfToken(run, target);
    if (found) requested.push_back(found->id);
  }
  order->push_back(record);
  v8::Local<v8::Module> module = record->module.Get(run.isolate);
  if (module->GetStatus() != v8::Module::kUninstantiated || !module->IsSourceTextModule()) return MR_OK;
  imports.requests = module->GetModuleRequests();
  record->requested = std::move(requested);
  (*linking)[record->id] = std::move(imports);
  return MR_OK;
}

/* `in`: [[module, target of each request...], ...]. A module that comes before those that import it keeps V8 from going deep. */
mr_status
Link(const Run &run)
{
  Modules &all = ModulesOf(run);
  Reader reader(run);
  uint32_t count = 0;
  std::unordered_map<uint64_t, Imports> linking;
  std::vector<Record *> order;
  mr_status status = reader.ReadArrayHead(&count);
  for (uint32_t i = 0; i < count && status == MR_OK; i++) status = ReadImports(run, &reader, &linking, &order);
  if (status == MR_OK && !reader.AtEnd()) status = MR_BAD_MESSAGE;
  if (status != MR_OK) return status;
  all.linking = &linking;
  for (const Record *record : order) {
    v8::HandleScope scope(run.isolate);
    v8::Local<v8::Module> module = record->module.Get(run.isolate);
    if (status == MR_OK && module->GetStatus() == v8::Module::kUninstantiated && Instantiate(module, run.context, OnResolve, OnResolveSource).IsNothing())
      status = MR_EXCEPTION;
  }
  all.linking = nullptr;
  return status == MR_OK ? WriteTag(run, MR_TAG_UNDEFINED) : status;
}

/* --- evaluating --- */

/* What V8 is not fit for: a module that is on its way already, further out on the stack, or a synthetic one that has failed. True when there is none of them. */
bool
MayEvaluate(const Run &run, Record *root)
{
  std::vector<Record *> left{root};
  std::unordered_map<uint64_t, bool> seen{{root->id, true}};
  while (!left.empty()) {
    Record *record = left.back();
    left.pop_back();
    v8::HandleScope scope(run.isolate);
    v8::Local<v8::Module> module = record->module.Get(run.isolate);
    if (module.IsEmpty()) continue;
    switch (module->GetStatus()) {
      case v8::Module::kEvaluating:
        ThrowError(run, PlainError, "a module that is still being evaluated cannot be imported from within");
        return false;
      case v8::Module::kErrored:
        run.isolate->ThrowException(module->GetException());
        return false;
      case v8::Module::kEvaluated:
        continue;
      default:
        break;
    }
    for (uint64_t id : record->requested) {
      auto found = record->all->records.find(id);
      if (found != record->all->records.end() && seen.emplace(id, true).second) left.push_back(found->second.get());
    }
  }
  return true;
}

/* One module: whether it is done, or a promise of that. */
mr_status
EvaluateOne(const Run &run, Record *record, v8::Local<v8::Value> *outcome)
{
  Modules &all = *record->all;
  v8::Local<v8::Module> module = record->module.Get(run.isolate);
  if (module->GetStatus() < v8::Module::kInstantiated) {
    ThrowError(run, PlainError, "a module must be linked before it is evaluated");
    return MR_EXCEPTION;
  }
  if ((all.evaluating || all.synthetic_failed || module->GetStatus() == v8::Module::kErrored) && !MayEvaluate(run, record)) return MR_EXCEPTION;
  v8::Local<v8::Value> answer;
  all.evaluating++;
  bool evaluated = module->Evaluate(run.context).ToLocal(&answer);
  all.evaluating--;
  if (run.self->terminating.load()) return MR_TERMINATED;
  if (!evaluated) return MR_EXCEPTION;
  *outcome = v8::Undefined(run.isolate);
  if (!answer->IsPromise()) return MR_OK;
  v8::Local<v8::Promise> promise = answer.As<v8::Promise>();
  promise->MarkAsHandled(); /* who imports it is told */
  if (promise->State() == v8::Promise::kPending) *outcome = promise;
  if (promise->State() != v8::Promise::kRejected) return MR_OK;
  ForgetRejection(run.self, promise);
  run.isolate->ThrowException(promise->Result());
  return MR_EXCEPTION;
}

/* `in`: [how deep imports go at most, module...]. */
mr_status
Evaluate(const Run &run)
{
  Reader reader(run);
  uint32_t count = 0;
  v8::Local<v8::Value> depth, outcome = v8::Undefined(run.isolate);
  std::vector<Record *> order;
  mr_status status = reader.ReadArrayHead(&count);
  if (status == MR_OK) status = count ? reader.Read(&depth) : MR_BAD_MESSAGE;
  if (status == MR_OK && !depth->IsUint32()) status = MR_BAD_MESSAGE;
  for (uint32_t i = 1; i < count && status == MR_OK; i++) {
    v8::Local<v8::Value> token;
    status = reader.Read(&token);
    Record *record = status == MR_OK ? RecordOfToken(run, token) : nullptr;
    if (status == MR_OK && !record) status = MR_BAD_ARGUMENT;
    order.push_back(record);
  }
  if (status != MR_OK) return status;
  if (StackLeft(run.self) < kEvaluateRoom + kLevelRoom * depth.As<v8::Uint32>()->Value()) {
    ThrowError(run, RangeError, "Maximum call stack size exceeded");
    return MR_EXCEPTION;
  }
  for (Record *record : order) {
    status = EvaluateOne(run, record, &outcome);
    if (status != MR_OK) return status;
  }
  return WriteFlat(run, outcome);
}

mr_status
Namespace(const Run &run, v8::Local<v8::Value> token)
{
  Record *record = RecordOfToken(run, token);
  if (!record) return MR_BAD_ARGUMENT;
  v8::Local<v8::Module> module = record->module.Get(run.isolate);
  if (module->GetStatus() >= v8::Module::kInstantiated) return WriteFlat(run, module->GetModuleNamespace());
  ThrowError(run, PlainError, "a module that is not linked has no namespace");
  return MR_EXCEPTION;
}

/* --- what scripts ask for --- */

/* The microtask of an import(): asks the client's function. Its data: [resolver's promise, arguments...]. */
void
OnImportTurn(const v8::FunctionCallbackInfo<v8::Value> &info)
{
  v8::Isolate *isolate = info.GetIsolate();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  auto *self = static_cast<mrv8_isolate *>(isolate->GetData(0));
  v8::Local<v8::Array> data = info.Data().As<v8::Array>();
  std::vector<v8::Local<v8::Value>> parts(data->Length());
  for (uint32_t i = 0; i < data->Length(); i++)
    if (!data->Get(context, i).ToLocal(&parts[i])) return;
  auto resolver = parts[0].As<v8::Promise::Resolver>();
  v8::TryCatch caught(isolate);
  v8::Local<v8::Value> value;
  bool done = self->modules->import.Get(isolate)->Call(context, v8::Undefined(isolate), static_cast<int>(parts.size() - 1), parts.data() + 1).ToLocal(&value);
  if (caught.HasTerminated()) return isolate->TerminateExecution();
  if (done) resolver->Resolve(context, value).FromMaybe(false);
  else resolver->Reject(context, caught.Exception()).FromMaybe(false);
}

v8::MaybeLocal<v8::Promise>
OnImport(v8::Local<v8::Context> context, v8::Local<v8::Value> referrer, v8::Local<v8::String> specifier, int phase, v8::Local<v8::FixedArray> attributes)
{
  v8::Isolate *isolate = v8::Isolate::GetCurrent();
  auto *self = static_cast<mrv8_isolate *>(isolate->GetData(0));
  v8::Local<v8::Promise::Resolver> resolver;
  v8::Local<v8::Function> turn;
  if (!v8::Promise::Resolver::New(context).ToLocal(&resolver)) return v8::MaybeLocal<v8::Promise>();
  v8::Local<v8::StackTrace> stack = v8::StackTrace::CurrentStackTrace(isolate, 1, v8::StackTrace::kLineNumber);
  int line = stack->GetFrameCount() ? stack->GetFrame(isolate, 0)->GetLineNumber() : 0;
  if (!referrer->IsString()) referrer = v8::Undefined(isolate);
  std::vector<v8::Local<v8::Value>> parts{resolver, specifier, referrer, v8::Integer::New(isolate, line), v8::Integer::New(isolate, phase)};
  for (int i = 0; i < attributes->Length(); i++) parts.push_back(ItemOf(context, attributes, i).As<v8::Value>());
  v8::Local<v8::Array> data = v8::Array::New(isolate, parts.data(), parts.size());
  if (!v8::Function::New(context, OnImportTurn, data, 0, v8::ConstructorBehavior::kThrow).ToLocal(&turn)) return v8::MaybeLocal<v8::Promise>();
  self->microtasks->EnqueueMicrotask(isolate, turn);
  return resolver->GetPromise();
}

void
OnMeta(v8::Local<v8::Context> context, v8::Local<v8::Module> module, v8::Local<v8::Object> meta)
{
  v8::Isolate *isolate = v8::Isolate::GetCurrent();
  const Record *record = RecordOfModule(isolate, module);
  if (!record) return;
  v8::TryCatch caught(isolate);
  v8::Local<v8::Value> arguments[] = {meta, record->name.Get(isolate)};
  v8::Local<v8::Value> answer;
  if (!record->all->meta.Get(isolate)->Call(context, v8::Undefined(isolate), 2, arguments).ToLocal(&answer) && caught.HasTerminated())
    isolate->TerminateExecution();
}

/* `in`: [function that import() calls, function that makes import.meta]. */
mr_status
SetHooks(const Run &run)
{
  Reader reader(run);
  uint32_t count = 0;
  v8::Local<v8::Value> import, meta;
  mr_status status = reader.ReadArrayHead(&count);
  if (status == MR_OK) status = count == 2 ? reader.Read(&import) : MR_BAD_MESSAGE;
  if (status == MR_OK) status = reader.Read(&meta);
  if (status == MR_OK && (!reader.AtEnd() || !import->IsFunction() || !meta->IsFunction())) status = MR_BAD_MESSAGE;
  if (status != MR_OK) return status;
  Modules &all = ModulesOf(run);
  all.import.Reset(run.isolate, import.As<v8::Function>());
  all.meta.Reset(run.isolate, meta.As<v8::Function>());
  SetImportCallback<OnImport>(run.isolate);
  run.isolate->SetHostInitializeImportMetaObjectCallback(OnMeta);
  return WriteTag(run, MR_TAG_UNDEFINED);
}

}  // namespace

mr_status
OperateOnModules(const Run &run, uint8_t *flags)
{
  switch (run.request->operation) {
    case MRV8_MODULE_COMPILE:
      return Compile(run, flags);
    case MRV8_MODULE_SYNTHETIC:
      return CompileSynthetic(run);
    case MRV8_MODULE_LINK:
      return Link(run);
    case MRV8_MODULE_EVALUATE:
      return Evaluate(run);
    case MRV8_MODULE_NAMESPACE:
      return Namespace(run, run.request->target->value.Get(run.isolate));
    default:
      return SetHooks(run);
  }
}

void
AddReferencesOfModules(std::vector<intptr_t> *references)
{
  references->push_back(reinterpret_cast<intptr_t>(OnImportTurn));
}

}  // namespace mrv8
