// Protects the arena where a random program (property_test.cpp) would not say what broke: limits, growth, destructors,
// marks, splicing.
#include "allocators/arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "allocators/page_resource.hpp"
#include "tests/allocators/watched_upstream.hpp"

namespace plateau {
namespace {

TEST(Arena, TakesNothingBeforeTheFirstAllocation) {
  WatchedUpstream upstream;
  const Arena arena({}, &upstream);
  EXPECT_EQ(upstream.takes, 0U);
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
  WatchedUpstream upstream;
  Arena arena({.block_bytes = 1000, .max_block_bytes = 1000, .retain_bytes = 2500}, &upstream);
  for (int i = 0; i < 10; ++i) static_cast<void>(arena.allocate(900));
  EXPECT_EQ(upstream.live_blocks, 10U);
  arena.reset();
  EXPECT_EQ(upstream.live_blocks, 2U);
  EXPECT_LE(upstream.live_bytes, 2500U);
}

TEST(Arena, RetainedBlocksServeTheNextRound) {
  WatchedUpstream upstream;
  Arena arena({.block_bytes = 4096, .max_block_bytes = 4096}, &upstream);
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 100; ++i) static_cast<void>(arena.allocate(100));
    arena.reset();
  }
  EXPECT_EQ(upstream.takes, 3U);
  EXPECT_EQ(arena.statistics().resets, 100U);
}

TEST(Arena, OversizedRequestsAreNeverRetained) {
  WatchedUpstream upstream;
  Arena arena({.block_bytes = 1024, .max_block_bytes = 1024}, &upstream);
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
    WatchedUpstream upstream;
    upstream.fail_at = fail_at;
    {
      Arena arena({.block_bytes = 512, .max_block_bytes = 512}, &upstream);
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

TEST(Arena, BlocksDoubleUpToTheCap) {
  WatchedUpstream upstream;
  Arena arena({.block_bytes = 1024, .max_block_bytes = 8192}, &upstream);
  std::vector<std::size_t> sizes;
  while (sizes.size() < 6) {
    const std::size_t before = upstream.live_bytes;
    static_cast<void>(arena.allocate(100));
    if (upstream.live_bytes != before) sizes.push_back(upstream.live_bytes - before);
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1024, 2048, 4096, 8192, 8192, 8192}));
}

TEST(Arena, AGrowingContainerIsServedFromBlocksThatAreKept) {
  WatchedUpstream upstream;
  Arena arena({}, &upstream);
  std::size_t takes = 0;
  for (int round = 0; round < 5; ++round) {
    {
      std::pmr::vector<int> numbers(&arena);
      for (int i = 0; i < 50'000; ++i) numbers.push_back(i);
    }
    arena.reset();
    if (round == 0) takes = upstream.takes;
  }
  EXPECT_EQ(upstream.takes, takes);
}

TEST(Arena, TheLimitHoldsAndASmallerBlockStillServesBelowIt) {
  WatchedUpstream upstream;
  Arena arena({.block_bytes = 1024, .max_block_bytes = 4096, .allocation_limit = 5000}, &upstream);
  std::size_t got = 0;
  while (arena.try_allocate(64) != nullptr) got += 64;
  EXPECT_GT(got, 4500U) << "1024 + 2048 and then a last block smaller than 4096";
  EXPECT_LE(upstream.live_bytes, 5000U);
  EXPECT_THROW(static_cast<void>(arena.allocate(64)), std::bad_alloc);
  arena.reset();
  EXPECT_NE(arena.try_allocate(64), nullptr);
}

TEST(Arena, TryAllocateGivesNullWhereAllocateThrows) {
  WatchedUpstream upstream;
  upstream.fail_at = 0;
  Arena arena({}, &upstream);
  EXPECT_EQ(arena.try_allocate(10), nullptr);
  EXPECT_EQ(arena.try_allocate(SIZE_MAX), nullptr);
  EXPECT_NE(arena.try_allocate(10), nullptr) << "the failure does not stay";
}

TEST(Arena, ServesFromTheCallersBufferFirstAndAgainAfterReset) {
  WatchedUpstream upstream;
  alignas(std::max_align_t) std::array<std::byte, 1000> buffer;
  Arena arena(buffer, {}, &upstream);
  const auto in_buffer = [&](void* p) { return p >= buffer.data() && p < buffer.data() + buffer.size(); };
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(in_buffer(arena.allocate(500)));
    EXPECT_EQ(upstream.live_bytes, 0U);
    EXPECT_FALSE(in_buffer(arena.allocate(2000)));
    arena.release();
    EXPECT_EQ(upstream.live_bytes, 0U);
  }
}

