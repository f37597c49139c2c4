/* mr_python_lane.c: the fast lane. Functions and types for the package py_mini_racer, made through CPython's stable ABI, in place of its ctypes ones.
 *
 * A client of mini_racer.h and mr_wire.h like any other binding: nothing in the library knows of it. Owns `lane`, which is filled in once. Everything
 * runs on a thread with the GIL, and lets go of it for each call into JavaScript. */
#include <stdlib.h>
#include <string.h>

#include "mini_racer.h"
#include "mr_python_buffer.h"
#include "mr_python_json.h"
#include "mr_python_lane.h"
#include "mr_python_signals.h"
#include "mr_python_wire.h"
#include "mr_wire.h"

mr__lane lane;

/* --- a Context's crossing: its id, and the way in --- */

typedef struct crossing {
  mr__object head;
  uint64_t id;
  uint64_t options;    /* address of the mr_options of calls that have none of their own; 0: none */
  mr__object *context; /* a weak reference to the Context, which owns this */
  mr__object *plain;   /* the Host's dict of functions that are called with their arguments alone, by number; NULL: callbacks are not the lane's */
  mr__object *waiting; /* the Host's dict of who awaits; with any in it, a callback may have context variables, which are Python's matter */
} crossing;

static mr__object *crossing_type;

static void
free_object(mr__object *self)
{
  mr__object *type = self->type;
  void (*release)(void *) = (void (*)(void *))py.PyType_GetSlot(type, MR__FREE);
  release(self);
  py.Py_DecRef(type);
}

/* Those that take callbacks, by the id of their contexts: open addressing, at most half full. */
static crossing **takers;
static size_t taker_count, taker_mask;

static size_t
taker_place(mr_context id)
{
  size_t at = (id * UINT64_C(0x9E3779B97F4A7C15) >> 32) & taker_mask;
  while (takers[at] && takers[at]->id != id) at = (at + 1) & taker_mask;
  return at;
}

static bool
grow_takers(void)
{
  crossing **old = takers;
  size_t old_size = old ? taker_mask + 1 : 0, size = old ? 2 * old_size : 64;
  crossing **made = calloc(size, sizeof *made);
  if (!made) return false;
  takers = made;
  taker_mask = size - 1;
  for (size_t i = 0; i < old_size; i++)
    if (old[i]) takers[taker_place(old[i]->id)] = old[i];
  free(old);
  return true;
}

static void
forget_taker(const crossing *gone)
{
  size_t at = takers ? taker_place(gone->id) : 0;
  if (!takers || takers[at] != gone) return;
  takers[at] = NULL;
  taker_count--;
  for (size_t next = (at + 1) & taker_mask; takers[next]; next = (next + 1) & taker_mask) { /* those behind may belong further to the front */
    crossing *moved = takers[next];
    takers[next] = NULL;
    takers[taker_place(moved->id)] = moved;
  }
}

/* For the collector: what one of our objects refers to; NULL: nothing. */
static int
visit_all(mr__object *const *held, size_t count, mr__visit visit, void *data)
{
  int stop = 0;
  for (size_t i = 0; i < count && !stop; i++)
    if (held[i]) stop = visit(held[i], data);
  return stop;
}

/* Likewise; none of them may be found in the object any more, as anything can happen meanwhile. */
static int
drop_all(mr__object *const *held, size_t count)
{
  for (size_t i = 0; i < count; i++)
    if (held[i]) py.Py_DecRef(held[i]);
  return 0;
}

/* The collector sees the functions through here: they may refer to the Context. */
static int
crossing_traverse(mr__object *self, mr__visit visit, void *data)
{
  const crossing *visited = (const crossing *)self;
  return visit_all((mr__object *[]){self->type, visited->context, visited->plain, visited->waiting}, 4, visit, data);
}

static int
crossing_clear(mr__object *self)
{
  crossing *cleared = (crossing *)self;
  forget_taker(cleared);
  mr__object *held[] = {cleared->context, cleared->plain, cleared->waiting};
  cleared->context = cleared->plain = cleared->waiting = NULL;
  return drop_all(held, 3);
}

static void
crossing_dealloc(mr__object *self)
{
  py.PyObject_GC_UnTrack(self);
  crossing_clear(self);
  free_object(self);
}

/* take_callbacks(plain, waiting): from now on. The id is set. */
static mr__object *
crossing_take_callbacks(mr__object *object, mr__object *const *arguments, mr__size count)
{
  crossing *self = (crossing *)object;
  if (count != 2 || self->plain || arguments[0]->type != py.Dict || arguments[1]->type != py.Dict)
    return py.PyErr_SetString(py.TypeError, "take_callbacks() takes two dicts, once"), NULL;
  if ((!takers || taker_count > taker_mask / 2) && !grow_takers()) return py.PyErr_NoMemory();
  py.Py_IncRef(arguments[0]);
  py.Py_IncRef(arguments[1]);
  self->plain = arguments[0];
  self->waiting = arguments[1];
  takers[taker_place(self->id)] = self;
  taker_count++;
  py.Py_IncRef(py.None);
  return py.None;
}

