/* mrv8_object.cc: objects of the host in JavaScript: proxies, whose every trap asks the host, and iterators. On the thread that has the lock.
 *
 * No script runs here and no global is looked up, so that nothing a script has changed (Proxy, Reflect, prototypes) is in the way. What may be seen is the host's
 * decision alone: traps, handlers and targets that a script gets hold of, by whatever trick, give it nothing more than the proxy does. */
#include "mr_wire.h"
#include "mrv8_compat.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

using Info = v8::FunctionCallbackInfo<v8::Value>;

/* Fields of a proxy's handler; an iterator has the first one. */
enum Field { kId, kFlags, kProxy, kFields };

constexpr uint32_t kKindMask = 7;

v8::Local<v8::Value>
FieldOf(v8::Local<v8::Object> holder, Field field)
{
  return holder->GetInternalField(field).As<v8::Value>();
}

uint64_t
IdOf(v8::Local<v8::Object> holder)
{
  v8::Local<v8::Value> id = FieldOf(holder, kId);
  return id->IsNumber() ? static_cast<uint64_t>(id.As<v8::Number>()->Value()) : 0;
}

uint32_t
FlagsOf(v8::Local<v8::Object> handler)
{
  v8::Local<v8::Value> flags = FieldOf(handler, kFlags);
  return flags->IsUint32() ? flags.As<v8::Uint32>()->Value() : 0;
}

/* One question to the host: what is asked, and up to three values that go with it. */
HostAnswer
AskOf(const Info &info, v8::Local<v8::Object> holder, uint32_t operation, std::initializer_list<v8::Local<v8::Value>> values = {})
{
  return AskHost(info.GetIsolate(), IdOf(holder), operation, values.begin(), static_cast<int>(values.size()));
}

v8::Local<v8::Context>
ContextOf(const Info &info)
{
  return info.GetIsolate()->GetCurrentContext();
}

bool
IsIteration(const Info &info, v8::Local<v8::Value> key)
{
  uint32_t flags = FlagsOf(info.This());
  if (key == v8::Symbol::GetIterator(info.GetIsolate())) return flags & MR_HOST_ITERABLE;
  return key == v8::Symbol::GetAsyncIterator(info.GetIsolate()) && (flags & MR_HOST_ASYNC_ITERABLE);
}

/* What [Symbol.iterator] is: its data is the handler, which it keeps alive. */
void
OnIterate(const Info &info)
{
  HostAnswer answer = AskOf(info, info.Data().As<v8::Object>(), MR_ASK_ITERATE);
  if (answer.returned) info.GetReturnValue().Set(answer.value);
}

/* The traps. Their arguments are the target and what the operation is about. */

void
OnGet(const Info &info)
{
  v8::Local<v8::Context> context = ContextOf(info);
  if (info[1]->IsString()) {
    HostAnswer answer = AskOf(info, info.This(), MR_ASK_GET, {info[1]});
    if (!answer.returned) return;
    if (!answer.hole) return info.GetReturnValue().Set(answer.value);
  } else if (IsIteration(info, info[1])) {
    v8::Local<v8::Function> iterate;
    if (v8::Function::New(context, OnIterate, info.This(), 0, v8::ConstructorBehavior::kThrow).ToLocal(&iterate)) info.GetReturnValue().Set(iterate);
    return;
  }
  v8::Local<v8::Value> inherited;
  if (info[0].As<v8::Object>()->Get(context, info[1]).ToLocal(&inherited)) info.GetReturnValue().Set(inherited);
}

void
OnHas(const Info &info)
{
  bool has = false;
  if (info[1]->IsString()) {
    HostAnswer answer = AskOf(info, info.This(), MR_ASK_HAS, {info[1]});
    if (!answer.returned) return;
    has = answer.value->IsTrue();
  } else {
    has = IsIteration(info, info[1]);
  }
  if (has || info[0].As<v8::Object>()->Has(ContextOf(info), info[1]).To(&has)) info.GetReturnValue().Set(has);
}

/* Symbols are never the host's: to set one fails, to delete one finds nothing to do. */

void
OnSet(const Info &info)
{
  if (!info[1]->IsString()) return info.GetReturnValue().Set(false);
  HostAnswer answer = AskOf(info, info.This(), MR_ASK_SET, {info[1], info[2]});
  if (answer.returned) info.GetReturnValue().Set(answer.value);
}

