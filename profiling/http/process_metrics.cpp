#include "profiling/http/process_metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "allocators/heap.hpp"
#include "allocators/process_memory.hpp"
#include "allocators/system/cpu_clock.hpp"
#include "allocators/system/kernel_file.hpp"
#include "allocators/system/process_start.hpp"
#include "profiling/metric_families.hpp"
#include "profiling/waterfall/group_memory.hpp"

namespace plateau {
namespace {

std::optional<double> number(std::optional<std::uint64_t> value) {
  return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

std::optional<double> open_descriptors() {
  std::error_code error;
  const std::filesystem::directory_iterator first("/proc/self/fd", error);
  if (error) return std::nullopt;
  return static_cast<double>(std::distance(first, {}));
}

std::optional<double> virtual_memory_bytes() {
  const auto pages = kernel_file::number("/proc/thread-self/statm");
  if (!pages) return std::nullopt;
  return static_cast<double>(*pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

void add_process(MetricFamilies& families) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  families.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
                   in_seconds(cpu_time_of(usage)));
  families.counter("process_minor_page_faults_total", "Page faults served without reading from disk.",
                   static_cast<double>(usage.ru_minflt));
  families.counter("process_major_page_faults_total", "Page faults that read from disk.",
                   static_cast<double>(usage.ru_majflt));
  families.gauge("process_open_fds", "Number of open file descriptors.", open_descriptors());
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    families.gauge("process_max_fds", "Maximum number of open file descriptors.", static_cast<double>(files.rlim_cur));
  }
  families.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", virtual_memory_bytes());
  if (const auto memory = process_memory(::getpid())) {
    families.gauge("process_resident_memory_bytes", "Resident memory size in bytes.",
                   static_cast<double>(memory->rss_bytes));
    families.gauge("process_resident_memory_peak_bytes", "Largest resident memory size so far in bytes (VmHWM).",
                   static_cast<double>(memory->peak_rss_bytes));
    families.gauge("process_resident_memory_anonymous_bytes", "Resident anonymous memory in bytes (RssAnon).",
                   static_cast<double>(memory->anonymous_bytes));
  }
  families.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
                 process_start_seconds());
}

void add_allocator(MetricFamilies& families) {
  Heap& heap = Heap::process();
  families.info("allocator_info", "The allocator that serves malloc.",
                {{"name", std::string(to_string(heap.kind()))}, {"version", heap.version()}});
  const HeapStatistics now = heap.statistics();
  using Field = std::optional<std::uint64_t> HeapStatistics::*;
  struct Row {
    const char* name;
    const char* help;
    Field field;
  };
  constexpr std::array gauges{
      Row{"allocator_allocated_bytes", "Bytes in live blocks, rounded to size classes.", &HeapStatistics::allocated},
      Row{"allocator_active_bytes", "Bytes in pages with at least one live block.", &HeapStatistics::active},
      Row{"allocator_resident_bytes", "Bytes the allocator keeps from the kernel.", &HeapStatistics::resident},
      Row{"allocator_mapped_bytes", "Bytes in mapped extents.", &HeapStatistics::mapped},
      Row{"allocator_retained_bytes", "Address space kept for later; not resident.", &HeapStatistics::retained},
      Row{"allocator_metadata_bytes", "Bytes of the allocator's own records.", &HeapStatistics::metadata},
      Row{"allocator_dirty_bytes", "Bytes in unused pages not given back.", &HeapStatistics::dirty},
      Row{"allocator_muzzy_bytes", "Bytes in unused pages given back lazily.", &HeapStatistics::muzzy},
  };
  for (const Row& row : gauges) families.gauge(row.name, row.help, number(now.*row.field));
  families.counter("allocator_purges_total", "Purge passes since start.", number(now.purges));
  families.counter("allocator_madvise_calls_total", "Calls that gave pages back, since start.",
                   number(now.madvise_calls));
}

// What holds the process's group, and what fills it; nothing where no group is limited.
void add_group(MetricFamilies& families) {
  const std::optional<GroupMemory> group = group_memory();
  if (!group) return;
  families.gauge("cgroup_memory_limit_bytes", "Limit of the memory cgroup with the least room on the way up.",
                 static_cast<double>(group->limit_bytes));
  families.gauge("cgroup_memory_usage_bytes", "Memory that counts against that limit.",
                 static_cast<double>(group->usage_bytes));
  families.gauge("cgroup_memory_held_bytes", "Of the usage: without cached pages of files, which the kernel can drop.",
                 static_cast<double>(group->held_bytes));
  std::vector<std::pair<std::string, double>> contents;
  for (const auto& [kind, bytes] : {std::pair{"anon", group->contents.anonymous},
                                    {"active_file", group->contents.active_file},
                                    {"inactive_file", group->contents.inactive_file},
                                    {"shmem", group->contents.shared},
                                    {"kernel", group->contents.kernel},
                                    {"slab", group->contents.slab},
                                    {"sock", group->contents.sockets}}) {
    if (bytes) contents.emplace_back(kind, static_cast<double>(*bytes));
  }
  families.gauges("cgroup_memory_bytes", "What fills that cgroup; slab is part of kernel.", "kind", contents);
}

}  // namespace

void add_process_metrics(MetricFamilies& families) {
  add_process(families);
  add_group(families);
  add_allocator(families);
}

}  // namespace plateau
