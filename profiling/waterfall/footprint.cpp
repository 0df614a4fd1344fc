#include "profiling/footprint.hpp"

#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "allocators/process_memory.hpp"

namespace plateau {

Footprint take_footprint(std::optional<std::uint64_t> requested_bytes) {
  Heap& process_heap = Heap::process();
  Footprint result;
  result.heap = process_heap.statistics_with_slabs();
  if (requested_bytes) result.heap.requested = requested_bytes;
  const auto memory = process_memory(::getpid());
  if (!memory) throw std::runtime_error("cannot read /proc/self/status");
  const auto anonymous = own_anonymous_memory();

  result.mappings = program_mappings();
  result.allocator = std::string(to_string(process_heap.kind())) + " " + process_heap.version();
  result.rss_bytes = memory->rss_bytes;
  result.peak_rss_bytes = std::max(memory->peak_rss_bytes, memory->rss_bytes);
  if (anonymous) result.huge_page_bytes = anonymous->huge_page_bytes;
  result.parts =
      measure_waterfall({.heap = result.heap,
                         .rss_bytes = memory->rss_bytes,
                         .file_bytes = memory->file_bytes,
                         .shared_bytes = memory->shared_bytes,
                         .lazily_freed_bytes = anonymous ? std::optional(anonymous->lazily_freed_bytes) : std::nullopt,
                         .mappings = result.mappings});
  return result;
}

}  // namespace plateau