/* --- callbacks --- */

#define MOST_ARGUMENTS 16 /* a message of the console has eight before its own */

static mr__object *
call_function(mr__object *function, mr__object *const *arguments, int count)
{
  if (py.PyObject_Vectorcall) return py.PyObject_Vectorcall(function, arguments, (size_t)count, NULL);
  mr__object *tuple = py.PyTuple_New(count), *answer = NULL;
  for (int i = 0; tuple && i < count; i++) {
    py.Py_IncRef(arguments[i]);
    py.PyTuple_SetItem(tuple, i, arguments[i]);
  }
  if (tuple) {
    answer = py.PyObject_CallObject(function, tuple);
    py.Py_DecRef(tuple);
  }
  return answer;
}

/* Leaves it to _host.py to say what comes of a callback. -1: it has raised. */
static int
leave_to_python(mr__object *function, mr_context context, uint64_t number, mr_reply *reply, mr__object *object)
{
  mr__object *id = py.PyLong_FromUnsignedLongLong(context), *which = py.PyLong_FromUnsignedLongLong(number);
  mr__object *where = py.PyLong_FromUnsignedLongLong((uintptr_t)reply);
  mr__object *answer = id && which && where ? py.PyObject_CallFunctionObjArgs(function, id, which, where, object, NULL) : NULL;
  if (id) py.Py_DecRef(id);
  if (which) py.Py_DecRef(which);
  if (where) py.Py_DecRef(where);
  if (answer) py.Py_DecRef(answer);
  return answer ? 1 : -1;
}

static int
say_raised(mr_context context, uint64_t number, mr_reply *reply)
{
  mr__object *type = NULL, *value = NULL, *trace = NULL;
  py.PyErr_Fetch(&type, &value, &trace);
  py.PyErr_NormalizeException(&type, &value, &trace);
  if (value && trace) py.PyException_SetTraceback(value, trace);
  int outcome = value ? leave_to_python(lane.raised, context, number, reply, value) : 1;
  if (type) py.Py_DecRef(type);
  if (value) py.Py_DecRef(value);
  if (trace) py.Py_DecRef(trace);
  return outcome;
}

static int
say_answer(mr_context context, uint64_t number, mr_reply *reply, mr__object *value)
{
  mr__writer writer MR__UNINITIALIZED;
  mr__writer_init(&writer);
  int outcome = mr__python_is_simple(value) ? mr__python_encode(&writer, value, NULL) : 0;
  if (outcome == 1) (void)mr_reply_set(reply, MR_REPLY_RETURN, writer.data, writer.size, NULL, 0); /* what fails, the script gets as an error */
  else if (outcome == 0) outcome = leave_to_python(lane.answer, context, number, reply, value);
  mr__writer_free(&writer);
  return outcome;
}

int
mr__lane_call(mr_context context, uint64_t number, const uint8_t *in, uint64_t size, mr_reply *reply)
{
  const crossing *to = takers ? takers[taker_place(context)] : NULL;
  if (!to || py.PyDict_Size(to->waiting)) return 0;
  mr__object *key = py.PyLong_FromUnsignedLongLong(number);
  mr__object *function = key ? py.PyDict_GetItemWithError(to->plain, key) : NULL;
  if (key) py.Py_DecRef(key);
  if (!function) return 0;
  mr__object *arguments[MOST_ARGUMENTS];
  int count = mr__python_arguments(in, size, arguments, MOST_ARGUMENTS);
  if (count < 0) return py.PyErr_Occurred() ? -1 : 0;
  py.Py_IncRef(function); /* it may be let go of while it runs */
  mr__object *value = call_function(function, arguments, count);
  py.Py_DecRef(function);
  while (count--) py.Py_DecRef(arguments[count]);
  if (!value) return say_raised(context, number, reply);
  int outcome = say_answer(context, number, reply, value);
  py.Py_DecRef(value);
  return outcome;
}

/* --- evaluation --- */

static const mr_options *
options_at(uint64_t address)
{
  return (const mr_options *)(uintptr_t)address;
}

/* The options, with a timeout of the call's own where it is not 0; these are put together in `timed`. */
static const mr_options *
with_timeout(const mr_options *options, int64_t timeout, mr_options *timed)
{
  if (!timeout) return options;
  *timed = options ? *options : (mr_options){.struct_size = sizeof *timed};
  timed->timeout = timeout;
  return timed;
}

/* The options with the message's texts, if there are any; likewise. */
static const mr_options *
with_texts(const mr_options *options, const mr__writer *writer, mr_options *full)
{
  if (!writer->text_count) return options;
  if (options != full) *full = options ? *options : (mr_options){.struct_size = sizeof *full};
  full->texts = writer->texts;
  full->text_count = writer->text_count;
  return full;
}

