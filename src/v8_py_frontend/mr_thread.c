/* mr_thread.c: the library's own threads, what each thread has of its own, and waiting for a moment. Any thread. */
#include "mr_thread.h"

#include <signal.h>
#include <time.h>

#include "mr_here.h"
#include "mr_spin.h"

static _Thread_local mr__here here;

mr__here *
mr__this_thread(void)
{
  return &here;
}

void
mr__spin_wait(mr__spin *lock)
{
  long pause = 1000;
  while (atomic_exchange_explicit(&lock->held, 1, memory_order_acquire)) {
    const struct timespec moment = {.tv_nsec = pause};
    nanosleep(&moment, NULL);
    if (pause < 100000) pause *= 2;
  }
}

bool
mr__thread_start(void *(*run)(void *), const char *name)
{
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  bool started = pthread_create(&thread, NULL, run, NULL) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!started) return false;
  pthread_setname_np(thread, name);
  pthread_detach(thread);
  return true;
}

void
mr__cond_init(pthread_cond_t *condition)
{
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}