void
OnDelete(const Info &info)
{
  if (!info[1]->IsString()) return info.GetReturnValue().Set(true);
  HostAnswer answer = AskOf(info, info.This(), MR_ASK_DELETE, {info[1]});
  if (answer.returned) info.GetReturnValue().Set(answer.value);
}

void
OnKeys(const Info &info)
{
  HostAnswer answer = AskOf(info, info.This(), MR_ASK_KEYS);
  if (answer.returned) info.GetReturnValue().Set(answer.value);
}

/* The answer is a hole, or [value, whether it can be set, whether loops see it]. The length of an array is the one property that JavaScript wants to be permanent. */
void
OnDescribe(const Info &info)
{
  if (!info[1]->IsString()) return;
  HostAnswer answer = AskOf(info, info.This(), MR_ASK_DESCRIBE, {info[1]});
  if (!answer.returned || answer.hole || !answer.value->IsArray()) return;
  v8::Isolate *isolate = info.GetIsolate();
  v8::Local<v8::Name> names[] = {
      v8::String::NewFromUtf8Literal(isolate, "value", v8::NewStringType::kInternalized),
      v8::String::NewFromUtf8Literal(isolate, "writable", v8::NewStringType::kInternalized),
      v8::String::NewFromUtf8Literal(isolate, "enumerable", v8::NewStringType::kInternalized),
      v8::String::NewFromUtf8Literal(isolate, "configurable", v8::NewStringType::kInternalized),
  };
  v8::Local<v8::Value> values[4];
  for (uint32_t i = 0; i < 3; i++)
    if (!answer.value.As<v8::Object>()->Get(ContextOf(info), i).ToLocal(&values[i])) return;
  bool permanent = info[0]->IsArray() && info[1].As<v8::String>()->StringEquals(v8::String::NewFromUtf8Literal(isolate, "length"));
  values[3] = v8::Boolean::New(isolate, !permanent);
  info.GetReturnValue().Set(v8::Object::New(isolate, v8::Null(isolate), names, values, 4));
}

void
OnApply(const Info &info)
{
  v8::Local<v8::Context> context = ContextOf(info);
  auto list = info[2].As<v8::Array>();
  std::vector<v8::Local<v8::Value>> values(list->Length() + 1);
  values[0] = info[1];
  for (uint32_t i = 1; i < values.size(); i++)
    if (!list->Get(context, i - 1).ToLocal(&values[i])) return;
  HostAnswer answer = AskHost(info.GetIsolate(), IdOf(info.This()), MR_ASK_CALL, values.data(), static_cast<int>(values.size()));
  if (answer.returned) info.GetReturnValue().Set(answer.value);
}

void
Refuse(const Info &info)
{
  info.GetReturnValue().Set(false);
}

void
Allow(const Info &info)
{
  info.GetReturnValue().Set(true);
}

void
OnPrototype(const Info &info)
{
  info.GetReturnValue().Set(PrototypeOf(info[0].As<v8::Object>()));
}

/* An iterator's functions. */

void
Step(const Info &info, uint32_t operation)
{
  v8::Isolate *isolate = info.GetIsolate();
  HostAnswer answer = info.Length() ? AskOf(info, info.This(), operation, {info[0]}) : AskOf(info, info.This(), operation);
  if (!answer.returned) return;
  if (info.Data()->IsTrue()) return info.GetReturnValue().Set(answer.value); /* a promise */
  v8::Local<v8::Name> names[] = {v8::String::NewFromUtf8Literal(isolate, "value", v8::NewStringType::kInternalized),
                                 v8::String::NewFromUtf8Literal(isolate, "done", v8::NewStringType::kInternalized)};
  v8::Local<v8::Value> value = answer.value;
  if (operation == MR_ASK_RETURN && info.Length()) value = info[0];
  v8::Local<v8::Object> result = v8::Object::New(isolate);
  v8::Local<v8::Context> context = ContextOf(info);
  if (result->CreateDataProperty(context, names[0], value).IsNothing()) return;
  if (result->CreateDataProperty(context, names[1], v8::Boolean::New(isolate, answer.hole)).IsNothing()) return;
  info.GetReturnValue().Set(result);
}

void
OnNext(const Info &info)
{
  Step(info, MR_ASK_NEXT);
}

void
OnReturn(const Info &info)
{
  Step(info, MR_ASK_RETURN);
}

void
OnThrow(const Info &info)
{
  Step(info, MR_ASK_THROW);
}

struct Named {
  const char *name;
  v8::FunctionCallback callback;
};