static void
start(mr_result *result)
{
  memset(result, 0, offsetof(mr_result, inline_data));
  result->struct_size = sizeof *result;
}

/* The value of a result, or the exception of a status. Frees the result. `id`: of the Context that `context` is; 0: it may be a realm's. */
static mr__object *
finish(mr_status status, mr_result *result, mr__object *context, mr_context id)
{
  mr__object *value = NULL;
  if (status == MR_OK) {
    value = mr__python_scalar(result->data, result->size);
    if (!value && id) value = mr__python_buffer_of(result->data, (size_t)result->size, context, id);
    if (!value && !(id && py.PyErr_Occurred())) value = mr__python_decode(result->data, result->size, context);
  } else {
    mr__object *number = py.PyLong_FromLong(status), *message = py.PyBytes_FromStringAndSize((const char *)result->data, (mr__size)result->size);
    if (number && message) value = py.PyObject_CallMethodObjArgs(context, lane.failed, number, message, NULL);
    if (number) py.Py_DecRef(number);
    if (message) py.Py_DecRef(message);
  }
  if (result->data != result->inline_data) mr_result_free(result);
  return value;
}

/* The Context of a crossing, with a reference; NULL: with an exception. */
static mr__object *
context_of(const crossing *self)
{
  mr__object *context = self->context ? py.PyObject_CallFunctionObjArgs(self->context, NULL) : NULL;
  if (context && context != py.None) return context;
  if (context) py.Py_DecRef(context);
  py.PyErr_SetString(py.RuntimeError, "the context is gone");
  return NULL;
}

mr__object *
mr__lane_home(mr__object *context, mr_context *id)
{
  mr__object *through = py.PyObject_GetAttr(context, lane.crossing), *home = NULL;
  if (through && through->type == crossing_type) {
    *id = ((const crossing *)through)->id;
    home = context_of((const crossing *)through);
  }
  if (through) py.Py_DecRef(through);
  if (!home) py.PyErr_Clear();
  return home;
}

/* finish() for who has no reference to the Context: most answers need none. */
static mr__object *
finish_crossing(mr_status status, mr_result *result, const crossing *self)
{
  mr__object *scalar = status == MR_OK && result->data == result->inline_data ? mr__python_scalar(result->data, result->size) : NULL;
  if (scalar) return scalar;
  mr__object *context = context_of(self);
  if (!context) {
    mr_result_free(result);
    return NULL;
  }
  mr__object *value = finish(status, result, context, 0);
  py.Py_DecRef(context);
  return value;
}

#define LONG_CODE 65536 /* characters from which on a str is not made to keep its UTF-8 */

/* eval(code, timeout): evaluates with the Context's options, and the timeout (nanoseconds) where it is not 0. */
static mr__object *
crossing_eval(mr__object *object, mr__object *const *arguments, mr__size count)
{
  const crossing *self = (const crossing *)object;
  if (count != 2) return py.PyErr_SetString(py.TypeError, "eval() takes the code and its timeout"), NULL;
  int overflow = 0;
  int64_t timeout = arguments[1]->type == py.Long ? py.PyLong_AsLongLongAndOverflow(arguments[1], &overflow) : 0;
  mr__size size = 0;
  const char *code = NULL;
  if (arguments[0]->type == py.Unicode && py.PyUnicode_GetLength(arguments[0]) <= LONG_CODE) {
    code = py.PyUnicode_AsUTF8AndSize(arguments[0], &size);
    if (!code) py.PyErr_Clear(); /* lone surrogates */
  }
  if (!code) {
    mr__object *context = context_of(self);
    if (!context) return NULL;
    mr__object *value = py.PyObject_CallMethodObjArgs(context, lane.eval_slowly, arguments[0], arguments[1], NULL);
    py.Py_DecRef(context);
    return value;
  }
  mr_result result MR__UNINITIALIZED;
  start(&result);
  if (!mr_python_may_enter()) return finish_crossing(MR_BUSY, &result, self);
  mr_options timed MR__UNINITIALIZED;
  const mr_options *options = with_timeout(options_at(self->options), timeout, &timed);
  void *thread = py.PyEval_SaveThread();
  mr_status status = mr_eval(self->id, code, (size_t)size, options, &result);
  py.PyEval_RestoreThread(thread);
  mr__python_drop_texts();
  return finish_crossing(status, &result, self);
}

/* --- objects with handles --- */

static int
handle_traverse(mr__object *self, mr__visit visit, void *data)
{
  const mr__handle_object *visited = (const mr__handle_object *)self;
  return visit_all((mr__object *[]){self->type, visited->context, visited->crossing}, 3, visit, data);
}

static int
handle_clear(mr__object *self)
{
  mr__handle_object *cleared = (mr__handle_object *)self;
  mr__object *held[] = {cleared->context, cleared->crossing};
  cleared->context = cleared->crossing = NULL;
  return drop_all(held, 2);
}

