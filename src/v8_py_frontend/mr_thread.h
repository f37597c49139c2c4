/* mr_thread.h: the library's own threads, and conditions that are timed by the core's clock. No state. */
#ifndef MR_THREAD_H_
#define MR_THREAD_H_

#include <pthread.h>
#include <stdbool.h>

/* Starts a thread that nobody joins. Signals are for the host's threads, so it blocks them all. The name, of 15 characters at most, is what
 * top and debuggers show. False: the machine has none left. */
bool mr__thread_start(void *(*run)(void *), const char *name);

/* A condition whose waits end at a time of mr__now(). */
void mr__cond_init(pthread_cond_t *condition);

#endif /* MR_THREAD_H_ */
