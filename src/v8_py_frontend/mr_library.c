/* mr_library.c: what is true of the library as a whole: versions, features, the start of V8, and the check of the files that it starts from.
 *
 * V8 ends the process when its snapshot or ICU data are not those that it was built with. So the build writes their sizes and fingerprints into mr_build.h, and
 * mr_init() compares them first. `mutex` protects the start. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "mr_address.h"
#include "mr_build.h"
#include "mr_heaps.h"
#include "mr_context.h"
#include "mr_library.h"
#include "mr_options.h"
#include "mr_pool.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool started;

uint32_t
mr_abi_version(void)
{
  return MR_ABI_VERSION;
}

const char *
mr_v8_version(void)
{
  return mrv8_version();
}

const char *
mr_build_id(void)
{
  return MR_BUILD_ID;
}

uint64_t
mr_address_space_needed(void)
{
  return mrv8_addresses_to_start();
}

int32_t
mr_feature(const char *name)
{
  if (!name) return 0;
  if (strcmp(name, "blobs") == 0) return MR_BUILD_HAS_BLOBS;
  return mrv8_feature(name);
}

#if MR_BUILD_HAS_BLOBS
/* A large file is looked at in its first and its last part of this many bytes: enough to tell builds apart and to see a cut, in well under a millisecond. */
#define PART (512 * 1024)

/* FNV-1a by words of 8 bytes; build_id.py computes the same. */
static uint64_t
hash_part(uint64_t hash, FILE *file, uint64_t bytes)
{
  unsigned char block[8192];
  while (bytes) {
    size_t wanted = bytes < sizeof block ? (size_t)bytes : sizeof block;
    size_t got = fread(block, 1, wanted, file);
    if (got < wanted) return 0;
    memset(block + got, 0, sizeof block - got);
    for (size_t i = 0; i < got; i += 8) {
      uint64_t word = 0;
      for (int k = 7; k >= 0; k--) word = word << 8 | block[i + (size_t)k];
      hash = (hash ^ word) * UINT64_C(0x100000001b3);
    }
    bytes -= got;
  }
  return hash;
}

/* 1: the file is the one of this build; 0: it is another, or cut, or damaged; -1: it cannot be read. */
static int
check_file(const char *path, uint64_t size, uint64_t fingerprint)
{
  FILE *file = path ? fopen(path, "rb") : NULL;
  if (!file) return -1;
  int same = fseek(file, 0, SEEK_END) == 0 && (uint64_t)ftell(file) == size && fseek(file, 0, SEEK_SET) == 0;
  if (same) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    if (size <= 2 * PART) {
      hash = hash_part(hash, file, size);
    } else {
      hash = hash_part(hash, file, PART);
      same = fseek(file, -PART, SEEK_END) == 0;
      hash = hash_part(hash, file, PART);
    }
    same = same && hash == fingerprint;
  }
  fclose(file);
  return same;
}

static mr_status
check_files(const mr_init_options *options)
{
  int icu = check_file(options->icu_path, MR_BUILD_ICU_SIZE, MR_BUILD_ICU_FINGERPRINT);
  if (icu != 1) return icu < 0 ? MR_ICU_MISSING : MR_ICU_FOREIGN;
  int snapshot = check_file(options->snapshot_path, MR_BUILD_SNAPSHOT_SIZE, MR_BUILD_SNAPSHOT_FINGERPRINT);
  if (snapshot != 1) return snapshot < 0 ? MR_SNAPSHOT_MISSING : MR_SNAPSHOT_FOREIGN;
  return MR_OK;
}
#else
static mr_status
check_files(const mr_init_options *options)
{
  (void)options;
  return MR_OK;
}
#endif

mr_status
mr_init(const mr_init_options *options)
{
  mr_init_options full = {.struct_size = sizeof full};
  if (!mr__options_copy(&full, sizeof full, options)) return MR_BAD_ARGUMENT;
  pthread_mutex_lock(&mutex);
  mr_status status = started ? MR_ALREADY_INITIALIZED : check_files(&full);
  if (status == MR_OK && !mr__address_space_has(mrv8_addresses_to_start())) status = MR_NO_MEMORY;
  if (status == MR_OK) {
    mr__pool_size(full.flags);
    status = mrv8_initialize(&full, &mr__pool);
    started = status == MR_OK;
    if (started) mr__fork_watch();
    uint64_t most = mrv8_cage() / 4 * 3;
    if (started) mr__heaps_set(full.max_total_memory && (!most || full.max_total_memory < most) ? full.max_total_memory : most);
    if (started) mr__contexts_open_for_use();
  }
  pthread_mutex_unlock(&mutex);
  return status;
}

void
mr__library_lock_for_fork(void)
{
  pthread_mutex_lock(&mutex);
}

void
mr__library_unlock_after_fork(void)
{
  pthread_mutex_unlock(&mutex);
}
