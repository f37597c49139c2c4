/* mr_python_abi.h: CPython as the library sees it: functions and types of its stable ABI, found in the running process. No Python header, no link to libpython.
 *
 * The signatures are those of the Python/C API reference, "Stable Application Binary Interface". Everything here is for the thread that has the GIL. */
#ifndef MR_PYTHON_ABI_H_
#define MR_PYTHON_ABI_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mr__object mr__object; /* PyObject */

struct mr__object {
  intptr_t references;
  mr__object *type;
};

typedef intptr_t mr__size; /* Py_ssize_t */
typedef int (*mr__visit)(mr__object *, void *);

/* PyMethodDef, PyMemberDef, PyType_Slot, PyType_Spec */
typedef struct mr__method {
  const char *name;
  void *function;
  int flags;
  const char *doc;
} mr__method;

typedef struct mr__member { /* NOLINT(clang-analyzer-optin.performance.Padding) */
  const char *name;
  int type;
  mr__size offset;
  int flags;
  const char *doc;
} mr__member;

typedef struct mr__slot {
  int slot;
  void *function;
} mr__slot;

/* Py_buffer */
typedef struct mr__buffer {
  void *data;
  mr__object *object;
  mr__size size, item_size;
  int read_only, dimensions;
  char *format;
  mr__size *shape, *strides, *sub_offsets;
  void *internal;
} mr__buffer;

typedef struct mr__spec {
  const char *name;
  int size;
  int item_size;
  unsigned flags;
  mr__slot *slots;
} mr__spec;

enum {
  MR__METHOD_FAST = 0x80, /* METH_FASTCALL */
  MR__MEMBER_OBJECT = 6,
  MR__MEMBER_UINT64 = 18, /* T_OBJECT, T_ULONGLONG */
  MR__MEMBER_READ_ONLY = 1,
  MR__BUFFER_FORMAT = 4,
  MR__BUFFER_SHAPE = 8,
  MR__BUFFER_STRIDES = 0x18, /* PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDES */
  MR__GET_BUFFER = 1,        /* Py_bf_getbuffer */
  MR__TYPE_BASE = 1 << 10,
  MR__TYPE_GC = 1 << 14,
  MR__TYPE_DEFAULT = 1 << 18, /* Py_TPFLAGS_BASETYPE, _HAVE_GC, _DEFAULT */
  MR__SET_ITEM = 3,
  MR__GET_ITEM = 5, /* Py_mp_ass_subscript, Py_mp_subscript */
  MR__CALL = 50,
  MR__CLEAR = 51,
  MR__DEALLOC = 52,
  MR__ITER = 62,
  MR__ITER_NEXT = 63,
  MR__METHODS = 64,
  MR__TRAVERSE = 71,
  MR__MEMBERS = 72,
  MR__FREE = 74
};

