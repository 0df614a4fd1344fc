#include "profiling/waterfall/glibc_heaps.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>

namespace plateau {
namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t heap_bytes = std::uint64_t{64} << 20;  // HEAP_MAX_SIZE

bool may_be_glibcs(const MemoryMap& map) {
  return map.is_anonymous() && map.readable && map.writable && map.name.empty() && map.resident_bytes > 0;
}

struct HeapHead {
  std::uint64_t arena = 0;
  std::uint64_t previous = 0;
  std::uint64_t size = 0;
  std::uint64_t accessible = 0;
};

std::optional<HeapHead> heap_at(std::uint64_t start, std::uint64_t limit) {
  HeapHead head;
  if (start + sizeof head > limit || !read_own_memory(start, &head, sizeof head)) return std::nullopt;
  const std::uint64_t first_heap = head.arena & ~(heap_bytes - 1);
  const std::uint64_t behind_head = head.arena - first_heap;
  const bool is_sound = (behind_head == 0x30 || behind_head == 0x20) && head.size > 0 && head.size <= head.accessible &&
                        head.accessible <= heap_bytes && head.size % page_bytes == 0 &&
                        (first_heap == start) == (head.previous == 0);
  return is_sound ? std::optional(head) : std::nullopt;
}

struct Heaps {
  std::uint64_t size = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
};

std::map<std::uint64_t, Heaps> heaps_by_arena(std::span<const MemoryMap> maps) {
  std::map<std::uint64_t, Heaps> result;
  for (const MemoryMap& map : maps) {
    if (!may_be_glibcs(map)) continue;
    for (std::uint64_t at = (map.start + heap_bytes - 1) & ~(heap_bytes - 1); at < map.limit; at += heap_bytes) {
      const auto head = heap_at(at, map.limit);
      if (!head) continue;
      Heaps& heaps = result[head->arena];
      heaps.size += head->size;
      // It may have grown since the kernel listed its mappings.
      heaps.ranges.emplace_back(at, std::min(at + head->accessible, map.limit));
    }
  }
  return result;
}

// Arenas of one size and number of heaps cannot be told apart, and need not be. One that has grown since is the nearest
// in size.
std::size_t take_arena_of(const Heaps& heaps, std::span<const GlibcArena> arenas, std::vector<bool>& taken) {
  std::size_t best = 0;
  std::uint64_t least = UINT64_MAX;
  for (std::size_t i = 1; i < arenas.size(); ++i) {
    if (taken[i]) continue;
    const std::uint64_t apart = std::max(heaps.size, arenas[i].system) - std::min(heaps.size, arenas[i].system) +
                                (arenas[i].heaps == heaps.ranges.size() ? 0 : heap_bytes);
    if (apart >= least) continue;
    least = apart;
    best = i;
  }
  taken[best] = true;
  return best;
}

// Blocks with a mapping of their own begin with a head on their first page, moved by their alignment.
class LargeBlocks {
 public:
  LargeBlocks(const ResidentPages& pages, AddressClaims& claims) : pages_(pages), claims_(claims) {}

  void find(std::uint64_t start, std::uint64_t limit) {
    while (start < limit && looks_left_ > 0) {
      --looks_left_;
      if (pages_.in(start, start + page_bytes) == 0) {
        start = next_resident(start + page_bytes, limit);
        continue;
      }
      const std::uint64_t size = block_at(start, limit);
      if (size > 0) claims_.claim(start, start + size, Owner::large_block);
      start += std::max(size, page_bytes);
    }
  }

 private:
  // Large holes are stepped over by halves.
  std::uint64_t next_resident(std::uint64_t start, std::uint64_t limit) const {
    constexpr std::uint64_t step = 512 * page_bytes;
    while (start + step <= limit && pages_.in(start, start + step) == 0) start += step;
    return start;
  }

  std::uint64_t block_at(std::uint64_t start, std::uint64_t limit) const {
    std::array<std::uint64_t, page_bytes / sizeof(std::uint64_t)> words;
    if (!read_own_memory(start, words.data(), page_bytes)) return 0;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
      const std::uint64_t moved = words[i];
      const std::uint64_t size = words[i + 1] & ~std::uint64_t{7};
      constexpr std::uint64_t is_mapped = 2;
      if (moved != i * sizeof(std::uint64_t) || (words[i + 1] & 7) != is_mapped || size < 16) continue;
      const std::uint64_t whole = moved + size;
      if (whole % page_bytes == 0 && whole <= limit - start) return whole;
    }
    return 0;
  }

  const ResidentPages& pages_;
  AddressClaims& claims_;
  std::size_t looks_left_ = 200'000;  // some tenths of a second
};

}  // namespace

void claim_glibc_memory(std::span<const MemoryMap> maps, const GlibcArenas& arenas, const ResidentPages& pages,
                        AddressClaims& claims) {
  std::vector<bool> taken(arenas.arenas.size(), false);
  for (const auto& [address, heaps] : heaps_by_arena(maps)) {
    const std::size_t arena = take_arena_of(heaps, arenas.arenas, taken);
    for (const auto& [start, limit] : heaps.ranges) claims.claim(start, limit, Owner::arena, arena);
  }
  for (const MemoryMap& map : maps) {
    // What of the brk heap the main arena does not have is the program's own.
    if (map.name == "[heap]" && arenas.arenas[0].system > 0) claims.claim(map.start, map.limit, Owner::arena, 0);
  }
  if (arenas.mapped_blocks == 0) return;
  LargeBlocks blocks(pages, claims);
  for (const MemoryMap& map : maps) {
    if (!may_be_glibcs(map)) continue;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> unclaimed;
    claims.divide(map.start, map.limit, [&](std::uint64_t start, std::uint64_t limit, const AddressClaim* claim) {
      if (claim == nullptr) unclaimed.emplace_back(start, limit);
    });
    for (const auto& [start, limit] : unclaimed) blocks.find(start, limit);
  }
}

}  // namespace plateau
