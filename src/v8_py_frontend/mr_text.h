/* mr_text.h: the texts of large scripts: one copy of each in the process, whichever isolates have it. Any thread. */
#ifndef MR_TEXT_H_
#define MR_TEXT_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mr__text mr__text;

/* A text of these bytes: the one that there is, once more, or a new one. NULL: no memory. */
mr__text *mr__text_share(const void *bytes, size_t size);

/* Its bytes, which never change. */
const char *mr__text_bytes(const mr__text *text);

/* It is freed with the last one who has it. */
void mr__text_release(mr__text *text);

/* For mr_fork.c. */
void mr__texts_lock_for_fork(void);
void mr__texts_unlock_after_fork(void);

#ifdef __cplusplus
}
#endif

#endif /* MR_TEXT_H_ */
