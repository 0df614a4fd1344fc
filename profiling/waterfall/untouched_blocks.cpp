#include "profiling/waterfall/untouched_blocks.hpp"

#include <cstddef>
#include <map>

#include "allocators/heap.hpp"
#include "allocators/system/memory_maps.hpp"
#include "profiling/heap_sampler.hpp"

namespace plateau {
namespace {

constexpr std::size_t least_block_bytes = std::size_t{64} << 10;  // smaller ones share pages with neighbours
constexpr std::uint64_t page_bytes = 4096;

// Those have their mapping's pages counted, and not their own size (malloc/malloc.c, IS_MMAPPED).
bool has_mapping_of_its_own(std::uint64_t block) {
  std::uint64_t head = 0;
  return read_own_memory(block - sizeof head, &head, sizeof head) && (head & 2) != 0;
}

}  // namespace

UntouchedMemory untouched_blocks() {
  std::vector<SampledBlock> blocks;
  {
    const UnsampledScope unsampled;
    HeapSampler::for_each_block(
        least_block_bytes,
        [](void* to, const SampledBlock& block) { static_cast<std::vector<SampledBlock>*>(to)->push_back(block); },
        &blocks);
  }
  const bool is_glibc = Heap::process().kind() == AllocatorKind::glibc;
  const ResidentPages pages;
  UntouchedMemory result;
  std::map<const std::uintptr_t*, UntouchedBlocks> by_stack;
  for (const SampledBlock& sampled : blocks) {
    const auto start = reinterpret_cast<std::uint64_t>(sampled.block);
    const auto size = static_cast<std::uint64_t>(sampled.bytes + 0.5);
    // Pages at both ends are others' as well.
    const std::uint64_t first = (start + page_bytes - 1) & ~(page_bytes - 1);
    const std::uint64_t last = (start + size) & ~(page_bytes - 1);
    if (last <= first) continue;
    const std::uint64_t absent = (last - first) - pages.in(first, last);
    const auto untouched =
        static_cast<std::uint64_t>(static_cast<double>(absent) * sampled.stands_for_bytes / sampled.bytes);
    if (untouched == 0) continue;
    UntouchedBlocks& of_stack = by_stack[sampled.frames];
    of_stack.stack = {sampled.frames, sampled.depth};
    of_stack.bytes += untouched;
    if (!is_glibc || !has_mapping_of_its_own(start)) result.heap_bytes += untouched;
  }
  for (const auto& [frames, untouched] : by_stack) result.by_stack.push_back(untouched);
  return result;
}

}  // namespace plateau
