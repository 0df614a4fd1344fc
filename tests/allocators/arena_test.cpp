// Protects the arena: no two blocks overlap, alignment holds, reset forgets all and keeps no more than it may,
// statistics agree.
#include "allocators/arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace plateau {
namespace {

// Counts what is taken, and fails on demand.
class Upstream final : public std::pmr::memory_resource {
 public:
  std::size_t live_bytes = 0;
  std::size_t live_blocks = 0;
  std::size_t takes = 0;
  std::size_t fail_at = SIZE_MAX;  // the take with this number fails

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (takes++ == fail_at) throw std::bad_alloc();
    live_bytes += bytes;
    ++live_blocks;
    return std::pmr::new_delete_resource()->allocate(bytes, alignment);
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    live_bytes -= bytes;
    --live_blocks;
    std::pmr::new_delete_resource()->deallocate(block, bytes, alignment);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

TEST(Arena, TakesNothingBeforeTheFirstAllocation) {
  Upstream upstream;
  const Arena arena({}, &upstream);
  EXPECT_EQ(upstream.takes, 0U);
}

TEST(Arena, RandomProgramsNeverOverlapAndAreAligned) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    Upstream upstream;
    {
      Arena arena({.block_bytes = 1024 + random() % 4096,
                   .retain_bytes = random() % 3 == 0 ? std::size_t{0} : std::size_t{10000}},
                  &upstream);
      for (int round = 0; round < 5; ++round) {
        std::vector<std::pair<std::byte*, std::size_t>> blocks;
        std::size_t requested = 0;
        for (int i = 0; i < 200; ++i) {
          const std::size_t bytes = random() % 20 == 0 ? random() % 20000 : random() % 200;
          const std::size_t alignment = std::size_t{1} << random() % 9;
          auto* const block = static_cast<std::byte*>(arena.allocate(bytes, alignment));
          ASSERT_NE(block, nullptr);
          ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignment, 0U);
          std::memset(block, static_cast<int>(i), bytes);
          blocks.emplace_back(block, bytes);
          requested += bytes;
        }
        for (std::size_t i = 0; i < blocks.size(); ++i) {
          for (std::size_t b = 0; b < blocks[i].second; ++b)
            ASSERT_EQ(blocks[i].first[b], static_cast<std::byte>(i)) << "seed " << seed;
        }
        const ArenaStatistics statistics = arena.statistics();
        EXPECT_GE(statistics.used_bytes, requested);
        EXPECT_GE(statistics.reserved_bytes, statistics.used_bytes);
        EXPECT_EQ(statistics.reserved_bytes, upstream.live_bytes);
        EXPECT_EQ(statistics.blocks, upstream.live_blocks);
        arena.reset();
        EXPECT_EQ(arena.statistics().used_bytes, 0U);
      }
    }
    EXPECT_EQ(upstream.live_bytes, 0U) << "seed " << seed;
  }
}

TEST(Arena, ZeroBytesGiveAddressesOfTheirOwn) {
  Arena arena;
  void* const first = arena.allocate(0);
  EXPECT_NE(first, nullptr);
  EXPECT_NE(arena.allocate(0), first);
  arena.reset();
  EXPECT_NE(arena.allocate(0), nullptr);
}

TEST(Arena, ResetKeepsAtMostWhatItMay) {
  Upstream upstream;
  Arena arena({.block_bytes = 1000, .retain_bytes = 2500}, &upstream);
  for (int i = 0; i < 10; ++i) static_cast<void>(arena.allocate(900));
  EXPECT_EQ(upstream.live_blocks, 10U);
  arena.reset();
  EXPECT_EQ(upstream.live_blocks, 2U);
  EXPECT_LE(upstream.live_bytes, 2500U);
}

TEST(Arena, RetainedBlocksServeTheNextRound) {
  Upstream upstream;
  Arena arena({.block_bytes = 4096}, &upstream);
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 100; ++i) static_cast<void>(arena.allocate(100));
    arena.reset();
  }
  EXPECT_EQ(upstream.takes, 3U);
  EXPECT_EQ(arena.statistics().resets, 100U);
}

TEST(Arena, OversizedRequestsAreNeverRetained) {
  Upstream upstream;
  Arena arena({.block_bytes = 1024}, &upstream);
  static_cast<void>(arena.allocate(1 << 20));
  EXPECT_GE(upstream.live_bytes, std::size_t{1} << 20);
  arena.reset();
  EXPECT_EQ(upstream.live_bytes, 0U);
}

TEST(Arena, ExtremeSizesThrowAndLeaveTheArenaUsable) {
  Arena arena;
  for (const std::size_t bytes : {SIZE_MAX, SIZE_MAX - 8, SIZE_MAX / 2 + 1}) {
    EXPECT_THROW(static_cast<void>(arena.allocate(bytes)), std::bad_alloc);
    EXPECT_THROW(static_cast<void>(arena.allocate(bytes, 4096)), std::bad_alloc);
  }
  std::memset(arena.allocate(100), 1, 100);
}

TEST(Arena, FailureOfEveryUpstreamCallLeavesNothingBehind) {
  for (std::size_t fail_at = 0; fail_at < 12; ++fail_at) {
    Upstream upstream;
    upstream.fail_at = fail_at;
    {
      Arena arena({.block_bytes = 512}, &upstream);
      bool failed = false;
      for (int i = 0; i < 60; ++i) {
        try {
          std::memset(arena.allocate(i % 10 == 0 ? 2000 : 100), i, 100);
        } catch (const std::bad_alloc&) {
          failed = true;
        }
      }
      EXPECT_TRUE(failed);
      EXPECT_EQ(arena.statistics().reserved_bytes, upstream.live_bytes);
    }
    EXPECT_EQ(upstream.live_bytes, 0U);
  }
}

TEST(Arena, ServesStandardContainersThroughTheInterface) {
  Arena arena;
  std::pmr::vector<std::pmr::string> texts(&arena);
  for (int i = 0; i < 1000; ++i) texts.emplace_back(static_cast<std::size_t>(i), 'x');
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(texts[i].size(), i);
}

TEST(Arena, HighWaterOutlivesResetAndRelease) {
  Arena arena;
  static_cast<void>(arena.allocate(10000));
  arena.reset();
  static_cast<void>(arena.allocate(10));
  EXPECT_GE(arena.statistics().high_water_bytes, 10000U);
  arena.release();
  EXPECT_EQ(arena.statistics().reserved_bytes, 0U);
  EXPECT_GE(arena.statistics().high_water_bytes, 10000U);
}

#if defined(__SANITIZE_ADDRESS__)
TEST(ArenaDeathTest, UseAfterResetIsCaughtByAddressSanitizer) {
  Arena arena;
  auto* const block = static_cast<volatile char*>(arena.allocate(100));
  arena.reset();
  EXPECT_DEATH(block[0] = 1, "use-after-poison");
}
#endif

}  // namespace
}  // namespace plateau
