/* mr_budget.c: budgets of time. Owns nothing; the watchdog's thread looks at them, and who ends a call.
 *
 * To read a thread's CPU clock is a system call of half a microsecond, so the calling thread never does it. The watchdog reads it when it first looks, after FIRST_LOOK
 * at most, and again when the budget could be spent at the earliest: a thread uses no more than one second of CPU a second. What was used before the first look is
 * not counted, so that a call can go over its budget by FIRST_LOOK, and never stops short of it. */
#include "mr_budget.h"

#include "mr_clock.h"

#define FIRST_LOOK INT64_C(5000000) /* 5 ms */

static int64_t
later(int64_t now, int64_t wait)
{
  return wait > MR__NEVER - now ? MR__NEVER : now + wait;
}

/* What is left of the CPU time; MR__NEVER for no limit, and for a thread that has gone. */
static int64_t
cpu_left(mr__budget *budget)
{
  clockid_t clock;
  struct timespec read;
  if (budget->cpu_time == MR__NEVER || pthread_getcpuclockid(budget->watch.thread, &clock) != 0 || clock_gettime(clock, &read) != 0) return MR__NEVER;
  int64_t used = (int64_t)read.tv_sec * 1000000000 + read.tv_nsec;
  if (!budget->cpu_known || used < budget->cpu_start) budget->cpu_start = used; /* the clock of a forked child's thread begins anew */
  budget->cpu_known = true;
  return budget->cpu_time - (used - budget->cpu_start);
}

/* The budget around that is to be watched as well. */
static mr__budget *
next_of(const mr__budget *budget, const mr__budget *at)
{
  return budget->elsewhere ? at->around : NULL;
}

static int64_t
look(mr__watch *watch, int64_t now)
{
  mr__budget *budget = (mr__budget *)watch;
  int64_t again = MR__NEVER;
  for (mr__budget *at = budget; at; at = next_of(budget, at)) {
    mr_status over = at == budget ? MR_OK : atomic_load(&at->over);
    if (over != MR_OK) {
      budget->spent(budget, at, over, 0);
      return MR__NEVER;
    }
    int64_t left = at->deadline <= now ? 0 : cpu_left(at);
    if (left <= 0) {
      if (at->deadline <= now) budget->spent(budget, at, MR_TIMEOUT, 0);
      else budget->spent(budget, at, MR_CPU_TIME, at->cpu_time - left);
      return MR__NEVER;
    }
    int64_t due = later(now, left);
    if (at->deadline < due) due = at->deadline;
    if (due < again) again = due;
  }
  return again;
}

bool
mr__budget_arm(mr__budget *budget)
{
  int64_t due = MR__NEVER;
  bool watched = budget->elsewhere;
  for (const mr__budget *at = budget; at; at = next_of(budget, at)) {
    if (at->deadline < due) due = at->deadline;
    if (at->cpu_time == MR__NEVER) continue;
    int64_t first = mr__now() + (at->cpu_time < FIRST_LOOK ? at->cpu_time : FIRST_LOOK);
    if (first < due) due = first;
  }
  return (due == MR__NEVER && !watched) || mr__watch_arm(&budget->watch, due, look);
}

void
mr__budgets_look(void)
{
  mr__watches_look(look);
}

void
mr__budget_disarm(mr__budget *budget)
{
  if (budget->watch.look) mr__watch_disarm(&budget->watch);
}
