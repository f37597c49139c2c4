/* mr_store.h: the stores that clients hold views of. Process-wide, as they outlive their contexts. */
#ifndef MR_STORE_H_
#define MR_STORE_H_

#include "mrv8_bridge.h"

/* An id for the store, which it takes over. 0: no memory, nothing taken. Any thread. */
uint64_t mr__store_new(mrv8_store *store);

/* How many there are in the process. Any thread. */
uint64_t mr__store_count(void);

/* For mr_fork.c. */
void mr__stores_lock_for_fork(void);
void mr__stores_unlock_after_fork(void);

#endif /* MR_STORE_H_ */
