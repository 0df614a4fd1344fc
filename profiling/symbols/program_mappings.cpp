#include "profiling/program_mappings.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "allocators/runtime_symbol.hpp"
#include "profiling/sampler/mapped_memory.hpp"

namespace plateau {
namespace {

using sampler::MappedMemoryInterface;
using sampler::MappedRange;

// What is unmapped meanwhile is not resident.
std::uint64_t resident_bytes(std::uintptr_t start, std::uintptr_t limit) {
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  std::array<unsigned char, 65536> pages;
  std::uint64_t resident = 0;
  while (start < limit) {
    const std::uintptr_t bytes = std::min(limit - start, page * pages.size());
    if (::mincore(reinterpret_cast<void*>(start), bytes, pages.data()) != 0) break;
    const auto end = pages.begin() + static_cast<std::ptrdiff_t>((bytes + page - 1) / page);
    resident +=
        static_cast<std::uint64_t>(std::count_if(pages.begin(), end, [](unsigned char one) { return (one & 1) != 0; }));
    start += bytes;
  }
  return resident * page;
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
  std::vector<ProgramMapping> mappings;
  for (const MappedRange& range : ranges) {
    if (const std::uint64_t resident = resident_bytes(range.start, range.limit); resident > 0)
      mappings.push_back({resident, {range.frames, range.depth}, range.is_thread_stack});
  }
  return mappings;
}

}  // namespace plateau
