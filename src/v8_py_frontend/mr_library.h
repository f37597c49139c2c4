/* mr_library.h: what a fork needs of mr_library.c. */
#ifndef MR_LIBRARY_H_
#define MR_LIBRARY_H_

/* For mr_fork.c: nobody is in the middle of starting V8. */
void mr__library_lock_for_fork(void);
void mr__library_unlock_after_fork(void);

#endif /* MR_LIBRARY_H_ */
