/* mr_store.c: the table of stores, protected by `lock`, a leaf. Any thread. */
#include "mr_store.h"

#include <stdbool.h>

#include "mr_fork.h"
#include "mr_spin.h"
#include "mr_table.h"

static mr__spin lock;
static mr__table table;
static uint64_t count; /* of what is in it */

uint64_t
mr__store_new(mrv8_store *store)
{
  mr__spin_lock(&lock);
  uint64_t id = mr__table_add(&table, store);
  count += id != 0;
  mr__spin_unlock(&lock);
  return id;
}

uint64_t
mr__store_count(void)
{
  mr__spin_lock(&lock);
  uint64_t now = count;
  mr__spin_unlock(&lock);
  return now;
}

static void
drop(mrv8_store *gone)
{
  if (!gone || !mr__fork_begin()) return;
  mrv8_store_delete(gone);
  mr__fork_end();
}

void
mr_store_release(uint64_t id)
{
  mr__spin_lock(&lock);
  mrv8_store *gone = mr__table_remove(&table, id);
  count -= gone != NULL;
  mr__spin_unlock(&lock);
  drop(gone);
}

int32_t
mr_store_release_now(uint64_t id)
{
  mr__spin_lock(&lock);
  mrv8_store *gone = mr__table_get(&table, id);
  bool last = gone && !mrv8_store_is_shared(gone);
  if (gone && !last) {
    mr__table_remove(&table, id);
    count--;
  }
  mr__spin_unlock(&lock);
  if (last) return 0;
  drop(gone);
  return 1;
}

void
mr__stores_lock_for_fork(void)
{
  mr__spin_lock(&lock);
}

void
mr__stores_unlock_after_fork(void)
{
  mr__spin_unlock(&lock);
}
