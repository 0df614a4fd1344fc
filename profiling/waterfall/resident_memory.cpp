#include "profiling/waterfall/resident_memory.hpp"

#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "allocators/heap.hpp"
#include "allocators/internal/glibc_arenas.hpp"
#include "allocators/runtime_symbol.hpp"
#include "allocators/system/kernel_file.hpp"
#include "allocators/system/memory_maps.hpp"
#include "profiling/host/service_thread.hpp"
#include "profiling/host/unlocked_pages.hpp"
#include "profiling/sampler/mapped_memory.hpp"
#include "profiling/waterfall/glibc_heaps.hpp"
#include "profiling/waterfall/interpreter.hpp"

namespace plateau {
namespace {

bool is_plateaus_library(std::string_view file) {
  return file.substr(file.rfind('/') + 1).starts_with("libplateau_");
}

void claim_own_pages(std::size_t (*read)(UnlockedPages*, std::size_t), AddressClaims& claims) {
  std::array<UnlockedPages, 1024> pages;
  const std::size_t count = std::min(read(pages.data(), pages.size()), pages.size());
  for (std::size_t i = 0; i < count; ++i) claims.claim(pages[i].start, pages[i].start + pages[i].bytes, Owner::plateau);
}

// Data that no file holds lies behind the file's own mapping.
void claim_data_of_objects(AddressClaims& claims) {
  const auto visit = [](dl_phdr_info* object, std::size_t /*size*/, void* to) {
    auto& all = *static_cast<AddressClaims*>(to);
    const Owner owner = is_plateaus_library(object->dlpi_name) ? Owner::plateau : Owner::data;
    for (std::size_t i = 0; i < object->dlpi_phnum; ++i) {
      const ElfW(Phdr)& header = object->dlpi_phdr[i];
      if (header.p_type != PT_LOAD || header.p_memsz == 0) continue;
      constexpr std::uint64_t page = 4096;
      const std::uint64_t start = (object->dlpi_addr + header.p_vaddr) & ~(page - 1);
      const std::uint64_t limit = (object->dlpi_addr + header.p_vaddr + header.p_memsz + page - 1) & ~(page - 1);
      all.claim(start, limit, owner);
    }
    return 0;
  };
  ::dl_iterate_phdr(visit, &claims);
}

// Where each thread's stack is just now; empty for one that runs. "230 0x0 … 0x7f2de2938e40 0x7f2de2a1c545": the last
// but one is the stack's.
std::optional<std::uint64_t> stack_pointer(const std::string& task) {
  std::ifstream file(task + "/syscall");
  std::vector<std::string> words;
  for (std::string word; file >> word;) words.push_back(word);
  if (words.size() < 3) return std::nullopt;
  const std::string& text = words[words.size() - 2];
  std::uint64_t address = 0;
  const auto [end, error] = std::from_chars(text.data() + 2, text.data() + text.size(), address, 16);
  return error == std::errc() && text.starts_with("0x") ? std::optional(address) : std::nullopt;
}

// A stack of pthread_create has an inaccessible mapping below it.
void claim_thread_stacks(std::span<const MemoryMap> maps, AddressClaims& claims, std::uint64_t& threads) {
  std::vector<std::uint64_t> sizes;
  const auto is_stack = [&](const MemoryMap& map) {
    const MemoryMap* const below = &map == maps.data() ? nullptr : &map - 1;
    return map.is_anonymous() && map.writable && map.name.empty() && below != nullptr && below->limit == map.start &&
           !below->readable && !below->writable && below->is_anonymous();
  };
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    const std::string name = task.path().filename();
    if (is_service_thread(static_cast<pid_t>(std::strtol(name.c_str(), nullptr, 10)))) continue;
    ++threads;
    const auto pointer = stack_pointer(task.path());
    if (!pointer) continue;
    const auto map = std::find_if(maps.begin(), maps.end(), [&](const MemoryMap& one) { return *pointer < one.limit; });
    if (map == maps.end() || *pointer < map->start || !is_stack(*map)) continue;
    claims.claim(map->start, map->limit, Owner::stack);
    sizes.push_back(map->size());
  }
  // Those that run just now, and those of ended threads that glibc keeps, are as large as the others.
  for (const MemoryMap& map : maps) {
    if (is_stack(map) && std::find(sizes.begin(), sizes.end(), map.size()) != sizes.end())
      claims.claim(map.start, map.limit, Owner::stack);
  }
}

// mimalloc says of an address whether it is its own, by segments of 32 MiB.
void claim_mimalloc_memory(std::span<const MemoryMap> maps, AddressClaims& claims) {
  auto* const is_in_heap = runtime_symbol<bool(const void*)>("mi_is_in_heap_region");
  if (is_in_heap == nullptr) return;
  constexpr std::uint64_t segment = std::uint64_t{32} << 20;
  for (const MemoryMap& map : maps) {
    if (!map.is_anonymous() || !map.writable || map.resident_bytes == 0) continue;
    for (std::uint64_t start = map.start; start < map.limit;) {
      const std::uint64_t limit = std::min(map.limit, (start & ~(segment - 1)) + segment);
      // The very start of a segment counts as the end of the one before.
      if (is_in_heap(reinterpret_cast<const void*>(start + 64))) claims.claim(start, limit, Owner::heap);
      start = limit;
    }
  }
}

class Division {
 public:
  Division(std::size_t arenas, const ResidentPages& pages) : arena_bytes(arenas), pages_(pages) {}

