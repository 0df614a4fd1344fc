#include <gnu/libc-version.h>
#include <malloc.h>

#include "allocators/internal/heap_backend.hpp"

namespace plateau::heap_backend {
namespace {

class GlibcHeap final : public Heap {
 public:
  using Heap::Heap;

  AllocatorKind kind() const override { return AllocatorKind::glibc; }
  std::string version() const override { return gnu_get_libc_version(); }

  HeapStatistics statistics() override {
    const struct mallinfo2 info = mallinfo2();
    HeapStatistics result;
    result.allocated = info.uordblks + info.hblkhd;
    result.mapped = info.arena + info.hblkhd;
    return result;
  }

  HeapReply purge() override {
    malloc_trim(0);
    return heap_done;
  }

  HeapReply flush_thread_cache() override { return no_flush; }

  PurgeSupport purge_support() const override {
    return {{false, "glibc does not tell which of its free bytes are resident: unused pages are not known"},
            {false, "malloc_trim walks the whole heap, under each arena's lock in turn: it cannot be done in slices"},
            no_flush,
            {false, "glibc trims the top of its heaps in free(): that cannot be stopped at run time"}};
  }

  HeapReply set_dirty_decay(std::chrono::milliseconds /*decay*/) override {
    return {false, "glibc has no decay: it trims the top of its heaps by size (M_TRIM_THRESHOLD), not by time"};
  }
  HeapReply set_background_thread(bool /*on*/) override { return {false, "glibc has no background thread"}; }

 private:
  static constexpr HeapReply no_flush{false, "glibc has no call that empties a thread's cache (tcache)"};
};

}  // namespace

std::unique_ptr<Heap> make_glibc(std::string library) {
  return std::make_unique<GlibcHeap>(std::move(library));
}

}  // namespace plateau::heap_backend
