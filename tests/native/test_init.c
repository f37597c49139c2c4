/* test_init.c: the start of the library: before it, the check of the files, once only. Compiled twice: for a V8 that carries its data, and for one with files. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mr_build.h"
#include "testing.h"

static const char *folder; /* of the files that mr_build.h was made of */

#if MR_BUILD_HAS_BLOBS
static char icu[4096], snapshot[4096];
#define ICU icu
#define SNAPSHOT snapshot
#else
#define ICU NULL
#define SNAPSHOT NULL
#endif

static mr_status
init_with(const char *icu_path, const char *snapshot_path)
{
  mr_init_options options = {.struct_size = sizeof options, .flags = "--some-flag", .icu_path = icu_path, .snapshot_path = snapshot_path};
  return mr_init(&options);
}

static void
before_init_only_questions_are_answered(void **state)
{
  (void)state;
  mr_context context = 1;
  mr_result result = {.struct_size = sizeof result};
  assert_int_equal(mr_abi_version(), MR_ABI_VERSION);
  assert_string_equal(mr_v8_version(), "0.0.0.0");
  assert_string_equal(mr_build_id(), MR_BUILD_ID);
  assert_int_equal(strncmp(mr_build_id(), "1.2.3.4-", 8), 0);
  assert_int_equal(mr_feature("blobs"), MR_BUILD_HAS_BLOBS);
  assert_int_equal(mr_feature("fake"), 1);
  assert_int_equal(mr_feature("unheard of"), 0);
  assert_int_equal(mr_feature(""), 0);
  assert_int_equal(mr_feature(NULL), 0);
  assert_int_equal(mr_context_new(NULL, &context), MR_NOT_INITIALIZED);
  assert_int_equal(context, 0);
  assert_int_equal(mr_eval(1, "int 1", 5, NULL, &result), MR_NOT_INITIALIZED);
  assert_int_equal(result.size, 0);
  assert_int_equal(mr_context_count(), 0);
}

static void
a_start_that_fails_may_be_tried_again(void **state)
{
  (void)state;
  mr_context context;
  atomic_store(&fake_initialize_status, MR_NO_MEMORY);
  assert_int_equal(init_with(ICU, SNAPSHOT), MR_NO_MEMORY); /* after the files were found to be right */
  assert_int_equal(mr_context_new(NULL, &context), MR_NOT_INITIALIZED);
}

#if MR_BUILD_HAS_BLOBS
static char scratch[4096];

/* A copy of a file in the scratch folder, changed: `size` bytes of it, with the byte at `at` (when not negative) another. */
static const char *
changed(const char *path, long size, long at)
{
  FILE *in = fopen(path, "rb"), *out = fopen(scratch, "wb");
  assert_non_null(in);
  assert_non_null(out);
  for (long i = 0; i < size; i++) {
    int byte = getc(in);
    putc(byte == EOF ? 0 : i == at ? byte ^ 1 : byte, out);
  }
  fclose(in);
  fclose(out);
  return scratch;
}

static void
files_that_cannot_be_read_are_missing(void **state)
{
  (void)state;
  assert_int_equal(mr_init(NULL), MR_ICU_MISSING);
  assert_int_equal(init_with(NULL, snapshot), MR_ICU_MISSING);
  assert_int_equal(init_with("", snapshot), MR_ICU_MISSING);
  assert_int_equal(init_with("there/is/no/such.file", snapshot), MR_ICU_MISSING);
  assert_int_equal(init_with(icu, NULL), MR_SNAPSHOT_MISSING);
  assert_int_equal(init_with(icu, "there/is/no/such.file"), MR_SNAPSHOT_MISSING);
}

static void
files_that_are_cut_damaged_or_strange_are_foreign(void **state)
{
  (void)state;
  long small = (long)MR_BUILD_ICU_SIZE, large = (long)MR_BUILD_SNAPSHOT_SIZE;
  static const long cuts[] = {1, 7, 8, 1000};
  assert_int_equal(init_with(changed(icu, 0, -1), snapshot), MR_ICU_FOREIGN);
  assert_int_equal(init_with(changed(icu, small + 1, -1), snapshot), MR_ICU_FOREIGN);
  for (size_t i = 0; i < COUNT(cuts); i++) {
    assert_int_equal(init_with(changed(icu, small - cuts[i], -1), snapshot), MR_ICU_FOREIGN);
    assert_int_equal(init_with(icu, changed(snapshot, large - cuts[i], -1)), MR_SNAPSHOT_FOREIGN);
    assert_int_equal(init_with(changed(icu, small, cuts[i]), snapshot), MR_ICU_FOREIGN);
    assert_int_equal(init_with(icu, changed(snapshot, large, cuts[i])), MR_SNAPSHOT_FOREIGN);
    assert_int_equal(init_with(icu, changed(snapshot, large, large - cuts[i])), MR_SNAPSHOT_FOREIGN);
  }
  assert_int_equal(init_with(changed(icu, small, small - 1), snapshot), MR_ICU_FOREIGN);
  assert_int_equal(init_with(snapshot, icu), MR_ICU_FOREIGN); /* exchanged */
  assert_int_equal(init_with(icu, icu), MR_SNAPSHOT_FOREIGN);
  assert_true(init_with(folder, snapshot) < 0); /* a folder */
  assert_int_equal(init_with(icu, "/dev/null"), MR_SNAPSHOT_FOREIGN);
  unlink(scratch);
}
#endif

