// Two threads: blocks that one allocates and the other frees; buffers that both use and give back.
#include <array>
#include <atomic>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/container/pmr/synchronized_pool_resource.hpp>

#include "allocators/bench/bench_case.hpp"
#include "allocators/bench/malloc_library.hpp"
#include "allocators/concurrent_pool.hpp"
#include "allocators/pool.hpp"
#include "allocators/recycler.hpp"
#include "allocators/synchronized_resource.hpp"

namespace plateau::bench {
namespace {

constexpr std::size_t block_bytes = 64;
constexpr std::size_t handed_over = 10'000;  // blocks in an iteration

// A ring between one producer and one consumer; each keeps a copy of the other's place, so that the line between them
// is fought over seldom and the allocator is what is measured.
class Ring {
 public:
  void push(void* block) {
    while (tail_ - seen_head_ == slots_.size()) {
      seen_head_ = head_.load(std::memory_order_acquire);
      if (tail_ - seen_head_ == slots_.size()) std::this_thread::yield();
    }
    slots_[tail_ % slots_.size()] = block;
    published_.store(++tail_, std::memory_order_release);
  }
  void* pop() {
    const std::size_t place = head_.load(std::memory_order_relaxed);
    while (place == seen_tail_) {
      seen_tail_ = published_.load(std::memory_order_acquire);
      if (place == seen_tail_) std::this_thread::yield();
    }
    void* const block = slots_[place % slots_.size()];
    head_.store(place + 1, std::memory_order_release);
    return block;
  }

 private:
  std::array<void*, 4096> slots_{};
  alignas(64) std::size_t tail_ = 0;
  std::size_t seen_head_ = 0;
  alignas(64) std::atomic<std::size_t> published_{0};
  alignas(64) std::atomic<std::size_t> head_{0};
  std::size_t seen_tail_ = 0;
};

struct SharedPool {
  ConcurrentPool pool{{.block_bytes = block_bytes}};
  void* take() { return pool.allocate_block(); }
  void give(void* block) { pool.deallocate_block(block); }
};
struct LockedPool {
  Pool pool{{.block_bytes = block_bytes}};
  SynchronizedResource locked{pool};
  void* take() { return locked.allocate(block_bytes); }
  void give(void* block) { locked.deallocate(block, block_bytes); }
};
template <class Resource>
struct PoolResource {
  Resource resource;
  void* take() { return resource.allocate(block_bytes); }
  void give(void* block) { resource.deallocate(block, block_bytes); }
};
template <Malloc which>
struct MallocAndFree {
  MallocLibrary library = malloc_library(which);
  void* take() { return library.allocate(block_bytes); }
  void give(void* block) { library.release(block); }
};

template <class Contestant>
void producer_and_consumer(benchmark::State& state) {
  const auto contestant = std::make_unique<Contestant>();
  const auto ring = std::make_unique<Ring>();
  std::thread consumer([&] {
    while (void* const block = ring->pop()) contestant->give(block);
  });
  for (auto _ : state) {
    for (std::size_t i = 0; i < handed_over; ++i) {
      void* const block = contestant->take();
      use(block);
      ring->push(block);
    }
  }
  ring->push(nullptr);
  consumer.join();
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(handed_over));
}

// Buffers of 4 KiB, and one in sixty-four that grows to 128 KiB for once, as buffers in services do.
constexpr std::size_t usual_bytes = 4096;
constexpr std::size_t giant_bytes = 128 * 1024;
constexpr std::size_t giant_every = 64;

struct BufferRecycler {
  Recycler<std::string> recycler;
  Recycler<std::string>::Handle take() { return recycler.get(); }
  static std::string& text(const Recycler<std::string>::Handle& handle) { return *handle; }
  static void give(Recycler<std::string>::Handle handle) { handle.reset(); }
};
// The ideal: a stack of the thread's own that is never full, and nothing else: no bound, no count, no home, no end of a
// thread, nothing to age. It resets the object, as whoever takes it next must find it empty.
struct IdealRecycler {
  static constexpr std::size_t most = 64;
  struct Stack {
    std::size_t size;
    std::array<std::string*, most> idle;
  };
  static inline constinit thread_local Stack stack_{};
  static std::string* take() { return stack_.size > 0 ? stack_.idle[--stack_.size] : make(); }
  [[gnu::noinline]] static std::string* make() { return new std::string(); }
  static std::string& text(std::string* buffer) { return *buffer; }
  static void give(std::string* buffer) {
    buffer->clear();
    stack_.idle[stack_.size++] = buffer;
  }
};
struct LockedVector {
  std::mutex mutex;
  std::vector<std::unique_ptr<std::string>> idle;
  std::unique_ptr<std::string> take() {
    const std::scoped_lock lock(mutex);
    if (idle.empty()) return std::make_unique<std::string>();
    auto buffer = std::move(idle.back());
    idle.pop_back();
    return buffer;
  }
  static std::string& text(const std::unique_ptr<std::string>& buffer) { return *buffer; }
  void give(std::unique_ptr<std::string> buffer) {
    buffer->clear();
    const std::scoped_lock lock(mutex);
    idle.push_back(std::move(buffer));
  }
};

// Not inlined, so that the loop around it is a get and a put and no more; nothing is caught here.
[[gnu::noinline]] void reserve(std::string& text) noexcept {
  text.reserve(usual_bytes);
}

// get and put alone: the buffer is reserved once and then only marked as used.
template <class Contestant>
void buffers(benchmark::State& state) {
  static Contestant contestant;
  for (auto _ : state) {
    auto buffer = contestant.take();
    std::string& text = Contestant::text(buffer);
    if (text.capacity() < usual_bytes) [[unlikely]]
      reserve(text);
    use(text.data());
    contestant.give(std::move(buffer));
  }
}
template <Malloc which>
void malloc_buffers(benchmark::State& state) {
  const MallocLibrary library = malloc_library(which);
  for (auto _ : state) {
    void* const buffer = library.allocate(usual_bytes);
    use(buffer);
    library.release(buffer);
  }
}

// More buffers on their way than one: a queue of responses, say.
constexpr std::size_t in_flight = 32;
template <class Contestant>
void buffers_in_flight(benchmark::State& state) {
  static Contestant contestant;
  std::array<decltype(contestant.take()), in_flight> taken;
  for (auto _ : state) {
    for (auto& buffer : taken) {
      buffer = contestant.take();
      std::string& text = Contestant::text(buffer);
      if (text.capacity() < usual_bytes) [[unlikely]]
        reserve(text);
      use(text.data());
    }
    for (auto& buffer : taken) contestant.give(std::move(buffer));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(in_flight));
}
template <Malloc which>
void malloc_in_flight(benchmark::State& state) {
  const MallocLibrary library = malloc_library(which);
  std::array<void*, in_flight> taken;
  for (auto _ : state) {
    for (void*& buffer : taken) use(buffer = library.allocate(usual_bytes));
    for (void* const buffer : taken) library.release(buffer);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(in_flight));
}

template <class Contestant>
void skewed_buffers(benchmark::State& state) {
  static Contestant contestant;
  std::size_t count = 0;
  for (auto _ : state) {
    auto buffer = contestant.take();
    Contestant::text(buffer).resize(++count % giant_every == 0 ? giant_bytes : usual_bytes);
    use(Contestant::text(buffer).data());
    contestant.give(std::move(buffer));
  }
}

}  // namespace

