/* mr_fatal.c: V8's last words. On whatever thread V8 ends the process, in whatever state: takes no lock and no memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mr_context.h"

#define MB(bytes) ((unsigned long long)((bytes) >> 20))

void
mr__fatal(void *owner, const char *where, const char *what)
{
  static atomic_flag said = ATOMIC_FLAG_INIT;
  char line[640];
  const mr__context *in = owner;
  int size = snprintf(line, sizeof line, "mini-racer: V8 ends this process: %.200s: %.200s.", where ? where : "V8", what ? what : "no reason given");
  if (in && size > 0 && (size_t)size < sizeof line)
    size += snprintf(line + size, sizeof line - (size_t)size,
                     " Context %llu, with a heap limit of %llu MB (max_memory; 0: V8's default), held %llu MB of heap after its last collection.",
                     (unsigned long long)in->id, MB(in->max_memory), MB(in->share.heap));
  if (size <= 0) return;
  if ((size_t)size > sizeof line - 1) size = sizeof line - 1;
  line[size++] = '\n';
  if (!atomic_flag_test_and_set(&said) && write(STDERR_FILENO, line, (size_t)size) < 0) return;
}
