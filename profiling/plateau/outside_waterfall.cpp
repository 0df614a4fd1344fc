#include "profiling/plateau/outside_waterfall.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "allocators/process_memory.hpp"
#include "allocators/system/kernel_file.hpp"
#include "profiling/plateau/elf_program.hpp"
#include "profiling/plateau/outside_glibc.hpp"
#include "profiling/plateau/process_tree.hpp"
#include "profiling/waterfall/address_claims.hpp"

namespace plateau {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t page_bytes = 4096;

std::string_view without_folders(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// By its library, or by its functions in the program.
std::string own_allocator_of(const OutsideView& view) {
  for (const MemoryMap& map : view.maps()) {
    const std::string_view name = without_folders(map.name);
    for (const std::string_view one : {"jemalloc", "tcmalloc", "mimalloc"}) {
      if (map.inode != 0 && name.starts_with("lib" + std::string(one))) return std::string(one);
    }
  }
  const std::optional<ElfProgram> program = read_elf_program(view.file("exe"));
  return program && program->inside != AllocatorKind::unknown ? std::string(to_string(program->inside)) : "";
}

std::string interpreter_of(const OutsideView& view) {
  std::vector<std::string> files{executable_of(view.process())};
  for (const MemoryMap& map : view.maps()) {
    if (map.inode != 0) files.emplace_back(without_folders(map.name));
  }
  for (const std::string_view file : files) {
    for (const auto& [beginning, name] : {std::pair{"python3", "python3"},
                                          {"libpython3", "python3"},
                                          {"node", "node"},
                                          {"libnode.so", "node"},
                                          {"ruby", "ruby"},
                                          {"libruby", "ruby"},
                                          {"php", "php"},
                                          {"java", "java"},
                                          {"libjvm.so", "java"},
                                          {"mono", "mono"},
                                          {"dotnet", "dotnet"},
                                          {"luajit", "luajit"}}) {
      if (file.starts_with(beginning)) return name;
    }
  }
  return {};
}

// Stacks of threads have an inaccessible mapping below them; where each thread's is now, the kernel tells.
void claim_thread_stacks(const OutsideView& view, AddressClaims& claims, std::uint64_t& threads) {
  const std::vector<MemoryMap>& maps = view.maps();
  const auto is_stack = [&](const MemoryMap& map) {
    const MemoryMap* const below = &map == maps.data() ? nullptr : &map - 1;
    return map.is_anonymous() && map.writable && map.name.empty() && below != nullptr && below->limit == map.start &&
           !below->readable && !below->writable && below->is_anonymous();
  };
  std::vector<std::uint64_t> sizes;
  std::error_code error;
  for (fs::directory_iterator at(view.file("task"), error), none; !error && at != none; at.increment(error)) {
    ++threads;
    std::ifstream file(at->path() / "syscall");  // "230 0x0 … 0x7f2de2938e40 0x7f2de2a1c545": the last but one
    std::vector<std::string> words;
    for (std::string word; file >> word;) words.push_back(word);
    if (words.size() < 3 || !words[words.size() - 2].starts_with("0x")) continue;
    const std::string& text = words[words.size() - 2];
    std::uint64_t pointer = 0;
    std::from_chars(text.data() + 2, text.data() + text.size(), pointer, 16);
    const auto map = std::find_if(maps.begin(), maps.end(), [&](const MemoryMap& one) { return pointer < one.limit; });
    if (map != maps.end() && pointer >= map->start && is_stack(*map)) sizes.push_back(map->size());
  }
  for (const MemoryMap& map : maps) {
    if (is_stack(map) && std::find(sizes.begin(), sizes.end(), map.size()) != sizes.end())
      claims.claim(map.start, map.limit, Owner::stack);
  }
}

// Variables that no file holds lie behind the file's own mapping.
void claim_variables(const std::vector<MemoryMap>& maps, AddressClaims& claims) {
  for (std::size_t i = 1; i < maps.size(); ++i) {
    const MemoryMap& file = maps[i - 1];
    const bool follows = file.inode != 0 && file.writable && file.limit == maps[i].start;
    if (follows && maps[i].is_anonymous() && maps[i].name.empty())
      claims.claim(maps[i].start, maps[i].limit, Owner::data);
  }
}

// Blocks of glibc's that have a mapping of their own begin with their size on the first page; the kernel makes one
// mapping of several that lie side by side.
void claim_large_blocks(const OutsideView& view, AddressClaims& claims) {
  constexpr std::uint64_t is_mapped = 2;
  std::size_t looks_left = 20'000;
  for (const MemoryMap& map : view.maps()) {
    if (!map.is_anonymous() || !map.writable || !map.name.empty() || map.resident_bytes == 0) continue;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> free;
    claims.divide(map.start, map.limit, [&](std::uint64_t start, std::uint64_t limit, const AddressClaim* claim) {
      if (claim == nullptr) free.emplace_back(start, limit);
    });
    for (auto [at, limit] : free) {
      while (at < limit && looks_left > 0) {
        --looks_left;
        std::array<std::uint64_t, 2> head{};
        const bool read = view.read(at, head.data(), sizeof head);
        const std::uint64_t size = head[1] & ~std::uint64_t{7};
        const bool is_block = read && head[0] == 0 && (head[1] & 7) == is_mapped && size >= page_bytes &&
                              size % page_bytes == 0 && size <= limit - at;
        if (is_block) claims.claim(at, at + size, Owner::large_block);
        at += is_block ? size : page_bytes;
        if (!read) break;
      }
    }
  }
}

// Blocks in use count as resident, as far as there are pages for them; the rest of those is free.
ResidentMemory::Arena arena_of(const OutsideArena& arena, std::uint64_t resident) {
  const GlibcArena& told = arena.told;
  ResidentMemory::Arena result;
  result.is_main = arena.is_main;
  result.told_in_use_bytes = told.system - std::min(told.system, told.free);
  result.in_use_bytes = std::min(result.told_in_use_bytes, resident);
  result.free_bytes = resident - result.in_use_bytes;
  result.trimmed_bytes = told.free - std::min(told.free, result.free_bytes);
  const std::uint64_t pinned = told.free - std::min(told.free, told.trimmable);
  result.trimmable_bytes = result.free_bytes - std::min(result.free_bytes, pinned);
  result.top_bytes = std::min(told.top, result.trimmable_bytes);
  result.large_bytes = std::min(told.large, result.trimmable_bytes);
  return result;
}

class Division {
 public:
  Division(const OutsideView& view, const AddressClaims& claims, std::size_t arenas)
      : arena_bytes(arenas), view_(view), claims_(claims) {}

  void add(const MemoryMap& map) {
    result.swapped_bytes += map.swapped_bytes;
    result.locked_bytes += map.locked_bytes;
    result.huge_page_bytes += map.huge_page_bytes;
    result.lazily_freed_bytes += map.lazily_freed_bytes;
    if (map.resident_bytes == 0 || map.shared) return;
    if (map.inode != 0) {
      result.data_bytes += map.anonymous_bytes;
    } else if (map.name == "[stack]") {
      result.stack_bytes += map.anonymous_bytes;
    } else {
      divide(map);
    }
  }

  ResidentMemory result;
  std::vector<std::uint64_t> arena_bytes;

 private:
  void divide(const MemoryMap& map) {
    std::uint64_t left = map.anonymous_bytes - std::min(map.anonymous_bytes, map.lazily_freed_bytes);
    claims_.divide(map.start, map.limit, [&](std::uint64_t start, std::uint64_t limit, const AddressClaim* claim) {
      if (claim == nullptr) return;
      const bool is_whole = start == map.start && limit == map.limit;
      const std::uint64_t bytes = is_whole ? left : std::min(left, view_.resident_in(start, limit));
      left -= bytes;
      if (claim->owner == Owner::stack) result.stack_bytes += bytes;
      if (claim->owner == Owner::data) result.data_bytes += bytes;
      if (claim->owner == Owner::large_block) result.large_block_bytes += bytes;
      if (claim->owner == Owner::arena) arena_bytes[claim->arena] += bytes;
    });
    result.untold_bytes += left;
  }

  const OutsideView& view_;
  const AddressClaims& claims_;
};

ResidentMemory divide(const OutsideView& view, const std::optional<OutsideGlibc>& glibc) {
  AddressClaims claims;
  if (glibc) {
    for (std::size_t i = 0; i < glibc->arenas.size(); ++i) {
      for (const auto& [start, limit] : glibc->arenas[i].ranges) claims.claim(start, limit, Owner::arena, i);
    }
  }
  claim_variables(view.maps(), claims);
  std::uint64_t threads = 0;
  claim_thread_stacks(view, claims, threads);
  if (glibc) claim_large_blocks(view, claims);
  Division division(view, claims, glibc ? glibc->arenas.size() : 0);
  for (const MemoryMap& map : view.maps()) division.add(map);
  ResidentMemory result = std::move(division.result);
  if (glibc) {
    result.heap_bytes = result.large_block_bytes;
    for (std::size_t i = 0; i < glibc->arenas.size(); ++i) {
      std::uint64_t bytes = division.arena_bytes[i];
      if (i == 0 && bytes > glibc->arenas[0].told.system) {  // the program took the rest by brk itself
        result.apart_bytes += bytes - glibc->arenas[0].told.system;
        bytes = glibc->arenas[0].told.system;
      }
      result.arenas.push_back(arena_of(glibc->arenas[i], bytes));
      *result.heap_bytes += bytes;
    }
  }
  result.threads = threads;
  result.page_table_bytes = kernel_file::number_behind(view.file("status").c_str(), "VmPTE");
  result.interpreter = interpreter_of(view);
  return result;
}

}  // namespace

OutsideFootprint outside_footprint(pid_t process) {
  const OutsideView view(process);
  OutsideFootprint result;
  result.reads_memory = view.reads_memory();
  result.own_allocator = own_allocator_of(view);
  const std::optional<OutsideGlibc> glibc = result.own_allocator.empty() ? outside_glibc(view) : std::nullopt;
  result.knows_arenas = glibc.has_value();
  result.is_complete = !glibc || glibc->is_complete;
  Footprint& footprint = result.footprint;
  footprint.program = executable_of(process);
  footprint.allocator = !result.own_allocator.empty() ? result.own_allocator : glibc ? "glibc" : "an unknown allocator";
  footprint.resident = divide(view, glibc);
  const auto memory = process_memory(process);
  if (!memory) throw std::runtime_error(fmt::format("process {} has ended", process));
  footprint.rss_bytes = memory->rss_bytes;
  footprint.peak_rss_bytes = std::max(memory->peak_rss_bytes, memory->rss_bytes);
  footprint.huge_page_bytes = footprint.resident->huge_page_bytes;
  footprint.group = group_memory({.mounts = "/proc/thread-self/mounts", .own_groups = view.file("cgroup")});
  WaterfallInput input{.heap = {},
                       .rss_bytes = memory->rss_bytes,
                       .file_bytes = memory->file_bytes,
                       .shared_bytes = memory->shared_bytes,
                       .lazily_freed_bytes = footprint.resident->lazily_freed_bytes};
  input.resident = &*footprint.resident;
  footprint.parts = measure_waterfall(input);
  return result;
}

}  // namespace plateau