TEST(Arena, ABufferThatIsTooSmallIsLeftAlone) {
  std::array<std::byte, 8> buffer{};
  Arena arena(buffer);
  std::memset(arena.allocate(100), 1, 100);
  EXPECT_EQ(buffer, (std::array<std::byte, 8>{}));
}

TEST(Arena, SmallSizesAreDense) {
  Arena arena;
  auto* const first = static_cast<std::byte*>(arena.allocate(1, 1));
  EXPECT_EQ(static_cast<std::byte*>(arena.allocate(8, 8)) - first, 8);
  EXPECT_EQ(static_cast<std::byte*>(arena.allocate(1, 1)) - first, 16);
}

// Says when it dies.
struct Witness {
  Witness(std::vector<int>& deaths, int number) : deaths_(&deaths), number_(number) {}
  ~Witness() { deaths_->push_back(number_); }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

 private:
  std::vector<int>* deaths_;
  int number_;
};

TEST(ArenaObjects, DieOnceInReverseOrder) {
  std::vector<int> deaths;
  {
    Arena arena;
    for (int i = 0; i < 4; ++i) arena.create<Witness>(deaths, i);
    arena.reset();
    EXPECT_EQ(deaths, (std::vector<int>{3, 2, 1, 0}));
    arena.create<Witness>(deaths, 4);
  }
  EXPECT_EQ(deaths, (std::vector<int>{3, 2, 1, 0, 4}));
}

TEST(ArenaObjects, TrivialOnesCostTheirSizeAndNothingElse) {
  Arena arena;
  for (int i = 0; i < 100; ++i) arena.create<std::uint64_t>(1U);
  EXPECT_EQ(arena.statistics().used_bytes, 800U);
}

TEST(ArenaObjects, OverAlignedOnesAndArraysAreAligned) {
  struct alignas(128) Wide {
    ~Wide() {}
    char byte = 'x';
  };
  Arena arena;
  static_cast<void>(arena.allocate(1, 1));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(arena.create<Wide>()) % 128, 0U);
  for (const Wide& wide : arena.create_array<Wide>(5)) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&wide) % 128, 0U);
    EXPECT_EQ(wide.byte, 'x');
  }
  EXPECT_THROW(arena.create_array<Wide>(SIZE_MAX / 64), std::bad_alloc);
}

TEST(ArenaObjects, AConstructorThatThrowsLeavesNoDestructorBehind) {
  struct Thrower {
    Thrower() { throw 1; }
    ~Thrower() { ADD_FAILURE() << "was never alive"; }
  };
  Arena arena;
  EXPECT_THROW(arena.create<Thrower>(), int);
  EXPECT_THROW(arena.create_array<Thrower>(3), int);
}

