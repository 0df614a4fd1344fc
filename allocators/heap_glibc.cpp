#include <gnu/libc-version.h>
#include <malloc.h>

#include "allocators/heap_backend.hpp"

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

  HeapReply set_dirty_decay(std::chrono::milliseconds /*decay*/) override {
    return {false, "glibc has no decay: it trims the top of its heaps by size (M_TRIM_THRESHOLD), not by time"};
  }
  HeapReply set_background_thread(bool /*on*/) override { return {false, "glibc has no background thread"}; }
};

}  // namespace

std::unique_ptr<Heap> make_glibc(std::string library) {
  return std::make_unique<GlibcHeap>(std::move(library));
}

}  // namespace plateau::heap_backend
