/* mrv8_run.h: what the pieces of one run share: reading the message that came in, writing the one that goes out. Used during mrv8_run(), on its thread. */
#ifndef MRV8_RUN_H_
#define MRV8_RUN_H_

#include <v8.h>

#include <cstring>
#include <string>
#include <vector>

#include "mr_wire.h"
#include "mrv8_isolate.h"

namespace mrv8 {

/* Of one run: everything that it needs, in one place. */
struct Run {
  mrv8_isolate *self;
  v8::Isolate *isolate;
  v8::Local<v8::Context> context;
  const mrv8_request *request;
  mr_result *result;
};

/* A string of a text that stays where it is until V8 lets go of it; its memory counts towards nothing. MR_EXCEPTION, MR_NO_MEMORY: it was not taken. */
mr_status HoldUncounted(const Run &run, const mr_text &text, v8::Local<v8::String> *string);

/* A string of a text of the host's, as mr_text says. */
mr_status ReadText(const Run &run, mr_text *text, v8::Local<v8::String> *string);

/* Appends the value's message to the result: containers as handles, or as a whole with MR_COPY. MR_OK; MR_EXCEPTION: JavaScript threw, or was terminated, see the
 * TryCatch; MR_TOO_DEEP, MR_TOO_LARGE: the result then holds the path to the place; MR_NO_MEMORY. */
mr_status Write(const Run &run, v8::Local<v8::Value> value);

/* Appends a value that is none of a whole: as Write() without MR_COPY. */
mr_status WriteFlat(const Run &run, v8::Local<v8::Value> value);

/* Appends a tag without payload: MR_TAG_HOLE, MR_TAG_UNDEFINED. */
mr_status WriteTag(const Run &run, char tag);

/* Appends a tag and a count. */
mr_status WriteHead(const Run &run, char tag, uint32_t count);

/* Appends a buffer ('v'): an ArrayBuffer, a SharedArrayBuffer or a view of one. */
mr_status WriteBuffer(const Run &run, v8::Local<v8::Object> buffer);

/* Appends the whole record of what was caught, and resets that, running what JavaScript it takes. MR_OK; MR_TERMINATED; MR_NO_MEMORY. `flags`: MR_X_*. */
mr_status WriteException(const Run &run, v8::TryCatch *caught, uint8_t flags);

/* The same for a value that was not caught: what a promise was rejected with. */
mr_status WriteRejection(const Run &run, v8::Local<v8::Value> reason);

/* Appends a string to a text for people: at most `most` characters of it, and an ellipsis for what is left out. A script can make a string of half a billion
 * characters, and a few of them in one text would be more than V8 lets a string be. */
void AppendText(const Run &run, std::u16string *text, v8::Local<v8::String> part, int most);

/* Makes the result hold the text alone, as the detail of a failure. */
void WriteDetail(const Run &run, const std::u16string &text);

/* Appends a handle that has been made. */
mr_status WriteHandle(const Run &run, uint8_t kind, mr_handle handle);

/* The request's code, compiled; with the cache of an earlier compilation, when it has one. `first`: V8 need not remember it. Empty: see `status`; MR_EXCEPTION: it
 * cannot be parsed. */
v8::MaybeLocal<v8::UnboundScript> CompileScript(const Run &run, bool first, bool *rejected, mr_status *status);

/* What the request's code was compiled to, if that is kept. Else where to keep it, if it is short and plain and has come before; NULL. `first`: it is short, and has
 * not come before, as far as one remembers. */
struct KnownScript;
KnownScript *FindScript(const Run &run, v8::Local<v8::Script> *script, bool *first);
void KeepScript(const Run &run, KnownScript *place, v8::Local<v8::Script> script);

/* Tells the host of a script's cache. */
void TellCodeCache(const Run &run, v8::Local<v8::UnboundScript> script);

/* MRV8_COMPILE, MRV8_RUN, MRV8_CODE_CACHE. */
mr_status CompileOnly(const Run &run, uint8_t *flags);
mr_status RunScript(const Run &run, v8::MaybeLocal<v8::Value> *result);
mr_status CodeCache(const Run &run, v8::Local<v8::Value> *buffer);

/* The handle of a value, held anew or once more; 0: no memory. */
mr_handle HandleOf(const Run &run, v8::Local<v8::Value> value);

/* The id of the host's error that the value is; 0: it is none. */
uint64_t HostErrorOf(const Run &run, v8::Local<v8::Value> value);

/* The id of the host's object that the value stands for; 0: it is none. */
uint64_t HostObjectOf(const Run &run, v8::Local<v8::Value> value);

/* What JavaScript holds of the host, by its id: the value that is alive, counted once more; and tying a new value to its id. */
bool FindReference(const Run &run, uint64_t id, v8::Local<v8::Value> *value);
void KeepReference(const Run &run, uint64_t id, v8::Local<v8::Value> value);

/* Takes back what a message has brought that could not be read to its end: nothing in JavaScript reaches it, and the host is not told. */
void ForgetReference(mrv8_isolate *self, uint64_t id);

/* What the host says to a question. */
struct HostAnswer {
  v8::Local<v8::Value> value;
  bool returned; /* else it has thrown */
  bool hole;
};

/* Asks for the operation (MR_ASK_*) on an object of the host. */
HostAnswer AskHost(v8::Isolate *isolate, uint64_t id, uint32_t operation, const v8::Local<v8::Value> *values, int count);

/* Tells the host, which answers nothing. Where there is no memory for the message, it is not told. */
void TellHost(v8::Isolate *isolate, uint64_t id, const std::vector<v8::Local<v8::Value>> &values);

/* A proxy or an iterator: the one of this id that is alive, else a new one. MR_OK; MR_BAD_MESSAGE: no such kind; MR_EXCEPTION. */
mr_status NewHostObject(const Run &run, uint64_t id, uint32_t flags, v8::Local<v8::Value> *value);

/* A function that calls the host; an Error that remembers the host's. Empty: V8 threw. */
v8::MaybeLocal<v8::Function> NewHostFunction(const Run &run, uint64_t id, uint32_t length, v8::Local<v8::Value> name);
v8::MaybeLocal<v8::Object> NewHostError(const Run &run, uint64_t id, v8::Local<v8::Value> name, v8::Local<v8::Value> message);

/* An ArrayBuffer of so many bytes, or a typed array over one: a copy of `content`, zeros without. MR_BAD_MESSAGE: no such element, or no whole number of them. */
mr_status NewBuffer(const Run &run, uint32_t element, const void *content, size_t size, v8::Local<v8::Value> *value);

/* MRV8_ITERATE, and whether there is none; MRV8_NEXT, and whether it was the end. */
mr_status Iterate(const Run &run, v8::Local<v8::Object> object, v8::Local<v8::Value> *iterator, bool *none);
mr_status Next(const Run &run, v8::Local<v8::Object> iterator, v8::Local<v8::Value> *value, bool *done);

/* MRV8_ELEMENTS, which is written. */
mr_status WriteElements(const Run &run, v8::Local<v8::Value> target);

/* Whether a text has no byte beyond ASCII. */
bool IsAscii(const void *text, size_t size);

/* Text of the client's, in one of its encodings. */
mr_status MakeString(const Run &run, const void *text, size_t size, uint32_t encoding, v8::Local<v8::String> *string);

/* MRV8_MODULE_*: as Write(). `flags`: MR_X_*, for what it throws. */
mr_status OperateOnModules(const Run &run, uint8_t *flags);

/* Somebody has taken notice of the promise's rejection. */
void ForgetRejection(mrv8_isolate *self, v8::Local<v8::Promise> promise);

/* MRV8_AWAIT and MRV8_PREVIEW. */
mr_status Await(const Run &run, v8::Local<v8::Value> target);
mr_status Preview(const Run &run, v8::Local<v8::Value> target);

/* MRV8_SNAPSHOT_CHECK. */
v8::MaybeLocal<v8::Value> WhyNoSnapshot(const Run &run);

/* MRV8_NUMBERS. */
mr_status WriteAllStats(const Run &run);

/* Microtasks were stopped, and V8 has thrown away those that were still to run: tells the host of the promises that are settled and would have been told of in these. */
void TellLost(mrv8_isolate *self);

/* Tells the host which references are gone. */
void TellReleased(mrv8_isolate *self);

/* Tells the host what microtasks threw, and of rejections that nobody has taken notice of; whether there is any of this. */
void TellErrors(const Run &run);
bool HasErrors(const Run &run);

/* The string that V8 compares by identity, of a property's name in Latin-1. MR_OK, MR_TOO_LARGE, MR_EXCEPTION. */
mr_status NameOf(mrv8_isolate *self, const uint8_t *bytes, uint32_t length, v8::Local<v8::Value> *value);

/* A message that is no more than a number, a boolean, null or undefined: nothing can go wrong with these. False: it is another one. */
inline bool
ReadScalar(v8::Isolate *isolate, const void *message, size_t size, v8::Local<v8::Value> *value)
{
  const auto *bytes = static_cast<const char *>(message);
  int32_t whole = 0;
  double number = 0;
  if (size == 1 + sizeof whole && *bytes == MR_TAG_INT32) {
    std::memcpy(&whole, bytes + 1, sizeof whole);
    *value = v8::Integer::New(isolate, whole);
  } else if (size == 1 + sizeof number && *bytes == MR_TAG_DOUBLE) {
    std::memcpy(&number, bytes + 1, sizeof number);
    *value = v8::Number::New(isolate, number);
  } else if (size != 1) {
    return false;
  } else if (*bytes == MR_TAG_TRUE || *bytes == MR_TAG_FALSE) {
    *value = v8::Boolean::New(isolate, *bytes == MR_TAG_TRUE);
  } else if (*bytes == MR_TAG_NULL) {
    *value = v8::Null(isolate);
  } else if (*bytes == MR_TAG_UNDEFINED) {
    *value = v8::Undefined(isolate);
  } else {
    return false;
  }
  return true;
}

/* Of code and names that are kept. Eight bytes at a time; who makes some that collide makes them as slow as if they were not kept. */
inline uint64_t
HashOfBytes(const uint8_t *code, size_t size)
{
  constexpr uint64_t kFactor = 0x9E3779B97F4A7C15;
  uint64_t hash = size * kFactor, word = 0;
  for (; size >= sizeof word; code += sizeof word, size -= sizeof word) {
    std::memcpy(&word, code, sizeof word);
    hash = (hash ^ word) * kFactor;
    hash ^= hash >> 32;
  }
  word = 0;
  if (size) std::memcpy(&word, code, size);
  hash = (hash ^ word) * kFactor;
  return hash ^ hash >> 32;
}

/* Never 0. */
inline uint64_t
HashOfPair(uint64_t one, uint64_t other)
{
  uint64_t hash = (one ^ other) * 0x9E3779B97F4A7C15;
  return (hash ^ hash >> 32) | 1;
}

/* An object with these properties, in this order; `hash` is one of all names, or 0. Empty: no object of these names was made often enough yet, or it takes another way. */
v8::MaybeLocal<v8::Object> NewOfShape(const Run &run, uint64_t hash, const v8::Local<v8::Name> *names, v8::MaybeLocal<v8::Value> *values, size_t count);

/* How many properties it may have at most. */
constexpr uint32_t kMostOfShape = 32;

/* A list that is short, as a rule: the first ones need no memory. */
template <typename T, size_t kFew>
class ShortList {
 public:
  size_t size() const { return size_; }
  T &operator[](size_t at) { return at < kFew ? few_[at] : more_[at - kFew]; }
  void push_back(const T &item)
  {
    if (size_ < kFew) few_[size_] = item;
    else more_.push_back(item);
    size_++;
  }

