/* mr_text.c: the list of texts, under `mutex`, a leaf: V8 gives them back in the middle of a collection. Any thread. */
#include "mr_text.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST_LOOKS 8 /* texts of one size that are compared: somebody may have many that begin alike */

struct mr__text {
  mr__text *before, *next;
  uint64_t owners;
  size_t size;
  char bytes[];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static mr__text *texts; /* the newest first */

/* Under the mutex. */
static mr__text *
find(const void *bytes, size_t size)
{
  int looks = 0;
  for (mr__text *text = texts; text && looks < MOST_LOOKS; text = text->next)
    if (text->size == size && ++looks && (!size || memcmp(text->bytes, bytes, size) == 0)) return text;
  return NULL;
}

mr__text *
mr__text_share(const void *bytes, size_t size)
{
  pthread_mutex_lock(&mutex);
  mr__text *text = find(bytes, size);
  if (text) text->owners++;
  pthread_mutex_unlock(&mutex);
  if (text) return text;
  text = size > SIZE_MAX - sizeof *text ? NULL : malloc(sizeof *text + size);
  if (!text) return NULL;
  text->before = NULL;
  text->owners = 1;
  text->size = size;
  if (size) memcpy(text->bytes, bytes, size);
  pthread_mutex_lock(&mutex);
  text->next = texts;
  if (texts) texts->before = text;
  texts = text;
  pthread_mutex_unlock(&mutex);
  return text;
}

const char *
mr__text_bytes(const mr__text *text)
{
  return text->bytes;
}

void
mr__text_release(mr__text *text)
{
  pthread_mutex_lock(&mutex);
  bool last = --text->owners == 0;
  if (last) {
    if (text->before) text->before->next = text->next;
    else texts = text->next;
    if (text->next) text->next->before = text->before;
  }
  pthread_mutex_unlock(&mutex);
  if (last) free(text);
}

void
mr__texts_lock_for_fork(void)
{
  pthread_mutex_lock(&mutex);
}

void
mr__texts_unlock_after_fork(void)
{
  pthread_mutex_unlock(&mutex);
}
