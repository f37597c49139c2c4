/* mr_python_wire.c: from messages to Python's objects and back, in C. Owns nothing between calls but a count of builds; on the thread that has the GIL.
 *
 * Only what is frequent is done here. A message with anything else in it goes to _wire.py as a whole, which is the definition of what comes out; a test holds the
 * two against each other. So a message is looked through first: handles that were counted once must not be counted again. */
#include "mr_python_wire.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "mr_python_buffer.h"
#include "mr_python_lane.h"
#include "mr_wire.h"

/* --- reading --- */

/* A message from which on the collector is paused: it would look at a half-built value again and again. */
#define LARGE 4096

static int builds; /* that have paused it */
static int paused;

void
mr__python_pause_collector(void)
{
  if (builds++ == 0) paused = py.PyGC_Disable();
}

void
mr__python_resume_collector(void)
{
  if (--builds == 0 && paused) py.PyGC_Enable();
}

static uint32_t
u32_at(const uint8_t *at)
{
  uint32_t number;
  memcpy(&number, at, sizeof number);
  return number;
}

static double
f64_at(const uint8_t *at)
{
  double number;
  memcpy(&number, at, sizeof number);
  return number;
}

static uint64_t
u64_at(const uint8_t *at)
{
  uint64_t number;
  memcpy(&number, at, sizeof number);
  return number;
}

/* Bytes of what begins with a tag, without what its count adds; 0: such messages are for _wire.py. */
static const uint8_t least[UINT8_MAX + 1] = {[MR_TAG_UNDEFINED] = 1, [MR_TAG_NULL] = 1,    [MR_TAG_TRUE] = 1,   [MR_TAG_FALSE] = 1,     [MR_TAG_HOLE] = 1,
                                             [MR_TAG_INT32] = 5,     [MR_TAG_ARRAY] = 5,   [MR_TAG_OBJECT] = 5, [MR_TAG_REFERENCE] = 5, [MR_TAG_KEY] = 5,
                                             [MR_TAG_DOUBLE] = 9,    [MR_TAG_DATE] = 9,    [MR_TAG_LATIN1] = 5, [MR_TAG_UTF16] = 5,     [MR_TAG_INT32S] = 5,
                                             [MR_TAG_DOUBLES] = 5,   [MR_TAG_HANDLE] = 10, [MR_TAG_BUFFER] = 35};

/* What each of its count adds. */
static const uint8_t for_each[UINT8_MAX + 1] = {[MR_TAG_LATIN1] = 1, [MR_TAG_UTF16] = 2, [MR_TAG_INT32S] = 4, [MR_TAG_DOUBLES] = 8};

/* Bytes of what begins at `at`, the values inside of a container not counted; 0: it is for _wire.py, or malformed. */
static inline size_t
token_size(const uint8_t *at, size_t left)
{
  uint64_t size = least[*at];
  if (!size || size > left) return 0;
  if (for_each[*at]) size += for_each[*at] * (uint64_t)u32_at(at + 1);
  return size <= left ? size : 0;
}

static bool
is_frequent(const uint8_t *at, size_t left)
{
  while (left) {
    size_t size = token_size(at, left);
    if (!size) return false;
    at += size;
    left -= size;
  }
  return true;
}

static mr__object *
text_at(const uint8_t *at)
{
  uint32_t count = u32_at(at + 1);
  int order = -1;
  if (*at == MR_TAG_LATIN1) return py.PyUnicode_DecodeLatin1((const char *)at + 5, count, NULL);
  return py.PyUnicode_DecodeUTF16((const char *)at + 5, 2 * (mr__size)count, "surrogatepass", &order);
}

/* A number among floats: an int where JavaScript has a 32-bit integer. */
static mr__object *
number(double value)
{
  if (value >= INT32_MIN && value <= INT32_MAX) {
    int32_t whole = (int32_t)value;
    if (whole == value && (whole || !__builtin_signbit(value))) return py.PyLong_FromLong(whole);
  }
  return py.PyFloat_FromDouble(value);
}

static mr__object *
numbers_at(const uint8_t *at)
{
  uint32_t count = u32_at(at + 1);
  mr__object *list = py.PyList_New(count);
  for (uint32_t i = 0; list && i < count; i++) {
    mr__object *element = *at == MR_TAG_DOUBLES ? number(f64_at(at + 5 + 8 * (size_t)i)) : py.PyLong_FromLong((int32_t)u32_at(at + 5 + 4 * (size_t)i));
    if (!element) {
      py.Py_DecRef(list);
      return NULL;
    }
    py.PyList_SetItem(list, i, element);
  }
  return list;
}

