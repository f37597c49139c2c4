/* mr_result.c: the memory of results. Owned by the caller of the library; one thread at a time. */
#include "mr_result.h"

#include <stdlib.h>

static int
is_inline(const mr_result *result)
{
  return result->data == result->inline_data || result->data == NULL;
}

void
mr__result_start(mr_result *result)
{
  mr_result_free(result);
}

int
mr__result_grow(mr_result *result, uint64_t more)
{
  if (more > SIZE_MAX / 4 || result->size > SIZE_MAX / 4) return 0;
  uint64_t capacity = result->capacity < 1024 ? 1024 : result->capacity;
  while (capacity - result->size < more) capacity *= 2;
  uint8_t *data = realloc(is_inline(result) ? NULL : result->data, (size_t)capacity);
  if (!data) return 0;
  if (is_inline(result) && result->size) memcpy(data, result->inline_data, (size_t)result->size);
  result->data = data;
  result->capacity = capacity;
  return 1;
}

void
mr_result_free(mr_result *result)
{
  if (!result) return;
  if (!is_inline(result)) free(result->data);
  result->data = result->inline_data;
  result->size = 0;
  result->capacity = sizeof result->inline_data;
}