/* Every trap there is: one that were missing would be looked up in Object.prototype. */
constexpr Named kTraps[] = {{"get", OnGet},
                            {"has", OnHas},
                            {"set", OnSet},
                            {"deleteProperty", OnDelete},
                            {"ownKeys", OnKeys},
                            {"getOwnPropertyDescriptor", OnDescribe},
                            {"apply", OnApply},
                            {"construct", Refuse},
                            {"defineProperty", Refuse},
                            {"preventExtensions", Refuse},
                            {"setPrototypeOf", Refuse},
                            {"isExtensible", Allow},
                            {"getPrototypeOf", OnPrototype}};

constexpr Named kSteps[] = {{"next", OnNext}, {"return", OnReturn}, {"throw", OnThrow}};

template <size_t kCount>
void
Equip(v8::Isolate *isolate, v8::Local<v8::FunctionTemplate> owner, v8::Local<v8::ObjectTemplate> holder, v8::Local<v8::Value> data,
      const Named (&functions)[kCount])
{
  v8::Local<v8::Signature> signature = v8::Signature::New(isolate, owner);
  for (const Named &each : functions) {
    v8::Local<v8::String> name;
    if (!v8::String::NewFromUtf8(isolate, each.name, v8::NewStringType::kInternalized).ToLocal(&name)) return;
    v8::Local<v8::FunctionTemplate> made = v8::FunctionTemplate::New(isolate, each.callback, data, signature, 0, v8::ConstructorBehavior::kThrow);
    made->SetClassName(name);
    holder->Set(name, made, v8::DontEnum);
  }
}

/* What handlers are made of. */
v8::Local<v8::FunctionTemplate>
Handlers(mrv8_isolate *self)
{
  v8::Isolate *isolate = self->isolate;
  if (!self->handlers.IsEmpty()) return self->handlers.Get(isolate);
  v8::Local<v8::FunctionTemplate> made = v8::FunctionTemplate::New(isolate);
  made->InstanceTemplate()->SetInternalFieldCount(kFields);
  Equip(isolate, made, made->InstanceTemplate(), v8::Local<v8::Value>(), kTraps);
  self->handlers.Reset(isolate, made);
  return made;
}

/* What iterators are made of. */
v8::Local<v8::FunctionTemplate>
Iterators(mrv8_isolate *self, bool async)
{
  v8::Isolate *isolate = self->isolate;
  v8::Global<v8::FunctionTemplate> &kept = self->iterators[async];
  if (!kept.IsEmpty()) return kept.Get(isolate);
  v8::Local<v8::FunctionTemplate> made = v8::FunctionTemplate::New(isolate);
  made->InstanceTemplate()->SetInternalFieldCount(1);
  Equip(isolate, made, made->PrototypeTemplate(), v8::Boolean::New(isolate, async), kSteps);
  kept.Reset(isolate, made);
  return made;
}

/* The prototype of the iterators: JavaScript's own above it. */
v8::MaybeLocal<v8::Object>
IteratorPrototype(const Run &run, bool async)
{
  v8::Isolate *isolate = run.isolate;
  v8::Global<v8::Object> &kept = run.self->iterator_prototypes[async];
  if (!kept.IsEmpty()) return kept.Get(isolate);
  v8::Local<v8::String> name = v8::String::NewFromUtf8Literal(isolate, "prototype", v8::NewStringType::kInternalized);
  v8::Local<v8::String> constructor = v8::String::NewFromUtf8Literal(isolate, "constructor", v8::NewStringType::kInternalized);
  v8::Local<v8::ObjectTemplate> carrier = v8::ObjectTemplate::New(isolate);
  carrier->SetIntrinsicDataProperty(name, async ? v8::kAsyncIteratorPrototype : v8::kIteratorPrototype);
  v8::Local<v8::Object> holder, made;
  v8::Local<v8::Value> above;
  if (!carrier->NewInstance(run.context).ToLocal(&holder) || !holder->Get(run.context, name).ToLocal(&above)) return v8::MaybeLocal<v8::Object>();
  if (!Iterators(run.self, async)->InstanceTemplate()->NewInstance(run.context).ToLocal(&holder)) return v8::MaybeLocal<v8::Object>();
  made = PrototypeOf(holder).As<v8::Object>();
  if (made->Delete(run.context, constructor).IsNothing() || SetPrototypeOf(run.context, made, above).IsNothing()) return v8::MaybeLocal<v8::Object>();
  kept.Reset(isolate, made);
  return made;
}

