/* mr_address.c: see the header. Any thread. */
#include "mr_address.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

bool
mr__address_space_has(uint64_t bytes)
{
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return true;
  FILE *file = fopen("/proc/self/statm", "r");
  unsigned long long pages = 0;
  if (file) {
    if (fscanf(file, "%llu", &pages) != 1) pages = 0;
    fclose(file);
  }
  uint64_t used = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
  return used <= limit.rlim_cur && limit.rlim_cur - used >= bytes;
}
