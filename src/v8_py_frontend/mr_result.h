/* mr_result.h: writing into a result. A result is owned by the thread that passed it in; nothing here locks. */
#ifndef MR_RESULT_H_
#define MR_RESULT_H_

#include <string.h>

#include "mini_racer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the result ready for a new message. The memory of an earlier one is given back. */
void mr__result_start(mr_result *result);

/* Makes room for `more` bytes after the message. 0: no memory; the message is then still what it was. */
int mr__result_grow(mr_result *result, uint64_t more);

/* Appends bytes. 0: no memory. */
static inline int
mr__result_put(mr_result *result, const void *bytes, uint64_t count)
{
  if (count > result->capacity - result->size && !mr__result_grow(result, count)) return 0;
  if (count) memcpy(result->data + result->size, bytes, (size_t)count);
  result->size += count;
  return 1;
}

/* Appends a tag and the bytes of a number. 0: no memory. */
static inline int
mr__result_put_tag(mr_result *result, char tag, const void *number, uint64_t size)
{
  return mr__result_put(result, &tag, 1) && mr__result_put(result, number, size);
}

#ifdef __cplusplus
}
#endif

#endif /* MR_RESULT_H_ */