/* A call of one of the context's methods with numbers: wrap(kind, handle), view(element, flags, store, address, bytes, handle). */
static mr__object *
ask(mr__object *context, mr__object *name, const uint64_t *numbers, int count)
{
  mr__object *method = py.PyObject_GetAttr(context, name), *arguments = py.PyTuple_New(count), *answer = NULL;
  bool ok = method && arguments;
  for (int i = 0; ok && i < count; i++) {
    mr__object *value = py.PyLong_FromUnsignedLongLong(numbers[i]);
    ok = value && py.PyTuple_SetItem(arguments, i, value) == 0;
  }
  if (ok) answer = py.PyObject_Call(method, arguments, NULL);
  if (method) py.Py_DecRef(method);
  if (arguments) py.Py_DecRef(arguments);
  return answer;
}

/* NULL, without an exception: it is for _buffers.py. `id`: the Context's; 0: it is to be asked who it is. */
static mr__object *
view_at(const uint8_t *at, mr__object *context, mr_context id)
{
  const mr__python_buffer buffer = {at[1], at[2], u64_at(at + 3), u64_at(at + 11), u64_at(at + 19), u64_at(at + 27)};
  if (buffer.flags || !buffer.size || !buffer.store || buffer.element > MR_ELEMENT_DATA_VIEW) return NULL;
  if (id) return mr__python_view(context, id, &buffer);
  mr__object *home = mr__lane_home(context, &id);
  if (!home) return NULL;
  mr__object *view = mr__python_view(home, id, &buffer);
  py.Py_DecRef(home);
  return view;
}

static mr__object *
new_reference(mr__object *object)
{
  py.Py_IncRef(object);
  return object;
}

/* What is no container. `inside`: of one. */
static mr__object *
scalar_at(const uint8_t *at, mr__object *context, bool inside)
{
  switch (*at) {
  case MR_TAG_INT32:
    return py.PyLong_FromLong((int32_t)u32_at(at + 1));
  case MR_TAG_DOUBLE:
    return py.PyFloat_FromDouble(f64_at(at + 1));
  case MR_TAG_LATIN1:
  case MR_TAG_UTF16:
    return text_at(at);
  case MR_TAG_UNDEFINED:
    return new_reference(lane.undefined);
  case MR_TAG_NULL:
    return new_reference(py.None);
  case MR_TAG_TRUE:
    return new_reference(py.True);
  case MR_TAG_FALSE:
    return new_reference(py.False);
  case MR_TAG_HOLE:
    return new_reference(inside ? lane.undefined : lane.hole);
  case MR_TAG_HANDLE:
    return ask(context, lane.wrap, (uint64_t[]){at[1], u64_at(at + 2)}, 2);
  case MR_TAG_BUFFER: {
    mr__object *view = view_at(at, context, 0);
    if (view || py.PyErr_Occurred()) return view;
    const uint64_t numbers[] = {at[1], at[2], u64_at(at + 3), u64_at(at + 11), u64_at(at + 19), u64_at(at + 27)};
    return ask(context, lane.view, numbers, 6);
  }
  default: { /* MR_TAG_DATE */
    mr__object *milliseconds = py.PyFloat_FromDouble(f64_at(at + 1));
    mr__object *date = milliseconds ? py.PyObject_CallFunctionObjArgs(lane.date, milliseconds, NULL) : NULL;
    if (milliseconds) py.Py_DecRef(milliseconds);
    return date;
  }
  }
}

/* Growing arrays of pointers. */
typedef struct pointers {
  mr__object **items;
  uint32_t count, capacity;
} pointers;

static bool
push(pointers *to, mr__object *item)
{
  if (to->count == to->capacity) {
    uint32_t capacity = to->capacity ? to->capacity * 2 : 32;
    mr__object **grown = realloc(to->items, capacity * sizeof *grown);
    if (!grown) return false;
    to->items = grown;
    to->capacity = capacity;
  }
  to->items[to->count++] = item;
  return true;
}

/* One container that is being filled. Lists are hidden from the collector, and so from everybody, until all of their elements are there. */
typedef struct frame {
  mr__object *target;
  uint32_t left, next;
  mr__object *key; /* of a dict, for the value that comes; borrowed from `keys` */
} frame;

typedef struct reader {
  const uint8_t *at, *end;
  mr__object *context;
  bool looked;         /* all that is left can be read here */
  pointers keys;       /* owned */
  pointers containers; /* borrowed: each is in another, but for the root */
  frame *frames;
  uint32_t depth, capacity;
} reader;

