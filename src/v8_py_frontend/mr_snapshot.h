/* mr_snapshot.h: snapshots by their ids, process-wide. Any thread. */
#ifndef MR_SNAPSHOT_H_
#define MR_SNAPSHOT_H_

#include "mrv8_bridge.h"

/* One more blob of the same bytes, for the caller to delete; NULL: no snapshot has the id. */
mrv8_blob *mr__snapshot_share(mr_snapshot id);

void mr__snapshots_lock_for_fork(void);
void mr__snapshots_unlock_after_fork(void);

#endif /* MR_SNAPSHOT_H_ */