static void
handle_dealloc(mr__object *self)
{
  py.PyObject_GC_UnTrack(self);
  handle_clear(self);
  free_object(self);
}

/* Where a call on the object goes; NULL: it has not been set up, and the slow way says so. */
static const crossing *
crossing_of(const mr__handle_object *self)
{
  return self->crossing && self->crossing->type == crossing_type && self->context ? (const crossing *)self->crossing : NULL;
}

typedef mr_status (*operation)(mr_context, mr_handle, const void *, size_t, const mr_options *, mr_result *);

/* Sends the message and returns the answer. `timeout`: in nanoseconds, the call's own; 0: it has none. */
static mr__object *
send(const mr__handle_object *self, const crossing *through, operation run, mr__writer *writer, int64_t timeout)
{
  mr__object *context = self->context;
  mr_context id = through->id;
  py.Py_IncRef(context); /* JavaScript may call back, and Python then change the object */
  mr_result result MR__UNINITIALIZED;
  start(&result);
  mr_status status = MR_BUSY;
  if (mr_python_may_enter()) {
    mr_options timed MR__UNINITIALIZED;
    const mr_options *options = with_texts(with_timeout(options_at(through->options), timeout, &timed), writer, &timed);
    void *thread = py.PyEval_SaveThread();
    status = run(id, self->handle, writer->data, writer->size, options, &result);
    py.PyEval_RestoreThread(thread);
  }
  mr__writer_free(writer);
  mr__python_drop_texts();
  mr__object *value = finish(status, &result, context, id);
  py.Py_DecRef(context);
  return value;
}

#define MOST_SECONDS 1e9

/* A call's keywords, if there are any: its timeout alone, in nanoseconds; 0: there is none. -1: they are something else, or a timeout that _context.py has to look at. */
static int64_t
timeout_of(mr__object *keywords)
{
  mr__size count = keywords ? py.PyDict_Size(keywords) : 0;
  if (!count) return 0;
  mr__object *given = count == 1 ? py.PyDict_GetItemWithError(keywords, lane.timeout_sec) : NULL;
  double seconds = 0;
  int overflow = 0;
  if (given && given->type == py.Float) seconds = py.PyFloat_AsDouble(given);
  else if (given && given->type == py.Long) seconds = (double)py.PyLong_AsLongLongAndOverflow(given, &overflow);
  return seconds >= 1e-9 && seconds <= MOST_SECONDS && !overflow ? (int64_t)(seconds * 1e9) : -1;
}

/* f(...): with no keyword but timeout_sec, and else the Context's options. */
static mr__object *
function_call(mr__object *object, mr__object *arguments, mr__object *keywords)
{
  const mr__handle_object *self = (const mr__handle_object *)object;
  const crossing *through = crossing_of(self);
  mr__size count = py.PyTuple_Size(arguments);
  int64_t timeout = timeout_of(keywords);
  mr__writer writer MR__UNINITIALIZED;
  mr__writer_init(&writer);
  writer.takes_texts = true;
  int outcome = 0;
  if (through && timeout >= 0 && (uint64_t)count < UINT32_MAX) {
    outcome = mr__writer_array(&writer, (uint32_t)count + 1) && mr__writer_undefined(&writer) ? 1 : 0;
    for (mr__size i = 0; i < count && outcome == 1; i++) outcome = mr__python_encode(&writer, py.PyTuple_GetItem(arguments, i), self->context);
  }
  if (outcome == 1) return send(self, through, mr_call, &writer, timeout);
  mr__writer_free(&writer);
  if (outcome < 0) return NULL;
  mr__object *method = py.PyObject_GetAttr(object, lane.call_slowly);
  mr__object *value = method ? py.PyObject_Call(method, arguments, keywords) : NULL;
  if (method) py.Py_DecRef(method);
  return value;
}

/* The message of a property's key: a str or a small int as it is. What else is a key, _wire.py knows. */
static int
encode_property(mr__writer *writer, mr__object *key, mr__object *context)
{
  return key->type == py.Unicode || key->type == py.Long ? mr__python_encode(writer, key, context) : 0;
}

#define LONG_WAY 31 /* after a property that could not be read or written at once; to try costs a third of what it saves */

/* Whether it is worth a try to read or write one of its properties at once, with the GIL. Who limits a call's memory wants to hear of it. */
static bool
tries_now(mr__handle_object *self, const crossing *through)
{
  if (!self->long_way) return !through->options || !options_at(through->options)->max_memory;
  self->long_way--;
  return false;
}

