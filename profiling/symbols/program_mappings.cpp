#include "profiling/program_mappings.hpp"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <span>

#include "allocators/runtime_symbol.hpp"
#include "allocators/system/memory_filesystems.hpp"
#include "allocators/system/memory_maps.hpp"
#include "profiling/sampler/mapped_memory.hpp"

namespace plateau {
namespace {

using sampler::MappedMemoryInterface;
using sampler::MappedRange;

// Asked for here, and not when a file is mapped: the program must not wait for a file system.
void find_files_in_memory(std::span<ProgramMapping> mappings) {
  if (std::none_of(mappings.begin(), mappings.end(), [](const ProgramMapping& one) { return one.is_file; })) return;
  std::ifstream file("/proc/thread-self/maps");
  const std::vector<MemoryMap> maps = memory_maps_in(file);
  const MemoryFilesystems in_memory = MemoryFilesystems::own();
  for (ProgramMapping& mapping : mappings) {
    if (!mapping.is_file) continue;
    const auto map = std::partition_point(maps.begin(), maps.end(),
                                          [&](const MemoryMap& one) { return one.limit <= mapping.start; });
    if (map == maps.end() || map->start >= mapping.limit || !in_memory.hold(map->name)) continue;
    mapping.is_shared = true;
    mapping.is_file = false;
  }
}

}  // namespace

std::vector<ProgramMapping> program_mappings() {
  using Get = const MappedMemoryInterface*();
  auto* const get = runtime_symbol<Get>(MappedMemoryInterface::symbol);
  if (get == nullptr) return {};
  // The array must be there before it is filled, and more can be mapped meanwhile.
  std::vector<MappedRange> ranges;
  for (std::size_t count = get()->read(nullptr, 0); count > ranges.size();
       count = get()->read(ranges.data(), ranges.size()))
    ranges.resize(count + count / 8 + 16);
  ranges.resize(get()->read(ranges.data(), ranges.size()));
  const ResidentPages pages;
  std::vector<ProgramMapping> mappings;
  for (const MappedRange& range : ranges) {
    if (const std::uint64_t resident = pages.in(range.start, range.limit); resident > 0)
      mappings.push_back({resident,
                          {range.frames, range.depth},
                          range.is_thread_stack,
                          range.is_shared,
                          range.is_file,
                          range.start,
                          range.limit});
  }
  find_files_in_memory(mappings);
  return mappings;
}

}  // namespace plateau
