/* mr_python_signals.c: what CPython's signals, and exceptions that no script may catch, do to calls into the library; whichever lane these take.
 *
 * A client of mini_racer.h: the interrupt hook runs Python's signal handlers, and callbacks go through here, because a handler may run, and raise, at the first
 * instruction of whatever Python code is called: what a ctypes callback raises there is lost. The exception is kept for the thread until the call that it ends has
 * returned. Greenlets swap a thread's stack, so only the one that a callback runs in may make calls in it. Owns `python`, filled in once. */
#include "mr_python_signals.h"

#include "mr_python_lane.h"

#include <dlfcn.h>
#include <pthread.h>

/* result, name, parameters */
#define FUNCTIONS(X)                                                               \
  X(void, Py_IncRef, (mr__object *))                                               \
  X(void, Py_DecRef, (mr__object *))                                               \
  X(int, PyGILState_Ensure, (void))                                                \
  X(void, PyGILState_Release, (int))                                               \
  X(int, PyErr_CheckSignals, (void))                                               \
  X(mr__object *, PyErr_Occurred, (void))                                          \
  X(void, PyErr_Clear, (void))                                                     \
  X(void, PyErr_Fetch, (mr__object **, mr__object **, mr__object **))              \
  X(void, PyErr_Restore, (mr__object *, mr__object *, mr__object *))               \
  X(void, PyErr_NormalizeException, (mr__object **, mr__object **, mr__object **)) \
  X(int, PyErr_ExceptionMatches, (mr__object *))                                   \
  X(void, PyErr_WriteUnraisable, (mr__object *))                                   \
  X(int, PyException_SetTraceback, (mr__object *, mr__object *))                   \
  X(mr__object *, PyImport_GetModuleDict, (void))                                  \
  X(mr__object *, PyLong_FromUnsignedLongLong, (unsigned long long))               \
  X(mr__object *, PyBytes_FromStringAndSize, (const char *, mr__size))             \
  X(mr__object *, PyUnicode_InternFromString, (const char *))                      \
  X(int, PyDict_SetItem, (mr__object *, mr__object *, mr__object *))               \
  X(int, PyDict_DelItem, (mr__object *, mr__object *))                             \
  X(mr__object *, PyDict_GetItemWithError, (mr__object *, mr__object *))           \
  X(mr__object *, PyObject_GetAttr, (mr__object *, mr__object *))                  \
  X(mr__object *, PyObject_CallFunctionObjArgs, (mr__object *, ...))

static struct {
#define MEMBER(result, name, parameters) result(*name) parameters;
  FUNCTIONS(MEMBER)
#undef MEMBER
  mr__object *None, *RecursionError, *MemoryError;
  mr__object *call, *event, *inside;           /* the package's */
  mr__object *greenlet, *get_current, *parent; /* names */
} python;

/* A callback that runs on this thread. */
typedef struct callback {
  struct callback *around;
  mr__object *greenlet; /* NULL: the thread's main one */
  bool noted;           /* in `python.inside`, which only greenlets need */
} callback;

static _Thread_local callback *innermost;
static _Thread_local mr__object *kept; /* the exception that a call of this thread is going to end with */

static void
drop(mr__object *object)
{
  if (object) python.Py_DecRef(object);
}

/* --- exceptions --- */

static void
keep_exception(void)
{
  mr__object *type = NULL, *value = NULL, *trace = NULL;
  python.PyErr_Fetch(&type, &value, &trace);
  python.PyErr_NormalizeException(&type, &value, &trace);
  if (value && trace) python.PyException_SetTraceback(value, trace);
  drop(type);
  drop(trace);
  drop(kept);
  kept = value;
}

mr__object *
mr_python_take(void)
{
  mr__object *taken = kept ? kept : python.None;
  if (!kept) python.Py_IncRef(taken);
  kept = NULL;
  return taken;
}

/* Whether it is for the script to see that a callback failed: there was no room for it. */
static bool
lacks_room(void)
{
  return python.PyErr_ExceptionMatches(python.RecursionError) || python.PyErr_ExceptionMatches(python.MemoryError);
}

/* A callback has raised: its call ends with that. */
static void
end_call(mr_context context)
{
  if (mr_interrupt(context) == MR_OK) keep_exception();
  else python.PyErr_WriteUnraisable(NULL); /* told of outside of any call */
}

static int
check_signals(void *unused)
{
  (void)unused;
  int gil = python.PyGILState_Ensure();
  bool raised = python.PyErr_CheckSignals() < 0;
  if (raised) keep_exception();
  python.PyGILState_Release(gil);
  return raised;
}

/* --- greenlets --- */

/* The module, borrowed; NULL: nobody has imported it. */
static mr__object *
greenlets(void)
{
  return python.PyDict_GetItemWithError(python.PyImport_GetModuleDict(), python.greenlet);
}