/* object[key] */
static mr__object *
mapped_get(mr__object *object, mr__object *key)
{
  mr__handle_object *self = (mr__handle_object *)object;
  const crossing *through = crossing_of(self);
  mr__writer writer MR__UNINITIALIZED;
  mr__writer_init(&writer);
  int outcome = through ? encode_property(&writer, key, self->context) : 0;
  mr__object *value = NULL;
  if (outcome == 1 && tries_now(self, through)) {
    mr_result result MR__UNINITIALIZED;
    start(&result);
    if (mr_get_now(through->id, self->handle, writer.data, writer.size, &result) == MR_OK) {
      mr__writer_free(&writer);
      return finish(MR_OK, &result, self->context, through->id);
    }
    mr_result_free(&result);
    self->long_way = LONG_WAY;
  }
  if (outcome == 1) {
    value = send(self, through, mr_get, &writer, 0);
    if (value != lane.hole) return value;
    py.Py_DecRef(value); /* no such property: the slow way says so */
  } else {
    mr__writer_free(&writer);
  }
  return outcome < 0 ? NULL : py.PyObject_CallMethodObjArgs(object, outcome ? lane.missing : lane.get_slowly, key, NULL);
}

static int
call_for_nothing(mr__object *answer)
{
  if (!answer) return -1;
  py.Py_DecRef(answer);
  return 0;
}

/* object[key] = value; del object[key] */
static int
mapped_set(mr__object *object, mr__object *key, mr__object *value)
{
  if (!value) return call_for_nothing(py.PyObject_CallMethodObjArgs(object, lane.delete_slowly, key, NULL));
  mr__handle_object *self = (mr__handle_object *)object;
  const crossing *through = crossing_of(self);
  mr__writer writer MR__UNINITIALIZED;
  mr__writer_init(&writer);
  int outcome = through && mr__writer_array(&writer, 2) ? encode_property(&writer, key, self->context) : 0;
  writer.takes_texts = true; /* a key is a name of its own */
  if (outcome == 1) outcome = mr__python_encode(&writer, value, self->context);
  if (outcome == 1 && !writer.text_count && mr__python_is_simple(value) && tries_now(self, through)) {
    if (mr_set_now(through->id, self->handle, writer.data, writer.size) == MR_OK) {
      mr__writer_free(&writer);
      return 0;
    }
    self->long_way = LONG_WAY;
  }
  if (outcome == 1) return call_for_nothing(send(self, through, mr_set, &writer, 0));
  mr__writer_free(&writer);
  return outcome < 0 ? -1 : call_for_nothing(py.PyObject_CallMethodObjArgs(object, lane.set_slowly, key, value, NULL));
}

/* --- the elements of an array, one after the other --- */

#define MOST_AHEAD 512 /* elements */

/* They are read ahead, which nobody can tell: what was read is only used while JavaScript has not run since. */
typedef struct elements {
  mr__object head;
  mr__object *array; /* NULL: it has come to its end */
  mr__object *ahead; /* a list of the elements that were read; NULL: none yet */
  mr__size used;     /* how many of those */
  uint64_t changes;  /* mr_changes() when they were read; else they are all used */
  int32_t most;      /* how many to read next time */
  double next;       /* the index of the one behind them */
} elements;

static mr__object *elements_type;

static int
elements_traverse(mr__object *self, mr__visit visit, void *data)
{
  const elements *visited = (const elements *)self;
  return visit_all((mr__object *[]){self->type, visited->array, visited->ahead}, 3, visit, data);
}

static int
elements_clear(mr__object *self)
{
  elements *cleared = (elements *)self;
  mr__object *held[] = {cleared->array, cleared->ahead};
  cleared->array = cleared->ahead = NULL;
  return drop_all(held, 2);
}

static void
elements_dealloc(mr__object *self)
{
  py.PyObject_GC_UnTrack(self);
  elements_clear(self);
  free_object(self);
}

static bool
put_index(mr__writer *writer, double index)
{
  mr__object *number = py.PyLong_FromUnsignedLongLong((unsigned long long)index);
  bool ok = number && mr__python_encode(writer, number, NULL) == 1;
  if (number) py.Py_DecRef(number);
  return ok;
}

/* Reads the next ones. False: with an exception, or there are none. */
static bool
read_ahead(elements *self)
{
  mr__object *array = self->array;
  const mr__handle_object *handle = (const mr__handle_object *)array;
  const crossing *through = crossing_of(handle);
  if (!through) return py.PyErr_SetString(py.RuntimeError, "the array belongs to no context"), false;
  uint64_t before = 0, after = 0;
  bool known = mr_changes(through->id, &before) == MR_OK;
  mr__writer writer MR__UNINITIALIZED;
  mr__writer_init(&writer);
  if (!mr__writer_array(&writer, 2) || !put_index(&writer, self->next) || !put_index(&writer, self->most)) {
    mr__writer_free(&writer);
    return false;
  }
  py.Py_IncRef(array); /* Python's code may run, and come here */
  mr__object *list = send(handle, through, mr_elements, &writer, 0);
  through = crossing_of(handle);
  known = known && through && mr_changes(through->id, &after) == MR_OK;
  py.Py_DecRef(array);
  if (!list) return false;
  if (list->type != py.List || !py.PyList_Size(list) || !self->array) {
    py.Py_DecRef(list);
    return false;
  }
  mr__object *used = self->ahead;
  self->ahead = list;
  self->used = 0;
  self->changes = known && after == before + 1 ? after : 0; /* else somebody else has run as well */
  if (used) py.Py_DecRef(used);
  return true;
}

