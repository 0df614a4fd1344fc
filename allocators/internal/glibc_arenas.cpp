#include "allocators/internal/glibc_arenas.hpp"

#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "allocators/heap.hpp"

namespace plateau {
namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t large_block_bytes = 128 * 1024;  // M_MMAP_THRESHOLD, before it rises

// The number of an attribute; 0 for none.
std::uint64_t attribute(std::string_view element, std::string_view name) {
  const std::string wanted = " " + std::string(name) + "=\"";
  const auto at = element.find(wanted);
  std::uint64_t value = 0;
  if (at == std::string_view::npos) return value;
  const std::string_view digits = element.substr(at + wanted.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

bool has(std::string_view element, std::string_view attribute) {
  return element.find(attribute) != std::string_view::npos;
}

class Reader {
 public:
  void element(std::string_view text) {
    if (text.starts_with("<heap ")) {
      result_.arenas.emplace_back();
      in_arena_ = true;
      listed_ = 0;
    } else if (text.starts_with("</heap>")) {
      end_arena();
    } else if (in_arena_) {
      of_arena(result_.arenas.back(), text);
    } else if (text.starts_with("<total ") && has(text, "type=\"mmap\"")) {
      result_.mapped_blocks = attribute(text, "count");
      result_.mapped_bytes = attribute(text, "size");
      complete_ = true;
    }
  }

  std::optional<GlibcArenas> result() && {
    if (!complete_ || result_.arenas.empty()) return std::nullopt;
    return std::move(result_);
  }

 private:
  void of_arena(GlibcArena& arena, std::string_view text) {
    if (text.starts_with("<size ") || text.starts_with("<unsorted ")) {
      const std::uint64_t total = attribute(text, "total");
      const std::uint64_t count = attribute(text, "count");
      listed_ += total;
      arena.trimmable += whole_pages(total, count);
      if (attribute(text, "from") >= large_block_bytes) arena.large += total;
    } else if (text.starts_with("<total ")) {
      arena.free += attribute(text, "size");
    } else if (text.starts_with("<system ") && has(text, "type=\"current\"")) {
      arena.system = attribute(text, "size");
    } else if (text.starts_with("<aspace ") && has(text, "type=\"subheaps\"")) {
      arena.heaps = attribute(text, "size");
    }
  }

  // A free block at a random place has a page less, on average, in whole pages.
  static std::uint64_t whole_pages(std::uint64_t total, std::uint64_t count) {
    return total - std::min(total, count * page_bytes);
  }

  void end_arena() {
    in_arena_ = false;
    GlibcArena& arena = result_.arenas.back();
    arena.top = arena.free - std::min(arena.free, listed_);  // the only free block that is in no list
    arena.trimmable += whole_pages(arena.top, 1);
  }

  GlibcArenas result_;
  std::uint64_t listed_ = 0;
  bool in_arena_ = false;
  bool complete_ = false;
};

}  // namespace

std::optional<GlibcArenas> glibc_arenas_in(std::string_view malloc_info) {
  Reader reader;
  while (!malloc_info.empty()) {
    const std::string_view line = malloc_info.substr(0, malloc_info.find('\n'));
    reader.element(line.substr(std::min(line.find('<'), line.size())));
    malloc_info.remove_prefix(std::min(line.size() + 1, malloc_info.size()));
  }
  return std::move(reader).result();
}

std::optional<GlibcArenas> glibc_arenas() {
  if (Heap::process().kind() != AllocatorKind::glibc) return std::nullopt;
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* const file = ::open_memstream(&text, &size);
  if (file == nullptr) return std::nullopt;
  const bool written = ::malloc_info(0, file) == 0;
  const bool closed = std::fclose(file) == 0;
  std::optional<GlibcArenas> arenas;
  if (written && closed) arenas = glibc_arenas_in({text, size});
  std::free(text);
  return arenas;
}

}  // namespace plateau
