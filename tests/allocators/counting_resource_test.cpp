// Protects the counts: exact over threads that come and go, and a peak within its stated error.
#include "allocators/counting_resource.hpp"

#include <gtest/gtest.h>

#include <memory_resource>
#include <thread>
#include <vector>

#include "allocators/arena.hpp"
#include "tests/allocators/watched_upstream.hpp"

namespace plateau {
namespace {

TEST(CountingResource, CountsWhatGoesThrough) {
  CountingResource counting(std::pmr::new_delete_resource(), 0);
  {
    std::pmr::vector<int> numbers(&counting);
    numbers.reserve(100);
    numbers.reserve(1000);
    const CountingStatistics now = counting.statistics();
    EXPECT_EQ(now.calls, 2U);
    EXPECT_EQ(now.bytes, 1100 * sizeof(int));
    EXPECT_EQ(now.live_blocks, 1U);
    EXPECT_EQ(now.live_bytes, 1000 * sizeof(int));
  }
  const CountingStatistics end = counting.statistics();
  EXPECT_EQ(end.live_bytes, 0U);
  EXPECT_EQ(end.peak_bytes, 1100 * sizeof(int)) << "both lived while the vector moved";
}

TEST(CountingResource, AFailureOfUpstreamIsNotCounted) {
  WatchedUpstream upstream;
  upstream.fail_at = 0;
  CountingResource counting(&upstream);
  EXPECT_THROW(static_cast<void>(counting.allocate(100)), std::bad_alloc);
  EXPECT_EQ(counting.statistics().calls, 0U);
}

TEST(CountingResource, ThreadsAddUp) {
  constexpr std::size_t settle_bytes = 10'000;
  CountingResource counting(std::pmr::new_delete_resource(), settle_bytes);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<void*> blocks;
      for (int i = 0; i < 1000; ++i) blocks.push_back(counting.allocate(100));
      for (void* const block : blocks) counting.deallocate(block, 100);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const CountingStatistics now = counting.statistics();
  EXPECT_EQ(now.calls, 4000U);
  EXPECT_EQ(now.bytes, 400'000U);
  EXPECT_EQ(now.live_blocks, 0U);
  EXPECT_EQ(now.live_bytes, 0U);
  EXPECT_GE(now.peak_bytes, 100'000 - settle_bytes);
  EXPECT_LE(now.peak_bytes, 400'000 + 4 * settle_bytes);
}

TEST(CountingResource, BlocksFreedByAnotherThreadBalance) {
  CountingResource counting;
  void* const block = counting.allocate(1000);
  std::thread([&] { counting.deallocate(block, 1000); }).join();
  EXPECT_EQ(counting.statistics().live_bytes, 0U);
}

TEST(CountingResource, ShowsWhatAnArenaAsksOfItsUpstream) {
  CountingResource counting;
  Arena arena({.block_bytes = 4096, .max_block_bytes = 4096}, &counting);
  for (int i = 0; i < 1000; ++i) static_cast<void>(arena.allocate(100));
  EXPECT_EQ(counting.statistics().live_bytes, arena.statistics().reserved_bytes);
  EXPECT_EQ(counting.statistics().live_blocks, arena.statistics().blocks);
}

}  // namespace
}  // namespace plateau