static bool
is_unchanged(const elements *self)
{
  const crossing *through = crossing_of((const mr__handle_object *)self->array);
  uint64_t now = 0;
  return through && self->changes && mr_changes(through->id, &now) == MR_OK && now == self->changes;
}

static mr__object *
elements_next(mr__object *object)
{
  elements *self = (elements *)object;
  if (!self->array) return NULL;
  mr__size count = self->ahead ? py.PyList_Size(self->ahead) : 0;
  bool same = count && is_unchanged(self);
  if (count && !same) self->most = 1; /* the loop does something in the context, and may do so each time */
  else if (count && self->used == count && self->most < MOST_AHEAD) self->most *= 4;
  if ((!same || self->used == count) && !read_ahead(self)) return elements_clear(object), NULL;
  mr__object *element = py.PyList_GetItem(self->ahead, self->used++);
  self->next++;
  if (element) py.Py_IncRef(element);
  return element;
}

static mr__object *
elements_iter(mr__object *self)
{
  py.Py_IncRef(self);
  return self;
}

/* elements(array): an iterator over them. */
static mr__object *
elements_of(mr__object *self, mr__object *const *arguments, mr__size count)
{
  (void)self;
  if (count != 1 || !py.PyType_IsSubtype(arguments[0]->type, lane.handle_type)) return py.PyErr_SetString(py.TypeError, "elements() takes an array"), NULL;
  mr__object *made = py.PyObject_CallObject(elements_type, NULL);
  if (!made) return NULL;
  elements *begun = (elements *)made;
  py.Py_IncRef(arguments[0]);
  begun->array = arguments[0];
  begun->most = 8;
  return made;
}

/* --- the codec, for the package --- */

/* decode(bytes, context) */
static mr__object *
decode(mr__object *self, mr__object *const *arguments, mr__size count)
{
  (void)self;
  char *data;
  mr__size size;
  if (count != 2) return py.PyErr_SetString(py.TypeError, "decode() takes a message and its context"), NULL;
  return py.PyBytes_AsStringAndSize(arguments[0], &data, &size) < 0 ? NULL : mr__python_decode((const uint8_t *)data, (size_t)size, arguments[1]);
}

/* from_json(text, loads): what loads(text) gives, which is only asked about what C does not know */
static mr__object *
from_json(mr__object *self, mr__object *const *arguments, mr__size count)
{
  (void)self;
  if (count != 2 || arguments[0]->type != py.Unicode) return py.PyErr_SetString(py.TypeError, "from_json() takes a str and json.loads"), NULL;
  mr__object *value = mr__python_json(arguments[0]);
  return value || py.PyErr_Occurred() ? value : py.PyObject_CallFunctionObjArgs(arguments[1], arguments[0], NULL);
}

/* drop_texts(): after what may have collected, outside of the lane. */
static mr__object *
drop_texts(mr__object *self, mr__object *const *arguments, mr__size count)
{
  (void)self, (void)arguments, (void)count;
  mr__python_drop_texts();
  return py.Py_IncRef(py.None), py.None;
}

/* decode_at(address, size, context): the same for a message that is in the library's memory. */
static mr__object *
decode_at(mr__object *self, mr__object *const *arguments, mr__size count)
{
  (void)self;
  if (count != 3) return py.PyErr_SetString(py.TypeError, "decode_at() takes an address, a size and a context"), NULL;
  unsigned long long address = py.PyLong_AsUnsignedLongLong(arguments[0]), size = py.PyLong_AsUnsignedLongLong(arguments[1]);
  return py.PyErr_Occurred() ? NULL : mr__python_decode((const uint8_t *)(uintptr_t)address, (size_t)size, arguments[2]);
}

/* The pair (message, None) that _wire.py's functions answer; what they answer themselves when C could not do it. */
static mr__object *
message_of(mr__writer *writer, int outcome, mr__object *slow, mr__object *const *arguments, mr__size count)
{
  mr__object *answer = NULL;
  if (outcome == 1 && writer->held_count) outcome = 0; /* a message that keeps handles alive is a type of _wire.py's */
  mr__object *pair = py.PyTuple_New(outcome == 1 ? 2 : count);
  if (pair && outcome == 1) {
    mr__object *bytes = py.PyBytes_FromStringAndSize((const char *)writer->data, (mr__size)writer->size);
    py.Py_IncRef(py.None);
    if (py.PyTuple_SetItem(pair, 1, py.None) == 0 && bytes && py.PyTuple_SetItem(pair, 0, bytes) == 0) answer = pair;
  } else if (pair && outcome == 0) {
    for (mr__size i = 0; i < count; i++) {
      py.Py_IncRef(arguments[i]);
      py.PyTuple_SetItem(pair, i, arguments[i]);
    }
    answer = py.PyObject_Call(slow, pair, NULL);
  }
  if (pair && answer != pair) py.Py_DecRef(pair);
  mr__writer_free(writer);
  return answer;
}

