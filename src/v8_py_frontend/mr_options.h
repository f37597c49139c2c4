/* mr_options.h: taking option structs from clients of other headers. No state. */
#ifndef MR_OPTIONS_H_
#define MR_OPTIONS_H_

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Copies what a client's option struct holds, which may be of an older or a newer header, over the defaults in `full`; NULL: nothing. False: no header had a
 * struct of that size. In the middle of a field it would let half a pointer through. */
static inline bool
mr__options_copy(void *full, uint32_t size, const void *given)
{
  uint32_t given_size;
  if (!given) return true;
  memcpy(&given_size, given, sizeof given_size);
  if (given_size < 2 * sizeof(uint32_t) || given_size % sizeof(void *)) return false;
  memcpy(full, given, given_size < size ? given_size : size);
  memcpy(full, &size, sizeof size);
  return true;
}

#endif /* MR_OPTIONS_H_ */