static bool
open_frame(reader *from, mr__object *target, uint32_t left)
{
  if (from->depth == from->capacity) {
    uint32_t capacity = from->capacity ? from->capacity * 2 : 16;
    frame *grown = realloc(from->frames, capacity * sizeof *grown);
    if (!grown) return false;
    from->frames = grown;
    from->capacity = capacity;
  }
  from->frames[from->depth++] = (frame){.target = target, .left = left};
  return true;
}

static mr__object *
malformed(void)
{
  return NULL;
}

/* The key that comes; NULL: malformed, or no memory. */
static mr__object *
read_key(reader *from)
{
  const uint8_t *at = from->at;
  size_t size = at == from->end ? 0 : token_size(at, (size_t)(from->end - at));
  if (!size) return malformed();
  from->at += size;
  if (*at == MR_TAG_KEY) return u32_at(at + 1) < from->keys.count ? from->keys.items[u32_at(at + 1)] : malformed();
  mr__object *key = *at == MR_TAG_LATIN1 || *at == MR_TAG_UTF16 ? text_at(at) : malformed();
  if (key && push(&from->keys, key)) return key;
  if (key) py.Py_DecRef(key);
  return NULL;
}

/* Puts the value, a reference to which it takes, into the innermost container. */
static bool
put(frame *into, mr__object *value)
{
  if (!into->key) return py.PyList_SetItem(into->target, into->next++, value) == 0;
  bool ok = py.PyDict_SetItem(into->target, into->key, value) == 0;
  py.Py_DecRef(value);
  return ok;
}

/* Handles are counted, and those of a message that is given to _wire.py are counted there: so before the first one what is left is looked through. */
static bool
may_ask(reader *from, const uint8_t *at)
{
  if (*at != MR_TAG_HANDLE && *at != MR_TAG_BUFFER) return true;
  if (!from->looked) from->looked = is_frequent(at, (size_t)(from->end - at));
  return from->looked;
}

/* The value; NULL: with an exception, or without one when the message is for _wire.py or malformed, or there is no memory. */
static mr__object *
build(reader *from)
{
  mr__object *root = NULL;
  for (;;) {
    frame *in = from->depth ? &from->frames[from->depth - 1] : NULL;
    if (in && !in->left) {
      if (!in->key) py.PyObject_GC_Track(in->target);
      if (--from->depth == 0) return root;
      continue;
    }
    if (in) in->left--;
    if (in && in->key && !(in->key = read_key(from))) break;
    const uint8_t *at = from->at;
    size_t size = at == from->end ? 0 : token_size(at, (size_t)(from->end - at));
    if (!size) break;
    from->at += size;
    mr__object *value;
    uint32_t inside = 0;
    switch (*at) {
    case MR_TAG_ARRAY:
    case MR_TAG_OBJECT:
      inside = u32_at(at + 1);
      if (inside > (size_t)(from->end - from->at)) value = malformed();
      else value = *at == MR_TAG_ARRAY ? py.PyList_New(inside) : py.PyDict_New();
      break;
    case MR_TAG_INT32S:
    case MR_TAG_DOUBLES:
      value = numbers_at(at);
      break;
    case MR_TAG_REFERENCE:
      value = u32_at(at + 1) < from->containers.count ? new_reference(from->containers.items[u32_at(at + 1)]) : malformed();
      break;
    case MR_TAG_KEY:
      value = malformed();
      break;
    default:
      value = may_ask(from, at) ? scalar_at(at, from->context, in != NULL) : NULL;
      break;
    }
    if (!value) break;
    bool container = *at == MR_TAG_ARRAY || *at == MR_TAG_OBJECT || *at == MR_TAG_INT32S || *at == MR_TAG_DOUBLES || *at == MR_TAG_BUFFER;
    if (container && !push(&from->containers, value)) {
      py.Py_DecRef(value);
      break;
    }
    if (in && !put(in, value)) break;
    if (!in) root = value;
    if (inside) {
      if (*at == MR_TAG_ARRAY) py.PyObject_GC_UnTrack(value);
      if (!open_frame(from, value, inside)) break;
      from->frames[from->depth - 1].key = *at == MR_TAG_OBJECT ? value : NULL; /* any object: it has keys */
    } else if (!in) {
      return root;
    }
  }
  if (root) py.Py_DecRef(root);
  return NULL;
}

int
mr__python_arguments(const uint8_t *data, size_t size, mr__object **arguments, int most)
{
  const uint8_t *at = data + 6, *end = data + size;
  if (size < 6 || data[0] != MR_TAG_ARRAY || data[5] != MR_TAG_UNDEFINED || u32_at(data + 1) > (uint32_t)most + 1) return -1;
  int count = (int)u32_at(data + 1) - 1;
  for (const uint8_t *look = at; look < end; look += token_size(look, (size_t)(end - look)))
    if (!strchr("idsStfnu", *look) || !token_size(look, (size_t)(end - look))) return -1;
  for (int i = 0; i < count; i++) {
    arguments[i] = at < end ? scalar_at(at, NULL, true) : NULL;
    if (!arguments[i]) {
      while (i--) py.Py_DecRef(arguments[i]);
      return -1;
    }
    at += token_size(at, (size_t)(end - at));
  }
  return count;
}