/* encode(value, context) */
static mr__object *
encode(mr__object *self, mr__object *const *arguments, mr__size count)
{
  (void)self;
  mr__writer writer MR__UNINITIALIZED;
  mr__writer_init(&writer);
  int outcome = count == 2 ? mr__python_encode(&writer, arguments[0], arguments[1]) : 0;
  return message_of(&writer, outcome, lane.encode, arguments, count);
}

/* encode_array(values, context, skip=0) */
static mr__object *
encode_array(mr__object *self, mr__object *const *arguments, mr__size count)
{
  (void)self;
  mr__writer writer MR__UNINITIALIZED;
  mr__writer_init(&writer);
  int outcome = 0;
  if (count >= 2 && arguments[0]->type == py.Tuple && (uint64_t)py.PyTuple_Size(arguments[0]) <= UINT32_MAX) {
    mr__size length = py.PyTuple_Size(arguments[0]);
    outcome = mr__writer_array(&writer, (uint32_t)length);
    for (mr__size i = 0; i < length && outcome == 1; i++) outcome = mr__python_encode(&writer, py.PyTuple_GetItem(arguments[0], i), arguments[1]);
  }
  return message_of(&writer, outcome, lane.encode_array, arguments, count);
}

/* --- opening --- */

static mr__method crossing_methods[] = {
    {"eval", (void *)crossing_eval, MR__METHOD_FAST, NULL}, {"take_callbacks", (void *)crossing_take_callbacks, MR__METHOD_FAST, NULL}, {NULL, NULL, 0, NULL}};

static mr__member crossing_members[] = {{"id", MR__MEMBER_UINT64, offsetof(crossing, id), 0, NULL},
                                        {"options", MR__MEMBER_UINT64, offsetof(crossing, options), 0, NULL},
                                        {"context", MR__MEMBER_OBJECT, offsetof(crossing, context), 0, NULL},
                                        {NULL, 0, 0, 0, NULL}};

static mr__slot crossing_slots[] = {{MR__DEALLOC, (void *)crossing_dealloc}, {MR__TRAVERSE, (void *)crossing_traverse}, {MR__CLEAR, (void *)crossing_clear},
                                    {MR__METHODS, crossing_methods},         {MR__MEMBERS, crossing_members},           {0, NULL}};

static mr__member handle_members[] = {{"_context", MR__MEMBER_OBJECT, offsetof(mr__handle_object, context), 0, NULL},
                                      {"_crossing", MR__MEMBER_OBJECT, offsetof(mr__handle_object, crossing), 0, NULL},
                                      {"_wire_handle", MR__MEMBER_UINT64, offsetof(mr__handle_object, handle), 0, NULL},
                                      {NULL, 0, 0, 0, NULL}};

static mr__slot handle_slots[] = {{MR__DEALLOC, (void *)handle_dealloc},
                                  {MR__TRAVERSE, (void *)handle_traverse},
                                  {MR__CLEAR, (void *)handle_clear},
                                  {MR__MEMBERS, handle_members},
                                  {0, NULL}};

static mr__slot mapped_slots[] = {{MR__DEALLOC, (void *)handle_dealloc}, {MR__TRAVERSE, (void *)handle_traverse}, {MR__CLEAR, (void *)handle_clear},
                                  {MR__GET_ITEM, (void *)mapped_get},    {MR__SET_ITEM, (void *)mapped_set},      {0, NULL}};

static mr__slot function_slots[] = {{MR__DEALLOC, (void *)handle_dealloc},
                                    {MR__TRAVERSE, (void *)handle_traverse},
                                    {MR__CLEAR, (void *)handle_clear},
                                    {MR__CALL, (void *)function_call},
                                    {0, NULL}};

static mr__slot elements_slots[] = {{MR__DEALLOC, (void *)elements_dealloc}, {MR__TRAVERSE, (void *)elements_traverse}, {MR__CLEAR, (void *)elements_clear},
                                    {MR__ITER, (void *)elements_iter},       {MR__ITER_NEXT, (void *)elements_next},    {0, NULL}};

#define OBJECT_FLAGS (MR__TYPE_DEFAULT | MR__TYPE_BASE | MR__TYPE_GC)

