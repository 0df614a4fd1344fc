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

// Whether glibc's arenas were looked at page by page.
bool knows_arenas(const WaterfallInput& input) {
  return input.resident != nullptr && !input.resident->arenas.empty();
}

std::uint64_t arena_bytes(const WaterfallInput& input) {
  std::uint64_t sum = 0;
  for (const ResidentMemory::Arena& arena : input.resident->arenas) sum += arena.in_use_bytes + arena.free_bytes;
  return sum;
}

// In blocks of arenas, resident.
std::uint64_t arena_live_bytes(const WaterfallInput& input) {
  std::uint64_t told = 0;
  std::uint64_t at_most = 0;
  for (const ResidentMemory::Arena& arena : input.resident->arenas) {
    told += arena.told_in_use_bytes;
    at_most += arena.in_use_bytes;
  }
  return std::min(at_most, told - std::min(told, input.untouched_bytes));
}

// Plateau's own live blocks, where they are in a part of their own.
Bytes own_heap_bytes(const WaterfallInput& input) {
  if (!knows_arenas(input) || input.heap.requested) return 0;
  return std::min(input.own_heap_bytes, arena_live_bytes(input) + input.resident->large_block_bytes);
}

// glibc's are blocks of its arenas, which it counts as in use.
Bytes cache_bytes(const WaterfallInput& input) {
  if (!knows_arenas(input) || !input.heap.cached) return input.heap.cached;
  return std::min(*input.heap.cached, arena_live_bytes(input));
}

// The pages of an allocator that tells nothing of its blocks, when they are known.
Bytes pages_of_the_silent(const WaterfallInput& input) {
  if (input.resident == nullptr || knows_arenas(input) || input.heap.allocated) return std::nullopt;
  return input.resident->heap_bytes;
}

Bytes live_bytes(const WaterfallInput& input) {
  if (input.heap.requested) return std::nullopt;
  if (knows_arenas(input)) {
    const std::uint64_t blocks = arena_live_bytes(input) + input.resident->large_block_bytes;
    return difference(difference(blocks, own_heap_bytes(input)), cache_bytes(input).value_or(0));
  }
  if (const Bytes pages = pages_of_the_silent(input); pages && input.sampled_live_bytes)
    return std::min(*pages, *difference(input.sampled_live_bytes, input.untouched_bytes));
  return difference(input.heap.allocated, input.untouched_bytes);
}

Bytes rounding_bytes(const WaterfallInput& input) {
  return difference(input.heap.allocated, input.heap.requested);
}

// In pages with live blocks, and neither in those nor in caches.
Bytes slack_bytes(const WaterfallInput& input) {
  return difference(difference(input.heap.active, input.heap.allocated), input.heap.cached.value_or(0));
}

// Slabs that are not told apart have all of the slack.
Bytes slab_slack_bytes(const WaterfallInput& input) {
  const Bytes slack = slack_bytes(input);
  const Bytes of_slabs = difference(input.heap.slab_bytes, input.heap.slab_region_bytes);
  return slack && of_slabs ? std::min(*slack, *of_slabs) : slack;
}

Bytes padding_bytes(const WaterfallInput& input) {
  if (!input.heap.slab_bytes || !input.heap.slab_region_bytes) return std::nullopt;
  return difference(slack_bytes(input), slab_slack_bytes(input));
}

Bytes dirty_bytes(const WaterfallInput& input) {
  const Bytes beyond = difference(input.heap.resident, input.heap.active);
  return beyond && input.heap.dirty ? std::min(*beyond, *input.heap.dirty) : Bytes();
}

Bytes metadata_bytes(const WaterfallInput& input) {
  return difference(difference(input.heap.resident, input.heap.active), dirty_bytes(input).value_or(0));
}

Bytes free_block_bytes(const WaterfallInput& input) {
  if (knows_arenas(input)) return arena_bytes(input) - arena_live_bytes(input);
  const bool tells_resident = input.heap.active && input.heap.resident;
  return tells_resident ? std::nullopt : difference(input.heap.mapped, input.heap.allocated);
}

Bytes page_bytes(const WaterfallInput& input) {
  return difference(pages_of_the_silent(input), live_bytes(input).value_or(0));
}

Bytes muzzy_bytes(const WaterfallInput& input) {
  return input.lazily_freed_bytes ? std::nullopt : input.heap.muzzy;
}

Bytes lazily_freed_bytes(const WaterfallInput& input) {
  return input.lazily_freed_bytes;
}

Bytes file_bytes(const WaterfallInput& input) {
  return difference(input.file_bytes, input.resident != nullptr ? input.resident->own_file_bytes : 0);
}

Bytes data_bytes(const WaterfallInput& input) {
  return input.resident != nullptr ? Bytes(input.resident->data_bytes) : std::nullopt;
}

Bytes shared_bytes(const WaterfallInput& input) {
  return input.shared_bytes;
}

// Empty where no mapping was seen at all: then nobody looks, and what they take is in the residual.
Bytes sum_of(std::span<const ProgramMapping> mappings, bool thread_stacks) {
  if (mappings.empty()) return std::nullopt;
  std::uint64_t sum = 0;
  for (const ProgramMapping& mapping : mappings) {
    const bool is_told_elsewhere = mapping.is_shared || mapping.is_file;  // by the kernel, as shared memory and files
    if (mapping.is_thread_stack == thread_stacks && !is_told_elsewhere) sum += mapping.resident_bytes;
  }
  return sum;
}

Bytes mapped_bytes(const WaterfallInput& input) {
  if (input.resident != nullptr && !input.mappings.empty()) return input.resident->mapped_bytes;
  return sum_of(input.mappings, false);
}

