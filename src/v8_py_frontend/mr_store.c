/* mr_store.c: the table of stores, protected by `mutex`, a leaf. Any thread. */
#include "mr_store.h"

#include <pthread.h>

#include "mr_fork.h"
#include "mr_table.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static mr__table table;
static uint64_t count; /* of what is in it */

uint64_t
mr__store_new(mrv8_store *store)
{
  pthread_mutex_lock(&mutex);
  uint64_t id = mr__table_add(&table, store);
  count += id != 0;
  pthread_mutex_unlock(&mutex);
  return id;
}

uint64_t
mr__store_count(void)
{
  pthread_mutex_lock(&mutex);
  uint64_t now = count;
  pthread_mutex_unlock(&mutex);
  return now;
}

void
mr_store_release(uint64_t id)
{
  pthread_mutex_lock(&mutex);
  mrv8_store *gone = mr__table_remove(&table, id);
  count -= gone != NULL;
  pthread_mutex_unlock(&mutex);
  if (!gone || !mr__fork_begin()) return;
  mrv8_store_delete(gone);
  mr__fork_end();
}

void
mr__stores_lock_for_fork(void)
{
  pthread_mutex_lock(&mutex);
}

void
mr__stores_unlock_after_fork(void)
{
  pthread_mutex_unlock(&mutex);
}