static mr__spec crossing_spec = {"py_mini_racer.Crossing", sizeof(crossing), 0, MR__TYPE_DEFAULT | MR__TYPE_GC, crossing_slots};
static mr__spec handle_spec = {"py_mini_racer.Handle", sizeof(mr__handle_object), 0, OBJECT_FLAGS, handle_slots};
static mr__spec mapped_spec = {"py_mini_racer.Mapped", sizeof(mr__handle_object), 0, OBJECT_FLAGS, mapped_slots};
static mr__spec elements_spec = {"py_mini_racer.Elements", sizeof(elements), 0, MR__TYPE_DEFAULT | MR__TYPE_GC, elements_slots};
static mr__spec function_spec = {"py_mini_racer.Function", sizeof(mr__handle_object), 0, OBJECT_FLAGS, function_slots};

static mr__method functions[] = {{"encode", (void *)encode, MR__METHOD_FAST, NULL},        {"encode_array", (void *)encode_array, MR__METHOD_FAST, NULL},
                                 {"elements", (void *)elements_of, MR__METHOD_FAST, NULL}, {"decode", (void *)decode, MR__METHOD_FAST, NULL},
                                 {"decode_at", (void *)decode_at, MR__METHOD_FAST, NULL},  {"from_json", (void *)from_json, MR__METHOD_FAST, NULL},
                                 {"drop_texts", (void *)drop_texts, MR__METHOD_FAST, NULL}};

/* A new type; with a base when there is one. */
static mr__object *
new_type(mr__spec *spec, mr__object *base)
{
  if (!base) return py.PyType_FromSpec(spec);
  mr__object *bases = py.PyTuple_New(1), *type = NULL;
  py.Py_IncRef(base);
  if (bases && py.PyTuple_SetItem(bases, 0, base) == 0) type = py.PyType_FromSpecWithBases(spec, bases);
  if (bases) py.Py_DecRef(bases);
  return type;
}

static bool
give(mr__object *to, const char *name, mr__object *object)
{
  mr__object *key = py.PyUnicode_InternFromString(name);
  bool ok = key && object && py.PyDict_SetItem(to, key, object) == 0;
  if (key) py.Py_DecRef(key);
  return ok;
}

static const struct {
  const char *name;
  size_t place;
  bool is_name; /* interned, not taken from the package */
} wanted[] = {{"JSUndefined", offsetof(mr__lane, undefined), false},
              {"HOLE_VALUE", offsetof(mr__lane, hole), false},
              {"encode", offsetof(mr__lane, encode), false},
              {"encode_array", offsetof(mr__lane, encode_array), false},
              {"decode", offsetof(mr__lane, decode), false},
              {"encode_rare", offsetof(mr__lane, scalar), false},
              {"date_from", offsetof(mr__lane, date), false},
              {"answer", offsetof(mr__lane, answer), false},
              {"raised", offsetof(mr__lane, raised), false},
              {"wrap", offsetof(mr__lane, wrap), true},
              {"view", offsetof(mr__lane, view), true},
              {"failed", offsetof(mr__lane, failed), true},
              {"eval_slowly", offsetof(mr__lane, eval_slowly), true},
              {"timeout_sec", offsetof(mr__lane, timeout_sec), true},
              {"crossing", offsetof(mr__lane, crossing), true},
              {"converters", offsetof(mr__lane, converters), true},
              {"to_js", offsetof(mr__lane, to_js), true},
              {"obj", offsetof(mr__lane, obj), true},
              {"isascii", offsetof(mr__lane, isascii), true},
              {"__sizeof__", offsetof(mr__lane, size_of), true},
              {"_call_slowly", offsetof(mr__lane, call_slowly), true},
              {"_get_slowly", offsetof(mr__lane, get_slowly), true},
              {"_set_slowly", offsetof(mr__lane, set_slowly), true},
              {"_delete_slowly", offsetof(mr__lane, delete_slowly), true},
              {"_missing", offsetof(mr__lane, missing), true}};

int
mr_python_open(mr__object *package)
{
  if (!mr__python_find()) return 0;
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    mr__object *name = py.PyUnicode_InternFromString(wanted[i].name);
    if (!name) return -1;
    mr__object *object = wanted[i].is_name ? name : py.PyDict_GetItemWithError(package, name);
    if (!object) return -1;
    py.Py_IncRef(object);
    *(mr__object **)((char *)&lane + wanted[i].place) = object;
  }
  crossing_type = new_type(&crossing_spec, NULL);
  elements_type = new_type(&elements_spec, NULL);
  lane.handle_type = new_type(&handle_spec, NULL);
  mr__object *mapped = lane.handle_type ? new_type(&mapped_spec, lane.handle_type) : NULL;
  mr__object *function = mapped ? new_type(&function_spec, mapped) : NULL;
  bool ok = crossing_type && elements_type && function && give(package, "Crossing", crossing_type) && give(package, "Handle", lane.handle_type) &&
            give(package, "Mapped", mapped) && give(package, "Function", function) && give(package, "Memory", mr__python_memory_type());
  for (size_t i = 0; ok && i < sizeof functions / sizeof *functions; i++)
    ok = give(package, functions[i].name, py.PyCFunction_NewEx(&functions[i], NULL, NULL));
  return ok ? 1 : -1;
}
