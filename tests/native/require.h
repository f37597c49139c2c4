/* require.h: an assertion for any thread. cmocka's own jump out of the test, which only the thread that runs it may do. */
#ifndef REQUIRE_H_
#define REQUIRE_H_

#include <stdio.h>
#include <stdlib.h>

static inline void
require_failed(const char *condition, const char *file, int line)
{
  fprintf(stderr, "%s:%d: required: %s\n", file, line, condition);
  abort();
}

#define REQUIRE(condition) ((condition) ? (void)0 : require_failed(#condition, __FILE__, __LINE__))

#endif /* REQUIRE_H_ */
