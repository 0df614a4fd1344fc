// glibc's arenas, as malloc_info(3) tells of them: sums, without addresses.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace plateau {

// Bytes of one arena.
struct GlibcArena {
  std::uint64_t system = 0;     // had from the kernel: address space, touched or not
  std::uint64_t free = 0;       // of those: in free blocks, the last one (top) included; not what threads' caches have
  std::uint64_t top = 0;        // of those: at the end, which free() gives back by itself beyond the trim threshold
  std::uint64_t trimmable = 0;  // of those: whole pages, about, which malloc_trim gives back
  std::uint64_t large = 0;      // of those: in free blocks of 128 KiB and more
  std::uint64_t heaps = 0;      // of 64 MiB; 0: the main arena, which lies in the brk heap
};

struct GlibcArenas {
  std::vector<GlibcArena> arenas;   // the main one first
  std::uint64_t mapped_bytes = 0;   // in blocks that have a mapping of their own
  std::uint64_t mapped_blocks = 0;  // how many
};

// Asks glibc for the arenas of the calling process; gives nothing when it does not serve malloc. Takes each arena's
// lock in turn, while it counts that one's free blocks.
std::optional<GlibcArenas> glibc_arenas();
// The same from malloc_info's text.
std::optional<GlibcArenas> glibc_arenas_in(std::string_view malloc_info);

}  // namespace plateau
