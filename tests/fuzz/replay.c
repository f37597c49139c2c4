/* replay.c: a main() for a fuzz target where there is no libFuzzer: runs each input of the folders that it is given, once. */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "require.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
replay(const char *path)
{
  FILE *file = fopen(path, "rb");
  REQUIRE(file && fseek(file, 0, SEEK_END) == 0);
  long size = ftell(file);
  REQUIRE(size >= 0 && fseek(file, 0, SEEK_SET) == 0);
  uint8_t *data = malloc(size ? (size_t)size : 1);
  REQUIRE(data && fread(data, 1, (size_t)size, file) == (size_t)size);
  fclose(file);
  fprintf(stderr, "%s\n", path); /* the last line of a run that crashed says where */
  LLVMFuzzerTestOneInput(data, (size_t)size);
  free(data);
}

int
main(int argc, char **argv)
{
  int count = 0;
  LLVMFuzzerInitialize(&argc, &argv);
  for (int i = 1; i < argc; i++) {
    DIR *folder = opendir(argv[i]);
    REQUIRE(folder);
    for (const struct dirent *entry; (entry = readdir(folder));) {
      char path[PATH_MAX];
      if (entry->d_name[0] == '.') continue;
      snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
      replay(path);
      count++;
    }
    closedir(folder);
  }
  printf("%d inputs\n", count);
  return 0;
}
