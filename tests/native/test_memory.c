/* test_memory.c: how much memory the process may use, as the system's files say it, and the heap limit that comes of it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mr_memory.h"
#include "testing.h"

#define MB (UINT64_C(1) << 20)

static char root[200];

/* Writes a file below the root, and the folders that it is in. */
static void
put(const char *path, const char *text)
{
  char whole[600];
  snprintf(whole, sizeof whole, "%s%s", root, path);
  for (char *at = whole + strlen(root) + 1; (at = strchr(at, '/')); at++) {
    *at = 0;
    mkdir(whole, 0700);
    *at = '/';
  }
  FILE *file = fopen(whole, "w");
  REQUIRE(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static int
new_root(void **state)
{
  (void)state;
  snprintf(root, sizeof root, "%s/mr-memory-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
  return mkdtemp(root) ? 0 : -1;
}

static int
remove_root(void **state)
{
  (void)state;
  char command[300];
  snprintf(command, sizeof command, "rm -r '%s'", root);
  return system(command);
}

static uint64_t
machine(void)
{
  return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
without_groups_it_is_the_machines(void **state)
{
  (void)state;
  assert_int_equal(mr__memory_available(root), machine());
  put("/proc/self/cgroup", "");
  assert_int_equal(mr__memory_available(root), machine());
  put("/proc/self/cgroup", "0::/a/b\n");
  assert_int_equal(mr__memory_available(root), machine());
}

static void
the_lowest_limit_of_the_groups_around_counts(void **state)
{
  (void)state;
  put("/proc/self/cgroup", "0::/a/b\n");
  put("/sys/fs/cgroup/a/b/memory.max", "max\n");
  put("/sys/fs/cgroup/a/memory.max", "67108864\n");
  assert_int_equal(mr__memory_available(root), 64 * MB);
  put("/sys/fs/cgroup/a/b/memory.max", "33554432\n");
  assert_int_equal(mr__memory_available(root), 32 * MB);
  put("/sys/fs/cgroup/memory.max", "16777216\n");
  assert_int_equal(mr__memory_available(root), 16 * MB);
}

static void
a_container_is_in_the_group_at_the_top(void **state)
{
  (void)state;
  put("/proc/self/cgroup", "0::/\n");
  put("/sys/fs/cgroup/memory.max", "67108864\n");
  assert_int_equal(mr__memory_available(root), 64 * MB);
}

static void
groups_of_version_1_count_as_well(void **state)
{
  (void)state;
  put("/proc/self/cgroup", "9:name=systemd:/\n4:memory:/c/d\n3:cpu:/e\n0::/\n");
  put("/sys/fs/cgroup/memory/c/d/memory.limit_in_bytes", "9223372036854771712\n");
  assert_int_equal(mr__memory_available(root), machine());
  put("/sys/fs/cgroup/memory/c/memory.limit_in_bytes", "67108864\n");
  assert_int_equal(mr__memory_available(root), 64 * MB);
  put("/sys/fs/cgroup/memory.max", "16777216\n");
  assert_int_equal(mr__memory_available(root), 16 * MB);
}

static void
files_that_make_no_sense_say_nothing(void **state)
{
  (void)state;
  char longest[700];
  memset(longest, 'x', sizeof longest);
  memcpy(longest, "0::/", 4);
  longest[sizeof longest - 1] = 0;
  put("/proc/self/cgroup", longest);
  assert_int_equal(mr__memory_available(root), machine());
  put("/proc/self/cgroup", "\n:\n::\n0::a\nmemory\n4:memory\n\x01\x02");
  put("/sys/fs/cgroup/memory.max", "-5\n");
  assert_int_equal(mr__memory_available(root), machine());
  put("/sys/fs/cgroup/memory.max", "");
  assert_int_equal(mr__memory_available(root), machine());
}

static void
the_heap_is_a_quarter_within_bounds(void **state)
{
  (void)state;
  assert_int_equal(mr__memory_heap_of(0), 32 * MB);
  assert_int_equal(mr__memory_heap_of(100 * MB), 32 * MB);
  assert_int_equal(mr__memory_heap_of(512 * MB), 128 * MB);
  assert_int_equal(mr__memory_heap_of(UINT64_MAX), 1024 * MB);
}

static void
a_context_gets_it_by_default(void **state)
{
  (void)state;
  assert_int_equal(start_library(state), 0);
  mr_context_close(open_context());
  assert_int_equal(fake_context_options.max_memory, mr__memory_default_heap());
  mr_context_options options = {.struct_size = sizeof options, .max_memory = 5 * MB};
  mr_context context = 0;
  assert_int_equal(mr_context_new(&options, &context), MR_OK);
  assert_int_equal(fake_context_options.max_memory, 5 * MB);
  mr_context_close(context);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(without_groups_it_is_the_machines, new_root, remove_root),
      cmocka_unit_test_setup_teardown(the_lowest_limit_of_the_groups_around_counts, new_root, remove_root),
      cmocka_unit_test_setup_teardown(a_container_is_in_the_group_at_the_top, new_root, remove_root),
      cmocka_unit_test_setup_teardown(groups_of_version_1_count_as_well, new_root, remove_root),
      cmocka_unit_test_setup_teardown(files_that_make_no_sense_say_nothing, new_root, remove_root),
      cmocka_unit_test(the_heap_is_a_quarter_within_bounds),
      cmocka_unit_test(a_context_gets_it_by_default),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
