// The table of the waterfall. A new part is one row, in its place, and the function that measures it; a part that takes
// from another one is subtracted in the measurement of that.
#include <algorithm>
#include <array>

#include "profiling/waterfall/waterfall.hpp"

namespace plateau {
namespace {

using Bytes = std::optional<std::uint64_t>;

// The steps are figures of almost one moment, and so their difference may be a little below 0: then it is 0.
Bytes difference(const Bytes& larger, const Bytes& smaller) {
  if (!larger || !smaller) return std::nullopt;
  return *larger > *smaller ? *larger - *smaller : 0;
}

Bytes requested_bytes(const WaterfallInput& input) {
  return input.heap.requested;
}

Bytes live_bytes(const WaterfallInput& input) {
  return input.heap.requested ? std::nullopt : input.heap.allocated;
}

Bytes rounding_bytes(const WaterfallInput& input) {
  return difference(input.heap.allocated, input.heap.requested);
}

// Slabs that are not told apart have all of the slack.
Bytes slab_slack_bytes(const WaterfallInput& input) {
  const Bytes slack = difference(input.heap.active, input.heap.allocated);
  const Bytes of_slabs = difference(input.heap.slab_bytes, input.heap.slab_region_bytes);
  return slack && of_slabs ? std::min(*slack, *of_slabs) : slack;
}

Bytes padding_bytes(const WaterfallInput& input) {
  if (!input.heap.slab_bytes || !input.heap.slab_region_bytes) return std::nullopt;
  return difference(difference(input.heap.active, input.heap.allocated), slab_slack_bytes(input));
}

Bytes dirty_bytes(const WaterfallInput& input) {
  const Bytes beyond = difference(input.heap.resident, input.heap.active);
  return beyond && input.heap.dirty ? std::min(*beyond, *input.heap.dirty) : Bytes();
}

Bytes metadata_bytes(const WaterfallInput& input) {
  return difference(difference(input.heap.resident, input.heap.active), dirty_bytes(input).value_or(0));
}

Bytes free_block_bytes(const WaterfallInput& input) {
  const bool tells_resident = input.heap.active && input.heap.resident;
  return tells_resident ? std::nullopt : difference(input.heap.mapped, input.heap.allocated);
}

Bytes muzzy_bytes(const WaterfallInput& input) {
  return input.lazily_freed_bytes ? std::nullopt : input.heap.muzzy;
}

Bytes lazily_freed_bytes(const WaterfallInput& input) {
  return input.lazily_freed_bytes;
}

Bytes file_bytes(const WaterfallInput& input) {
  return input.file_bytes;
}

Bytes shared_bytes(const WaterfallInput& input) {
  return input.shared_bytes;
}

// Empty where no mapping was seen at all: then nobody looks, and what they take is in the residual.
Bytes sum_of(std::span<const ProgramMapping> mappings, bool thread_stacks) {
  if (mappings.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const ProgramMapping& mapping : mappings) {
    if (mapping.is_thread_stack == thread_stacks) sum += mapping.resident_bytes;
  }
  return sum;
}

Bytes mapped_bytes(const WaterfallInput& input) {
  return sum_of(input.mappings, false);
}

Bytes thread_stack_bytes(const WaterfallInput& input) {
  return sum_of(input.mappings, true);
}

constexpr std::array parts{
    WaterfallPart{
        .id = "requested",
        .name = "requested",
        .meaning = "live blocks, as the program asked for them",
        .closed_by = "fewer or smaller live objects: bound them, expire them; the heap profile names who holds them",
        .not_closed_by = "any allocator, any setting of it",
        .is_gap = false,
        .measure = requested_bytes},
    WaterfallPart{
        .id = "live",
        .name = "live blocks",
        .meaning = "blocks the program holds, rounded up to size classes",
        .closed_by = "fewer or smaller live objects: bound them, expire them; the heap profile names who holds them",
        .not_closed_by = "any allocator, any setting of it",
        .is_gap = false,
        .measure = live_bytes},
    WaterfallPart{
        .id = "rounding",
        .name = "rounding, own pools",
        .meaning = "allocated - requested: blocks larger than asked for; room in the program's own pools",
        .closed_by = "sizes that meet a size class; reserve() instead of growing; bounds on what own pools keep",
        .not_closed_by = "decay, purge, trim",
        .measure = rounding_bytes},
    WaterfallPart{.id = "slabs",
                  .name = "slab slack",
                  .meaning = "free space in slabs that a live block still pins",
                  .closed_by = "keeping lifetimes apart: an arena for what lives long, another for what dies together",
                  .not_closed_by = "decay, purge, trim: they act only on pages without any live block",
                  .measure = slab_slack_bytes},
    WaterfallPart{
        .id = "padding",
        .name = "padding of large blocks",
        .meaning = "active - allocated beyond slabs: a page for each large block (jemalloc's cache_oblivious)",
        .closed_by = "fewer, smaller large blocks",
        .not_closed_by = "decay, purge, trim",
        .measure = padding_bytes},
    WaterfallPart{.id = "dirty",
                  .name = "dirty pages",
                  .meaning = "unused pages that the allocator keeps for the next allocation",
                  .closed_by = "purge now; a shorter dirty decay; background_thread for idle programs",
                  .not_closed_by = "fewer live objects, once the pages are free",
                  .measure = dirty_bytes},
    WaterfallPart{.id = "metadata",
                  .name = "allocator's records",
                  .meaning = "resident - active - dirty: the allocator's own metadata",
                  .closed_by = "fewer arenas, threads and small blocks",
                  .not_closed_by = "decay, purge, trim",
                  .measure = metadata_bytes},
    WaterfallPart{.id = "free",
                  .name = "free blocks, at most",
                  .meaning = "mapped - allocated: this allocator does not tell how much of it is resident",
                  .closed_by = "purge (malloc_trim) for whole pages; a lower trim threshold; fewer arenas",
                  .not_closed_by = "purge, where a live block shares the page",
                  .measure = free_block_bytes},
    WaterfallPart{.id = "muzzy",
                  .name = "muzzy pages, at most",
                  .meaning = "pages given back by MADV_FREE, of which the kernel may have taken some already",
                  .closed_by = "the kernel, as soon as it needs memory; muzzy_decay_ms:0",
                  .not_closed_by = "a purge: it is over already",
                  .measure = muzzy_bytes},
    WaterfallPart{.id = "lazyfree",
                  .name = "lazily freed",
                  .meaning = "pages given back by MADV_FREE that the kernel has not taken yet",
                  .closed_by = "the kernel, as soon as it needs memory; muzzy_decay_ms:0",
                  .not_closed_by = "a purge: it is over already",
                  .told_by = ToldBy::kernel,
                  .measure = lazily_freed_bytes},
    WaterfallPart{.id = "file",
                  .name = "file-backed",
                  .meaning = "programs, libraries and mapped files",
                  .closed_by = "the kernel, under pressure; fewer libraries, fewer mapped files",
                  .not_closed_by = "any setting of the allocator",
                  .told_by = ToldBy::kernel,
                  .measure = file_bytes},
    WaterfallPart{.id = "shared",
                  .name = "shared memory",
                  .meaning = "shared anonymous mappings and tmpfs files",
                  .closed_by = "the program, which mapped it",
                  .not_closed_by = "any setting of the allocator",
                  .told_by = ToldBy::kernel,
                  .measure = shared_bytes},
    WaterfallPart{.id = part_id::mapped,
                  .name = "mapped by the program",
                  .meaning = "anonymous mappings of the program's own, which the sampler saw",
                  .closed_by = "munmap, or madvise; the rss profile names who mapped them",
                  .not_closed_by = "any setting of the allocator",
                  .told_by = ToldBy::kernel,
                  .measure = mapped_bytes},
    WaterfallPart{.id = part_id::stacks,
                  .name = "thread stacks",
                  .meaning = "touched pages of the stacks of threads, which the sampler saw",
                  .closed_by = "fewer threads, and threads that end; the rss profile names who made them",
                  .not_closed_by = "any setting of the allocator; a smaller stack limit",
                  .told_by = ToldBy::kernel,
                  .measure = thread_stack_bytes},
    WaterfallPart{.id = "rest",
                  .name = "untracked (residual)",
                  .meaning = "stacks, relocations, mmap, other allocators; below 0: pages counted but never touched",
                  .closed_by = "the program: /proc/PID/smaps names the mappings",
                  .not_closed_by = "any setting of the allocator"},
};

// A sum of the parts needs exactly one that takes what is left, and a key needs one meaning.
constexpr bool is_sound() {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].is_residual() != (i + 1 == parts.size())) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (parts[i].id == parts[j].id) return false;
    }
  }
  return true;
}
static_assert(is_sound());

}  // namespace

std::span<const WaterfallPart> waterfall_parts() {
  return parts;
}

}  // namespace plateau
