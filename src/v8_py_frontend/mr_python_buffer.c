/* mr_python_buffer.c: JavaScript's memory as memoryviews. Owns the type of their exporters, each of which keeps a store and the handle of its buffer.
 *
 * The fast lane's twin of _buffers.py, which makes the views that are rare: of nothing, and of copies. With the GIL. */
#include "mr_python_buffer.h"

#include <stdlib.h>
#include <string.h>

#include "mr_python_wire.h"
#include "mr_wire.h"

#define LARGE (1 << 20) /* bytes; to give as many back to the system takes so long that others may have the GIL */

typedef struct memory {
  mr__object head;
  mr__object *context; /* NULL: nobody has made it who may */
  mr_context id;
  mr_handle handle;
  uint64_t store, size, element;
  uint8_t *address;
  const char *format;
  mr__size length, step;
} memory;

static mr__object *memory_type;
static void (*memory_free)(void *); /* of that type */

typedef struct format {
  const char *name;
  mr__size size;
  uint64_t element; /* the typed array that has such elements */
} format;

static const format formats[] = {
    [MR_ELEMENT_BYTES] = {"B", 1, MR_ELEMENT_UINT8},       [MR_ELEMENT_INT8] = {"b", 1, MR_ELEMENT_INT8},
    [MR_ELEMENT_UINT8] = {"B", 1, MR_ELEMENT_UINT8},       [MR_ELEMENT_UINT8_CLAMPED] = {"B", 1, MR_ELEMENT_UINT8},
    [MR_ELEMENT_INT16] = {"h", 2, MR_ELEMENT_INT16},       [MR_ELEMENT_UINT16] = {"H", 2, MR_ELEMENT_UINT16},
    [MR_ELEMENT_INT32] = {"i", 4, MR_ELEMENT_INT32},       [MR_ELEMENT_UINT32] = {"I", 4, MR_ELEMENT_UINT32},
    [MR_ELEMENT_BIGINT64] = {"q", 8, MR_ELEMENT_BIGINT64}, [MR_ELEMENT_BIGUINT64] = {"Q", 8, MR_ELEMENT_BIGUINT64},
    [MR_ELEMENT_FLOAT16] = {"e", 2, MR_ELEMENT_FLOAT16},   [MR_ELEMENT_FLOAT32] = {"f", 4, MR_ELEMENT_FLOAT32},
    [MR_ELEMENT_FLOAT64] = {"d", 8, MR_ELEMENT_FLOAT64},   [MR_ELEMENT_DATA_VIEW] = {"B", 1, MR_ELEMENT_UINT8},
};

/* memoryview knows half floats from Python 3.12 on: their bits, before that. */
static const format *
format_of(uint8_t element)
{
  static int knows_halves = -1;
  if (knows_halves < 0) {
    char *dot = NULL;
    long major = strtol(py.Py_GetVersion(), &dot, 10);
    knows_halves = major > 3 || (*dot == '.' && strtol(dot + 1, NULL, 10) >= 12);
  }
  return &formats[element == MR_ELEMENT_FLOAT16 && !knows_halves ? MR_ELEMENT_UINT16 : element];
}

static void
release(const memory *held)
{
  if (held->handle) mr_release(held->id, &held->handle, 1);
  if (held->size < LARGE) mr_store_release(held->store);
  if (held->size < LARGE || mr_store_release_now(held->store)) return;
  void *thread = py.PyEval_SaveThread();
  mr_store_release(held->store);
  py.PyEval_RestoreThread(thread);
}

static int
memory_traverse(mr__object *self, mr__visit visit, void *data)
{
  mr__object *context = ((const memory *)self)->context;
  int stop = visit(self->type, data);
  return stop || !context ? stop : visit(context, data);
}

static void
memory_dealloc(mr__object *self)
{
  memory *gone = (memory *)self;
  mr__object *type = self->type;
  py.PyObject_GC_UnTrack(self);
  if (gone->context) {
    release(gone);
    py.Py_DecRef(gone->context);
  }
  memory_free(self);
  py.Py_DecRef(type);
}

