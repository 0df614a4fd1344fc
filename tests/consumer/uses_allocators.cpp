// One of each, as a service would use them.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include <allocators/arena.hpp>
#include <allocators/concurrent_pool.hpp>
#include <allocators/counting_resource.hpp>
#include <allocators/heap.hpp>
#include <allocators/jemalloc_arena.hpp>
#include <allocators/page_resource.hpp>
#include <allocators/pool.hpp>
#include <allocators/recycler.hpp>

int main() {
  plateau::CountingResource counting;
  plateau::Arena arena({}, &counting);
  std::pmr::vector<int> numbers({1, 2, 3}, &arena);
  plateau::PageResource pages;
  plateau::Pool pool({.block_bytes = 64}, &pages);
  pool.destroy(pool.create<std::string>("pooled"));
  plateau::ConcurrentPool concurrent({.block_bytes = 64});
  concurrent.deallocate_block(concurrent.allocate_block());
  plateau::Recycler<std::string> recycler;
  recycler.get()->append("recycled");
  try {
    plateau::JemallocArena jemalloc;
    jemalloc.deallocate(jemalloc.allocate(100), 100);
  } catch (const std::runtime_error& absent) {
    std::puts(absent.what());
  }
  std::printf("%s, %zu bytes, %zu idle\n", std::string(to_string(plateau::Heap::process().kind())).c_str(),
              static_cast<std::size_t>(counting.statistics().live_bytes), recycler.statistics().idle);
}