static mr__object *
decode_slowly(const uint8_t *data, size_t size, mr__object *context)
{
  mr__object *bytes = py.PyBytes_FromStringAndSize((const char *)data, (mr__size)size);
  mr__object *value = bytes ? py.PyObject_CallFunctionObjArgs(lane.decode, bytes, context, NULL) : NULL;
  if (bytes) py.Py_DecRef(bytes);
  return value;
}

mr__object *
mr__python_scalar(const uint8_t *data, size_t size)
{
  mr__object *value = NULL;
  if (size == 5 && *data == MR_TAG_INT32) return py.PyLong_FromLong((int32_t)u32_at(data + 1));
  if (size == 9 && *data == MR_TAG_DOUBLE) return py.PyFloat_FromDouble(f64_at(data + 1));
  if (size == 1) {
    value = *data == MR_TAG_UNDEFINED ? lane.undefined
            : *data == MR_TAG_NULL    ? py.None
            : *data == MR_TAG_TRUE    ? py.True
            : *data == MR_TAG_FALSE   ? py.False
                                      : NULL;
  } else if (size > 5 && *data == MR_TAG_LATIN1 && u32_at(data + 1) == size - 5) {
    value = text_at(data);
    if (!value) py.PyErr_Clear(); /* no memory, which the long way says */
    return value;
  }
  return value ? new_reference(value) : NULL;
}

mr__object *
mr__python_buffer_of(const uint8_t *data, size_t size, mr__object *context, mr_context id)
{
  return size && *data == MR_TAG_BUFFER && token_size(data, size) == size ? view_at(data, context, id) : NULL;
}

mr__object *
mr__python_decode(const uint8_t *data, size_t size, mr__object *context)
{
  if (!size) return decode_slowly(data, size, context);
  bool container = *data == MR_TAG_ARRAY || *data == MR_TAG_OBJECT;
  if (!container && *data != MR_TAG_INT32S && *data != MR_TAG_DOUBLES && token_size(data, size) == size && *data != MR_TAG_KEY && *data != MR_TAG_REFERENCE)
    return scalar_at(data, context, false);
  reader from = {.at = data, .end = data + size, .context = context};
  bool large = size >= LARGE;
  if (large) mr__python_pause_collector();
  mr__object *value = build(&from);
  if (value && from.at != from.end) {
    py.Py_DecRef(value);
    value = NULL;
  }
  if (large) mr__python_resume_collector();
  for (uint32_t i = 0; i < from.keys.count; i++) py.Py_DecRef(from.keys.items[i]);
  free(from.keys.items);
  free(from.containers.items);
  free(from.frames);
  if (value || py.PyErr_Occurred()) return value;
  return from.looked ? decode_slowly((const uint8_t *)"?", 1, context) : decode_slowly(data, size, context); /* says what is wrong with a malformed one */
}

/* --- writing --- */

/* What has a number in the message: containers, so that sharing and cycles stay, and keys. By address: nothing of the value goes while C walks through it, as no code
 * of Python's runs then. */
typedef struct mr__seen {
  uint32_t count, mask;
  struct {
    const mr__object *object;
    uint32_t number;
  } entries[];
} seen;

void
mr__writer_init(mr__writer *writer)
{
  memset(writer, 0, offsetof(mr__writer, inline_data));
  writer->data = writer->inline_data;
  writer->capacity = sizeof writer->inline_data;
}

/* An object whose characters JavaScript reads; then it is one of `gone`, as V8 lets go of a text on any thread, which may not wait for the GIL. */
typedef struct text {
  struct text *next;
  mr__object *object;
} text;

static _Atomic(text *) gone;

static void
let_go(void *owner)
{
  text *one = owner;
  one->next = atomic_load_explicit(&gone, memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(&gone, &one->next, one, memory_order_release, memory_order_relaxed)) continue;
}

static void
drop_text(text *one)
{
  py.Py_DecRef(one->object);
  free(one);
}

void
mr__python_drop_texts(void)
{
  if (!atomic_load_explicit(&gone, memory_order_relaxed)) return;
  for (text *one = atomic_exchange_explicit(&gone, NULL, memory_order_acquire), *next; one; one = next) {
    next = one->next;
    drop_text(one);
  }
}

