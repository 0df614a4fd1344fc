#include <cstddef>
#include <string>

#include "allocators/heap_backend.hpp"

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
  void (*const release_)() = runtime_symbol<void()>("MallocExtension_ReleaseFreeMemory");
};

}  // namespace

std::unique_ptr<Heap> make_tcmalloc(std::string library) {
  return std::make_unique<TcmallocHeap>(std::move(library));
}

}  // namespace plateau::heap_backend
