/* mrv8_run.h: what the pieces of one run share: reading the message that came in, writing the one that goes out. Used during mrv8_run(), on its thread. */
#ifndef MRV8_RUN_H_
#define MRV8_RUN_H_

#include <v8.h>

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

/* Appends the value's message to the result. MR_OK; MR_EXCEPTION: JavaScript threw, see the TryCatch; MR_NO_MEMORY, MR_TOO_LARGE. */
mr_status Write(const Run &run, v8::Local<v8::Value> value);

/* Appends a tag without payload: MR_TAG_HOLE, MR_TAG_UNDEFINED. */
mr_status WriteTag(const Run &run, char tag);

/* Appends a tag and a count. */
mr_status WriteHead(const Run &run, char tag, uint32_t count);

/* Appends the whole record of what was caught, running what JavaScript it takes. MR_OK; MR_TERMINATED; MR_NO_MEMORY. `parsing`: the code did not compile. */
mr_status WriteException(const Run &run, const v8::TryCatch &caught, bool parsing);

/* Reads the request's message. */
class Reader {
 public:
  explicit Reader(const Run &run)
      : run_(run), at_(static_cast<const uint8_t *>(run.request->in)), end_(at_ + run.request->in_size)
  {
  }

  /* One value. MR_OK; MR_BAD_MESSAGE, MR_BAD_HANDLE, MR_TOO_DEEP, MR_TOO_LARGE; MR_EXCEPTION when V8 threw. */
  mr_status Read(v8::Local<v8::Value> *value);

  /* The head of an array whose elements the caller reads one by one. */
  mr_status ReadArrayHead(uint32_t *count);

  bool AtEnd() const { return at_ == end_; }

 private:
  bool Take(void *to, size_t size);
  mr_status ReadLatin1(v8::Local<v8::Value> *value);
  mr_status ReadUtf16(v8::Local<v8::Value> *value);
  mr_status ReadBigInt(v8::Local<v8::Value> *value);
  mr_status ReadHandle(v8::Local<v8::Value> *value);
  mr_status ReadArray(v8::Local<v8::Value> *value);
  mr_status ReadNumbers(v8::Local<v8::Value> *value, bool doubles);

  const Run &run_;
  const uint8_t *at_;
  const uint8_t *end_;
  uint32_t depth_ = 0;
};

}  // namespace mrv8

#endif  // MRV8_RUN_H_
