/* mr_python_wire.h: the wire format and Python's objects, straight. The fast lane's twin of _wire.py, which is asked for all that is rare. With the GIL. */
#ifndef MR_PYTHON_WIRE_H_
#define MR_PYTHON_WIRE_H_

#include "mini_racer.h"
#include "mr_python_abi.h"

/* What the package tells the lane when it opens it; mr_python_lane.c. */
typedef struct mr__lane {
  mr__object *undefined, *hole;                    /* JSUndefined, _wire.HOLE_VALUE */
  mr__object *encode, *encode_array, *decode;      /* of _wire.py, in Python */
  mr__object *scalar;                              /* the message of a scalar that C does not know, as bytes; None when it is no scalar */
  mr__object *date;                                /* _wire.date_from() */
  mr__object *wrap, *view, *failed, *eval_slowly;  /* names of the Context's methods */
  mr__object *timeout_sec;                         /* a call's keyword */
  mr__object *crossing, *converters, *to_js, *obj; /* names of attributes: of a Context, of its converters, of a memoryview */
  mr__object *isascii, *size_of;                   /* names of methods of a str */
  mr__object *call_slowly, *get_slowly, *set_slowly, *delete_slowly, *missing;
  mr__object *answer, *raised; /* of _host.py: what becomes of a callback that the lane has called */ /* names of methods of its objects */
  mr__object *handle_type;                                                                            /* the base of what has a handle */
} mr__lane;

extern mr__lane lane;

/* What has a handle: the base of JSObjectImpl. */
typedef struct mr__handle_object {
  mr__object head;
  mr__object *context;  /* the Context; NULL before it is set */
  mr__object *crossing; /* the Context's crossing; likewise */
  uint64_t handle;
  uint32_t long_way; /* so many of its properties are not asked for at once, as the last one took the long way */
} mr__handle_object;

/* While large values are built, the collector is paused: it would look at a half-built one again and again. Nests. */
void mr__python_pause_collector(void);
void mr__python_resume_collector(void);

/* The object of a whole message; a new reference. NULL: with an exception. `context`: the Context that the message is from. */
mr__object *mr__python_decode(const uint8_t *data, size_t size, mr__object *context);

/* The same for what is no more than a number, a short string and the like. NULL, without an exception: it is something else. */
mr__object *mr__python_scalar(const uint8_t *data, size_t size);

/* The memoryview of a message that is a buffer and nothing else; `context` is a Context, of this id. NULL: with an exception, or without one when it is something else. */
mr__object *mr__python_buffer_of(const uint8_t *data, size_t size, mr__object *context, mr_context id);

/* The arguments of a host function's message, when there are at most `most` of them, scalars all, and its `this` is undefined. How many; -1: it is another message, or
 * there is an exception. New references. */
int mr__python_arguments(const uint8_t *data, size_t size, mr__object **arguments, int most);

/* Whether C can write the value without knowing anything of a context. */
bool mr__python_is_simple(const mr__object *value);

/* Of a variable on the stack: it is written before it is read, and so large that to fill it beforehand, as compilers can be told to do with all, would cost more than the
 * call that it is for. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define MR__UNINITIALIZED __attribute__((uninitialized))
#endif
#endif
#ifndef MR__UNINITIALIZED
#define MR__UNINITIALIZED
#endif

/* A message that is being made. It begins in the struct, which is to stay where it is. */
typedef struct mr__writer {
  uint8_t *data;
  size_t size, capacity;
  mr__object **held; /* objects with handles in the message: the container that they were in may be gone before the message arrives */
  size_t held_count, held_capacity;
  struct mr__seen *seen, *seen_keys;
  uint32_t containers, keys;
  mr_text *texts; /* long strings, which stay where they are */
  size_t text_count, text_capacity;
  bool takes_texts; /* the caller sends them along */
  uint8_t inline_data[2048];
} mr__writer;

void mr__writer_init(mr__writer *writer);
void mr__writer_free(mr__writer *writer);

/* Drops the objects whose texts JavaScript has let go of. */
void mr__python_drop_texts(void);

/* Appends the head of an array that the caller fills. It counts as a container. */
bool mr__writer_array(mr__writer *writer, uint32_t count);

/* Appends undefined, for a function's `this`. */
bool mr__writer_undefined(mr__writer *writer);

/* Appends a value. 1; 0: _wire.py has to make the message, all of it; -1: with an exception. */
int mr__python_encode(mr__writer *writer, mr__object *value, mr__object *context);

#endif /* MR_PYTHON_WIRE_H_ */
