/* mr_table.h: ids with generations for pointers. Not locked: its owner does that. */
#ifndef MR_TABLE_H_
#define MR_TABLE_H_

#include <stdint.h>

struct mr__table_slot;

/* Start with all bytes 0. */
typedef struct mr__table {
  struct mr__table_slot *slots;
  uint32_t capacity;
  uint32_t free; /* first free slot, plus 1 */
} mr__table;

/* A new id for the item, which is not NULL. 0: no memory. */
uint64_t mr__table_add(mr__table *table, void *item);

/* The item of an id; NULL for one that is stale or was never given out. */
void *mr__table_get(const mr__table *table, uint64_t id);

/* Takes the item out and returns it; its id is stale from now on. NULL as above. */
void *mr__table_remove(mr__table *table, uint64_t id);

/* The first item at `*at` or behind it, which then moves on; NULL when there is none left. Begin with 0. */
void *mr__table_next(const mr__table *table, uint32_t *at);

#endif /* MR_TABLE_H_ */
