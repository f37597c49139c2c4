/* mr_here.h: what the core knows of the thread that it runs on. In one place, because to find a thread's memory is a call, and a short call into JavaScript would make
 * ten of them. Read and written by the thread itself. */
#ifndef MR_HERE_H_
#define MR_HERE_H_

#include <stdbool.h>
#include <stdint.h>

struct mr__context;
struct mr__level;

typedef struct mr__here {
  struct mr__level *innermost; /* of its calls, in all contexts; mr_level.c */
  struct mr__level *ready;     /* levels for its calls; NULL: it has made none. mr_level.c */
  uint32_t levels;             /* how many of them are taken */
  uint32_t callbacks;          /* that were made without a level */
  uint32_t locks;              /* how many it holds; mr_lock.c, for whom the address of this is the thread's token */
  bool is_watched;             /* somebody is told when the thread ends; mr_visit.c */
  uint64_t number;             /* of the thread, never used again; 0: it has none yet. mr_visit.c */
  struct mr__context *last;    /* the context of its last call, with a reference, so that the next one need not look for it; mr_context.c */
} mr__here;

mr__here *mr__this_thread(void);

#endif /* MR_HERE_H_ */
