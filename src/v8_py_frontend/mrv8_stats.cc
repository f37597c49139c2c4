/* mrv8_stats.cc: the message of mr_stats(): the core's numbers and V8's. On the thread that has the lock. */
#include <cstring>
#include <vector>

#include "mr_result.h"
#include "mr_wire.h"
#include "mrv8_run.h"

namespace mrv8 {

namespace {

mr_status
WriteName(const Run &run, const char *name)
{
  auto length = static_cast<uint32_t>(std::strlen(name));
  mr_status status = WriteHead(run, MR_TAG_LATIN1, length);
  return status == MR_OK && !mr__result_put(run.result, name, length) ? MR_NO_MEMORY : status;
}

mr_status
WriteStats(const Run &run, const std::vector<mrv8_stat> &stats)
{
  mr_status status = MR_OK;
  for (size_t i = 0; i < stats.size() && status == MR_OK; i++) {
    status = WriteName(run, stats[i].name);
    if (status == MR_OK && !mr__result_put_tag(run.result, MR_TAG_DOUBLE, &stats[i].value, sizeof stats[i].value)) status = MR_NO_MEMORY;
  }
  return status;
}

std::vector<mrv8_stat>
StatsOf(const Run &run)
{
  mrv8_isolate *self = run.self;
  std::vector<mrv8_stat> stats(MRV8_MOST_STATS);
  stats.resize(self->host->stats(self->owner, stats.data()));
  v8::HeapStatistics heap;
  run.isolate->GetHeapStatistics(&heap);
  mrv8_buffers buffers;
  mrv8_buffers_of(self, &buffers);
  const struct {
    const char *name;
    uint64_t value;
  } rows[] = {{"awaited", self->awaited.size()},
              {"gcs", self->gcs},
              {"gc_time", static_cast<uint64_t>(self->gc_time)},
              {"used_heap_size", heap.used_heap_size()},
              {"total_heap_size", heap.total_heap_size()},
              {"total_physical_size", heap.total_physical_size()},
              {"heap_size_limit", heap.heap_size_limit()},
              {"malloced_memory", heap.malloced_memory()},
              {"external_memory", heap.external_memory()},
              {"buffer_memory", buffers.bytes},
              {"buffer_memory_limit", buffers.limit},
              {"buffers_refused", buffers.refused}};
  for (const auto &row : rows) stats.push_back({row.name, static_cast<double>(row.value)});
  return stats;
}

mr_status
WriteSpaces(const Run &run)
{
  size_t count = run.isolate->NumberOfHeapSpaces();
  mr_status status = WriteName(run, "heap_spaces");
  if (status == MR_OK) status = WriteHead(run, MR_TAG_OBJECT, static_cast<uint32_t>(count));
  for (size_t i = 0; i < count && status == MR_OK; i++) {
    v8::HeapSpaceStatistics space;
    run.isolate->GetHeapSpaceStatistics(&space, i);
    const std::vector<mrv8_stat> stats = {{"size", static_cast<double>(space.space_size())},
                                          {"used", static_cast<double>(space.space_used_size())},
                                          {"available", static_cast<double>(space.space_available_size())},
                                          {"physical", static_cast<double>(space.physical_space_size())}};
    status = WriteName(run, space.space_name());
    if (status == MR_OK) status = WriteHead(run, MR_TAG_OBJECT, static_cast<uint32_t>(stats.size()));
    if (status == MR_OK) status = WriteStats(run, stats);
  }
  return status;
}

}  // namespace

mr_status
WriteAllStats(const Run &run)
{
  const std::vector<mrv8_stat> stats = StatsOf(run);
  mr_status status = WriteHead(run, MR_TAG_OBJECT, static_cast<uint32_t>(stats.size()) + 1);
  if (status == MR_OK) status = WriteStats(run, stats);
  return status == MR_OK ? WriteSpaces(run) : status;
}

}  // namespace mrv8
