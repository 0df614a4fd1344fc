#include <algorithm>
#include <cstddef>
#include <string>

#include "allocators/internal/heap_backend.hpp"

namespace plateau::heap_backend {
namespace {

class TcmallocHeap final : public Heap {
 public:
  using Heap::Heap;

  AllocatorKind kind() const override { return AllocatorKind::tcmalloc; }

  std::string version() const override {
    if (version_ == nullptr) return "unknown";
    int major = 0;
    int minor = 0;
    const char* patch = "";
    version_(&major, &minor, &patch);
    return std::to_string(major) + "." + std::to_string(minor) + patch;
  }

  HeapStatistics statistics() override {
    HeapStatistics result;
    result.allocated = property("generic.current_allocated_bytes");
    const auto thread = property("tcmalloc.current_total_thread_cache_bytes");
    const auto central = property("tcmalloc.central_cache_free_bytes");
    const auto transfer = property("tcmalloc.transfer_cache_free_bytes");
    if (thread && central && transfer) result.cached = *thread + *central + *transfer;
    const auto heap = property("generic.heap_size");
    const auto free = property("tcmalloc.pageheap_free_bytes");
    const auto unmapped = property("tcmalloc.pageheap_unmapped_bytes");
    result.mapped = heap;
    result.retained = unmapped;
    result.dirty = free;
    if (heap && unmapped) result.resident = *heap - *unmapped;
    if (heap && unmapped && free) result.active = *heap - *unmapped - *free;
    result.purges = property("tcmalloc.pageheap_scavenge_count");
    result.madvise_calls = property("tcmalloc.pageheap_decommit_count");
    return result;
  }

  HeapReply purge() override {
    if (release_ == nullptr) return {false, "this tcmalloc has no MallocExtension_ReleaseFreeMemory"};
    release_();
    return heap_done;
  }

  // The page heap's lock is held while pages go back, and threads that need pages wait for it: so at most a little.
  HeapReply purge_slice(std::uint64_t bytes) override {
    if (release_some_ == nullptr) return {false, "this tcmalloc has no MallocExtension_ReleaseToSystem"};
    release_some_(std::min(bytes, largest_slice));
    return heap_done;
  }

  HeapReply flush_thread_cache() override {
    if (mark_idle_ == nullptr) return {false, "this tcmalloc has no MallocExtension_MarkThreadTemporarilyIdle"};
    mark_idle_();
    return heap_done;
  }

  PurgeSupport purge_support() const override {
    return {
        heap_done,
        heap_done,
        heap_done,
        {false, "tcmalloc also gives pages back in free(), by a rate that is set at start (TCMALLOC_RELEASE_RATE=0)"}};
  }

  HeapReply set_heap_limit(std::optional<std::uint64_t> bytes) override {
    constexpr const char* name = "tcmalloc.heap_limit_mb";
    const std::size_t mebibytes = bytes ? std::max<std::size_t>(*bytes >> 20, 1) : 0;
    if (set_property_ == nullptr || set_property_(name, mebibytes) == 0 || property(name) != mebibytes) {
      return {false, "tcmalloc refused tcmalloc.heap_limit_mb"};
    }
    return heap_done;
  }

  HeapReply set_dirty_decay(std::chrono::milliseconds /*decay*/) override {
    return {false, "tcmalloc has no decay by time: it gives pages back by a rate (TCMALLOC_RELEASE_RATE)"};
  }
  HeapReply set_background_thread(bool /*on*/) override {
    return {false, "gperftools' tcmalloc has no background thread"};
  }

 private:
  std::optional<std::uint64_t> property(const char* name) const {
    std::size_t value = 0;
    if (property_ == nullptr || property_(name, &value) == 0) return std::nullopt;
    return value;
  }

  const char* (*const version_)(int*, int*,
                                const char**) = runtime_symbol<const char*(int*, int*, const char**)>("tc_version");
  int (*const property_)(const char*, std::size_t*) =
      runtime_symbol<int(const char*, std::size_t*)>("MallocExtension_GetNumericProperty");
  static constexpr std::uint64_t largest_slice = std::uint64_t{1} << 20;

  int (*const set_property_)(const char*, std::size_t) =
      runtime_symbol<int(const char*, std::size_t)>("MallocExtension_SetNumericProperty");
  void (*const release_some_)(std::size_t) = runtime_symbol<void(std::size_t)>("MallocExtension_ReleaseToSystem");
  void (*const mark_idle_)() = runtime_symbol<void()>("MallocExtension_MarkThreadTemporarilyIdle");
  void (*const release_)() = runtime_symbol<void()>("MallocExtension_ReleaseFreeMemory");
};

}  // namespace

std::unique_ptr<Heap> make_tcmalloc(std::string library) {
  return std::make_unique<TcmallocHeap>(std::move(library));
}

}  // namespace plateau::heap_backend
