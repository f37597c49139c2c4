/* mr_answer.c: messages that nobody is going to get, such as what was written of a copy before a getter threw: what they refer to would be held for good, as the client
 * knows no id to release. Owns nothing; any thread. */
#include "mr_answer.h"

#include <string.h>

#include "mr_wire.h"

/* Bytes of what begins at `at`, the values inside of a container not counted. Messages are our own: all that can be wrong with one is that it ends too early. */
static uint64_t
token_size(const uint8_t *at, uint64_t left)
{
  uint64_t head = *at == MR_TAG_BIGINT ? 6 : 5;
  uint32_t count = 0;
  if (left >= head) memcpy(&count, at + head - sizeof count, sizeof count);
  switch (*at) {
  case MR_TAG_INT32:
  case MR_TAG_REFERENCE:
  case MR_TAG_KEY:
  case MR_TAG_ARRAY:
  case MR_TAG_SET:
  case MR_TAG_OBJECT:
  case MR_TAG_MAP:
    return 5;
  case MR_TAG_DOUBLE:
  case MR_TAG_DATE:
  case MR_TAG_HOST_ERROR:
    return 9;
  case MR_TAG_HANDLE:
  case MR_TAG_HOST_OBJECT:
  case MR_TAG_EXCEPTION:
    return 10;
  case MR_TAG_BUFFER:
    return 35;
  case MR_TAG_LATIN1:
  case MR_TAG_BIGINT:
    return head + count;
  case MR_TAG_UTF16:
    return head + 2 * (uint64_t)count;
  case MR_TAG_INT32S:
    return head + 4 * (uint64_t)count;
  case MR_TAG_DOUBLES:
    return head + 8 * (uint64_t)count;
  case MR_TAG_INSTANCE: { /* the name of a class stands between the tag and the count */
    uint64_t name = left > 1 ? token_size(at + 1, left - 1) : 0;
    return 1 + name + sizeof count;
  }
  default:
    return 1;
  }
}

void
mr__answer_forget(mr_context context, const uint8_t *message, uint64_t size)
{
  for (uint64_t token; size; message += token, size -= token) {
    uint64_t id = 0;
    token = token_size(message, size);
    if (token > size) return;
    if (*message == MR_TAG_BUFFER) {
      memcpy(&id, message + 3, sizeof id);
      mr_store_release(id);
      memcpy(&id, message + 27, sizeof id);
    } else if (*message == MR_TAG_HANDLE) {
      memcpy(&id, message + 2, sizeof id);
    }
    if (id) mr_release(context, &id, 1);
  }
}
