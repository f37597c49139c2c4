/* mr_memory.c: finding out how much memory there is for this process. Any thread. */
#include "mr_memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEAST (UINT64_C(32) << 20)
#define MOST (UINT64_C(1) << 30)

/* The number in a file; UINT64_MAX when there is none ("max"), or no such file. */
static uint64_t
read_number(const char *path)
{
  char text[32];
  FILE *file = fopen(path, "re");
  if (!file) return UINT64_MAX;
  char *line = fgets(text, sizeof text, file);
  (void)fclose(file);
  if (!line || *line < '0' || *line > '9') return UINT64_MAX;
  return strtoull(line, NULL, 10);
}

/* The lowest limit of a control group and of those that it is in. `group` is its path, and is cut. */
static uint64_t
limit_of_group(const char *root, const char *mount, char *group, const char *file)
{
  uint64_t lowest = UINT64_MAX;
  for (;;) {
    char path[1200];
    int length = snprintf(path, sizeof path, "%s%s%s/%s", root, mount, group, file);
    uint64_t limit = length < (int)sizeof path ? read_number(path) : UINT64_MAX;
    if (limit < lowest) lowest = limit;
    char *last = strrchr(group, '/');
    if (!last) return lowest;
    *last = 0;
  }
}

/* Lines of /proc/self/cgroup: "0::/path" (version 2), "5:memory:/path" (version 1, where the number is any). */
static uint64_t
limit_of_groups(const char *root)
{
  char line[600], path[600];
  uint64_t lowest = UINT64_MAX;
  int length = snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *file = length < (int)sizeof path ? fopen(path, "re") : NULL;
  if (!file) return lowest;
  while (fgets(line, sizeof line, file)) {
    char *end = strchr(line, '\n');
    if (end) *end = 0;
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) continue;
    *controllers++ = 0;
    *group++ = 0;
    if (strcmp(group, "/") == 0) *group = 0;
    uint64_t limit = UINT64_MAX;
    if (strcmp(controllers, "memory") == 0) limit = limit_of_group(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
    else if (!*controllers) limit = limit_of_group(root, "/sys/fs/cgroup", group, "memory.max");
    if (limit < lowest) lowest = limit;
  }
  (void)fclose(file);
  return lowest;
}

uint64_t
mr__memory_available(const char *root)
{
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  uint64_t machine = pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX;
  uint64_t allowed = limit_of_groups(root);
  return allowed < machine ? allowed : machine;
}

uint64_t
mr__memory_heap_of(uint64_t available)
{
  uint64_t quarter = available / 4;
  return quarter < LEAST ? LEAST : quarter > MOST ? MOST : quarter;
}

static uint64_t default_heap;

static void
find_out(void)
{
  default_heap = mr__memory_heap_of(mr__memory_available(""));
}

uint64_t
mr__memory_default_heap(void)
{
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, find_out);
  return default_heap;
}
