/* mr_address.c: see the header. Any thread. */
#include "mr_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

bool
mr__address_space_has(uint64_t bytes)
{
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return true;
  FILE *file = fopen("/proc/self/statm", "r");
  char line[64] = "";
  if (file) {
    if (!fgets(line, sizeof line, file)) line[0] = '\0';
    (void)fclose(file);
  }
  unsigned long long pages = strtoull(line, NULL, 10);
  uint64_t used = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
  return used <= limit.rlim_cur && limit.rlim_cur - used >= bytes;
}
