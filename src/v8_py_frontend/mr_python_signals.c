/* mr_python_signals.c: what CPython's signals, and exceptions that no script may catch, do to calls into the library; whichever lane these take.
 *
 * A client of mini_racer.h: the interrupt hook runs Python's signal handlers, and callbacks go through here, because a handler may run, and raise, at the first
 * instruction of whatever Python code is called: what a ctypes callback raises there is lost. The exception is kept for the thread until the call that it ends has
 * returned. Greenlets swap a thread's stack, so only the one that a callback runs in may make calls in it. Owns `python`, the package's
 * things, filled in once. */
#include "mr_python_signals.h"

#include "mr_python_lane.h"

#include <pthread.h>
#include <string.h>

static struct {
  mr__object *call, *event, *inside;           /* the package's */
  mr__object *greenlet, *get_current, *parent; /* names */
  void *interpreter;                           /* NULL: threads may enter Python while it forks */
} python;

static pthread_mutex_t entering = PTHREAD_MUTEX_INITIALIZER; /* held by a thread that CPython gets to know, and during a fork */

/* The innermost callback that runs on this thread. Not on its stack: that of a greenlet which waits is elsewhere, and another one's is in its place. */
static _Thread_local struct {
  unsigned depth;       /* 0: there is none */
  mr__object *greenlet; /* that it runs in; NULL: the thread's main one */
} callbacks;

/* What is put back when a callback has ended: its own greenlet's stack is there again. */
typedef struct callback {
  mr__object *around; /* `callbacks.greenlet` of the one that this one is in */
  bool noted;         /* in `python.inside`, which only greenlets need */
} callback;

static unsigned running;               /* callbacks, on all threads; with the GIL */
static _Thread_local mr__object *kept; /* the exception that a call of this thread is going to end with */

static void
drop(mr__object *object)
{
  if (object) py.Py_DecRef(object);
}

/* --- the GIL --- */

/* Takes the GIL, on any thread. In a child that was forked, CPython before 3.12 waits for the lock of its list of threads before it makes that anew, and so for ever
 * when another thread was just about to enter itself. Forks wait for that. */
static int
take_gil(bool *entered)
{
  *entered = python.interpreter && !py.PyGILState_GetThisThreadState();
  if (*entered) {
    pthread_mutex_lock(&entering);
    *entered = py.PyThreadState_New(python.interpreter) != NULL;
    pthread_mutex_unlock(&entering);
  }
  return py.PyGILState_Ensure();
}

static void
leave_gil(int gil, bool entered)
{
  if (entered) py.PyGILState_Release(0); /* PyThreadState_New() counts as the first taking, which nobody else ends */
  py.PyGILState_Release(gil);
}

static void
before_fork(void)
{
  pthread_mutex_lock(&entering);
}

static void
after_fork(void)
{
  pthread_mutex_unlock(&entering);
}

/* --- exceptions --- */

static void
keep_exception(void)
{
  mr__object *type = NULL, *value = NULL, *trace = NULL;
  py.PyErr_Fetch(&type, &value, &trace);
  py.PyErr_NormalizeException(&type, &value, &trace);
  if (value && trace) py.PyException_SetTraceback(value, trace);
  drop(type);
  drop(trace);
  drop(kept);
  kept = value;
}

mr__object *
mr_python_take(void)
{
  mr__object *taken = kept ? kept : py.None;
  if (!kept) py.Py_IncRef(taken);
  kept = NULL;
  return taken;
}

/* Whether it is for the script to see that a callback failed: there was no room for it. */
static bool
lacks_room(void)
{
  return py.PyErr_ExceptionMatches(py.RecursionError) || py.PyErr_ExceptionMatches(py.MemoryError);
}

/* A callback has raised: its call ends with that. */
static void
end_call(mr_context context)
{
  if (mr_interrupt(context) == MR_OK) keep_exception();
  else py.PyErr_WriteUnraisable(NULL); /* told of outside of any call */
}

static int
check_signals(void *unused)
{
  (void)unused;
  int gil = py.PyGILState_Ensure();
  bool raised = py.PyErr_CheckSignals() < 0;
  if (raised) keep_exception();
  py.PyGILState_Release(gil);
  return raised;
}

/* --- greenlets --- */

/* The module, borrowed; NULL: nobody has imported it. */
static mr__object *
greenlets(void)
{
  return py.PyDict_GetItemWithError(py.PyImport_GetModuleDict(), python.greenlet);
}

