#include "profiling/program_mappings.hpp"

#include <cstddef>

#include "allocators/runtime_symbol.hpp"
#include "allocators/system/memory_maps.hpp"
#include "profiling/sampler/mapped_memory.hpp"

namespace plateau {
namespace {

using sampler::MappedMemoryInterface;
using sampler::MappedRange;

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
  return mappings;
}

}  // namespace plateau