 private:
  size_t size_ = 0;
  T few_[kFew];
  std::vector<T> more_;
};

/* Reads one message. References to the host in it are JavaScript's when it was read to its end, which the result then says; else they are not. */
class Reader {
 public:
  Reader(const Run &run, const void *message, size_t size, const mr_slice *buffers, uint64_t buffer_count)
      : run_(run), at_(static_cast<const uint8_t *>(message)), end_(at_ + size), buffers_(buffers), buffer_count_(buffer_count)
  {
  }
  explicit Reader(const Run &run) : Reader(run, run.request->in, run.request->in_size, run.request->options->buffers, run.request->options->buffer_count)
  {
    texts_ = run.request->options->texts;
    text_count_ = run.request->options->text_count;
  }

  Reader(const Reader &) = delete;
  Reader &operator=(const Reader &) = delete;
  ~Reader();

  /* One value; of a property's name, the string that V8 compares by identity. MR_OK; MR_BAD_MESSAGE, MR_BAD_HANDLE, MR_TOO_DEEP, MR_TOO_LARGE; MR_EXCEPTION when V8 threw. */
  mr_status Read(v8::Local<v8::Value> *value);
  mr_status ReadName(v8::Local<v8::Value> *value);

  /* The head of an array whose elements the caller reads one by one. */
  mr_status ReadArrayHead(uint32_t *count);

