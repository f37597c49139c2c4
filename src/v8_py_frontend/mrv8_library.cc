/* mrv8_library.cc: V8 as a whole: its start, its platform, its version and features. Started once, under mr_library.c's mutex. */
#include <sys/random.h>
#include <v8.h>

#include <cstdlib>
#include <cstring>

#include "mrv8_bridge.h"
#include "mrv8_compat.h"
#include "mrv8_isolate.h"
#include "mrv8_platform.h"

namespace {

/* --stack-size of the flags, in bytes; 0: it was not given. V8 applies it to the thread that makes an isolate alone, and we set the limit for every thread. */
uint64_t stack_size;

uint64_t
StackSize(const char *flags)
{
  uint64_t kilobytes = 0;
  for (const char *at = flags; (at = std::strstr(at, "--stack")); at++)
    if ((at[7] == '-' || at[7] == '_') && std::strncmp(at + 8, "size=", 5) == 0) kilobytes = std::strtoull(at + 13, nullptr, 10);
  return kilobytes * 1024;
}

/* What V8 seeds its generators of random numbers with, of which an isolate has eight. It would open /dev/urandom for each, and read 4 KB of it. */
bool
Seed(unsigned char *to, size_t size)
{
  return getrandom(to, size, GRND_NONBLOCK) == static_cast<ssize_t>(size);
}

}  // namespace

uint64_t
mrv8::StackSizeOfFlags()
{
  return stack_size;
}

const char *
mrv8_version(void)
{
  return v8::V8::GetVersion();
}

int32_t
mrv8_feature(const char *name)
{
  if (std::strcmp(name, "sandbox") == 0) return mrv8::kSandbox;
  if (std::strcmp(name, "intl") == 0 || std::strcmp(name, "webassembly") == 0) return 1;
#if MRV8_AT_LEAST(14, 0)
  if (std::strcmp(name, "temporal") == 0 || std::strcmp(name, "source") == 0 || std::strcmp(name, "fork") == 0) return 1;
#endif
  return 0;
}

mr_status
mrv8_initialize(const mr_init_options *options, const mrv8_files *files, const mrv8_pool *pool)
{
  if (mrv8::kStartFlags) v8::V8::SetFlagsFromString(mrv8::kStartFlags);
  if (options->flags) {
    v8::V8::SetFlagsFromString(options->flags);
    stack_size = StackSize(options->flags);
  }
  if (files->icu.data && !mrv8::UseIcuData(files->icu.data)) return MR_ICU_FOREIGN;
  if (files->snapshot.data) {
    v8::StartupData startup{static_cast<const char *>(files->snapshot.data), static_cast<int>(files->snapshot.size)};
    v8::V8::SetSnapshotDataBlob(&startup);
  }
  v8::V8::SetEntropySource(Seed); /* where it fails, V8 does what it did */
  mrv8::WatchFatalEverywhere();
  v8::V8::InitializePlatform(mrv8::NewPlatform(pool));
  return v8::V8::Initialize() ? MR_OK : MR_NO_MEMORY;
}

/* With its sandbox V8 reserves a terabyte and guards around it. It would start with less, and end the process later for want of the rest. */
uint64_t
mrv8_addresses_to_start(void)
{
  return mrv8::kSandbox ? uint64_t{1536} << 30 : uint64_t{768} << 20;
}

uint64_t
mrv8_addresses_of_isolate(void)
{
  return mrv8::kSandbox ? uint64_t{3} << 30 : uint64_t{384} << 20;
}

uint64_t
mrv8_cage(void)
{
#ifdef V8_COMPRESS_POINTERS
  return uint64_t{4} << 30;
#else
  return 0;
#endif
}
