/* answers.h: reads the messages that the library writes, by the letter of mr_wire.h. Any thread; owns nothing. */
#ifndef ANSWERS_H_
#define ANSWERS_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "mr_wire.h"

/* What the client has to give back: a handle, by MR_TAG_HANDLE, or a store, by MR_TAG_BUFFER. */
typedef void (*found_reference)(void *data, char tag, uint64_t id);

/* One token: its bytes, and how many values are inside; 0: it is none. `names`: it begins with the name of a class, whose count comes behind. */
static inline size_t
answer_token(const uint8_t *at, size_t left, uint64_t *inside)
{
  uint32_t count = 0;
  size_t head = *at == MR_TAG_BIGINT ? 6 : 5;
  if (left >= head) memcpy(&count, at + head - 4, sizeof count);
  *inside = 0;
  switch (*at) {
    case MR_TAG_UNDEFINED:
    case MR_TAG_NULL:
    case MR_TAG_TRUE:
    case MR_TAG_FALSE:
    case MR_TAG_HOLE:
      return 1;
    case MR_TAG_INT32:
    case MR_TAG_REFERENCE:
    case MR_TAG_KEY:
      return 5;
    case MR_TAG_DOUBLE:
    case MR_TAG_DATE:
      return 9;
    case MR_TAG_HANDLE:
    case MR_TAG_HOST_OBJECT:
      return 10;
    case MR_TAG_BUFFER:
      return 35;
    case MR_TAG_BIGINT:
      return 6 + (size_t)count;
    case MR_TAG_LATIN1:
      return 5 + (size_t)count;
    case MR_TAG_UTF16:
      return 5 + 2 * (size_t)count;
    case MR_TAG_INT32S:
      return 5 + 4 * (size_t)count;
    case MR_TAG_DOUBLES:
      return 5 + 8 * (size_t)count;
    case MR_TAG_ARRAY:
    case MR_TAG_SET:
      *inside = count;
      return 5;
    case MR_TAG_OBJECT:
    case MR_TAG_MAP:
      *inside = 2 * (uint64_t)count;
      return 5;
    case MR_TAG_ERROR:
      *inside = 4;
      return 1;
    case MR_TAG_HOST_ERROR:
      *inside = 2;
      return 9;
    case MR_TAG_EXCEPTION:
      *inside = 10;
      return 10;
    default:
      return 0;
  }
}

/* Finds the references in a whole message; false: it breaks the format. */
static inline bool
read_answer(const uint8_t *at, size_t size, found_reference found, void *data)
{
  const uint8_t *end = at + size;
  for (uint64_t values = 1; values; values--) {
    uint64_t inside, id;
    size_t left = (size_t)(end - at);
    if (left && *at == MR_TAG_INSTANCE) { /* the class's name, then as an object */
      size_t name = left > 1 ? answer_token(at + 1, left - 1, &inside) : 0;
      uint32_t count;
      if (!name || (at[1] != MR_TAG_LATIN1 && at[1] != MR_TAG_UTF16) || left < name + 5) return false;
      memcpy(&count, at + 1 + name, sizeof count);
      at += name + 5;
      values += 2 * (uint64_t)count;
      continue;
    }
    size_t token = left ? answer_token(at, left, &inside) : 0;
    if (!token || token > left) return false;
    if (*at == MR_TAG_HANDLE) {
      memcpy(&id, at + 2, sizeof id);
      found(data, MR_TAG_HANDLE, id);
    } else if (*at == MR_TAG_BUFFER) {
      memcpy(&id, at + 3, sizeof id);
      if (id) found(data, MR_TAG_BUFFER, id);
      memcpy(&id, at + 27, sizeof id);
      if (id) found(data, MR_TAG_HANDLE, id);
    }
    at += token;
    values += inside;
  }
  return at == end;
}

#endif /* ANSWERS_H_ */
