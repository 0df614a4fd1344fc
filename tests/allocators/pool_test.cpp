// Protects the pool: whatever the order of frees, blocks are disjoint and reused, and wrong sizes are refused.
#include "allocators/pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <vector>

#include "allocators/allocation_counter.hpp"
#include "allocators/synchronized_resource.hpp"

namespace plateau {
namespace {

constexpr std::size_t block = 256;

enum class FreeOrder { forward, reverse, random };

class PoolFreeOrder : public testing::TestWithParam<FreeOrder> {};

TEST_P(PoolFreeOrder, BlocksAreDisjointAndReused) {
  Pool pool(block, 8);
  std::mt19937 random(7);
  std::set<void*> seen;
  std::size_t reserved = 0;
  for (int round = 0; round < 10; ++round) {
    std::vector<void*> blocks;
    for (int i = 0; i < 100; ++i) {
      void* const taken = pool.allocate(block);
      std::memset(taken, i, block);
      blocks.push_back(taken);
    }
    std::vector<void*> sorted = blocks;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t i = 1; i < sorted.size(); ++i) {
      ASSERT_GE(static_cast<char*>(sorted[i]) - static_cast<char*>(sorted[i - 1]), static_cast<std::ptrdiff_t>(block));
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) ASSERT_EQ(static_cast<unsigned char*>(blocks[i])[block - 1], i);
    if (round == 0) {
      seen.insert(blocks.begin(), blocks.end());
      reserved = pool.statistics().reserved_blocks;
    }
    EXPECT_EQ(pool.statistics().reserved_blocks, reserved) << "a later round took more from the heap";
    EXPECT_EQ(pool.statistics().live_blocks, 100U);
    if (GetParam() == FreeOrder::reverse) std::reverse(blocks.begin(), blocks.end());
    if (GetParam() == FreeOrder::random) std::shuffle(blocks.begin(), blocks.end(), random);
    for (void* const b : blocks) pool.deallocate(b, block);
    EXPECT_EQ(pool.statistics().live_blocks, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(All, PoolFreeOrder,
                         testing::Values(FreeOrder::forward, FreeOrder::reverse, FreeOrder::random));

TEST(Pool, ReservedBlocksAgreeWithTheHeap) {
  const AllocationCounts before = thread_allocation_counts();
  Pool pool(4096, 8);
  std::vector<void*> blocks;
  blocks.reserve(20);
  for (int i = 0; i < 20; ++i) blocks.push_back(pool.allocate(4096));
  const std::uint64_t taken = thread_allocation_counts().bytes - before.bytes;
  const std::uint64_t said = pool.statistics().reserved_blocks * 4096;
  EXPECT_GE(taken, said);
  EXPECT_LT(taken, said + 4096);  // chunk headers and this test's own vector
  for (void* const b : blocks) pool.deallocate(b, 4096);
}

TEST(Pool, BlocksOfOddSizesAreAligned) {
  Pool pool(24, 8);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pool.allocate(24)) % alignof(std::max_align_t), 0U);
  }
}

TEST(Pool, RefusesWhatItCannotServe) {
  Pool pool(block, 8);
  EXPECT_THROW(static_cast<void>(pool.allocate(block + 1)), std::bad_alloc);
  EXPECT_THROW(static_cast<void>(pool.allocate(8, 2 * alignof(std::max_align_t))), std::bad_alloc);
  EXPECT_EQ(pool.statistics().live_blocks, 0U);
}

TEST(SynchronizedResource, PassesCallsOnToOneUpstream) {
  Pool pool(block, 8);
  SynchronizedResource shared(pool);
  void* const taken = shared.allocate(block);
  EXPECT_EQ(pool.statistics().live_blocks, 1U);
  shared.deallocate(taken, block);
  EXPECT_EQ(pool.statistics().live_blocks, 0U);
}

}  // namespace
}  // namespace plateau
