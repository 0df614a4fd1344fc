#include "profiling/footprint.hpp"

#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "allocators/process_memory.hpp"

namespace plateau {
namespace {

constexpr FootprintPart requested{.name = "requested",
                                  .meaning = "live blocks, as the program asked for them",
                                  .closed_by = "fewer or smaller live objects; the heap profile names who holds them",
                                  .not_closed_by = "any setting of the allocator",
                                  .gap = false};
constexpr FootprintPart live{.name = "live blocks",
                             .meaning = "blocks the program holds, rounded up to size classes",
                             .closed_by = "fewer or smaller live objects; the heap profile names who holds them",
                             .not_closed_by = "any setting of the allocator",
                             .gap = false};
constexpr FootprintPart rounding{.name = "size-class rounding",
                                 .meaning = "allocated - requested: blocks are larger than what was asked for",
                                 .closed_by = "sizes that meet a size class; reserve() instead of growing; arenas",
                                 .not_closed_by = "decay, purge, trim"};
constexpr FootprintPart slack{
    .name = "slab slack",
    .meaning = "active - allocated: free space in pages that a live block still holds",
    .closed_by = "keeping lifetimes apart: an arena for what lives long, another for what dies together",
    .not_closed_by = "decay, purge, trim: they act only on pages without any live block"};
constexpr FootprintPart dirty{.name = "dirty pages",
                              .meaning = "unused pages that the allocator keeps for the next allocation",
                              .closed_by = "purge now; a shorter dirty decay; background_thread for idle programs",
                              .not_closed_by = "fewer live objects, once the pages are free"};
constexpr FootprintPart metadata{.name = "allocator's records",
                                 .meaning = "resident - active - dirty: the allocator's own metadata",
                                 .closed_by = "fewer arenas, threads and small blocks",
                                 .not_closed_by = "decay, purge, trim"};
constexpr FootprintPart free_blocks{
    .name = "free blocks, at most",
    .meaning = "mapped - allocated: this allocator does not tell how much of it is resident",
    .closed_by = "purge (malloc_trim) for whole pages; a lower trim threshold; fewer arenas",
    .not_closed_by = "purge, where a live block shares the page"};
constexpr FootprintPart lazily_freed{.name = "lazily freed",
                                     .meaning = "pages given back by MADV_FREE that the kernel has not taken yet",
                                     .closed_by = "the kernel, as soon as it needs memory; muzzy_decay_ms:0",
                                     .not_closed_by = "a purge: it is over already",
                                     .measured = true};
constexpr FootprintPart file_backed{.name = "file-backed",
                                    .meaning = "programs, libraries and mapped files",
                                    .closed_by = "the kernel, under pressure; fewer libraries, fewer mapped files",
                                    .not_closed_by = "any setting of the allocator",
                                    .measured = true};
constexpr FootprintPart shared{.name = "shared memory",
                               .meaning = "shared anonymous mappings and tmpfs files",
                               .closed_by = "the program, which mapped it",
                               .not_closed_by = "any setting of the allocator",
                               .measured = true};
constexpr FootprintPart mapped{.name = mapped_by_program,
                               .meaning = "anonymous mappings of the program's own, which the sampler saw",
                               .closed_by = "munmap, or madvise; the rss profile names who mapped them",
                               .not_closed_by = "any setting of the allocator",
                               .measured = true};
constexpr FootprintPart stacks{.name = thread_stacks,
                               .meaning = "touched pages of the stacks of threads, which the sampler saw",
                               .closed_by = "fewer threads, and threads that end; the rss profile names who made them",
                               .not_closed_by = "any setting of the allocator; a smaller stack limit",
                               .measured = true};
constexpr FootprintPart untracked{
    .name = "untracked (residual)",
    .meaning = "stacks, relocations, mmap by the program, other allocators; below 0: pages counted but never touched",
    .closed_by = "the program: /proc/PID/smaps names the mappings",
    .not_closed_by = "any setting of the allocator"};

FootprintPart sized(FootprintPart part, std::uint64_t bytes) {
  part.bytes = static_cast<std::int64_t>(bytes);
  return part;
}

// The parts are differences of figures of almost one moment: never below 0.
std::uint64_t above(std::uint64_t larger, std::uint64_t smaller) {
  return larger > smaller ? larger - smaller : 0;
}

}  // namespace

std::vector<FootprintPart> footprint_parts(const FootprintInput& input) {
  const HeapStatistics& heap = input.heap;
  std::vector<FootprintPart> parts;
  if (heap.requested) parts.push_back(sized(requested, *heap.requested));
  if (heap.allocated) {
    if (heap.requested) {
      parts.push_back(sized(rounding, above(*heap.allocated, *heap.requested)));
    } else {
      parts.push_back(sized(live, *heap.allocated));
    }
  }
  if (heap.allocated && heap.active) parts.push_back(sized(slack, above(*heap.active, *heap.allocated)));
  if (heap.active && heap.resident) {
    const std::uint64_t beyond = above(*heap.resident, *heap.active);
    const std::uint64_t unused = std::min(heap.dirty.value_or(0), beyond);
    if (heap.dirty) parts.push_back(sized(dirty, unused));
    parts.push_back(sized(metadata, beyond - unused));
  } else if (heap.allocated && heap.mapped) {
    parts.push_back(sized(free_blocks, above(*heap.mapped, *heap.allocated)));
  }
  if (input.lazily_freed_bytes) parts.push_back(sized(lazily_freed, *input.lazily_freed_bytes));
  parts.push_back(sized(file_backed, input.file_bytes));
  parts.push_back(sized(shared, input.shared_bytes));
  if (!input.mappings.empty()) {
    std::uint64_t mapped_bytes = 0;
    std::uint64_t stack_bytes = 0;
    for (const ProgramMapping& mapping : input.mappings)
      (mapping.is_thread_stack ? stack_bytes : mapped_bytes) += mapping.resident_bytes;
    parts.push_back(sized(mapped, mapped_bytes));
    parts.push_back(sized(stacks, stack_bytes));
  }

  FootprintPart residual = untracked;
  residual.bytes = static_cast<std::int64_t>(input.rss_bytes);
  for (const FootprintPart& part : parts) residual.bytes -= part.bytes;
  parts.push_back(residual);
  return parts;
}

const FootprintPart& Footprint::largest_gap() const {
  return *std::max_element(parts.begin(), parts.end(), [](const FootprintPart& one, const FootprintPart& other) {
    return (one.gap ? one.bytes : -1) < (other.gap ? other.bytes : -1);
  });
}

Footprint take_footprint(std::optional<std::uint64_t> requested_bytes) {
  Heap& process_heap = Heap::process();
  Footprint result;
  result.heap = process_heap.statistics();
  if (requested_bytes) result.heap.requested = requested_bytes;
  const auto memory = process_memory(::getpid());
  if (!memory) throw std::runtime_error("cannot read /proc/self/status");
  const auto anonymous = own_anonymous_memory();

  result.mappings = program_mappings();
  result.allocator = std::string(to_string(process_heap.kind())) + " " + process_heap.version();
  result.rss_bytes = memory->rss_bytes;
  result.peak_rss_bytes = std::max(memory->peak_rss_bytes, memory->rss_bytes);
  if (anonymous) result.huge_page_bytes = anonymous->huge_page_bytes;
  result.parts =
      footprint_parts({.heap = result.heap,
                       .rss_bytes = memory->rss_bytes,
                       .file_bytes = memory->file_bytes,
                       .shared_bytes = memory->shared_bytes,
                       .lazily_freed_bytes = anonymous ? std::optional(anonymous->lazily_freed_bytes) : std::nullopt,
                       .mappings = result.mappings});
  return result;
}

}  // namespace plateau
