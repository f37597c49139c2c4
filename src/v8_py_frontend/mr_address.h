/* mr_address.h: whether the process may still reserve addresses. No state. */
#ifndef MR_ADDRESS_H_
#define MR_ADDRESS_H_

#include <stdbool.h>
#include <stdint.h>

/* Whether a limit (RLIMIT_AS, the shell's `ulimit -v`) leaves room for so many bytes more. V8 ends the process where a reservation fails, so it is asked first. */
bool mr__address_space_has(uint64_t bytes);

#endif /* MR_ADDRESS_H_ */