  bool AtEnd() const { return at_ == end_ && !failed_; }

 private:
  template <typename T>
  bool Take(T *to)
  {
    if (Left() < sizeof *to) return false;
    std::memcpy(to, at_, sizeof *to);
    at_ += sizeof *to;
    return true;
  }
  size_t Left() const { return static_cast<size_t>(end_ - at_); }
  bool TakeCount(uint32_t *count, size_t each) { return Take(count) && Left() / each >= *count; }
  struct Key {
    v8::Local<v8::Name> name;
    uint64_t hash; /* 0: none */
  };

  mr_status ReadLatin1(v8::NewStringType type, v8::Local<v8::Value> *value);
  mr_status ReadUtf16(v8::NewStringType type, v8::Local<v8::Value> *value);
  mr_status ReadInternalized(v8::Local<v8::Value> *value);
  mr_status ReadTextOf(v8::Local<v8::Value> *value);
  mr_status ReadBigInt(v8::Local<v8::Value> *value);
  mr_status ReadHandle(v8::Local<v8::Value> *value);
  mr_status ReadReference(v8::Local<v8::Value> *value);
  mr_status ReadValue(v8::Local<v8::Value> *value);
  mr_status ReadContainer(char tag, v8::Local<v8::Value> *value);
  mr_status ReadArray(v8::Local<v8::Value> *value);
  mr_status ReadNumbers(bool doubles, v8::Local<v8::Value> *value);
  mr_status ReadKey(Key *key);
  mr_status ReadProperty(Key *key, v8::Local<v8::Value> *value);
  mr_status ReadLargeObject(uint32_t count, v8::Local<v8::Value> *value);
  mr_status MakeObject(size_t number, size_t first, uint64_t hash, v8::Local<v8::Value> *value);
  mr_status ReadObject(v8::Local<v8::Value> *value);
  mr_status ReadMap(v8::Local<v8::Value> *value);
  mr_status ReadSet(v8::Local<v8::Value> *value);
  v8::Local<v8::Value> NewErrorOfNextName() const; /* a RangeError when the name that comes next is that; likewise the other classes */
  mr_status ReadError(v8::Local<v8::Value> *value);
  mr_status ReadTypedArray(bool out_of_line, v8::Local<v8::Value> *value);
  mr_status ReadHost(bool function, v8::Local<v8::Value> *value);
  mr_status ReadHostObject(v8::Local<v8::Value> *value);

  /* A container that has begun. It is empty for an array or an object that nothing has referred to before its end. */
  struct Container {
    v8::Local<v8::Value> value;
    uint32_t length;
    bool object = false;
  };

  const Run &run_;
  const uint8_t *at_;
  const uint8_t *end_;
  const mr_slice *buffers_;
  uint64_t buffer_count_;
  mr_text *texts_ = nullptr;
  uint64_t text_count_ = 0;
  uint32_t depth_ = 0;
  bool failed_ = false;
  std::vector<uint64_t> taken_; /* ids of the host's */
  ShortList<Container, 2> containers_;
  std::vector<Key> keys_;
  std::vector<v8::Local<v8::Name>> names_; /* of objects that have begun, the innermost's last; and their values */
  std::vector<v8::MaybeLocal<v8::Value>> values_;
};

}  // namespace mrv8

#endif  // MRV8_RUN_H_