/* result, name, parameters */
#define MR__PYTHON_FUNCTIONS(X)                                                          \
  X(void, Py_IncRef, (mr__object *))                                                     \
  X(void, Py_DecRef, (mr__object *))                                                     \
  X(void *, PyEval_SaveThread, (void))                                                   \
  X(void, PyEval_RestoreThread, (void *))                                                \
  X(const char *, Py_GetVersion, (void))                                                 \
  X(void *, PyInterpreterState_Get, (void))                                              \
  X(void *, PyThreadState_New, (void *))                                                 \
  X(void *, PyGILState_GetThisThreadState, (void))                                       \
  X(int, PyGILState_Ensure, (void))                                                      \
  X(void, PyGILState_Release, (int))                                                     \
  X(int, PyErr_CheckSignals, (void))                                                     \
  X(void, PyErr_Restore, (mr__object *, mr__object *, mr__object *))                     \
  X(int, PyErr_ExceptionMatches, (mr__object *))                                         \
  X(void, PyErr_WriteUnraisable, (mr__object *))                                         \
  X(mr__object *, PyImport_GetModuleDict, (void))                                        \
  X(int, PyDict_DelItem, (mr__object *, mr__object *))                                   \
  X(mr__object *, PyLong_FromLong, (long))                                               \
  X(mr__object *, PyLong_FromLongLong, (long long))                                      \
  X(mr__object *, PyLong_FromUnsignedLongLong, (unsigned long long))                     \
  X(unsigned long long, PyLong_AsUnsignedLongLong, (mr__object *))                       \
  X(long long, PyLong_AsLongLongAndOverflow, (mr__object *, int *))                      \
  X(mr__object *, PyFloat_FromDouble, (double))                                          \
  X(double, PyFloat_AsDouble, (mr__object *))                                            \
  X(double, PyOS_string_to_double, (const char *, char **, mr__object *))                \
  X(mr__object *, PyUnicode_DecodeUTF8, (const char *, mr__size, const char *))          \
  X(mr__object *, PyUnicode_DecodeLatin1, (const char *, mr__size, const char *))        \
  X(mr__object *, PyUnicode_DecodeUTF16, (const char *, mr__size, const char *, int *))  \
  X(mr__size, PyUnicode_GetLength, (mr__object *))                                       \
  X(const char *, PyUnicode_AsUTF8AndSize, (mr__object *, mr__size *))                   \
  X(mr__object *, PyUnicode_AsLatin1String, (mr__object *))                              \
  X(mr__object *, PyUnicode_AsEncodedString, (mr__object *, const char *, const char *)) \
  X(mr__object *, PyUnicode_InternFromString, (const char *))                            \
  X(mr__object *, PyBytes_FromStringAndSize, (const char *, mr__size))                   \
  X(int, PyBytes_AsStringAndSize, (mr__object *, char **, mr__size *))                   \
  X(mr__object *, PyList_New, (mr__size))                                                \
  X(mr__size, PyList_Size, (mr__object *))                                               \
  X(mr__object *, PyList_GetItem, (mr__object *, mr__size))                              \
  X(int, PyList_SetItem, (mr__object *, mr__size, mr__object *))                         \
  X(mr__object *, PyTuple_New, (mr__size))                                               \
  X(mr__size, PyTuple_Size, (mr__object *))                                              \
  X(mr__object *, PyTuple_GetItem, (mr__object *, mr__size))                             \
  X(int, PyTuple_SetItem, (mr__object *, mr__size, mr__object *))                        \
  X(mr__object *, PyDict_New, (void))                                                    \
  X(mr__size, PyDict_Size, (mr__object *))                                               \
  X(int, PyDict_Next, (mr__object *, mr__size *, mr__object **, mr__object **))          \
  X(int, PyDict_SetItem, (mr__object *, mr__object *, mr__object *))                     \
  X(mr__object *, PyDict_GetItemWithError, (mr__object *, mr__object *))                 \
  X(mr__object *, PyObject_GetAttr, (mr__object *, mr__object *))                        \
  X(mr__object *, PyObject_Call, (mr__object *, mr__object *, mr__object *))             \
  X(mr__object *, PyObject_CallObject, (mr__object *, mr__object *))                     \
  X(mr__object *, PyObject_CallFunctionObjArgs, (mr__object *, ...))                     \
  X(mr__object *, PyObject_CallMethodObjArgs, (mr__object *, mr__object *, ...))         \
  X(void, PyObject_GC_Track, (void *))                                                   \
  X(void, PyObject_GC_UnTrack, (void *))                                                 \
  X(void *, PyType_GetSlot, (mr__object *, int))                                         \
  X(mr__object *, PyType_GenericAlloc, (mr__object *, mr__size))                         \
  X(mr__object *, PyMemoryView_FromObject, (mr__object *))                               \
  X(int, PyObject_GetBuffer, (mr__object *, mr__buffer *, int))                          \
  X(void, PyBuffer_Release, (mr__buffer *))                                              \
  X(mr__object *, PyType_FromSpec, (mr__spec *))                                         \
  X(mr__object *, PyType_FromSpecWithBases, (mr__spec *, mr__object *))                  \
  X(int, PyType_IsSubtype, (mr__object *, mr__object *))                                 \
  X(mr__object *, PyCFunction_NewEx, (mr__method *, mr__object *, mr__object *))         \
  X(int, PyGC_Disable, (void))                                                           \
  X(int, PyGC_Enable, (void))                                                            \
  X(void, PyErr_SetString, (mr__object *, const char *))                                 \
  X(void, PyErr_Fetch, (mr__object **, mr__object **, mr__object **))                    \
  X(void, PyErr_NormalizeException, (mr__object **, mr__object **, mr__object **))       \
  X(int, PyException_SetTraceback, (mr__object *, mr__object *))                         \
  X(mr__object *, PyErr_Occurred, (void))                                                \
  X(mr__object *, PyErr_NoMemory, (void))                                                \
  X(void, PyErr_Clear, (void))

/* Likewise, but not in every Python: NULL where it is missing. 3.10 has it under another name. */
#define MR__PYTHON_EXTRAS(X) X(mr__object *, PyObject_Vectorcall, (mr__object *, mr__object *const *, size_t, mr__object *))

/* member, symbol: objects that are there for good */
#define MR__PYTHON_OBJECTS(X)      \
  X(None, _Py_NoneStruct)          \
  X(True, _Py_TrueStruct)          \
  X(False, _Py_FalseStruct)        \
  X(Long, PyLong_Type)             \
  X(Float, PyFloat_Type)           \
  X(Unicode, PyUnicode_Type)       \
  X(List, PyList_Type)             \
  X(Tuple, PyTuple_Type)           \
  X(MemoryView, PyMemoryView_Type) \
  X(Dict, PyDict_Type)

/* member, symbol: variables that point to one */
#define MR__PYTHON_POINTERS(X)            \
  X(RuntimeError, PyExc_RuntimeError)     \
  X(TypeError, PyExc_TypeError)           \
  X(RecursionError, PyExc_RecursionError) \
  X(MemoryError, PyExc_MemoryError)       \
  X(BufferError, PyExc_BufferError)

typedef struct mr__python {
#define MR__PYTHON_MEMBER(result, name, parameters) result(*name) parameters;
  MR__PYTHON_FUNCTIONS(MR__PYTHON_MEMBER)
  MR__PYTHON_EXTRAS(MR__PYTHON_MEMBER)
#undef MR__PYTHON_MEMBER
#define MR__PYTHON_MEMBER(member, symbol) mr__object *member;
  MR__PYTHON_OBJECTS(MR__PYTHON_MEMBER)
  MR__PYTHON_POINTERS(MR__PYTHON_MEMBER)
#undef MR__PYTHON_MEMBER
} mr__python;

extern mr__python py;

/* Fills in `py`. False: this is no Python that has it all. Again: does nothing new. */
bool mr__python_find(void);

#endif /* MR_PYTHON_ABI_H_ */
