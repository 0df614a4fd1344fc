// Blocks of one size that die one by one, in several orders.
#include <algorithm>
#include <array>
#include <memory>
#include <memory_resource>
#include <numeric>
#include <random>
#include <vector>

#include <boost/container/pmr/unsynchronized_pool_resource.hpp>
#include <boost/pool/object_pool.hpp>
#include <boost/pool/pool.hpp>
#include <boost/pool/pool_alloc.hpp>
#include <foonathan/memory/memory_pool.hpp>

#include "allocators/bench/bench_case.hpp"
#include "allocators/bench/malloc_library.hpp"
#include "allocators/concurrent_pool.hpp"
#include "allocators/pool.hpp"

namespace plateau::bench {
namespace {

constexpr std::size_t largest_batch = 100'000;

// The ideal: pop and push on an intrusive list that is never empty, and nothing else.
template <std::size_t bytes>
struct IdealPool {
  void* head = nullptr;
  std::vector<std::byte> memory = std::vector<std::byte>(bytes * (largest_batch + 1));
  IdealPool() {
    for (std::size_t i = largest_batch + 1; i-- > 0;) give(memory.data() + i * bytes);
  }
  void* take() { return std::exchange(head, *static_cast<void**>(head)); }
  void give(void* block) { *static_cast<void**>(block) = std::exchange(head, block); }
};
template <std::size_t bytes>
struct BoundedPool {  // as a service would have it
  Pool pool{{.block_bytes = bytes, .block_alignment = 8}};
  void* take() { return pool.allocate_block(); }
  void give(void* block) { pool.deallocate_block(block); }
};
template <std::size_t bytes>
struct PoolAsResource {
  Pool pool{{.block_bytes = bytes, .block_alignment = 8}};
  std::pmr::memory_resource* resource = &pool;
  void* take() { return resource->allocate(bytes, 8); }
  void give(void* block) { resource->deallocate(block, bytes, 8); }
};
template <std::size_t bytes>
struct SharedPool {
  ConcurrentPool pool{{.block_bytes = bytes, .block_alignment = 8}};
  void* take() { return pool.allocate_block(); }
  void give(void* block) { pool.deallocate_block(block); }
};
template <std::size_t bytes>
struct BoostPool {
  boost::pool<> pool{bytes, 1024};
  void* take() { return pool.malloc(); }
  void give(void* block) { pool.free(block); }
};
template <std::size_t bytes>
struct BoostObjectPool {
  boost::object_pool<std::array<char, bytes>> pool;
  void* take() { return pool.malloc(); }
  void give(void* block) { pool.free(static_cast<std::array<char, bytes>*>(block)); }
};
template <std::size_t bytes>
struct BoostFastPoolAllocator {
  boost::fast_pool_allocator<std::array<char, bytes>> allocator;
  void* take() { return allocator.allocate(1); }
  void give(void* block) { allocator.deallocate(static_cast<std::array<char, bytes>*>(block), 1); }
};
template <std::size_t bytes>
struct FoonathanPool {
  foonathan::memory::memory_pool<> pool{bytes, bytes* largest_batch * 2};
  void* take() { return pool.allocate_node(); }
  void give(void* block) { pool.deallocate_node(block); }
};
template <class Resource, std::size_t bytes>
struct PoolResource {
  Resource resource;
  void* take() { return resource.allocate(bytes, 8); }
  void give(void* block) { resource.deallocate(block, bytes, 8); }
};
template <Malloc which, std::size_t bytes>
struct MallocAndFree {
  MallocLibrary library = malloc_library(which);
  void* take() { return library.allocate(bytes); }
  void give(void* block) { library.release(block); }
};

enum class Order { lifo, fifo, random };

// `count` blocks are taken, then given back in that order.
template <class Contestant, Order order, std::size_t count>
void take_and_give(benchmark::State& state) {
  const auto contestant = std::make_unique<Contestant>();
  std::vector<void*> blocks(count);
  std::vector<std::uint32_t> places(count);
  std::iota(places.begin(), places.end(), 0U);
  if (order == Order::lifo) std::reverse(places.begin(), places.end());
  if (order == Order::random) std::shuffle(places.begin(), places.end(), std::mt19937(1));
  for (auto _ : state) {
    for (void*& block : blocks) use(block = contestant->take());
    for (const std::uint32_t place : places) contestant->give(blocks[place]);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}

template <std::size_t bytes, Order order, std::size_t count>
void register_order(const std::string& name) {
  const auto add = [&name]<class Contestant>(const char* contestant, std::type_identity<Contestant>) {
    add_case(name, contestant, take_and_give<Contestant, order, count>);
  };
  add("ideal pool", std::type_identity<IdealPool<bytes>>());
  add("plateau::Pool", std::type_identity<BoundedPool<bytes>>());
  add("plateau::Pool as memory_resource", std::type_identity<PoolAsResource<bytes>>());
  add("plateau::ConcurrentPool", std::type_identity<SharedPool<bytes>>());
  add("boost::pool", std::type_identity<BoostPool<bytes>>());
  // Its free keeps the list in order, by a walk: a hundred thousand blocks would take minutes.
  if constexpr (count <= 1000) add("boost::object_pool", std::type_identity<BoostObjectPool<bytes>>());
  add("boost::fast_pool_allocator", std::type_identity<BoostFastPoolAllocator<bytes>>());
  add("foonathan::memory_pool", std::type_identity<FoonathanPool<bytes>>());
  add("std::pmr::unsynchronized_pool",
      std::type_identity<PoolResource<std::pmr::unsynchronized_pool_resource, bytes>>());
  add("std::pmr::synchronized_pool", std::type_identity<PoolResource<std::pmr::synchronized_pool_resource, bytes>>());
  add("boost::container::pmr::unsynchronized_pool",
      std::type_identity<PoolResource<boost::container::pmr::unsynchronized_pool_resource, bytes>>());
  add("glibc malloc", std::type_identity<MallocAndFree<Malloc::glibc, bytes>>());
  add("jemalloc", std::type_identity<MallocAndFree<Malloc::jemalloc, bytes>>());
  add("tcmalloc", std::type_identity<MallocAndFree<Malloc::tcmalloc, bytes>>());
  add("mimalloc", std::type_identity<MallocAndFree<Malloc::mimalloc, bytes>>());
}

}  // namespace

void register_block_cases() {
  register_order<64, Order::lifo, 16>("16 blocks of 64 B, last in first out");
  register_order<64, Order::fifo, 1000>("1000 blocks of 64 B, first in first out");
  register_order<64, Order::random, 1000>("1000 blocks of 64 B, random order");
  register_order<8, Order::fifo, 1000>("1000 blocks of 8 B, first in first out");
  register_order<512, Order::fifo, 1000>("1000 blocks of 512 B, first in first out");
  register_order<64, Order::fifo, largest_batch>("100,000 blocks of 64 B, first in first out");
  register_order<64, Order::random, largest_batch>("100,000 blocks of 64 B, random order");
}

}  // namespace plateau::bench
