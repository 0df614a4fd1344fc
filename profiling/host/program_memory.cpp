#include "profiling/host/program_memory.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>

#include "allocators/heap.hpp"
#include "allocators/runtime_symbol.hpp"
#include "profiling/host/unlocked_pages.hpp"
#include "profiling/sampler/mapped_memory.hpp"

namespace plateau {
namespace {

constexpr std::uint64_t heap_bytes = std::uint64_t{64} << 20;  // HEAP_MAX_SIZE of glibc
constinit std::array<std::atomic<std::uintptr_t>, 256> heaps{};

struct Line {
  AddressRange range;
  bool accessible = false;
};

// "start-limit perms ..."
std::optional<Line> parse(std::string_view text) {
  Line line;
  const char* const end = text.data() + text.size();
  const auto start = std::from_chars(text.data(), end, line.range.start, 16);
  if (start.ec != std::errc() || start.ptr == end || *start.ptr != '-') return std::nullopt;
  const auto limit = std::from_chars(start.ptr + 1, end, line.range.limit, 16);
  if (limit.ec != std::errc() || end - limit.ptr < 5) return std::nullopt;
  line.accessible = std::string_view(limit.ptr + 1, 3) != "---";
  return line;
}

template <class Visit>
void for_each_line(std::string_view maps, Visit visit) {
  while (!maps.empty()) {
    const std::string_view text = maps.substr(0, maps.find('\n'));
    maps.remove_prefix(std::min(maps.size(), text.size() + 1));
    constexpr std::uint64_t of_the_kernel = std::uint64_t{1} << 63;  // [vsyscall]
    if (const auto line = parse(text); line && line->range.start < of_the_kernel) visit(*line);
  }
}

// A heap begins with a mapping of its own; the block that was noted may have been of the heap that grows by brk.
bool is_in_a_service_heap(const AddressRange& range, const std::set<std::uint64_t>& starts) {
  return std::any_of(heaps.begin(), heaps.end(), [&](const std::atomic<std::uintptr_t>& heap) {
    const std::uint64_t start = heap.load();
    return starts.contains(start) && range.start >= start && range.limit <= start + heap_bytes;
  });
}

using Copy = std::size_t(UnlockedPages*, std::size_t);

void add(Copy* copy, std::vector<AddressRange>& to) {
  std::array<UnlockedPages, 1024> pages;
  const std::size_t count = std::min(copy(pages.data(), pages.size()), pages.size());
  constexpr std::uint64_t page_bytes = 4096;
  for (std::size_t i = 0; i < count; ++i) {
    to.push_back({pages[i].start, (pages[i].start + pages[i].bytes + page_bytes - 1) / page_bytes * page_bytes});
  }
}

}  // namespace

std::vector<AddressRange> ranges_without(std::string_view maps, std::vector<AddressRange> ours) {
  std::sort(ours.begin(), ours.end(), [](const AddressRange& a, const AddressRange& b) { return a.start < b.start; });
  std::vector<AddressRange> rest;
  for_each_line(maps, [&](const Line& line) {
    std::uint64_t at = line.range.start;
    for (const AddressRange& one : ours) {
      if (one.limit <= at || one.start >= line.range.limit) continue;
      if (one.start > at) rest.push_back({at, one.start});
      at = std::max(at, one.limit);
    }
    if (at < line.range.limit) rest.push_back({at, line.range.limit});
  });
  return rest;
}

std::vector<AddressRange> program_memory() {
  std::ifstream file("/proc/thread-self/maps");
  const std::string maps(std::istreambuf_iterator<char>(file), {});
  std::vector<AddressRange> ours = own_objects();
  add(unlocked_pages, ours);
  add(unlocked_files, ours);
  using sampler::MappedMemoryInterface;  // libplateau_sampler.so has pages of its own
  if (auto* const get = runtime_symbol<const MappedMemoryInterface*()>(MappedMemoryInterface::symbol))
    add(get()->own_pages, ours);
  std::set<std::uint64_t> starts;
  for_each_line(maps, [&starts](const Line& line) { starts.insert(line.range.start); });
  for_each_line(maps, [&](const Line& line) {
    if (!line.accessible && is_in_a_service_heap(line.range, starts)) ours.push_back(line.range);
  });
  return ranges_without(maps, std::move(ours));
}

// Nothing is read beside the block, which checkers of memory (valgrind) would report.
void note_heap_of_this_thread() noexcept {
  if (Heap::process().kind() != AllocatorKind::glibc) return;
  void* const block = std::malloc(1);
  const std::uintptr_t heap = reinterpret_cast<std::uintptr_t>(block) / heap_bytes * heap_bytes;
  std::free(block);
  if (heap == 0) return;
  for (auto& place : heaps) {
    std::uintptr_t nobody = 0;
    if (place.load() == heap || place.compare_exchange_strong(nobody, heap) || nobody == heap) return;
  }
}

}  // namespace plateau
