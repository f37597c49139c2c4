/* mr_wait.h: who waits for what: promises, and locks while others are held; and whether they would wait in a circle. */
#ifndef MR_WAIT_H_
#define MR_WAIT_H_

#include <stdbool.h>

#include "mr_lock.h"

/* A thread that waits until `lock` becomes free, or until what only the lock's owner can do is done. On the waiting thread's stack. */
typedef struct mr__wait {
  struct mr__wait *next, **link;
  const void *thread; /* NULL: it has what it waited for */
  const mr__lock *lock;
  bool promise;
  pthread_cond_t wake; /* of one that waits for a promise */
} mr__wait;

/* Notes the wait down. False, and nothing noted: the thread that has the lock waits for this one. */
bool mr__wait_begin(mr__wait *wait, const mr__lock *lock);
void mr__wait_end(mr__wait *wait);

/* An event of the context with this lock was told, or the context was closed: who waits for a promise of it looks again. */
void mr__wait_tell(const mr__lock *lock);

/* Round a fork. In the child who waited is not here, but for the thread that forked: from a signal's handler. */
void mr__waits_lock_for_fork(void);
void mr__waits_unlock_after_fork(bool in_child);

#endif /* MR_WAIT_H_ */
