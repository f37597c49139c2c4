/* mr_handles.c: the table of handles. Owns the slots and the chains by hash; used under the context's lock only.
 *
 * A slot is found by index, from a handle, and by hash, from a value: one value has one handle, so that a client can tell that two answers are the same object.
 * The generation goes up when a slot is freed; a handle of an earlier generation is stale. */
#include "mr_handles.h"

#include <stdlib.h>

typedef struct mr__handle_slot {
  mrv8_value *value; /* NULL: free */
  uint64_t references;
  uint32_t generation; /* of the handle that the slot has or will have next; never 0 */
  uint32_t hash;
  uint32_t next; /* in the chain, or in the free list; plus 1 */
} slot;

#define MAX_SLOTS (1u << 30)

static mr_handle
handle_of(const mr__handles *handles, uint32_t index)
{
  return (uint64_t)handles->slots[index].generation << 32 | index;
}

static slot *
find(const mr__handles *handles, mr_handle handle)
{
  uint32_t index = (uint32_t)handle;
  if (index >= handles->capacity) return NULL;
  slot *found = &handles->slots[index];
  return found->value && found->generation == handle >> 32 ? found : NULL;
}

static uint32_t *
bucket_of(const mr__handles *handles, uint32_t hash)
{
  return &handles->buckets[(hash * 2654435769u) & (handles->capacity - 1)];
}

static int
grow(mr__handles *handles)
{
  if (handles->capacity >= MAX_SLOTS) return 0;
  uint32_t before = handles->capacity, capacity = before ? before * 2 : 16;
  uint32_t *buckets = calloc(capacity, sizeof *buckets);
  slot *slots = buckets ? realloc(handles->slots, capacity * sizeof *slots) : NULL;
  if (!slots) {
    free(buckets);
    return 0;
  }
  free(handles->buckets);
  handles->buckets = buckets;
  handles->slots = slots;
  handles->capacity = capacity;
  for (uint32_t i = 0; i < before; i++) { /* all are in use, else there was no need to grow */
    uint32_t *bucket = bucket_of(handles, slots[i].hash);
    slots[i].next = *bucket;
    *bucket = i + 1;
  }
  for (uint32_t i = capacity; i-- > before;) {
    slots[i] = (slot){.generation = 1, .next = handles->free};
    handles->free = i + 1;
  }
  return 1;
}

mr_handle
mr__handles_share(mr__handles *handles, uint32_t hash, int (*same)(const void *, const mrv8_value *), const void *local, uint32_t references)
{
  if (!handles->capacity) return 0;
  for (uint32_t at = *bucket_of(handles, hash); at; at = handles->slots[at - 1].next) {
    slot *held = &handles->slots[at - 1];
    if (held->hash != hash || !same(local, held->value)) continue;
    held->references += references;
    return handle_of(handles, at - 1);
  }
  return 0;
}

mr_handle
mr__handles_new(mr__handles *handles, uint32_t hash, mrv8_value *value)
{
  if (!handles->free && !grow(handles)) return 0;
  uint32_t index = handles->free - 1;
  slot *taken = &handles->slots[index];
  uint32_t *bucket = bucket_of(handles, hash);
  handles->free = taken->next;
  taken->value = value;
  taken->references = 1;
  taken->hash = hash;
  taken->next = *bucket;
  *bucket = index + 1;
  handles->count++;
  return handle_of(handles, index);
}

mrv8_value *
mr__handles_get(const mr__handles *handles, mr_handle handle)
{
  slot *found = find(handles, handle);
  return found ? found->value : NULL;
}

static mrv8_value *
take_out(mr__handles *handles, slot *gone)
{
  uint32_t place = (uint32_t)(gone - handles->slots) + 1;
  uint32_t *link = bucket_of(handles, gone->hash);
  while (*link != place) link = &handles->slots[*link - 1].next;
  *link = gone->next;
  mrv8_value *value = gone->value;
  gone->value = NULL;
  if (++gone->generation == 0) gone->generation = 1;
  gone->next = handles->free;
  handles->free = place;
  handles->count--;
  return value;
}

mrv8_value *
mr__handles_release(mr__handles *handles, mr_handle handle)
{
  slot *found = find(handles, handle);
  return found && --found->references == 0 ? take_out(handles, found) : NULL;
}

mrv8_value *
mr__handles_drain(mr__handles *handles, uint32_t *at)
{
  for (; *at < handles->capacity; ++*at)
    if (handles->slots[*at].value) return take_out(handles, &handles->slots[*at]);
  return NULL;
}

void
mr__handles_destroy(mr__handles *handles)
{
  free(handles->slots);
  free(handles->buckets);
  *handles = (mr__handles){.slots = NULL};
}
