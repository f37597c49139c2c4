/* mr_watchdog.c: the watchdog thread. Owns the list of armed watches, protected by `mutex`; they are armed and disarmed by any thread.
 *
 * The thread sleeps until `wake_at`. Who arms a watch that is due later than that does not wake it: it wakes in time, sees what is next, and sleeps again. So calls with
 * the same timeout, one after the other, cost one wake-up a timeout, not one a call. With nothing to come for IDLE, the thread ends; the next watch starts it again. Lock order: the watchdog's mutex, then a context's `levels_lock`. */
#include "mr_watchdog.h"

#include "mr_clock.h"
#include "mr_thread.h"

#define IDLE INT64_C(5000000000) /* 5 s */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_cond_t wake;
static mr__watch *armed;
static int64_t wake_at;
static bool running;

/* Calls what is due and returns when the next one is. */
static int64_t
look(int64_t now)
{
  int64_t next = MR__NEVER;
  for (mr__watch *watch = armed; watch; watch = watch->next) {
    if (watch->due <= now) watch->due = watch->look(watch, now);
    if (watch->due < next) next = watch->due;
  }
  return next;
}

static void *
watch_thread(void *unused)
{
  (void)unused;
  pthread_mutex_lock(&mutex);
  int64_t idle_until = mr__now() + IDLE;
  for (;;) {
    int64_t now = mr__now();
    wake_at = look(now);
    if (wake_at != MR__NEVER) idle_until = now + IDLE;
    else if (now >= idle_until) break;
    struct timespec until = mr__timespec(wake_at < idle_until ? wake_at : idle_until);
    pthread_cond_timedwait(&wake, &mutex, &until);
  }
  running = false;
  pthread_mutex_unlock(&mutex);
  return NULL;
}

static void
unlink_watch(mr__watch *watch)
{
  *watch->link = watch->next;
  if (watch->next) watch->next->link = watch->link;
}

static void
prepare(void)
{
  mr__cond_init(&wake);
}

/* Under the mutex. */
static bool
start(void)
{
  running = mr__thread_start(watch_thread, "mr-watchdog");
  wake_at = 0; /* it looks at the list when it starts */
  return running;
}

bool
mr__watch_arm(mr__watch *watch, int64_t due, int64_t (*look_at)(mr__watch *, int64_t))
{
  pthread_once(&once, prepare);
  pthread_mutex_lock(&mutex);
  bool ok = due == MR__NEVER || running || start();
  if (ok) {
    *watch = (mr__watch){.next = armed, .link = &armed, .due = due, .thread = pthread_self(), .look = look_at};
    if (armed) armed->link = &watch->next;
    armed = watch;
    if (due < wake_at) pthread_cond_signal(&wake);
  }
  pthread_mutex_unlock(&mutex);
  return ok;
}

void
mr__watches_look(int64_t (*look_at)(mr__watch *, int64_t))
{
  pthread_mutex_lock(&mutex);
  int64_t now = mr__now();
  for (mr__watch *watch = armed; watch; watch = watch->next)
    if (watch->look == look_at) watch->due = look_at(watch, now);
  if (running) pthread_cond_signal(&wake); /* some may be due earlier now */
  pthread_mutex_unlock(&mutex);
}

void
mr__watch_disarm(mr__watch *watch)
{
  pthread_mutex_lock(&mutex);
  unlink_watch(watch);
  pthread_mutex_unlock(&mutex);
}

void
mr__watchdog_lock_for_fork(void)
{
  pthread_mutex_lock(&mutex);
}

void
mr__watchdog_unlock_after_fork(bool child)
{
  if (child) {
    for (mr__watch *watch = armed; watch; watch = watch->next)
      if (!pthread_equal(watch->thread, pthread_self())) unlink_watch(watch); /* the stacks that held the others are gone */
    mr__cond_init(&wake);
    running = false;
  }
  pthread_mutex_unlock(&mutex);
}

void
mr__watchdog_resume(void)
{
  pthread_mutex_lock(&mutex);
  if (armed && !running) start();
  pthread_mutex_unlock(&mutex);
}
