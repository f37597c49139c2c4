/* mr_memory.h: how much memory there is for this process. No state but what is found out once. */
#ifndef MR_MEMORY_H_
#define MR_MEMORY_H_

#include <stdint.h>

/* Bytes that this process may come to use: the machine's memory, or what the control groups that it is in allow, if that is less. `root` stands before the paths of the
 * system's files: "" but in tests. */
uint64_t mr__memory_available(const char *root);

/* The heap limit of a context that was given none: a quarter of what there is, from 32 MB to 1 GB. Any thread; found out once. */
uint64_t mr__memory_default_heap(void);

/* The same for a given amount of memory. */
uint64_t mr__memory_heap_of(uint64_t available);

#endif /* MR_MEMORY_H_ */
