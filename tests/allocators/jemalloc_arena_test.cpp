// Run once on each allocator (see tests/CMakeLists.txt). Protects: on jemalloc an arena of its own serves, counts, and
// is dropped whole; elsewhere construction says what is missing.
#include "allocators/jemalloc_arena.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory_resource>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "allocators/heap.hpp"

namespace plateau {
namespace {

using namespace std::chrono_literals;

bool on_jemalloc() {
  const char* const name = std::getenv("EXPECTED_ALLOCATOR");
  return name != nullptr && std::string(name) == "jemalloc";
}

TEST(JemallocArena, WithoutJemallocConstructionSaysWhatToDo) {
  if (on_jemalloc()) {
    EXPECT_NO_THROW(JemallocArena());
    return;
  }
  try {
    const JemallocArena arena;
    ADD_FAILURE() << "was made without jemalloc";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("preload libjemalloc.so.2"), std::string::npos) << error.what();
  }
}

class OnJemalloc : public testing::TestWithParam<bool> {};  // with a thread cache or without

TEST_P(OnJemalloc, ServesAnySizeAndAlignmentAndCountsIt) {
  if (!on_jemalloc()) return;
  JemallocArena arena({.thread_cache = GetParam()});
  std::vector<void*> blocks;
  std::size_t bytes = 0;
  for (const std::size_t size : {0U, 1U, 100U, 5000U, 1U << 20}) {
    for (const std::size_t alignment : {1U, 16U, 4096U}) {
      void* const block = arena.allocate(size, alignment);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignment, 0U);
      std::memset(block, 1, size);
      bytes += size;
      arena.deallocate(block, size, alignment);
      blocks.push_back(arena.allocate(size, alignment));
    }
  }
  EXPECT_GE(arena.statistics().allocated, bytes);
  EXPECT_GE(arena.statistics().active, arena.statistics().allocated);
  EXPECT_GE(arena.statistics().resident, arena.statistics().active);
}

TEST_P(OnJemalloc, ResetEmptiesItAndItServesAgain) {
  if (!on_jemalloc()) return;
  JemallocArena arena({.thread_cache = GetParam()});
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10'000; ++i) std::memset(arena.allocate(200), i, 200);
    EXPECT_GE(arena.statistics().allocated, 2'000'000U);
    arena.reset();
    EXPECT_EQ(arena.statistics().allocated, 0U);
    EXPECT_EQ(arena.statistics().active, 0U);
  }
  arena.purge();
  EXPECT_EQ(arena.statistics().dirty, 0U);
}

INSTANTIATE_TEST_SUITE_P(ThreadCache, OnJemalloc, testing::Bool());

TEST(JemallocArena, ContainersLiveInItAndOthersDoNot) {
  if (!on_jemalloc()) return;
  JemallocArena arena;
  std::pmr::vector<std::pmr::string> texts(&arena);
  for (std::size_t i = 0; i < 1000; ++i) texts.emplace_back(100, 'x');
  const auto with_texts = arena.statistics().allocated;
  EXPECT_GE(with_texts, 100'000U);
  const std::vector<char> elsewhere(1 << 20);
  EXPECT_EQ(arena.statistics().allocated, with_texts);
}

TEST(JemallocArena, KnobsAreItsOwn) {
  if (!on_jemalloc()) return;
  const JemallocArena at_once({.dirty_decay = 0ms, .muzzy_decay = 0ms});
  JemallocArena never({.dirty_decay = -1ms});
  for (int i = 0; i < 100; ++i) {
    void* const block = never.allocate(100'000);
    std::memset(block, 1, 100'000);
    never.deallocate(block, 100'000);
  }
  EXPECT_GT(never.statistics().dirty, 0U);
  EXPECT_NE(at_once.index(), never.index());
}

TEST(JemallocArena, NumbersOfDestroyedArenasAreUsedAgain) {
  if (!on_jemalloc()) return;
  const unsigned first = JemallocArena().index();
  for (int i = 0; i < 100; ++i) {
    JemallocArena arena({.thread_cache = i % 2 == 0});
    std::memset(arena.allocate(1000), 1, 1000);
    EXPECT_LE(arena.index(), first + 1);
  }
}

// jemalloc itself lets the two meet: a purge of all arenas works on them with no lock held.
TEST(JemallocArena, MayEndWhileTheWholeHeapIsPurged) {
  if (!on_jemalloc()) return;
  std::atomic<bool> ended{false};
  std::vector<std::thread> purging;
  for (int t = 0; t < 2; ++t) {
    purging.emplace_back([&ended] {
      while (!ended) EXPECT_TRUE(Heap::process().purge().done);
    });
  }
  std::vector<std::thread> owning;
  for (int t = 0; t < 2; ++t) {
    owning.emplace_back([] {
      for (int i = 0; i < 300; ++i) {
        JemallocArena arena({.dirty_decay = -1ms});
        void* const block = arena.allocate(1 << 20);
        std::memset(block, 1, 1 << 20);
        arena.deallocate(block, 1 << 20);
        if (i % 3 == 0) arena.reset();
      }
    });
  }
  for (std::thread& thread : owning) thread.join();
  ended = true;
  for (std::thread& thread : purging) thread.join();
}

TEST(JemallocArena, PurgingTheWholeHeapPurgesItToo) {
  if (!on_jemalloc()) return;
  JemallocArena arena({.dirty_decay = -1ms});
  void* const block = arena.allocate(1 << 20);
  std::memset(block, 1, 1 << 20);
  arena.deallocate(block, 1 << 20);
  ASSERT_GE(arena.statistics().dirty, 1U << 20);
  ASSERT_TRUE(Heap::process().purge().done);
  EXPECT_EQ(arena.statistics().dirty, 0U);
}

TEST(JemallocArena, WithoutACacheSeveralThreadsMayUseIt) {
  if (!on_jemalloc()) return;
  JemallocArena arena;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) arena.deallocate(arena.allocate(500), 500);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(arena.statistics().allocated, 0U);
}

}  // namespace
}  // namespace plateau
