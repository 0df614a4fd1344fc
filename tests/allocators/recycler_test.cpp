// Protects the recycler's bounds: a pool without them is a leak with a good name.
#include "allocators/recycler.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "allocators/allocation_counter.hpp"

namespace plateau {
namespace {

using Strings = Recycler<std::string>;

TEST(Recycler, GivesBackAResetObjectThatKeepsItsCapacity) {
  Strings recycler;
  const std::string* first = nullptr;
  {
    auto handle = recycler.get();
    handle->assign(1000, 'x');
    first = handle.get();
  }
  const auto again = recycler.get();
  EXPECT_EQ(again.get(), first);
  EXPECT_TRUE(again->empty());
  EXPECT_GE(again->capacity(), 1000U);
}

TEST(Recycler, SteadyStateAsksNothingOfTheHeap) {
  Strings recycler;
  recycler.get()->assign(1000, 'x');
  const AllocationCounts before = thread_allocation_counts();
  for (int i = 0; i < 1000; ++i) recycler.get()->assign(1000, 'x');
  EXPECT_EQ(thread_allocation_counts().calls, before.calls);
}

TEST(Recycler, AGiantObjectIsNotKept) {
  Strings recycler({.max_idle = 10, .max_object_bytes = 10000});
  recycler.get()->assign(1 << 20, 'x');
  EXPECT_EQ(recycler.statistics().idle, 0U);
  EXPECT_EQ(recycler.statistics().dropped, 1U);
}

TEST(Recycler, KeepsNoMoreThanItsBound) {
  Strings recycler({.max_idle = 3});
  {
    std::vector<Strings::Handle> handles;
    for (int i = 0; i < 10; ++i) handles.push_back(recycler.get());
  }
  EXPECT_EQ(recycler.statistics().idle, 3U);
  EXPECT_EQ(recycler.statistics().dropped, 7U);
}

TEST(Recycler, ServesFirstWhatCameBackLast) {
  Strings recycler;
  std::vector<Strings::Handle> taken;
  std::vector<const std::string*> back;
  for (int i = 0; i < 5; ++i) taken.push_back(recycler.get());
  for (auto& handle : taken) {
    back.push_back(handle.get());
    handle.reset();
  }
  // One goes out and comes back between them, as the newest of all.
  recycler.get().reset();
  for (auto& handle : taken) {
    handle = recycler.get();
    EXPECT_EQ(handle.get(), back.back());
    back.pop_back();
  }
}

// Caches of one thread hold from nothing to two batches at these sizes; the newest object counts as any other.
TEST(Recycler, TheBoundHoldsAtEverySize) {
  for (std::size_t most = 0; most <= 40; ++most) {
    Strings recycler({.max_idle = most, .batch = 2});
    std::vector<Strings::Handle> taken(most + 5);
    for (auto& handle : taken) handle = recycler.get();
    for (std::size_t i = 0; i < taken.size(); ++i) {
      taken[i].reset();
      EXPECT_LE(recycler.statistics().idle, most);
    }
    const RecyclerStatistics full = recycler.statistics();
    EXPECT_EQ(full.made, full.idle + full.dropped);
    EXPECT_GE(full.idle, most / 2);
  }
}

TEST(Recycler, AHandleWithoutAHomeOwnsItsObject) {
  const AllocationCounts before = thread_allocation_counts();
  { const Strings::Handle handle(new std::string(100, 'x'), {}); }
  EXPECT_EQ(thread_allocation_counts().live_bytes(), before.live_bytes());
}

TEST(Recycler, TheByteCapHoldsOverAllThreads) {
  Strings recycler({.max_idle = 1000, .max_idle_bytes = 100'000, .max_object_bytes = 20'000});
  for (int round = 0; round < 5; ++round) {
    std::thread([&] {
      std::vector<Strings::Handle> handles;
      for (int i = 0; i < 100; ++i) {
        handles.push_back(recycler.get());
        handles.back()->assign(5000, 'x');
      }
    }).join();
    EXPECT_LE(recycler.statistics().idle_bytes, 100'000U);
  }
  EXPECT_GT(recycler.statistics().idle, 5U);
}

TEST(Recycler, WhatStaysIdleForTwoEpochsIsDestroyed) {
  Strings recycler;
  {
    std::vector<Strings::Handle> handles;
    for (int i = 0; i < 100; ++i) handles.push_back(recycler.get());
  }
  const auto use_one_in_an_epoch = [&] {
    recycler.advance_epoch();
    recycler.get()->assign(10, 'x');
  };
  use_one_in_an_epoch();
  EXPECT_EQ(recycler.statistics().idle, 100U) << "young";
  use_one_in_an_epoch();
  use_one_in_an_epoch();
  EXPECT_LE(recycler.statistics().idle, 2U);
  for (int i = 0; i < 10; ++i) use_one_in_an_epoch();
  EXPECT_EQ(recycler.statistics().idle, 1U) << "what is used in every epoch stays";
}

TEST(Recycler, TrimUnderPressureKeepsWhatItMay) {
  Strings recycler({.max_idle = 1000});
  std::thread([&] {
    std::vector<Strings::Handle> handles;
    for (int i = 0; i < 200; ++i) {
      handles.push_back(recycler.get());
      handles.back()->assign(1000, 'x');
    }
  }).join();
  const std::size_t before = recycler.statistics().idle_bytes;
  const std::size_t freed = recycler.trim(50'000);
  EXPECT_EQ(recycler.statistics().idle_bytes, before - freed);
  EXPECT_LE(recycler.statistics().idle_bytes, 50'000U);
  EXPECT_GT(recycler.statistics().idle_bytes, 40'000U);
  recycler.trim();
  EXPECT_EQ(recycler.statistics().idle, 0U);
}

TEST(Recycler, AThreadsCacheFollowsATrimAtItsNextReturn) {
  Strings recycler;
  std::atomic<int> step{0};
  std::thread other([&] {
    { const std::array handles{recycler.get(), recycler.get(), recycler.get()}; }
    step = 1;
    step.notify_all();
    step.wait(1);
    recycler.get().reset();
    EXPECT_LE(recycler.statistics().idle, 1U);
  });
  step.wait(0);
  EXPECT_EQ(recycler.statistics().idle, 3U);
  recycler.trim();
  step = 2;
  step.notify_all();
  other.join();
}

TEST(Recycler, CachesOfEndedThreadsServeNewOnes) {
  Strings recycler;
  for (int i = 0; i < 50; ++i) {
    std::thread([&] { recycler.get()->assign(100, 'x'); }).join();
  }
  EXPECT_EQ(recycler.statistics().made, 1U);
}

TEST(Recycler, HandlesMayOutliveIt) {
  { const Strings first; }  // makes what the process keeps for all recyclers
  const AllocationCounts before = thread_allocation_counts();
  {
    Strings::Handle first;
    Strings::Handle second;
    {
      Strings recycler;
      first = recycler.get();
      second = recycler.get();
      recycler.get().reset();
    }
    first->assign(1000, 'x');
  }
  EXPECT_EQ(thread_allocation_counts().live_bytes(), before.live_bytes());
}

struct Session {
  int uses = 0;
  std::size_t bytes = 100;
};
struct SessionTraits {
  static std::size_t size_bytes(const Session& session) noexcept { return session.bytes; }
  static void reset(Session& session) noexcept { ++session.uses; }
  static std::unique_ptr<Session> make() { return std::make_unique<Session>(Session{.uses = 10}); }
};

TEST(Recycler, TraitsSayHowToMakeMeasureAndReset) {
  Recycler<Session, SessionTraits> recycler({.max_object_bytes = 1000});
  EXPECT_EQ(recycler.get()->uses, 10);
  EXPECT_EQ(recycler.get()->uses, 11);
  EXPECT_EQ(recycler.statistics().idle_bytes, 100U);
  recycler.get()->bytes = 5000;
  EXPECT_EQ(recycler.statistics().dropped, 1U);
}

TEST(Recycler, ObjectsMayMoveBetweenThreads) {
  Strings recycler({.max_idle = 64});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&recycler] {
      for (int i = 0; i < 5000; ++i) {
        std::vector<Strings::Handle> handles;
        for (int k = 0; k < i % 24; ++k) {
          handles.push_back(recycler.get());
          ASSERT_TRUE(handles.back()->empty());
          handles.back()->push_back('x');
        }
      }
    });
  }
  // What they do not slow down: ageing and trimming meanwhile.
  for (int i = 0; i < 100; ++i) {
    recycler.advance_epoch();
    recycler.trim(100);
    EXPECT_LE(recycler.statistics().idle, 64U);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(recycler.statistics().idle, 64U);
}

// Objects with static storage die after the main thread's own caches, in an order nobody chose.
Strings::Handle outlives_everything;
Strings static_recycler;
struct UsesItLate {
  ~UsesItLate() {
    for (int i = 0; i < 3; ++i) static_recycler.get()->assign(100, 'x');
  }
} uses_it_late;

TEST(Recycler, StaticOnesMayBeUsedDuringStaticDestruction) {
  outlives_everything = static_recycler.get();
  outlives_everything->assign(1000, 'x');
  EXPECT_EQ(static_recycler.statistics().made, 1U);  // the rest is for the sanitizers, at the program's end
}

}  // namespace
}  // namespace plateau