  void add(const MemoryMap& map, const AddressClaims& claims) {
    result.swapped_bytes += map.swapped_bytes;
    result.locked_bytes += map.locked_bytes;
    result.huge_page_bytes += map.huge_page_bytes;
    result.lazily_freed_bytes += map.lazily_freed_bytes;
    if (map.resident_bytes == 0 || map.shared) return;
    if (map.inode != 0) return add_file(map);
    if (map.name == "[stack]") return add(Owner::stack, 0, map.anonymous_bytes);
    divide(map, claims);
  }

  ResidentMemory result;
  std::vector<std::uint64_t> arena_bytes;

 private:
  void add_file(const MemoryMap& map) {
    if (!is_plateaus_library(map.name)) return add(Owner::data, 0, map.anonymous_bytes);
    result.own_bytes += map.resident_bytes;
    result.own_file_bytes += map.resident_bytes - std::min(map.resident_bytes, map.anonymous_bytes);
  }

  // Pages that were never written are the kernel's one page of zeros, of which only the mapping's own figure knows.
  void divide(const MemoryMap& map, const AddressClaims& claims) {
    std::uint64_t left = map.anonymous_bytes - std::min(map.anonymous_bytes, map.lazily_freed_bytes);
    claims.divide(map.start, map.limit, [&](std::uint64_t start, std::uint64_t limit, const AddressClaim* claim) {
      if (claim == nullptr) return;
      const bool is_whole = start == map.start && limit == map.limit;
      const std::uint64_t bytes = is_whole ? left : std::min(left, pages_.in(start, limit));
      add(claim->owner, claim->arena, bytes);
      left -= bytes;
    });
    result.untold_bytes += left;
  }

  void add(Owner owner, std::size_t arena, std::uint64_t bytes) {
    switch (owner) {
      case Owner::plateau:
        result.own_bytes += bytes;
        break;
      case Owner::program:
        result.mapped_bytes += bytes;
        break;
      case Owner::interpreter:
        result.interpreter_bytes += bytes;
        break;
      case Owner::stack:
        result.stack_bytes += bytes;
        break;
      case Owner::data:
        result.data_bytes += bytes;
        break;
      case Owner::arena:
        arena_bytes[arena] += bytes;
        break;
      case Owner::large_block:
        result.large_block_bytes += bytes;
        break;
      case Owner::nobody:
        result.apart_bytes += bytes;
        break;
      case Owner::heap:
        result.heap_bytes = result.heap_bytes.value_or(0) + bytes;
        break;
    }
  }