static int
memory_get_buffer(mr__object *self, mr__buffer *view, int flags)
{
  memory *from = (memory *)self;
  view->object = NULL;
  if (!from->context) return py.PyErr_SetString(py.BufferError, "this is no memory of a script's"), -1;
  py.Py_IncRef(self);
  *view = (mr__buffer){.data = from->address,
                       .object = self,
                       .size = (mr__size)from->size,
                       .item_size = from->step,
                       .dimensions = 1,
                       .format = flags & MR__BUFFER_FORMAT ? (char *)from->format : NULL,
                       .shape = flags & MR__BUFFER_SHAPE ? &from->length : NULL,
                       .strides = (flags & MR__BUFFER_STRIDES) == MR__BUFFER_STRIDES ? &from->step : NULL};
  return 0;
}

static mr__member members[] = {{"context", MR__MEMBER_OBJECT, offsetof(memory, context), MR__MEMBER_READ_ONLY, NULL},
                               {"handle", MR__MEMBER_UINT64, offsetof(memory, handle), MR__MEMBER_READ_ONLY, NULL},
                               {"element", MR__MEMBER_UINT64, offsetof(memory, element), MR__MEMBER_READ_ONLY, NULL},
                               {"size", MR__MEMBER_UINT64, offsetof(memory, size), MR__MEMBER_READ_ONLY, NULL},
                               {NULL, 0, 0, 0, NULL}};

static mr__slot slots[] = {{MR__DEALLOC, (void *)memory_dealloc},
                           {MR__TRAVERSE, (void *)memory_traverse},
                           {MR__GET_BUFFER, (void *)memory_get_buffer},
                           {MR__MEMBERS, members},
                           {0, NULL}};

static mr__spec spec = {"py_mini_racer.Memory", sizeof(memory), 0, MR__TYPE_DEFAULT | MR__TYPE_GC, slots};

mr__object *
mr__python_memory_type(void)
{
  memory_type = py.PyType_FromSpec(&spec);
  if (memory_type) memory_free = (void (*)(void *))py.PyType_GetSlot(memory_type, MR__FREE);
  return memory_type;
}

mr__object *
mr__python_view(mr__object *context, mr_context id, const mr__python_buffer *buffer)
{
  memory *made = (memory *)py.PyType_GenericAlloc(memory_type, 0);
  if (!made) {
    release(&(memory){.store = buffer->store, .handle = buffer->handle, .id = id, .size = buffer->size});
    return NULL;
  }
  const format *of = format_of(buffer->element);
  py.Py_IncRef(context);
  made->context = context;
  made->id = id;
  made->handle = buffer->handle;
  made->store = buffer->store;
  made->size = buffer->size;
  made->element = of->element;
  made->address = (uint8_t *)(uintptr_t)buffer->address;
  made->format = of->name;
  made->step = of->size;
  made->length = (mr__size)buffer->size / of->size;
  mr__object *view = py.PyMemoryView_FromObject((mr__object *)made);
  py.Py_DecRef((mr__object *)made);
  return view;
}

mr_handle
mr__python_handle_of(mr__object *view, const mr__object *context)
{
  mr__buffer seen;
  mr_handle handle = 0;
  if (py.PyObject_GetBuffer(view, &seen, MR__BUFFER_FORMAT | MR__BUFFER_STRIDES) < 0) return py.PyErr_Clear(), 0;
  mr__object *of = py.PyObject_GetAttr(view, lane.obj);
  if (of && of->type == memory_type) {
    const memory *from = (const memory *)of;
    bool whole = seen.dimensions == 1 && seen.data == from->address && seen.size == (mr__size)from->size && seen.strides && *seen.strides == from->step;
    if (whole && from->context == context && seen.format && strcmp(seen.format, from->format) == 0) handle = from->handle;
  }
  if (of) py.Py_DecRef(of);
  else py.PyErr_Clear();
  py.PyBuffer_Release(&seen);
  return handle;
}
