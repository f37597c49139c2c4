/* mr_snapshot.c: the table of snapshots, protected by `mutex`, a leaf; and taking them. Any thread. */
#include "mr_snapshot.h"

#include <pthread.h>
#include <string.h>

#include "mr_clock.h"
#include "mr_context.h"
#include "mr_fork.h"
#include "mr_level.h"
#include "mr_result.h"
#include "mr_table.h"
#include "mr_wire.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static mr__table table;

static mr_snapshot
keep(mrv8_blob *blob)
{
  pthread_mutex_lock(&mutex);
  mr_snapshot id = mr__table_add(&table, blob);
  pthread_mutex_unlock(&mutex);
  if (!id) mrv8_blob_delete(blob);
  return id;
}

mrv8_blob *
mr__snapshot_share(mr_snapshot id)
{
  pthread_mutex_lock(&mutex);
  const mrv8_blob *found = mr__table_get(&table, id);
  mrv8_blob *shared = found ? mrv8_blob_share(found) : NULL;
  pthread_mutex_unlock(&mutex);
  return shared;
}

mr_status
mr_snapshot_new(const void *bytes, size_t size, mr_snapshot *id)
{
  if (!id) return MR_BAD_ARGUMENT;
  *id = 0;
  if (!bytes) return MR_BAD_ARGUMENT;
  if (!mr__contexts_usable()) return MR_NOT_INITIALIZED;
  mrv8_blob *made;
  mr_status status = mrv8_blob_new(bytes, size, &made);
  if (status != MR_OK) return status;
  *id = keep(made);
  return *id ? MR_OK : MR_NO_MEMORY;
}

mr_status
mr_snapshot_data(mr_snapshot id, mr_slice *bytes)
{
  if (!bytes) return MR_BAD_ARGUMENT;
  pthread_mutex_lock(&mutex);
  const mrv8_blob *found = mr__table_get(&table, id);
  *bytes = found ? mrv8_blob_bytes(found) : (mr_slice){NULL, 0};
  pthread_mutex_unlock(&mutex);
  return found ? MR_OK : MR_BAD_ARGUMENT;
}

void
mr_snapshot_release(mr_snapshot id)
{
  pthread_mutex_lock(&mutex);
  mrv8_blob *gone = mr__table_remove(&table, id);
  pthread_mutex_unlock(&mutex);
  if (gone) mrv8_blob_delete(gone);
}

void
mr__snapshots_lock_for_fork(void)
{
  pthread_mutex_lock(&mutex);
}

void
mr__snapshots_unlock_after_fork(void)
{
  pthread_mutex_unlock(&mutex);
}

static mr_status
refuse(const char *why, mr_result *result)
{
  uint32_t length = (uint32_t)strlen(why);
  mr__result_start(result);
  if (!mr__result_put_tag(result, MR_TAG_LATIN1, &length, sizeof length) || !mr__result_put(result, why, length)) mr__result_start(result);
  return MR_NO_SNAPSHOT;
}

/* With the lock. What V8 could not write is found out before: it would end the process. */
static mr_status
check(mr__context *in, const mr_options *options, mr_result *result)
{
  if (in->lock.depth > 1 || in->innermost) return MR_BUSY;
  mrv8_request request = {.operation = MRV8_SNAPSHOT_CHECK};
  mr_status status = mr__run(in->id, 0, &request, options, result);
  if (status != MR_OK) return status;
  if (result->size && result->data[0] != MR_TAG_UNDEFINED) return MR_NO_SNAPSHOT;
  return in->timers.count ? refuse("timers are going to run in it", result) : MR_OK;
}

mr_status
mr_snapshot_take(mr_context id, int32_t fresh, const mr_options *options, mr_result *result, mr_snapshot *made)
{
  if (!made) return MR_BAD_ARGUMENT;
  *made = 0;
  if (!result || result->struct_size < sizeof *result) return MR_BAD_ARGUMENT;
  mr__result_start(result);
  result->taken = 0;
  if (!mr__contexts_usable()) return MR_NOT_INITIALIZED;
  mr__context *in = mr__context_find(id);
  if (!in) return MR_BAD_CONTEXT;
  mr_status status = mr__lock_acquire(&in->lock, MR__NEVER);
  if (status == MR_OK) {
    status = check(in, options, result);
    mrv8_blob *blob = NULL;
    if (status == MR_OK) status = mr__context_become(in, fresh != 0, &blob);
    else mr__context_leave(in);
    if (blob && !(*made = keep(blob))) status = MR_NO_MEMORY;
  }
  mr__context_unreference(in);
  return status;
}
