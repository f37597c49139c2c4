/* mrv8_console.h: the text of a value in a console. Used on the thread that has the context's lock, while JavaScript waits. */
#ifndef MRV8_CONSOLE_H_
#define MRV8_CONSOLE_H_

#include <string>
#include <vector>

#include "mrv8_run.h"

namespace mrv8 {

constexpr int kLongestText = 1 << 20; /* characters of a message, of a string in it, and of one among the raw arguments */

/* Writes values as a browser's console shows them, into one text. Runs none of the script's code: no getters, no traps, no toString. Stops, with an ellipsis, where the
 * text gets longer, or has more values in it, than anybody reads; and when the script is being terminated, which then goes on. */
class Inspector {
 public:
  explicit Inspector(const Run &run) : run_(run) {}

  std::u16string text;
  int deepest = 2; /* objects within objects that are shown */

  void Add(const char *ascii);
  void Add(v8::Local<v8::String> string, int most = kLongestText) { AppendText(run_, &text, string, most); }

  /* A value of its own: a string as it is. */
  void ShowAlone(v8::Local<v8::Value> value);

  /* A value as it looks within others: a string in quotes. */
  void Show(v8::Local<v8::Value> value, int depth);

  void ShowFrames(v8::Local<v8::StackTrace> trace);

  /* An own property that holds a value. False: there is none, or it has a getter, which `*getter` then says. */
  bool Own(v8::Local<v8::Object> object, v8::Local<v8::Name> key, v8::Local<v8::Value> *value, bool *getter);

  /* Own properties that loops see, without elements where `elements` is not set; empty: V8 has none to give. */
  v8::Local<v8::Array> Keys(v8::Local<v8::Object> object, bool elements);

  v8::Local<v8::Name> KeyOf(uint32_t index);

  bool stopped() const { return stopped_; }

 private:
  void ShowPrimitive(v8::Local<v8::Value> value, bool quoted);
  void ShowQuoted(v8::Local<v8::String> string);
  void ShowObject(v8::Local<v8::Object> object, int depth);
  void ShowFunction(v8::Local<v8::Function> function);
  void ShowDate(double time);
  void ShowError(v8::Local<v8::Object> error, int depth);
  void ShowPromise(v8::Local<v8::Promise> promise, int depth);
  void ShowElements(v8::Local<v8::Object> object, uint64_t length, int depth);
  void ShowEntries(v8::Local<v8::Array> flat, bool pairs, int depth);
  void ShowProperties(v8::Local<v8::Object> object, int depth, bool elements, bool first);
  void ShowCount(v8::Local<v8::Object> object, size_t count);
  void ShowClass(v8::Local<v8::Object> object) { Add(object->GetConstructorName(), 200); }
  void ShowText(v8::Local<v8::Value> value);
  bool ShowBoxed(v8::Local<v8::Object> object);
  bool ShowLeaf(v8::Local<v8::Object> object, int depth);
  v8::Local<v8::String> Inherited(v8::Local<v8::Object> object, const char *name);
  bool IsFull();

  const Run &run_;
  std::vector<v8::Local<v8::Object>> around_; /* the objects that this is within */
  int shown_ = 0;
  bool stopped_ = false;
};

}  // namespace mrv8

#endif  // MRV8_CONSOLE_H_
