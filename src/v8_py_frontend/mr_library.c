/* mr_library.c: what is true of the library as a whole: versions, features, the start of V8, and the check of the files that it starts from.
 *
 * V8 ends the process when its snapshot or ICU data are not those that it was built with. So the build writes their sizes and fingerprints into mr_build.h, and
 * mr_init() compares them first. The files are mapped, and stay so: V8 would read all 11 MB of ICU's data into memory of the process, which needs a few pages of them.
 * `mutex` protects the start. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* FNV-1a by words of 8 bytes, little-endian as all that V8 runs on here; build_id.py computes the same. */
static uint64_t
hash_part(uint64_t hash, const unsigned char *bytes, size_t size)
{
  for (size_t at = 0; at < size; at += sizeof hash) {
    uint64_t word = 0;
    memcpy(&word, bytes + at, size - at < sizeof word ? size - at : sizeof word);
    hash = (hash ^ word) * UINT64_C(0x100000001b3);
  }
  return hash;
}

static void
unmap_file(mrv8_file *file)
{
  if (file->data) (void)munmap((void *)(uintptr_t)file->data, file->size);
  *file = (mrv8_file){NULL, 0};
}

/* 1: the file is the one of this build, and mapped; 0: it is another, or cut, or damaged; -1: it cannot be read. */
static int
map_file(const char *path, uint64_t size, uint64_t fingerprint, mrv8_file *file)
{
  int found = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (found < 0) return -1;
  struct stat about;
  bool fits = fstat(found, &about) == 0 && (uint64_t)about.st_size == size;
  void *data = fits ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, found, 0) : MAP_FAILED;
  (void)close(found);
  if (data == MAP_FAILED) return fits ? -1 : 0;
  *file = (mrv8_file){data, size};
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  if (size <= UINT64_C(2) * PART) {
    (void)madvise(data, size, MADV_WILLNEED);
    hash = hash_part(hash, data, size);
  } else {
    hash = hash_part(hash, data, PART);
    hash = hash_part(hash, (const unsigned char *)data + size - PART, PART);
    (void)madvise(data, size, MADV_DONTNEED); /* most of it is never asked for again */
  }
  if (hash != fingerprint) unmap_file(file);
  return hash == fingerprint;
}

static mr_status
map_files(const mr_init_options *options, mrv8_files *files)
{
  int icu = map_file(options->icu_path, MR_BUILD_ICU_SIZE, MR_BUILD_ICU_FINGERPRINT, &files->icu);
  if (icu != 1) return icu < 0 ? MR_ICU_MISSING : MR_ICU_FOREIGN;
  int snapshot = map_file(options->snapshot_path, MR_BUILD_SNAPSHOT_SIZE, MR_BUILD_SNAPSHOT_FINGERPRINT, &files->snapshot);
  if (snapshot == 1) return MR_OK;
  unmap_file(&files->icu);
  return snapshot < 0 ? MR_SNAPSHOT_MISSING : MR_SNAPSHOT_FOREIGN;
}

static void
unmap_files(mrv8_files *files)
{
  unmap_file(&files->icu);
  unmap_file(&files->snapshot);
}
#else
static mr_status
map_files(const mr_init_options *options, const mrv8_files *files)
{
  (void)options;
  (void)files;
  return MR_OK;
}

static void
unmap_files(const mrv8_files *files)
{
  (void)files;
}
#endif

mr_status
mr_init(const mr_init_options *options)
{
  mr_init_options full = {.struct_size = sizeof full};
  if (!mr__options_copy(&full, sizeof full, options)) return MR_BAD_ARGUMENT;
  pthread_mutex_lock(&mutex);
  mrv8_files files = {{NULL, 0}, {NULL, 0}};
  mr_status status = started ? MR_ALREADY_INITIALIZED : map_files(&full, &files);
  if (status == MR_OK && !mr__address_space_has(mrv8_addresses_to_start())) status = MR_NO_MEMORY;
  if (status == MR_OK) {
    mr__pool_size(full.flags);
    status = mrv8_initialize(&full, &files, &mr__pool);
    started = status == MR_OK;
    if (started) mr__fork_watch();
    uint64_t most = mrv8_cage() / 4 * 3;
    if (started) mr__heaps_set(full.max_total_memory && (!most || full.max_total_memory < most) ? full.max_total_memory : most);
    if (started) mr__contexts_open_for_use();
  }
  if (status != MR_OK) unmap_files(&files);
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