  const ResidentPages& pages_;
};

Owner owner_of(const ProgramMapping& mapping) {
  if (mapping.is_thread_stack) return Owner::stack;
  return mapping.is_interpreters ? Owner::interpreter : Owner::program;
}

// Blocks in use count as resident, as far as there are resident pages for them; the rest of those is free.
ResidentMemory::Arena arena_of(const GlibcArena& told, std::uint64_t resident, bool is_main) {
  const std::uint64_t in_use = told.system - std::min(told.system, told.free);
  ResidentMemory::Arena arena;
  arena.is_main = is_main;
  arena.told_in_use_bytes = in_use;
  arena.in_use_bytes = std::min(in_use, resident);
  arena.free_bytes = resident - arena.in_use_bytes;
  arena.trimmed_bytes = told.free - std::min(told.free, arena.free_bytes);
  // What is free in pieces of less than a page stays resident beside live blocks.
  const std::uint64_t pinned = told.free - std::min(told.free, told.trimmable);
  arena.trimmable_bytes = arena.free_bytes - std::min(arena.free_bytes, pinned);
  arena.top_bytes = std::min(told.top, arena.trimmable_bytes);
  arena.large_bytes = std::min(told.large, arena.trimmable_bytes);
  return arena;
}

void add_arenas(const GlibcArenas& told, std::span<const std::uint64_t> resident, ResidentMemory& result) {
  result.heap_bytes = result.large_block_bytes;
  for (std::size_t i = 0; i < told.arenas.size(); ++i) {
    std::uint64_t bytes = resident[i];
    if (i == 0 && bytes > told.arenas[0].system) {  // the program took the rest by brk itself
      result.apart_bytes += bytes - told.arenas[0].system;
      bytes = told.arenas[0].system;
    }
    result.arenas.push_back(arena_of(told.arenas[i], bytes, i == 0));
    *result.heap_bytes += bytes;
  }
}

}  // namespace

std::optional<ResidentMemory> resident_memory(std::span<const ProgramMapping> mappings) {
  const std::optional<GlibcArenas> arenas = glibc_arenas();
  const std::vector<MemoryMap> maps = own_memory_maps();
  if (maps.empty()) return std::nullopt;
  const ResidentPages pages;
  AddressClaims claims;
  claim_own_pages(unlocked_pages, claims);
  if (auto* const get = runtime_symbol<const sampler::MappedMemoryInterface*()>(sampler::MappedMemoryInterface::symbol))
    claim_own_pages(get()->own_pages, claims);
  for (const ProgramMapping& mapping : mappings) {
    if (mapping.is_thread_stack || !mapping.is_shared) claims.claim(mapping.start, mapping.limit, owner_of(mapping));
  }
  claim_data_of_objects(claims);
  std::uint64_t threads = 0;
  claim_thread_stacks(maps, claims, threads);
  if (arenas) claim_glibc_memory(maps, *arenas, pages, claims);
  if (Heap::process().kind() == AllocatorKind::jemalloc) {  // it takes from brk only when mmap fails
    for (const MemoryMap& map : maps) {
      if (map.name == "[heap]") claims.claim(map.start, map.limit, Owner::nobody);
    }
  }
  if (Heap::process().kind() == AllocatorKind::mimalloc) claim_mimalloc_memory(maps, claims);

  Division division(arenas ? arenas->arenas.size() : 0, pages);
  for (const MemoryMap& map : maps) division.add(map, claims);
  if (arenas) add_arenas(*arenas, division.arena_bytes, division.result);
  division.result.threads = threads;
  division.result.page_table_bytes = kernel_file::number_behind("/proc/thread-self/status", "VmPTE");
  if (const auto interpreter = own_interpreter()) {
    division.result.interpreter = interpreter->name;
    division.result.interpreter_file = interpreter->file;
  }
  return std::move(division.result);
}

}  // namespace plateau