v8::MaybeLocal<v8::Object>
NewIterator(const Run &run, uint64_t id, bool async)
{
  v8::Local<v8::Object> made;
  if (IteratorPrototype(run, async).IsEmpty() || !Iterators(run.self, async)->InstanceTemplate()->NewInstance(run.context).ToLocal(&made))
    return v8::MaybeLocal<v8::Object>();
  made->SetInternalField(kId, v8::Number::New(run.isolate, static_cast<double>(id)));
  KeepReference(run, id, made);
  return made;
}

void
Nothing(const Info &)
{
}

v8::MaybeLocal<v8::Object>
NewTarget(const Run &run, uint32_t kind)
{
  if (kind == MR_HOST_OBJECT) return v8::Object::New(run.isolate);
  if (kind == MR_HOST_SEQUENCE) return v8::Array::New(run.isolate).As<v8::Object>();
  v8::Local<v8::Function> function;
  if (!v8::Function::New(run.context, Nothing, v8::Local<v8::Value>(), 0, v8::ConstructorBehavior::kThrow).ToLocal(&function))
    return v8::MaybeLocal<v8::Object>();
  return function.As<v8::Object>();
}

v8::MaybeLocal<v8::Object>
NewProxy(const Run &run, uint64_t id, uint32_t flags)
{
  v8::Local<v8::Object> target, handler;
  v8::Local<v8::Proxy> proxy;
  if (!NewTarget(run, flags & kKindMask).ToLocal(&target) || !Handlers(run.self)->InstanceTemplate()->NewInstance(run.context).ToLocal(&handler) ||
      !v8::Proxy::New(run.context, target, handler).ToLocal(&proxy))
    return v8::MaybeLocal<v8::Object>();
  handler->SetInternalField(kId, v8::Number::New(run.isolate, static_cast<double>(id)));
  handler->SetInternalField(kFlags, v8::Integer::NewFromUnsigned(run.isolate, flags));
  handler->SetInternalField(kProxy, proxy);
  KeepReference(run, id, handler); /* lives as long as the proxy, and as a function that [Symbol.iterator] gave */
  return proxy.As<v8::Object>();
}

}  // namespace

mr_status
NewHostObject(const Run &run, uint64_t id, uint32_t flags, v8::Local<v8::Value> *value)
{
  uint32_t kind = flags & kKindMask;
  if (kind > MR_HOST_ASYNC_ITERATOR) return MR_BAD_MESSAGE;
  v8::Local<v8::Value> known;
  if (FindReference(run, id, &known)) {
    int fields = known->IsObject() ? known.As<v8::Object>()->InternalFieldCount() : 0;
    *value = fields == kFields ? FieldOf(known.As<v8::Object>(), kProxy) : known;
    if (fields == (kind < MR_HOST_ITERATOR ? kFields : 1)) return MR_OK;
    ForgetReference(run.self, id);
    return MR_BAD_MESSAGE;
  }
  v8::Local<v8::Object> made;
  bool is_made = kind >= MR_HOST_ITERATOR ? NewIterator(run, id, kind == MR_HOST_ASYNC_ITERATOR).ToLocal(&made) : NewProxy(run, id, flags).ToLocal(&made);
  if (!is_made) return MR_EXCEPTION;
  *value = made;
  return MR_OK;
}

uint64_t
HostObjectOf(const Run &run, v8::Local<v8::Value> value)
{
  if (!value->IsObject()) return 0;
  mrv8_isolate *self = run.self;
  if (value->IsProxy()) {
    if (self->handlers.IsEmpty()) return 0;
    v8::Local<v8::Value> handler = value.As<v8::Proxy>()->GetHandler();
    return handler->IsObject() && Handlers(self)->HasInstance(handler) ? IdOf(handler.As<v8::Object>()) : 0;
  }
  for (bool async : {false, true})
    if (!self->iterators[async].IsEmpty() && value.As<v8::Object>()->InternalFieldCount() == 1 && Iterators(self, async)->HasInstance(value))
      return IdOf(value.As<v8::Object>());
  return 0;
}

void
AddReferencesOfObjects(std::vector<intptr_t> *references)
{
  for (const Named &each : kTraps) references->push_back(reinterpret_cast<intptr_t>(each.callback));
  for (const Named &each : kSteps) references->push_back(reinterpret_cast<intptr_t>(each.callback));
  for (v8::FunctionCallback each : {OnIterate, Nothing}) references->push_back(reinterpret_cast<intptr_t>(each));
}

}  // namespace mrv8