#if MR_BUILD_HAS_BLOBS
static bool
is_in_file(const char *path, const void *data)
{
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  const unsigned char *at = data;
  bool same = true;
  for (int byte; same && (byte = getc(file)) != EOF;) same = *at++ == byte;
  fclose(file);
  return same;
}
#endif

static void *
init_once(void *status)
{
  *(mr_status *)status = init_with(ICU, SNAPSHOT);
  return NULL;
}

/* In a process of its own, as it can be done only once. */
static void
of_many_threads_one_starts_it(void **state)
{
  (void)state;
  SKIP_UNDER_TSAN();
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    pthread_t threads[8];
    mr_status statuses[8];
    int started = 0;
    for (size_t i = 0; i < COUNT(threads); i++) REQUIRE(pthread_create(&threads[i], NULL, init_once, &statuses[i]) == 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
      pthread_join(threads[i], NULL);
      REQUIRE(statuses[i] == MR_OK || statuses[i] == MR_ALREADY_INITIALIZED);
      started += statuses[i] == MR_OK;
    }
    _exit(started == 1 ? 0 : 1);
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

static void
sizes_that_no_header_had_are_refused(void **state)
{
  (void)state;
  mr_init_options options = {.struct_size = 0, .icu_path = ICU, .snapshot_path = SNAPSHOT};
  static const uint32_t sizes[] = {0, 1, 4, 7, 9, 12, 20, 28, 31};
  for (size_t i = 0; i < COUNT(sizes); i++) {
    options.struct_size = sizes[i];
    assert_int_equal(mr_init(&options), MR_BAD_ARGUMENT);
  }
}

static void
it_starts_once(void **state)
{
  (void)state;
  assert_int_equal(init_with(ICU, SNAPSHOT), MR_OK);
  assert_string_equal(fake_init_options.flags, "--some-flag");
  assert_ptr_equal(fake_init_options.icu_path, ICU);
  assert_ptr_equal(fake_init_options.snapshot_path, SNAPSHOT);
#if MR_BUILD_HAS_BLOBS
  assert_int_equal(fake_files.icu.size, MR_BUILD_ICU_SIZE);
  assert_int_equal(fake_files.snapshot.size, MR_BUILD_SNAPSHOT_SIZE);
  assert_true(is_in_file(icu, fake_files.icu.data) && is_in_file(snapshot, fake_files.snapshot.data));
#else
  assert_null(fake_files.icu.data);
  assert_null(fake_files.snapshot.data);
#endif
  assert_int_equal(init_with(ICU, SNAPSHOT), MR_ALREADY_INITIALIZED);
  assert_int_equal(mr_init(NULL), MR_ALREADY_INITIALIZED);
  mr_context context = open_context();
  assert_int_equal(eval_int(context, "int 3"), 3);
  mr_context_close(context);
}

int
main(int argc, char **argv)
{
  folder = argc > 1 ? argv[1] : ".";
#if MR_BUILD_HAS_BLOBS
  snprintf(icu, sizeof icu, "%s/icudtl.dat", folder);
  snprintf(snapshot, sizeof snapshot, "%s/snapshot_blob.bin", folder);
  snprintf(scratch, sizeof scratch, "%s/changed.%ld", folder, (long)getpid());
#endif
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(before_init_only_questions_are_answered), cmocka_unit_test(a_start_that_fails_may_be_tried_again),
#if MR_BUILD_HAS_BLOBS
      cmocka_unit_test(files_that_cannot_be_read_are_missing),   cmocka_unit_test(files_that_are_cut_damaged_or_strange_are_foreign),
#endif
      cmocka_unit_test(of_many_threads_one_starts_it),           cmocka_unit_test(sizes_that_no_header_had_are_refused),
      cmocka_unit_test_teardown(it_starts_once, nothing_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
