/* mr_visit.h: which threads have been in which contexts, so that V8 forgets a thread that ends. */
#ifndef MR_VISIT_H_
#define MR_VISIT_H_

#include <stdint.h>

#include "mr_here.h"

struct mr__context;
struct mr__visit;

/* Of one context. Start with all bytes 0. */
typedef struct mr__visits {
  uint64_t last; /* the number of the thread that came last; under the context's lock */
  struct mr__visit *first;
} mr__visits;

/* With the context's lock: this thread is about to enter V8. */
void mr__visit(struct mr__context *in, mr__here *here);

/* With the context's lock: its isolate is about to go. */
void mr__visits_forget(struct mr__context *in);

#endif /* MR_VISIT_H_ */