TEST(ArenaMarks, RewindUnwindsDestructorsAndOversizedBlocks) {
  WatchedUpstream upstream;
  std::vector<int> deaths;
  Arena arena({.block_bytes = 1024, .max_block_bytes = 1024}, &upstream);
  arena.create<Witness>(deaths, 0);
  const Arena::Mark mark = arena.mark();
  const ArenaStatistics before = arena.statistics();
  arena.create<Witness>(deaths, 1);
  static_cast<void>(arena.allocate(100'000));
  for (int i = 0; i < 100; ++i) static_cast<void>(arena.allocate(100));
  arena.create<Witness>(deaths, 2);
  arena.rewind(mark);
  EXPECT_EQ(deaths, (std::vector<int>{2, 1}));
  EXPECT_EQ(arena.statistics().used_bytes, before.used_bytes);
  EXPECT_LT(upstream.live_bytes, 100'000U);
  const std::size_t takes = upstream.takes;
  for (int i = 0; i < 100; ++i) static_cast<void>(arena.allocate(100));
  EXPECT_EQ(upstream.takes, takes) << "rewind keeps the blocks";
}

TEST(ArenaMarks, AMarkOfAnEmptyArenaGoesBackToEmpty) {
  Arena arena;
  const Arena::Mark mark = arena.mark();
  static_cast<void>(arena.allocate(100));
  arena.rewind(mark);
  EXPECT_EQ(arena.statistics().used_bytes, 0U);
  std::memset(arena.allocate(100), 1, 100);
}

TEST(ArenaSplice, KeepsContentsAndDestructorsInOrder) {
  WatchedUpstream upstream;
  std::vector<int> deaths;
  Arena whole({.block_bytes = 512}, &upstream);
  whole.create<Witness>(deaths, 0);
  std::vector<std::array<int, 30>*> rows;
  {
    Arena part({.block_bytes = 512}, &upstream);
    part.create<Witness>(deaths, 1);
    for (int i = 0; i < 100; ++i) rows.push_back(part.create<std::array<int, 30>>(std::array<int, 30>{i}));
    whole.splice(part);
    EXPECT_EQ(part.statistics().reserved_bytes, 0U);
    EXPECT_TRUE(deaths.empty());
    std::memset(part.allocate(100), 1, 100);  // usable, and apart
  }
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i]->front(), static_cast<int>(i));
  whole.create<Witness>(deaths, 2);
  whole.reset();
  EXPECT_EQ(deaths, (std::vector<int>{2, 1, 0}));
}

TEST(ArenaSplice, IsRefusedWhenItCannotBeRight) {
  WatchedUpstream upstream;
  WatchedUpstream other_upstream;
  Arena arena({.allocation_limit = 100'000}, &upstream);
  Arena stranger({}, &other_upstream);
  std::array<std::byte, 1000> buffer;
  Arena on_buffer(buffer, {}, &upstream);
  Arena large({}, &upstream);
  static_cast<void>(large.allocate(200'000));
  EXPECT_THROW(arena.splice(arena), std::invalid_argument);
  EXPECT_THROW(arena.splice(stranger), std::invalid_argument);
  EXPECT_THROW(arena.splice(on_buffer), std::invalid_argument);
  EXPECT_THROW(arena.splice(large), std::bad_alloc);
  EXPECT_GE(large.statistics().used_bytes, 200'000U);
}

TEST(PageResource, BlocksAreAlignedAndZero) {
  PageResource pages;
  for (const std::size_t alignment : {8U, 4096U, 1U << 20}) {
    auto* const block = static_cast<std::byte*>(pages.allocate(100'000, alignment));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignment, 0U);
    EXPECT_TRUE(std::all_of(block, block + 100'000, [](std::byte b) { return b == std::byte{0}; }));
    std::memset(block, 1, 100'000);
    pages.deallocate(block, 100'000, alignment);
  }
  EXPECT_THROW(static_cast<void>(pages.allocate(SIZE_MAX - 10)), std::bad_alloc);
  EXPECT_THROW(static_cast<void>(pages.allocate(10, SIZE_MAX / 2 + 1)), std::bad_alloc);
}

TEST(PageResource, AnArenaTakesItsBlocksAsWholeHugePages) {
  std::optional<PageResource> huge;
  try {
    huge.emplace(PageSize::huge);
  } catch (const std::runtime_error& refused) {
    EXPECT_NE(std::string(refused.what()).find("transparent huge page"), std::string::npos) << refused.what();
    return;
  }
  Arena arena({.block_bytes = huge_page_bytes, .max_block_bytes = huge_page_bytes}, &*huge);
  auto* const block = static_cast<std::byte*>(arena.allocate(huge_page_bytes / 2));
  std::memset(block, 1, huge_page_bytes / 2);
  EXPECT_LT(reinterpret_cast<std::uintptr_t>(block) % huge_page_bytes, 64U);
  EXPECT_EQ(arena.statistics().reserved_bytes, huge_page_bytes);
  EXPECT_FALSE(huge->is_equal(PageResource()));
}

#if defined(PLATEAU_ADDRESS_SANITIZER)
TEST(ArenaDeathTest, UseAfterResetIsCaughtByAddressSanitizer) {
  Arena arena;
  auto* const block = static_cast<volatile char*>(arena.allocate(100));
  arena.reset();
  EXPECT_DEATH(block[0] = 1, "use-after-poison");
}

TEST(ArenaDeathTest, UseAfterRewindIsCaughtByAddressSanitizer) {
  Arena arena;
  const Arena::Mark mark = arena.mark();
  auto* const block = static_cast<volatile char*>(arena.allocate(100));
  arena.rewind(mark);
  EXPECT_DEATH(block[0] = 1, "use-after-poison");
}
#endif

}  // namespace
}  // namespace plateau