Bytes thread_stack_bytes(const WaterfallInput& input) {
  return input.resident != nullptr ? Bytes(input.resident->stack_bytes) : sum_of(input.mappings, true);
}

// Anonymous memory that is nobody's. An allocator whose pages cannot be told from others' has of it what it tells.
Bytes untold_bytes(const WaterfallInput& input) {
  if (input.resident == nullptr) return std::nullopt;
  const bool is_apart = input.resident->heap_bytes.has_value();
  const std::uint64_t told = is_apart ? 0 : input.heap.resident.value_or(0);
  return *difference(input.resident->untold_bytes, difference(told, input.untouched_bytes)) +
         input.resident->apart_bytes;
}

Bytes interpreter_bytes(const WaterfallInput& input) {
  return input.resident != nullptr && !input.resident->interpreter.empty()
             ? Bytes(*untold_bytes(input) + input.resident->interpreter_bytes)
             : std::nullopt;
}

Bytes anonymous_bytes(const WaterfallInput& input) {
  return input.resident != nullptr && input.resident->interpreter.empty() ? untold_bytes(input) : std::nullopt;
}

Bytes own_bytes(const WaterfallInput& input) {
  return input.resident != nullptr ? Bytes(input.resident->own_bytes + *own_heap_bytes(input)) : std::nullopt;
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
    WaterfallPart{.id = "caches",
                  .name = "thread caches",
                  .meaning = "freed blocks that caches of threads keep for the next allocation",
                  .closed_by = "fewer threads; tcache_max:4096; TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES; "
                               "glibc.malloc.tcache_count=0",
                  .not_closed_by = "purge and decay: each thread can only flush its own",
                  .measure = cache_bytes},
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
                  .name = "free blocks",
                  .meaning = "free in glibc's arenas, resident; at most: where the kernel was not asked about pages",
                  .closed_by = "MALLOC_ARENA_MAX=2; MALLOC_MMAP_THRESHOLD_=131072; malloc_trim; MALLOC_TRIM_THRESHOLD_",
                  .not_closed_by = "malloc_trim, where a live block shares the page",
                  .measure = free_block_bytes},
    WaterfallPart{.id = "pages",
                  .name = "allocator's other pages",
                  .meaning = "mimalloc's pages beside live blocks, as far as those were sampled: free, or rounding",
                  .closed_by = "mi_collect in each thread; fewer threads; MIMALLOC_PAGE_RESET=1",
                  .not_closed_by = "fewer live objects, where others share the page",
                  .measure = page_bytes},
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
    WaterfallPart{.id = part_id::file,
                  .name = "file-backed",
                  .meaning = "programs, libraries and mapped files",
                  .closed_by = "the kernel, under pressure; fewer libraries, fewer mapped files",
                  .not_closed_by = "any setting of the allocator",
                  .told_by = ToldBy::kernel,
                  .measure = file_bytes},
    WaterfallPart{.id = "data",
                  .name = "data of programs",
                  .meaning = "pages of programs and libraries that were written to: variables, relocations",
                  .closed_by = "smaller static arrays; fewer libraries",
                  .not_closed_by = "any setting of the allocator",
                  .told_by = ToldBy::kernel,
                  .measure = data_bytes},
    WaterfallPart{.id = part_id::shared,
                  .name = "shared memory",
                  .meaning = "shared anonymous mappings and tmpfs files",
                  .closed_by = "the program, which mapped it",
                  .not_closed_by = "any setting of the allocator",
                  .told_by = ToldBy::kernel,
                  .measure = shared_bytes},
    WaterfallPart{.id = part_id::mapped,
                  .name = "mapped by the program",
                  .meaning = "anonymous mappings of the program's own, which the agent or the sampler saw",
                  .closed_by = "munmap, or madvise; the rss profile names who mapped them",
                  .not_closed_by = "any setting of the allocator",
                  .told_by = ToldBy::kernel,
                  .measure = mapped_bytes},
    WaterfallPart{.id = part_id::stacks,
                  .name = "thread stacks",
                  .meaning = "touched pages of the stacks of threads",
                  .closed_by = "fewer threads, and threads that end; the rss profile names who made them",
                  .not_closed_by = "any setting of the allocator; a smaller stack limit",
                  .told_by = ToldBy::kernel,
                  .measure = thread_stack_bytes},
    WaterfallPart{.id = part_id::interpreter,
                  .name = "interpreter's own heap",
                  .meaning = "mapped by an interpreter behind malloc: objects of Python, V8, Java, Ruby, …",
                  .closed_by = "the interpreted program; for stacks of python3: PYTHONMALLOC=malloc",
                  .not_closed_by = "any setting of malloc",
                  .told_by = ToldBy::kernel,
                  .measure = interpreter_bytes},
    WaterfallPart{.id = "anonymous",
                  .name = "other anonymous memory",
                  .meaning = "mapped behind malloc's back, by the program or an allocator of its own",
                  .closed_by = "whoever mapped it, past the C library or before the agent was loaded: /proc/PID/smaps",
                  .not_closed_by = "any setting of malloc",
                  .told_by = ToldBy::kernel,
                  .measure = anonymous_bytes},
    WaterfallPart{.id = "plateau",
                  .name = "Plateau itself",
                  .meaning = "live blocks, tables, threads' stacks and libraries of the agent and the sampler",
                  .closed_by = "running without them",
                  .not_closed_by = "anything in the program",
                  .is_ours = true,
                  .told_by = ToldBy::kernel,
                  .measure = own_bytes},
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