/* This thread's greenlet, with a reference; NULL: its main one, which is the only one where greenlet was never imported. */
static mr__object *
current_greenlet(void)
{
  mr__object *module = greenlets();
  if (!module) return NULL;
  mr__object *get = py.PyObject_GetAttr(module, python.get_current);
  mr__object *current = get ? py.PyObject_CallFunctionObjArgs(get, NULL) : NULL;
  mr__object *parent = current ? py.PyObject_GetAttr(current, python.parent) : NULL;
  if (py.PyErr_Occurred()) py.PyErr_Clear(); /* another module of that name */
  drop(get);
  bool main = !parent || parent == py.None;
  drop(parent);
  if (!main) return current;
  drop(current);
  return NULL;
}

int
mr_python_may_enter(void)
{
  if (!running || !callbacks.depth) return 1;
  mr__object *current = current_greenlet();
  drop(current); /* it is alive: it runs */
  return current == callbacks.greenlet;
}

static void
note_thread(bool enters)
{
  mr__object *ident = py.PyLong_FromUnsignedLongLong((unsigned long long)pthread_self());
  if (!ident || (enters ? py.PyDict_SetItem(python.inside, ident, py.None) : py.PyDict_DelItem(python.inside, ident)) < 0) py.PyErr_Clear();
  drop(ident);
}

static void
begin(callback *begun)
{
  *begun = (callback){callbacks.greenlet, false};
  callbacks.greenlet = NULL;
  if (greenlets()) {
    callbacks.greenlet = current_greenlet();
    begun->noted = !callbacks.depth;
  }
  callbacks.depth++;
  running++;
  if (begun->noted) note_thread(true);
}

static void
end(const callback *ended)
{
  mr__object *left = callbacks.greenlet;
  callbacks.depth--;
  callbacks.greenlet = ended->around;
  running--;
  if (ended->noted) note_thread(false);
  drop(left);
}

/* --- callbacks --- */

/* Calls with three numbers and a message, of which one is left out where `last` is NULL. False: it raised. */
static bool
call_python(mr__object *function, const uint64_t numbers[2], const uint8_t *message, uint64_t size, mr__object *last)
{
  mr__object *first = py.PyLong_FromUnsignedLongLong(numbers[0]), *second = py.PyLong_FromUnsignedLongLong(numbers[1]);
  mr__object *bytes = py.PyBytes_FromStringAndSize((const char *)message, (mr__size)size);
  mr__object *answer = first && second && bytes ? py.PyObject_CallFunctionObjArgs(function, first, second, last, bytes, NULL) : NULL;
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
  bool entered;
  int gil = take_gil(&entered);
  callback here;
  begin(&here);
  mr__object *where = NULL;
  bool ok = py.PyErr_CheckSignals() == 0;
  int fast = ok ? mr__lane_call(context, function, in, in_size, reply) : 1;
  if (fast < 0) ok = false;
  if (fast == 0) {
    where = py.PyLong_FromUnsignedLongLong((uintptr_t)reply);
    ok = where && call_python(python.call, (uint64_t[]){context, function}, in, in_size, where);
  }
  if (!ok && lacks_room()) py.PyErr_Clear(); /* without an answer: the script gets an error that says so */
  else if (!ok || py.PyErr_CheckSignals() < 0) end_call(context);
  drop(where);
  end(&here);
  leave_gil(gil, entered);
}

void
mr_python_event(void *data, mr_context context, uint32_t event, uint64_t id, const uint8_t *message, uint64_t size)
{
  (void)data;
  bool entered;
  int gil = take_gil(&entered);
  callback here;
  begin(&here);
  mr__object *what = py.PyLong_FromUnsignedLongLong(event);
  bool told = what && call_python(python.event, (uint64_t[]){context, id}, message, size, what);
  if (!told) {
    end_call(context);
    /* A signal's handler came in between: somebody may wait for the news nevertheless. */
    if (what && !call_python(python.event, (uint64_t[]){context, id}, message, size, what)) end_call(context);
  }
  drop(what);
  end(&here);
  leave_gil(gil, entered);
}

/* --- opening --- */

static bool
find_names(void)
{
  python.greenlet = py.PyUnicode_InternFromString("greenlet");
  python.get_current = py.PyUnicode_InternFromString("getcurrent");
  python.parent = py.PyUnicode_InternFromString("parent");
  return python.greenlet && python.get_current && python.parent;
}

int
mr_python_signals(mr__object *call, mr__object *event, mr__object *inside, uint64_t main_thread)
{
  if (!mr__python_find() || !find_names()) return 0;
  python.call = call;
  python.event = event;
  python.inside = inside;
  py.Py_IncRef(call);
  py.Py_IncRef(event);
  py.Py_IncRef(inside);
  const char *version = py.Py_GetVersion();
  if (strncmp(version, "3.10.", 5) == 0 || strncmp(version, "3.11.", 5) == 0) {
    if (pthread_atfork(before_fork, after_fork, after_fork)) return 0;
    python.interpreter = py.PyInterpreterState_Get();
  }
  return mr_interrupt_hook(check_signals, NULL, main_thread) == MR_OK;
}
