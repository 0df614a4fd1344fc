#include "allocators/heap.hpp"

#include <cstdlib>

#include "allocators/internal/heap_backend.hpp"
#include "allocators/jemalloc/control.hpp"
#include "allocators/malloc_libraries.hpp"
#include "allocators/unexported_symbols.hpp"

namespace plateau {
namespace {

class UnknownHeap final : public Heap {
 public:
  using Heap::Heap;
  AllocatorKind kind() const override { return AllocatorKind::unknown; }
  std::string version() const override { return "unknown"; }
  HeapStatistics statistics() override { return {}; }
  HeapReply purge() override { return {false, "this allocator is unknown: no purge can be asked of it"}; }
  HeapReply flush_thread_cache() override { return {false, "this allocator is unknown: it is not asked to flush"}; }
  PurgeSupport purge_support() const override {
    constexpr HeapReply no{false, "this allocator is unknown: nothing can be asked of it"};
    return {no, no, no, no};
  }
};

std::unique_ptr<Heap> detect() {
  std::string library = malloc_libraries().back();
  // An allocator counts only when the object that serves malloc is the one that has its control functions: a library
  // that is merely loaded (as a dependency of another) does not.
  const auto serves = [&library](const char* name) { return !library.empty() && provider_of(name) == library; };
  if (!prefix_of_own_jemalloc().empty()) return heap_backend::make_jemalloc(provider_of(jemalloc::control_function));
  if (serves(jemalloc::control_function)) return heap_backend::make_jemalloc(std::move(library));
  if (serves("MallocExtension_GetNumericProperty")) return heap_backend::make_tcmalloc(std::move(library));
  if (serves("mi_version")) return heap_backend::make_mimalloc(std::move(library));
  if (serves("gnu_get_libc_version")) return heap_backend::make_glibc(std::move(library));
  return std::make_unique<UnknownHeap>(std::move(library));
}

}  // namespace

std::string_view to_string(AllocatorKind kind) {
  switch (kind) {
    case AllocatorKind::glibc:
      return "glibc";
    case AllocatorKind::jemalloc:
      return "jemalloc";
    case AllocatorKind::tcmalloc:
      return "tcmalloc";
    case AllocatorKind::mimalloc:
      return "mimalloc";
    case AllocatorKind::unknown:
      break;
  }
  return "unknown";
}

Heap& Heap::process() {
  // Never destroyed: threads of a debug server or a policy may ask until the very end of the process.
  static Heap* const heap = detect().release();
  return *heap;
}

HeapStatistics Heap::statistics_with_slabs() {
  HeapStatistics result = statistics();
  if (const auto slabs = slab_statistics()) {
    result.slab_bytes = slabs->slab_bytes;
    result.slab_region_bytes = slabs->region_bytes;
  }
  return result;
}

std::optional<SizeClass> Heap::size_class(std::uint64_t /*bytes*/) const {
  return std::nullopt;
}

HeapReply Heap::purge_slice(std::uint64_t /*bytes*/) {
  return purge();
}

HeapReply Heap::set_heap_limit(std::optional<std::uint64_t> /*bytes*/) {
  return {false, "this allocator has no limit of its own"};
}

HeapReply Heap::set_dirty_decay(std::chrono::milliseconds /*decay*/) {
  return {false, "this allocator has no dirty decay"};
}

HeapReply Heap::set_muzzy_decay(std::chrono::milliseconds /*decay*/) {
  return {false, "this allocator has no muzzy decay"};
}

HeapReply Heap::set_background_thread(bool /*on*/) {
  return {false, "this allocator has no background thread"};
}

}  // namespace plateau
