#include "profiling/footprint.hpp"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <stdexcept>

#include "allocators/internal/glibc_thread_caches.hpp"
#include "allocators/process_memory.hpp"
#include "profiling/heap_sampler.hpp"
#include "profiling/host/service_thread.hpp"
#include "profiling/waterfall/interpreter.hpp"
#include "profiling/waterfall/untouched_blocks.hpp"

namespace plateau {
namespace {

// What is live as far as the sampler saw, which is all of it when it was there from the start.
std::optional<std::uint64_t> sampled_live_bytes() {
  if (!HeapSampler::counts().active) return std::nullopt;
  double sum = 0;
  HeapSampler::for_each_stack(
      [](void* to, const SampledStack& stack) { *static_cast<double*>(to) += stack.in_use_bytes; }, &sum);
  return static_cast<std::uint64_t>(std::max(sum, 0.0));
}

// What the interpreter maps itself is its heap; what its modules map is theirs.
void find_interpreters(std::span<ProgramMapping> mappings) {
  const auto interpreter = own_interpreter();
  if (!interpreter) return;
  for (ProgramMapping& mapping : mappings) {
    mapping.is_interpreters = !mapping.is_thread_stack && !mapping.is_shared && !mapping.is_file &&
                              !mapping.stack.empty() && interpreter->has(mapping.stack.front());
  }
}

// glibc itself counts what caches of threads keep as allocated.
void tell_caches_of_glibc(Footprint& footprint) {
  const auto caches = glibc_thread_caches([](pid_t thread) { return is_service_thread(thread); });
  if (!caches) return;
  HeapStatistics& heap = footprint.heap;
  heap.cached = caches->bytes;
  if (heap.allocated) *heap.allocated -= std::min(*heap.allocated, caches->bytes);
}

}  // namespace

Footprint take_footprint(std::optional<std::uint64_t> requested_bytes) {
  Heap& process_heap = Heap::process();
  Footprint result;
  result.program = program_invocation_short_name;
  result.allocator = std::string(to_string(process_heap.kind())) + " " + process_heap.version();
  result.mappings = program_mappings();
  find_interpreters(result.mappings);
  result.resident = resident_memory(result.mappings);
  UntouchedMemory untouched = untouched_blocks();
  result.untouched = std::move(untouched.by_stack);
  result.heap = process_heap.statistics_with_slabs();
  if (result.resident && !result.resident->arenas.empty()) tell_caches_of_glibc(result);
  if (requested_bytes) result.heap.requested = requested_bytes;
  const auto memory = process_memory(::getpid());
  if (!memory) throw std::runtime_error("cannot read /proc/self/status");

  result.rss_bytes = memory->rss_bytes;
  result.peak_rss_bytes = std::max(memory->peak_rss_bytes, memory->rss_bytes);
  WaterfallInput input{.heap = result.heap,
                       .rss_bytes = memory->rss_bytes,
                       .file_bytes = memory->file_bytes,
                       .shared_bytes = memory->shared_bytes,
                       .mappings = result.mappings,
                       .sampled_live_bytes = sampled_live_bytes(),
                       .own_heap_bytes = HeapSampler::counts().ignored_bytes,
                       .untouched_bytes = untouched.heap_bytes};
  if (result.resident) {
    input.resident = &*result.resident;
    result.huge_page_bytes = result.resident->huge_page_bytes;
    input.lazily_freed_bytes = result.resident->lazily_freed_bytes;
  } else if (const auto anonymous = own_anonymous_memory()) {
    result.huge_page_bytes = anonymous->huge_page_bytes;
    input.lazily_freed_bytes = anonymous->lazily_freed_bytes;
  }
  result.group = group_memory();
  result.parts = measure_waterfall(input);
  return result;
}

}  // namespace plateau
