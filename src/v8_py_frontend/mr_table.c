/* mr_table.c: a table of ids. An id is the index of a slot, with the slot's generation above it; the generation goes up when the slot is freed. */
#include "mr_table.h"

#include <stdlib.h>

typedef struct mr__table_slot {
  void *item;          /* NULL: free */
  uint32_t generation; /* of the id that the slot has or will have next; never 0 */
  uint32_t next;       /* free slot after this one, plus 1 */
} slot;

static slot *
find(const mr__table *table, uint64_t id)
{
  uint32_t index = (uint32_t)id;
  if (index >= table->capacity) return NULL;
  slot *found = &table->slots[index];
  return found->item && found->generation == id >> 32 ? found : NULL;
}

uint64_t
mr__table_add(mr__table *table, void *item)
{
  if (!table->free) {
    uint32_t before = table->capacity, capacity = before ? before * 2 : 16;
    slot *slots = capacity > before ? realloc(table->slots, capacity * sizeof *slots) : NULL;
    if (!slots) return 0;
    table->slots = slots;
    table->capacity = capacity;
    for (uint32_t i = capacity; i-- > before;) {
      slots[i] = (slot){.generation = 1, .next = table->free};
      table->free = i + 1;
    }
  }
  uint32_t index = table->free - 1;
  slot *taken = &table->slots[index];
  table->free = taken->next;
  taken->item = item;
  return (uint64_t)taken->generation << 32 | index;
}

void *
mr__table_get(const mr__table *table, uint64_t id)
{
  slot *found = find(table, id);
  return found ? found->item : NULL;
}

void *
mr__table_remove(mr__table *table, uint64_t id)
{
  slot *gone = find(table, id);
  if (!gone) return NULL;
  void *item = gone->item;
  gone->item = NULL;
  if (++gone->generation == 0) gone->generation = 1;
  gone->next = table->free;
  table->free = (uint32_t)(gone - table->slots) + 1;
  return item;
}

void *
mr__table_next(const mr__table *table, uint32_t *at)
{
  while (*at < table->capacity) {
    void *item = table->slots[(*at)++].item;
    if (item) return item;
  }
  return NULL;
}