static void
drop_untaken(const mr__writer *writer)
{
  for (size_t i = 0; i < writer->text_count; i++)
    if (!writer->texts[i].taken) drop_text(writer->texts[i].owner);
  free(writer->texts);
}

void
mr__writer_free(mr__writer *writer)
{
  if (writer->data != writer->inline_data) free(writer->data);
  if (writer->texts) drop_untaken(writer);
  for (size_t i = 0; i < writer->held_count; i++) py.Py_DecRef(writer->held[i]);
  if (writer->held) free(writer->held);
  if (writer->seen) free(writer->seen); /* seldom is there any, and each free() is a call */
  if (writer->seen_keys) free(writer->seen_keys);
}

static uint8_t *
room(mr__writer *writer, size_t size)
{
  size_t needed = writer->size + size;
  if (needed > writer->capacity) {
    size_t capacity = needed * 2;
    bool is_inline = writer->data == writer->inline_data;
    uint8_t *grown = is_inline ? malloc(capacity) : realloc(writer->data, capacity);
    if (!grown) return NULL;
    if (is_inline) memcpy(grown, writer->inline_data, writer->size);
    writer->data = grown;
    writer->capacity = capacity;
  }
  uint8_t *at = writer->data + writer->size;
  writer->size = needed;
  return at;
}

/* A tag and a number behind it. */
static bool
put_number(mr__writer *writer, char tag, const void *value, size_t size)
{
  uint8_t *at = room(writer, 1 + size);
  if (!at) return false;
  *at = (uint8_t)tag;
  if (size) memcpy(at + 1, value, size);
  return true;
}

static bool
put_head(mr__writer *writer, char tag, uint32_t count)
{
  return put_number(writer, tag, &count, sizeof count);
}

bool
mr__writer_array(mr__writer *writer, uint32_t count)
{
  writer->containers++;
  return put_head(writer, MR_TAG_ARRAY, count);
}

bool
mr__writer_undefined(mr__writer *writer)
{
  return put_number(writer, MR_TAG_UNDEFINED, NULL, 0);
}