/* This thread's greenlet, with a reference; NULL: its main one, which is the only one where greenlet was never imported. */
static mr__object *
current_greenlet(void)
{
  mr__object *module = greenlets();
  if (!module) return NULL;
  mr__object *get = python.PyObject_GetAttr(module, python.get_current);
  mr__object *current = get ? python.PyObject_CallFunctionObjArgs(get, NULL) : NULL;
  mr__object *parent = current ? python.PyObject_GetAttr(current, python.parent) : NULL;
  if (python.PyErr_Occurred()) python.PyErr_Clear(); /* another module of that name */
  drop(get);
  bool main = !parent || parent == python.None;
  drop(parent);
  if (!main) return current;
  drop(current);
  return NULL;
}

int
mr_python_may_enter(void)
{
  if (!innermost) return 1;
  mr__object *current = current_greenlet();
  drop(current); /* it is alive: it runs */
  return current == innermost->greenlet;
}

static void
note_thread(bool inside)
{
  mr__object *ident = python.PyLong_FromUnsignedLongLong((unsigned long long)pthread_self());
  if (!ident || (inside ? python.PyDict_SetItem(python.inside, ident, python.None) : python.PyDict_DelItem(python.inside, ident)) < 0) python.PyErr_Clear();
  drop(ident);
}

static void
begin(callback *begun)
{
  *begun = (callback){innermost, NULL, false};
  if (greenlets()) {
    begun->greenlet = current_greenlet();
    begun->noted = !innermost;
  }
  innermost = begun;
  if (begun->noted) note_thread(true);
}

static void
end(const callback *ended)
{
  innermost = ended->around;
  if (ended->noted) note_thread(false);
  drop(ended->greenlet);
}

/* --- callbacks --- */

/* Calls with three numbers and a message, of which one is left out where `last` is NULL. False: it raised. */
static bool
call_python(mr__object *function, const uint64_t numbers[2], const uint8_t *message, uint64_t size, mr__object *last)
{
  mr__object *first = python.PyLong_FromUnsignedLongLong(numbers[0]), *second = python.PyLong_FromUnsignedLongLong(numbers[1]);
  mr__object *bytes = python.PyBytes_FromStringAndSize((const char *)message, (mr__size)size);
  mr__object *answer = first && second && bytes ? python.PyObject_CallFunctionObjArgs(function, first, second, last, bytes, NULL) : NULL;
  drop(first);
  drop(second);
  drop(bytes);
  drop(answer);
  return answer != NULL;
}

void
mr_python_call(void *data, mr_context context, uint64_t function, const uint8_t *in, uint64_t in_size, mr_reply *reply)
{
  (void)data;
  int gil = python.PyGILState_Ensure();
  callback here;
  begin(&here);
  mr__object *where = NULL;
  bool ok = python.PyErr_CheckSignals() == 0;
  int fast = ok ? mr__lane_call(context, function, in, in_size, reply) : 1;
  if (fast < 0) ok = false;
  if (fast == 0) {
    where = python.PyLong_FromUnsignedLongLong((uintptr_t)reply);
    ok = where && call_python(python.call, (uint64_t[]){context, function}, in, in_size, where);
  }
  if (!ok && lacks_room()) python.PyErr_Clear(); /* without an answer: the script gets an error that says so */
  else if (!ok || python.PyErr_CheckSignals() < 0) end_call(context);
  drop(where);
  end(&here);
  python.PyGILState_Release(gil);
}

void
mr_python_event(void *data, mr_context context, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size)
{
  (void)data;
  int gil = python.PyGILState_Ensure();
  callback here;
  begin(&here);
  mr__object *what = python.PyLong_FromUnsignedLongLong(event);
  bool told = what && call_python(python.event, (uint64_t[]){context, id}, message, size, what);
  if (!told) {
    end_call(context);
    /* A signal's handler came in between: somebody may wait for the news nevertheless. */
    if (what && !call_python(python.event, (uint64_t[]){context, id}, message, size, what)) end_call(context);
  }
  drop(what);
  end(&here);
  python.PyGILState_Release(gil);
}

/* --- opening --- */

static bool
find_python(void)
{
  void *process = dlopen(NULL, RTLD_NOW);
  if (!process) return false;
#define FIND(result, name, parameters) \
  if (!(*(void **)&python.name = dlsym(process, #name))) return false;
  FUNCTIONS(FIND)
#undef FIND
  mr__object **recursion = (mr__object **)dlsym(process, "PyExc_RecursionError"), **memory = (mr__object **)dlsym(process, "PyExc_MemoryError");
  python.None = (mr__object *)dlsym(process, "_Py_NoneStruct");
  if (!python.None || !recursion || !memory) return false;
  python.RecursionError = *recursion;
  python.MemoryError = *memory;
  python.greenlet = python.PyUnicode_InternFromString("greenlet");
  python.get_current = python.PyUnicode_InternFromString("getcurrent");
  python.parent = python.PyUnicode_InternFromString("parent");
  return python.greenlet && python.get_current && python.parent;
}

int
mr_python_signals(mr__object *call, mr__object *event, mr__object *inside, uint64_t main_thread)
{
  if (!find_python()) return 0;
  python.call = call;
  python.event = event;
  python.inside = inside;
  python.Py_IncRef(call);
  python.Py_IncRef(event);
  python.Py_IncRef(inside);
  return mr_interrupt_hook(check_signals, NULL, main_thread) == MR_OK;
}
