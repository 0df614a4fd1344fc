// Protects the pools: whatever the order and the thread of frees, blocks are disjoint and reused, whole free slabs go
// back, and wrong sizes are refused.
#include "allocators/pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "allocators/concurrent_pool.hpp"
#include "allocators/synchronized_resource.hpp"
#include "tests/allocators/watched_upstream.hpp"

namespace plateau {
namespace {

constexpr std::size_t block_bytes = 256;
constexpr std::size_t slab_bytes = 64 * 1024;

enum class FreeOrder { forward, reverse, random };

void PrintTo(FreeOrder order, std::ostream* out) {
  *out << (order == FreeOrder::forward ? "forward" : order == FreeOrder::reverse ? "reverse" : "random");
}

template <class Values>
void arrange(Values& values, FreeOrder order) {
  std::mt19937 random(7);
  if (order == FreeOrder::reverse) std::reverse(values.begin(), values.end());
  if (order == FreeOrder::random) std::shuffle(values.begin(), values.end(), random);
}

class PoolFreeOrder : public testing::TestWithParam<FreeOrder> {};
INSTANTIATE_TEST_SUITE_P(All, PoolFreeOrder,
                         testing::Values(FreeOrder::forward, FreeOrder::reverse, FreeOrder::random));

TEST_P(PoolFreeOrder, BlocksAreDisjointAndReused) {
  Pool pool({.block_bytes = block_bytes});
  std::size_t reserved = 0;
  for (int round = 0; round < 10; ++round) {
    std::vector<void*> blocks;
    for (int i = 0; i < 1000; ++i) {
      blocks.push_back(pool.allocate_block());
      std::memset(blocks.back(), i, block_bytes);
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto* const bytes = static_cast<unsigned char*>(blocks[i]);
      ASSERT_EQ(std::count(bytes, bytes + block_bytes, i & 255), static_cast<std::ptrdiff_t>(block_bytes));
    }
    if (round == 0) reserved = pool.statistics().reserved_blocks;
    EXPECT_EQ(pool.statistics().reserved_blocks, reserved) << "a later round took more from upstream";
    EXPECT_EQ(pool.statistics().live_blocks, 1000U);
    arrange(blocks, GetParam());
    for (void* const block : blocks) pool.deallocate_block(block);
    EXPECT_EQ(pool.statistics().live_blocks, 0U);
  }
}

TEST_P(PoolFreeOrder, WholeFreeSlabsGoBackBeyondTheRetentionBound) {
  WatchedUpstream upstream;
  Pool pool({.block_bytes = block_bytes, .slab_bytes = slab_bytes, .retain_bytes = 4 * slab_bytes}, &upstream);
  std::vector<void*> blocks;
  for (int i = 0; i < 20'000; ++i) blocks.push_back(pool.allocate_block());
  EXPECT_GE(upstream.live_bytes, 20'000 * block_bytes);
  arrange(blocks, GetParam());
  for (void* const block : blocks) pool.deallocate_block(block);
  EXPECT_LE(upstream.live_bytes, 5 * slab_bytes);
  EXPECT_GE(pool.statistics().peak_reserved_bytes, 20'000 * block_bytes);
}

TEST(Pool, NothingGoesBackWhileAllOfItMayBeRetained) {
  WatchedUpstream upstream;
  Pool pool({.block_bytes = block_bytes, .retain_bytes = SIZE_MAX}, &upstream);
  for (int round = 0; round < 3; ++round) {
    std::vector<void*> blocks;
    for (int i = 0; i < 5000; ++i) blocks.push_back(pool.allocate_block());
    for (void* const block : blocks) pool.deallocate_block(block);
  }
  EXPECT_EQ(upstream.takes, upstream.live_blocks);
  EXPECT_GT(pool.release_unused(), 5000 * block_bytes);
  EXPECT_EQ(upstream.live_bytes, 0U);
}

TEST(Pool, ASlabWithALiveBlockStays) {
  WatchedUpstream upstream;
  Pool pool({.block_bytes = block_bytes, .slab_bytes = slab_bytes, .retain_bytes = 0}, &upstream);
  std::vector<void*> blocks;
  for (int i = 0; i < 5000; ++i) blocks.push_back(pool.allocate_block());
  void* const survivor = blocks[2500];
  std::memset(survivor, 42, block_bytes);
  for (void* const block : blocks) {
    if (block != survivor) pool.deallocate_block(block);
  }
  EXPECT_LE(upstream.live_bytes, 2 * slab_bytes);
  EXPECT_EQ(static_cast<unsigned char*>(survivor)[block_bytes - 1], 42);
  pool.deallocate_block(survivor);
}

TEST(Pool, FailureOfEveryUpstreamCallLeavesItUsable) {
  for (std::size_t fail_at = 0; fail_at < 5; ++fail_at) {
    WatchedUpstream upstream;
    upstream.fail_at = fail_at;
    Pool pool({.block_bytes = 4096, .slab_bytes = slab_bytes}, &upstream);
    std::size_t failures = 0;
    std::size_t taken = 0;
    for (int i = 0; i < 100; ++i) {
      try {
        std::memset(pool.allocate_block(), i, 4096);
        ++taken;
      } catch (const std::bad_alloc&) {
        ++failures;
      }
    }
    EXPECT_EQ(failures, 1U);
    EXPECT_EQ(pool.statistics().live_blocks, taken);
    EXPECT_EQ(pool.statistics().reserved_bytes, upstream.live_bytes);
  }
}

TEST(Pool, BlocksAreAlignedAsAsked) {
  for (const std::size_t alignment : {8U, 16U, 64U, 512U, 4096U}) {
    Pool pool({.block_bytes = 24, .block_alignment = alignment});
    for (int i = 0; i < 20; ++i)
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pool.allocate(24, alignment)) % alignment, 0U);
  }
}

TEST(Pool, TypedObjectsAreMadeAndDestroyed) {
  Pool pool({.block_bytes = sizeof(std::string)});
  auto* const text = pool.create<std::string>(1000, 'x');
  EXPECT_EQ(text->size(), 1000U);
  pool.destroy(text);
  pool.destroy(static_cast<std::string*>(nullptr));
  struct Thrower {
    Thrower() { throw 1; }
  };
  EXPECT_THROW(pool.create<Thrower>(), int);
  EXPECT_EQ(pool.statistics().live_blocks, 0U);
  struct Large {
    char bytes[1000];
  };
  EXPECT_THROW(pool.create<Large>(), std::bad_alloc);
}

TEST(Pool, RefusesWhatItCannotServe) {
  Pool pool({.block_bytes = block_bytes});
  EXPECT_THROW(static_cast<void>(pool.allocate(block_bytes + 1)), std::bad_alloc);
  EXPECT_THROW(static_cast<void>(pool.allocate(8, 2 * alignof(std::max_align_t))), std::bad_alloc);
  EXPECT_EQ(pool.statistics().live_blocks, 0U);
  EXPECT_THROW(Pool({.block_bytes = 8, .block_alignment = 3}), std::invalid_argument);
  EXPECT_THROW(Pool({.block_bytes = 8, .slab_bytes = 10'000}), std::invalid_argument);
  EXPECT_THROW(Pool({.block_bytes = 64 * 1024, .slab_bytes = 64 * 1024}), std::invalid_argument);
  EXPECT_THROW(Pool({.block_bytes = SIZE_MAX}), std::invalid_argument);
}

TEST(SynchronizedResource, PassesCallsOnToOneUpstream) {
  Pool pool({.block_bytes = block_bytes});
  SynchronizedResource shared(pool);
  void* const taken = shared.allocate(block_bytes);
  EXPECT_EQ(pool.statistics().live_blocks, 1U);
  shared.deallocate(taken, block_bytes);
  EXPECT_EQ(pool.statistics().live_blocks, 0U);
}

TEST_P(PoolFreeOrder, BlocksFreedByAnotherThreadServeTheirOwnerAgain) {
  WatchedUpstream upstream;
  ConcurrentPool pool({.block_bytes = block_bytes, .retain_bytes = SIZE_MAX}, &upstream);
  std::size_t takes = 0;
  for (int round = 0; round < 5; ++round) {
    std::vector<void*> blocks;
    for (int i = 0; i < 1000; ++i) {
      blocks.push_back(pool.allocate_block());
      std::memset(blocks.back(), i, block_bytes);
    }
    arrange(blocks, GetParam());
    std::thread([&] {
      for (void* const block : blocks) pool.deallocate_block(block);
    }).join();
    if (round == 0) takes = upstream.takes;
  }
  EXPECT_EQ(upstream.takes, takes);
}

TEST(ConcurrentPool, ThreadsThatComeAndGoShareShards) {
  ConcurrentPool pool({.block_bytes = block_bytes});
  std::vector<void*> blocks;
  for (int i = 0; i < 50; ++i) {
    std::thread([&] { blocks.push_back(pool.allocate_block()); }).join();
  }
  EXPECT_EQ(pool.statistics().shards, 1U) << "one thread at a time needs one";
  for (void* const block : blocks) pool.deallocate_block(block);
  EXPECT_GT(pool.release_unused(), 0U);
  EXPECT_EQ(pool.statistics().reserved_bytes, 0U);
}

// Every thread allocates, passes half of its blocks to its neighbour, and frees what it was passed.
TEST(ConcurrentPool, ManyThreadsExchangeBlocks) {
  constexpr std::size_t threads = 4;
  constexpr int rounds = 2000;
  WatchedUpstream upstream;
  ConcurrentPool pool({.block_bytes = 64, .retain_bytes = 128 * 1024}, &upstream);
  std::array<std::atomic<std::uint64_t*>, threads> mailboxes{};
  std::vector<std::thread> workers;
  std::atomic<std::uint64_t> wrong{0};
  for (std::size_t t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      for (int i = 0; i < rounds; ++i) {
        std::array<std::uint64_t*, 8> own{};
        for (std::uint64_t*& block : own) {
          block = static_cast<std::uint64_t*>(pool.allocate_block());
          *block = t;
        }
        for (std::size_t k = 0; k < own.size(); ++k) {
          if (*own[k] != t) ++wrong;
          std::uint64_t* const passed = k % 2 == 0 ? mailboxes[(t + 1) % threads].exchange(own[k]) : own[k];
          if (passed != nullptr) pool.deallocate_block(passed);
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  for (auto& mailbox : mailboxes) {
    if (std::uint64_t* const block = mailbox.load()) pool.deallocate_block(block);
  }
  EXPECT_EQ(wrong, 0U);
  pool.release_unused();
  EXPECT_EQ(upstream.live_bytes, 0U);
  EXPECT_LE(pool.statistics().shards, threads + 1);
}

TEST(ConcurrentPool, TypedObjectsMayDieElsewhere) {
  ConcurrentPool pool({.block_bytes = sizeof(std::string)});
  auto* const text = pool.create<std::string>(1000, 'x');
  std::thread([&] { pool.destroy(text); }).join();
  EXPECT_THROW(static_cast<void>(pool.allocate(1000)), std::bad_alloc);
}

#if defined(PLATEAU_ADDRESS_SANITIZER)
TEST(PoolDeathTest, UseAfterFreeIsCaughtByAddressSanitizer) {
  Pool pool({.block_bytes = 64});
  auto* const block = static_cast<volatile char*>(pool.allocate_block());
  pool.deallocate_block(const_cast<char*>(block));
  EXPECT_DEATH(block[32] = 1, "use-after-poison");
}
#endif

}  // namespace
}  // namespace plateau
