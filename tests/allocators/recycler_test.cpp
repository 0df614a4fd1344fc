// Protects the recycler's bounds: a pool without them is a leak with a good name.
#include "allocators/recycler.hpp"

#include <gtest/gtest.h>

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

TEST(Recycler, AHandleWithoutAHomeOwnsItsObject) {
  const AllocationCounts before = thread_allocation_counts();
  { const Strings::Handle handle(new std::string(100, 'x'), {}); }
  EXPECT_EQ(thread_allocation_counts().live_bytes(), before.live_bytes());
}

TEST(Recycler, ObjectsMayMoveBetweenThreads) {
  Strings recycler({.max_idle = 8});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&recycler] {
      for (int i = 0; i < 5000; ++i) {
        auto handle = recycler.get();
        ASSERT_TRUE(handle->empty());
        handle->push_back('x');
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(recycler.statistics().idle, 8U);
}

}  // namespace
}  // namespace plateau
