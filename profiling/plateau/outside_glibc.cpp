#include "profiling/plateau/outside_glibc.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <map>
#include <string_view>

namespace plateau {
namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t heap_bytes = std::uint64_t{64} << 20;          // HEAP_MAX_SIZE
constexpr std::uint64_t large_block_bytes = std::uint64_t{128} << 10;  // M_MMAP_THRESHOLD, before it rises
constexpr std::size_t bins = 127;
constexpr std::size_t most_arenas = 4096;

// malloc_state
struct State {
  std::int32_t mutex, flags, have_fast_chunks, padding;
  std::array<std::uint64_t, 10> fast_bins;
  std::uint64_t top, last_remainder;
  std::array<std::uint64_t, 2 * bins> bins_;  // fd and bk of each
  std::array<std::uint32_t, 4> bin_map;
  std::uint64_t next, next_free, attached_threads, system_mem, max_system_mem;
};
static_assert(sizeof(State) == 2200);

struct Chunk {
  std::uint64_t previous_size, size, forward, backward;
};

// Where a list's head would be if it were a chunk.
std::uint64_t head_of(std::uint64_t state, std::size_t bin) {
  return state + offsetof(State, bins_) + 16 * bin - offsetof(Chunk, forward);
}

// Lists are either empty, and their heads point to themselves, or they lead somewhere else and back.
bool is_main_arena(const State& state, std::uint64_t address) {
  std::size_t empty = 0;
  for (std::size_t i = 0; i < bins; ++i) {
    const std::uint64_t forward = state.bins_[2 * i];
    const std::uint64_t backward = state.bins_[2 * i + 1];
    const bool is_empty = forward == head_of(address, i);
    if (is_empty != (backward == head_of(address, i)) || forward == 0) return false;
    empty += is_empty ? 1 : 0;
  }
  return empty > 0 && state.next != 0 && state.system_mem % page_bytes == 0 && state.system_mem > 0 && state.top != 0 &&
         (state.flags & ~3) == 0;
}

// The C library's variables, or those of a program that has it inside.
std::vector<MemoryMap> possible_places(const std::vector<MemoryMap>& maps) {
  std::vector<MemoryMap> places;
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const MemoryMap& map = maps[i];
    const std::string_view name = std::string_view(map.name).substr(map.name.rfind('/') + 1);
    const bool is_library = name.starts_with("libc.so") || name.starts_with("libc-2");
    if (map.inode == 0 || !map.writable || map.size() > (std::uint64_t{4} << 20)) continue;
    if (is_library) {
      places.insert(places.begin(), map);
    } else if (map.name == maps.front().name) {
      places.push_back(map);
    }
  }
  return places;
}

std::uint64_t find_main_arena(const OutsideView& view) {
  for (const MemoryMap& map : possible_places(view.maps())) {
    std::vector<unsigned char> bytes(map.size());
    if (!view.read(map.start, bytes.data(), bytes.size())) continue;
    for (std::size_t at = 0; at + sizeof(State) <= bytes.size(); at += 16) {
      State state;
      std::memcpy(&state, bytes.data() + at, sizeof state);
      if (is_main_arena(state, map.start + at)) return map.start + at;
    }
  }
  return 0;
}

struct HeapHead {
  std::uint64_t arena = 0;
  std::uint64_t previous = 0;
  std::uint64_t size = 0;
  std::uint64_t accessible = 0;
};

// Heaps of 64 MiB, by the arena that they say they are of.
std::map<std::uint64_t, std::vector<std::pair<std::uint64_t, std::uint64_t>>> heaps_of(const OutsideView& view) {
  std::map<std::uint64_t, std::vector<std::pair<std::uint64_t, std::uint64_t>>> heaps;
  for (const MemoryMap& map : view.maps()) {
    if (!map.is_anonymous() || !map.readable || !map.writable || !map.name.empty() || map.resident_bytes == 0) continue;
    for (std::uint64_t at = (map.start + heap_bytes - 1) & ~(heap_bytes - 1); at < map.limit; at += heap_bytes) {
      HeapHead head;
      if (!view.read(at, &head, sizeof head)) continue;
      const bool is_sound = head.size > 0 && head.size <= head.accessible && head.accessible <= heap_bytes &&
                            head.size % page_bytes == 0 &&
                            (head.previous == 0) == ((head.arena & ~(heap_bytes - 1)) == at);
      if (is_sound) heaps[head.arena].emplace_back(at, std::min(at + head.accessible, map.limit));
    }
  }
  return heaps;
}

class FreeLists {
 public:
  explicit FreeLists(const OutsideView& view) : view_(view) {}

  // Adds what is free to `arena`. Lists of large blocks come first, since they have most.
  void count(const State& state, std::uint64_t address, GlibcArena& arena) {
    Chunk top{};
    if (view_.read(state.top, &top, 16)) {
      arena.top = std::min(top.size & ~std::uint64_t{7}, arena.system);
      add(arena.top, arena);
    }
    walk(state, address, 0, arena);  // unsorted
    for (std::size_t bin = bins - 1; bin > 0; --bin) walk(state, address, bin, arena);
    arena.free = std::min(arena.free, arena.system);
  }

  bool is_complete() const { return is_complete_; }

 private:
  using Clock = std::chrono::steady_clock;

  static void add(std::uint64_t bytes, GlibcArena& arena) {
    arena.free += bytes;
    arena.trimmable += bytes - std::min(bytes, page_bytes);  // as glibc_arenas.cpp has it
    if (bytes >= large_block_bytes) arena.large += bytes;
  }

  void walk(const State& state, std::uint64_t address, std::size_t bin, GlibcArena& arena) {
    const std::uint64_t head = head_of(address, bin);
    std::uint64_t from = head;
    for (std::uint64_t at = state.bins_[2 * bin]; at != head;) {
      Chunk chunk{};
      if (Clock::now() > deadline_ || !view_.read(at, &chunk, sizeof chunk) || chunk.backward != from) {
        is_complete_ = false;
        return;
      }
      add(chunk.size & ~std::uint64_t{7}, arena);
      from = at;
      at = chunk.forward;
    }
  }

  const OutsideView& view_;
  const Clock::time_point deadline_ = Clock::now() + std::chrono::milliseconds(400);
  bool is_complete_ = true;
};

}  // namespace

std::optional<OutsideGlibc> outside_glibc(const OutsideView& view) {
  const std::uint64_t main = view.reads_memory() ? find_main_arena(view) : 0;
  if (main == 0) return std::nullopt;
  auto heaps = heaps_of(view);
  FreeLists lists(view);
  OutsideGlibc found;
  for (std::uint64_t at = main; found.arenas.size() < most_arenas;) {
    State state;
    if (!view.read(at, &state, sizeof state)) {
      found.is_complete = false;
      break;
    }
    OutsideArena& arena = found.arenas.emplace_back();
    arena.is_main = at == main;
    arena.told.system = state.system_mem;
    if (arena.is_main) {
      for (const MemoryMap& map : view.maps()) {
        if (map.name == "[heap]") arena.ranges.emplace_back(map.start, map.limit);
      }
    } else {
      arena.ranges = heaps[at];
      arena.told.heaps = arena.ranges.size();
    }
    lists.count(state, at, arena.told);
    at = state.next;
    if (at == main) break;
  }
  found.is_complete = found.is_complete && lists.is_complete();
  return found;
}

}  // namespace plateau