void register_thread_cases() {
  const std::string handing = "64 B blocks, one thread takes, the other gives back";
  const auto real_time = [](benchmark::internal::Benchmark* added) { added->UseRealTime(); };
  real_time(add_case(handing, "plateau::ConcurrentPool", producer_and_consumer<SharedPool>));
  real_time(add_case(handing, "plateau::Pool with a lock", producer_and_consumer<LockedPool>));
  real_time(add_case(handing, "std::pmr::synchronized_pool",
                     producer_and_consumer<PoolResource<std::pmr::synchronized_pool_resource>>));
  real_time(add_case(handing, "boost::container::pmr::synchronized_pool",
                     producer_and_consumer<PoolResource<boost::container::pmr::synchronized_pool_resource>>));
  real_time(add_case(handing, "glibc malloc", producer_and_consumer<MallocAndFree<Malloc::glibc>>));
  real_time(add_case(handing, "jemalloc", producer_and_consumer<MallocAndFree<Malloc::jemalloc>>));
  real_time(add_case(handing, "tcmalloc", producer_and_consumer<MallocAndFree<Malloc::tcmalloc>>));
  real_time(add_case(handing, "mimalloc", producer_and_consumer<MallocAndFree<Malloc::mimalloc>>));

  const std::string two = "4 KiB buffers, two threads";
  const auto on_two = [](benchmark::internal::Benchmark* added) { added->Threads(2)->UseRealTime(); };
  on_two(add_case(two, "plateau::Recycler", buffers<BufferRecycler>));
  on_two(add_case(two, "ideal recycler", buffers<IdealRecycler>));
  on_two(add_case(two, "vector with a mutex", buffers<LockedVector>));
  on_two(add_case(two, "glibc malloc", malloc_buffers<Malloc::glibc>));
  on_two(add_case(two, "jemalloc", malloc_buffers<Malloc::jemalloc>));
  on_two(add_case(two, "tcmalloc", malloc_buffers<Malloc::tcmalloc>));
  on_two(add_case(two, "mimalloc", malloc_buffers<Malloc::mimalloc>));

  const std::string flying = "32 buffers of 4 KiB in flight, two threads";
  on_two(add_case(flying, "plateau::Recycler", buffers_in_flight<BufferRecycler>));
  on_two(add_case(flying, "ideal recycler", buffers_in_flight<IdealRecycler>));
  on_two(add_case(flying, "vector with a mutex", buffers_in_flight<LockedVector>));
  on_two(add_case(flying, "glibc malloc", malloc_in_flight<Malloc::glibc>));
  on_two(add_case(flying, "jemalloc", malloc_in_flight<Malloc::jemalloc>));
  on_two(add_case(flying, "tcmalloc", malloc_in_flight<Malloc::tcmalloc>));
  on_two(add_case(flying, "mimalloc", malloc_in_flight<Malloc::mimalloc>));

  const std::string skewed = "buffers of 4 KiB, one in 64 of 128 KiB, two threads";
  on_two(add_case(skewed, "plateau::Recycler", skewed_buffers<BufferRecycler>));
  on_two(add_case(skewed, "vector with a mutex", skewed_buffers<LockedVector>));
}

}  // namespace plateau::bench