static size_t
place_of(const seen *table, const mr__object *object)
{
  size_t at = ((uintptr_t)object >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 32 & table->mask;
  while (table->entries[at].object && table->entries[at].object != object) at = (at + 1) & table->mask;
  return at;
}

static seen *
grow(const seen *old)
{
  uint32_t size = old ? 2 * (old->mask + 1) : 64;
  seen *made = calloc(1, sizeof *made + size * sizeof made->entries[0]);
  if (!made) return NULL;
  made->mask = size - 1;
  for (uint32_t i = 0; old && i <= old->mask; i++)
    if (old->entries[i].object) made->entries[place_of(made, old->entries[i].object)] = old->entries[i];
  made->count = old ? old->count : 0;
  return made;
}

/* The number that the object has; else gives it `next`, and says so by -1. -2: no memory. */
static int64_t
number_of(seen **in, const mr__object *object, uint32_t next)
{
  if (!*in || (*in)->count > (*in)->mask / 2) {
    seen *grown = grow(*in);
    if (!grown) return -2;
    free(*in);
    *in = grown;
  }
  seen *table = *in;
  size_t at = place_of(table, object);
  if (table->entries[at].object) return table->entries[at].number;
  table->entries[at].object = object;
  table->entries[at].number = next;
  table->count++;
  return -1;
}

enum { FAILED = -1, SLOWLY = 0, DONE = 1 };

static int
out_of_memory(void)
{
  py.PyErr_NoMemory();
  return FAILED;
}

static int
done(bool ok)
{
  return ok ? DONE : out_of_memory();
}

static int
encode_int(mr__writer *writer, mr__object *value)
{
  int overflow = 0;
  long long whole = py.PyLong_AsLongLongAndOverflow(value, &overflow);
  int32_t small = (int32_t)whole;
  double large = (double)whole;
  if (!overflow && whole == small) return done(put_number(writer, MR_TAG_INT32, &small, sizeof small));
  if (overflow || whole > (INT64_C(1) << 53) - 1 || whole < -((INT64_C(1) << 53) - 1)) return SLOWLY;
  return done(put_number(writer, MR_TAG_DOUBLE, &large, sizeof large));
}

#define LEAST_TEXT 32768 /* characters from which on JavaScript reads a str where it is */
#define LONG_TEXT 16384  /* characters beyond ASCII from which on the str is not made to keep its UTF-8 */

/* Bytes of Python's as the content of a string's message. */
static int
put_text(mr__writer *writer, char tag, mr__object *bytes, size_t unit)
{
  char *data;
  mr__size size;
  if (!bytes || py.PyBytes_AsStringAndSize(bytes, &data, &size) < 0) {
    py.PyErr_Clear(); /* it is not of that encoding */
    return SLOWLY;
  }
  bool ok = size / unit <= UINT32_MAX && put_head(writer, tag, (uint32_t)((size_t)size / unit));
  uint8_t *at = ok ? room(writer, (size_t)size) : NULL;
  if (at) memcpy(at, data, (size_t)size);
  py.Py_DecRef(bytes);
  return at ? DONE : size / unit > UINT32_MAX ? SLOWLY : out_of_memory();
}

/* Of a long one, which is not to keep its UTF-8: what is ASCII has it anyway. */
static bool
is_ascii(mr__object *text)
{
  mr__object *answer = py.PyObject_CallMethodObjArgs(text, lane.isascii, NULL);
  if (answer) py.Py_DecRef(answer);
  else py.PyErr_Clear();
  return answer == py.True;
}

/* A text of the object's, whose bytes are there as long as it is. */
static int
put_text_of(mr__writer *writer, mr__object *object, const void *data, size_t size, uint32_t encoding)
{
  if (writer->text_count == writer->text_capacity) {
    size_t capacity = writer->text_capacity ? writer->text_capacity * 2 : 4;
    mr_text *grown = realloc(writer->texts, capacity * sizeof *grown);
    if (!grown) return out_of_memory();
    writer->texts = grown;
    writer->text_capacity = capacity;
  }
  text *owner = writer->text_count < UINT32_MAX ? malloc(sizeof *owner) : NULL;
  if (!owner) return out_of_memory();
  *owner = (text){.object = new_reference(object)};
  writer->texts[writer->text_count] = (mr_text){data, size, encoding, 0, let_go, owner};
  return done(put_head(writer, MR_TAG_TEXT, (uint32_t)writer->text_count++));
}

/* Whether a long str has characters beyond Latin-1, as far as its size tells. */
static bool
is_wide(mr__object *value, mr__size length)
{
  static mr__size head; /* bytes of such a str that are no characters */
  bool known = head;
  mr__object *sample = known ? new_reference(value) : py.PyUnicode_DecodeUTF8("\xe2\x82\xac", 3, NULL);
  mr__object *size = sample ? py.PyObject_CallMethodObjArgs(sample, lane.size_of, NULL) : NULL;
  int overflow = 0;
  mr__size bytes = size && size->type == py.Long ? (mr__size)py.PyLong_AsLongLongAndOverflow(size, &overflow) : 0;
  if (sample) py.Py_DecRef(sample);
  if (size) py.Py_DecRef(size);
  else py.PyErr_Clear();
  if (known) return bytes == head + 2 * (length + 1) || bytes == head + 4 * (length + 1); /* one of Latin-1 that keeps its UTF-8 is in between */
  head = bytes - 4;
  return bytes > 4 && is_wide(value, length);
}

/* One that is long. It is not made to keep its UTF-8: what is ASCII has that anyway; of another one there is a copy, in bytes that JavaScript has. */
static int
encode_long(mr__writer *writer, mr__object *value, mr__size length)
{
  mr__size size = -1;
  const char *ascii = is_ascii(value) ? py.PyUnicode_AsUTF8AndSize(value, &size) : NULL;
  if (ascii && size == length) return put_text_of(writer, value, ascii, (size_t)size, MR_LATIN1);
  uint32_t encoding = MR_LATIN1;
  mr__object *bytes = is_wide(value, length) ? NULL : py.PyUnicode_AsLatin1String(value);
  if (!bytes) {
    py.PyErr_Clear();
    encoding = MR_UTF16;
    bytes = py.PyUnicode_AsEncodedString(value, "utf-16-le", "surrogatepass");
  }
  char *data;
  if (!bytes || py.PyBytes_AsStringAndSize(bytes, &data, &size) < 0) {
    if (bytes) py.Py_DecRef(bytes);
    return py.PyErr_Clear(), SLOWLY;
  }
  int outcome = put_text_of(writer, bytes, data, (size_t)size, encoding);
  py.Py_DecRef(bytes);
  return outcome;
}

static int
encode_text(mr__writer *writer, mr__object *value)
{
  mr__size length = py.PyUnicode_GetLength(value), size = -1;
  bool plain = length <= LONG_TEXT || (length <= (mr__size)UINT32_MAX && is_ascii(value));
  const char *text = plain ? py.PyUnicode_AsUTF8AndSize(value, &size) : NULL;
  if (text && size == length) { /* ASCII */
    if (!put_head(writer, MR_TAG_LATIN1, (uint32_t)size)) return out_of_memory();
    uint8_t *at = room(writer, (size_t)size);
    if (at) memcpy(at, text, (size_t)size);
    return done(at != NULL);
  }
  if (plain && !text) py.PyErr_Clear(); /* lone surrogates */
  int latin1 = put_text(writer, MR_TAG_LATIN1, py.PyUnicode_AsLatin1String(value), 1);
  if (latin1 != SLOWLY) return latin1;
  return put_text(writer, MR_TAG_UTF16, py.PyUnicode_AsEncodedString(value, "utf-16-le", "surrogatepass"), 2);
}

static bool
hold(mr__writer *writer, mr__object *object)
{
  if (writer->held_count == writer->held_capacity) {
    size_t capacity = writer->held_capacity ? writer->held_capacity * 2 : 8;
    mr__object **grown = realloc(writer->held, capacity * sizeof *grown);
    if (!grown) return false;
    writer->held = grown;
    writer->held_capacity = capacity;
  }
  writer->held[writer->held_count++] = new_reference(object);
  return true;
}

static int
put_handle(mr__writer *writer, mr__object *holder, mr_handle handle)
{
  uint8_t *at = hold(writer, holder) ? room(writer, 10) : NULL;
  if (!at) return out_of_memory();
  at[0] = MR_TAG_HANDLE;
  at[1] = 0;
  memcpy(at + 2, &handle, sizeof handle);
  return DONE;
}

static int
encode_handle(mr__writer *writer, mr__object *value, mr__object *context)
{
  const mr__handle_object *handle = (const mr__handle_object *)value;
  if (handle->context != context) return SLOWLY; /* an error, and its text */
  return put_handle(writer, value, handle->handle);
}

static bool
has_converters(mr__object *context)
{
  mr__object *converters = py.PyObject_GetAttr(context, lane.converters), *to_js = converters ? py.PyObject_GetAttr(converters, lane.to_js) : NULL;
  bool any = !to_js || to_js->type != py.Dict || py.PyDict_Size(to_js);
  if (converters) py.Py_DecRef(converters);
  if (to_js) py.Py_DecRef(to_js);
  else py.PyErr_Clear();
  return any;
}

/* Of a memoryview: the buffer that it is of, if it is a script's. */
static int
encode_view(mr__writer *writer, mr__object *view, mr__object *context)
{
  mr_handle handle = has_converters(context) ? 0 : mr__python_handle_of(view, context);
  if (!handle) return SLOWLY;
  return put_handle(writer, view, handle);
}

/* A scalar of a type that C does not know, such as a datetime. */
static int
encode_rare(mr__writer *writer, mr__object *value, mr__object *context)
{
  mr__object *bytes = py.PyObject_CallFunctionObjArgs(lane.scalar, value, context, NULL);
  if (!bytes) return FAILED;
  char *data;
  mr__size size;
  int outcome = SLOWLY;
  if (bytes != py.None && py.PyBytes_AsStringAndSize(bytes, &data, &size) == 0) {
    uint8_t *at = room(writer, (size_t)size);
    if (at) memcpy(at, data, (size_t)size);
    outcome = done(at != NULL);
  }
  py.Py_DecRef(bytes);
  return outcome;
}

static int
encode_scalar(mr__writer *writer, mr__object *value, mr__object *context)
{
  const mr__object *type = value->type;
  if (type == py.Unicode) {
    mr__size length = writer->takes_texts ? py.PyUnicode_GetLength(value) : 0;
    return length >= LEAST_TEXT ? encode_long(writer, value, length) : encode_text(writer, value);
  }
  if (type == py.Long) return encode_int(writer, value);
  if (type == py.Float) {
    double number = py.PyFloat_AsDouble(value);
    return done(put_number(writer, MR_TAG_DOUBLE, &number, sizeof number));
  }
  char tag = 0;
  if (value == py.None) tag = MR_TAG_NULL;
  else if (value == py.True) tag = MR_TAG_TRUE;
  else if (value == py.False) tag = MR_TAG_FALSE;
  else if (value == lane.undefined) tag = MR_TAG_UNDEFINED;
  if (tag) return done(put_number(writer, tag, NULL, 0));
  if (py.PyType_IsSubtype(value->type, lane.handle_type)) return encode_handle(writer, value, context);
  if (type == py.MemoryView) return encode_view(writer, value, context);
  return encode_rare(writer, value, context);
}

bool
mr__python_is_simple(const mr__object *value)
{
  const mr__object *type = value->type;
  return type == py.Long || type == py.Float || type == py.Unicode || value == py.None || value == py.True || value == py.False || value == lane.undefined;
}

/* One list, tuple or dict that is being written. */
typedef struct walk {
  mr__object *container;
  mr__size next, count;
} walk;

static mr__object *
element_of(const walk *in, mr__size index)
{
  return in->container->type == py.List ? py.PyList_GetItem(in->container, index) : py.PyTuple_GetItem(in->container, index);
}

/* A list of floats alone, or of small ints alone. SLOWLY: it is none. */
static int
encode_numbers(mr__writer *writer, const walk *list)
{
  if (list->count < 2) return SLOWLY;
  const mr__object *type = element_of(list, 0)->type;
  if (type != py.Float && type != py.Long) return SLOWLY;
  size_t start = writer->size, each = type == py.Float ? sizeof(double) : sizeof(int32_t);
  uint8_t *at = put_head(writer, type == py.Float ? MR_TAG_DOUBLES : MR_TAG_INT32S, (uint32_t)list->count) ? room(writer, each * (size_t)list->count) : NULL;
  if (!at) return out_of_memory();
  for (mr__size i = 0; i < list->count; i++, at += each) {
    mr__object *element = element_of(list, i);
    int overflow = 0;
    long long whole = 0;
    if (element->type != type) break;
    if (type == py.Float) {
      double value = py.PyFloat_AsDouble(element);
      memcpy(at, &value, sizeof value);
      continue;
    }
    whole = py.PyLong_AsLongLongAndOverflow(element, &overflow);
    int32_t small = (int32_t)whole;
    if (overflow || small != whole) break;
    memcpy(at, &small, sizeof small);
  }
  if (at == writer->data + writer->size) return DONE;
  writer->size = start;
  return SLOWLY;
}

static int
encode_key(mr__writer *writer, mr__object *key)
{
  if (key->type != py.Unicode) return SLOWLY;
  int64_t known = number_of(&writer->seen_keys, key, writer->keys);
  if (known == -2) return out_of_memory();
  if (known >= 0) return done(put_head(writer, MR_TAG_KEY, (uint32_t)known));
  writer->keys++;
  return encode_text(writer, key);
}

/* Writes what a container begins with. `held`: it is in another one, which counts as a reference to it; arguments need not be counted. DONE, and `inside` is to be walked, unless its count is 0. */
static int
open_container(mr__writer *writer, mr__object *value, bool held, walk *inside)
{
  bool dict = value->type == py.Dict;
  *inside = (walk){.container = value, .count = dict ? py.PyDict_Size(value) : value->type == py.List ? py.PyList_Size(value) : py.PyTuple_Size(value)};
  if ((uint64_t)inside->count > UINT32_MAX) return SLOWLY;
  bool shared = !held || value->references != 1;              /* else it cannot be met again */
  if (shared && (inside->count || value->type != py.Tuple)) { /* the empty tuple is one object in many places by accident */
    int64_t known = number_of(&writer->seen, value, writer->containers);
    if (known == -2) return out_of_memory();
    if (known >= 0) {
      inside->count = 0;
      return done(put_head(writer, MR_TAG_REFERENCE, (uint32_t)known));
    }
  }
  writer->containers++;
  int numbers = dict ? SLOWLY : encode_numbers(writer, inside);
  if (numbers == SLOWLY) return done(put_head(writer, dict ? MR_TAG_OBJECT : MR_TAG_ARRAY, (uint32_t)inside->count));
  inside->count = 0;
  return numbers;
}

static bool
is_container(const mr__object *value)
{
  return value->type == py.Dict || value->type == py.List || value->type == py.Tuple;
}

#define MOST_DEPTH 400 /* the library's own default, and _wire.py's, which has the text for what is deeper */

int
mr__python_encode(mr__writer *writer, mr__object *value, mr__object *context)
{
  if (!is_container(value)) return encode_scalar(writer, value, context);
  walk walks[MOST_DEPTH] MR__UNINITIALIZED;
  int depth = 1;
  int outcome = open_container(writer, value, false, walks);
  while (outcome == DONE && depth) {
    walk *in = &walks[depth - 1];
    if (in->next == in->count && in->container->type != py.Dict) {
      depth--;
      continue;
    }
    mr__object *key = NULL, *inside;
    if (in->container->type == py.Dict) {
      if (!in->count || !py.PyDict_Next(in->container, &in->next, &key, &inside)) {
        depth--;
        continue;
      }
      outcome = encode_key(writer, key);
    } else {
      inside = element_of(in, in->next++);
    }
    if (outcome != DONE) break;
    if (!is_container(inside)) {
      outcome = encode_scalar(writer, inside, context);
    } else if (depth == MOST_DEPTH) {
      outcome = SLOWLY;
    } else {
      outcome = open_container(writer, inside, true, &walks[depth++]);
    }
  }
  return outcome;
}
