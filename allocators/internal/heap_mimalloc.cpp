#include <cstddef>
#include <string>

#include "allocators/internal/heap_backend.hpp"

namespace plateau::heap_backend {
namespace {

class MimallocHeap final : public Heap {
 public:
  using Heap::Heap;

  AllocatorKind kind() const override { return AllocatorKind::mimalloc; }

  std::string version() const override {
    if (version_ == nullptr) return "unknown";
    const int number = version_();  // 209 is 2.0.9
    return std::to_string(number / 100) + "." + std::to_string(number / 10 % 10) + "." + std::to_string(number % 10);
  }

  HeapStatistics statistics() override {
    HeapStatistics result;
    if (process_info_ == nullptr) return result;
    std::size_t elapsed_ms = 0;
    std::size_t user_ms = 0;
    std::size_t system_ms = 0;
    std::size_t rss = 0;
    std::size_t peak_rss = 0;
    std::size_t commit = 0;
    std::size_t peak_commit = 0;
    std::size_t faults = 0;
    process_info_(&elapsed_ms, &user_ms, &system_ms, &rss, &peak_rss, &commit, &peak_commit, &faults);
    result.mapped = commit;
    return result;
  }

  HeapReply purge() override {
    if (collect_ == nullptr) return {false, "this mimalloc has no mi_collect"};
    collect_(true);  // of the calling thread's heap and what other threads have abandoned; not of their heaps
    return heap_done;
  }

  HeapReply flush_thread_cache() override {
    if (collect_ == nullptr) return {false, "this mimalloc has no mi_collect"};
    collect_(true);  // blocks of this thread that others freed, and the pages that they leave empty
    return heap_done;
  }

  PurgeSupport purge_support() const override {
    return {{false, "mimalloc does not tell its live or unused bytes"},
            {false,
             "mi_collect gives back all that the calling thread's heap and ended threads leave unused; other threads' "
             "heaps are theirs, and each can only collect its own (flush_if_asked)"},
            collect_ != nullptr ? heap_done : HeapReply{false, "this mimalloc has no mi_collect"},
            {false, "mimalloc gives pages back by delays of its own, which are set at start only"}};
  }

  HeapReply set_dirty_decay(std::chrono::milliseconds /*decay*/) override {
    return {false, "mimalloc takes its page reset delay only at start (MIMALLOC_RESET_DELAY)"};
  }
  HeapReply set_background_thread(bool /*on*/) override { return {false, "mimalloc has no background thread"}; }

 private:
  using ProcessInfo = void(std::size_t*, std::size_t*, std::size_t*, std::size_t*, std::size_t*, std::size_t*,
                           std::size_t*, std::size_t*);
  int (*const version_)() = runtime_symbol<int()>("mi_version");
  void (*const collect_)(bool) = runtime_symbol<void(bool)>("mi_collect");
  ProcessInfo* const process_info_ = runtime_symbol<ProcessInfo>("mi_process_info");
};

}  // namespace

std::unique_ptr<Heap> make_mimalloc(std::string library) {
  return std::make_unique<MimallocHeap>(std::move(library));
}

}  // namespace plateau::heap_backend
