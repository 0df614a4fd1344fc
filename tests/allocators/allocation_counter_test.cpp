// Protects the unit of "allocation rate": every form of new and delete is counted once, with the size that was asked
// for.
#include "allocators/allocation_counter.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace plateau {
namespace {

struct Difference {
  AllocationCounts before = thread_allocation_counts();
  AllocationCounts now() const {
    const AllocationCounts after = thread_allocation_counts();
    return {after.calls - before.calls, after.bytes - before.bytes, after.freed_bytes - before.freed_bytes,
            after.unsized_deletes - before.unsized_deletes, 0};
  }
};

TEST(AllocationCounter, CountsRequestedBytesAndNotUsableOnes) {
  const Difference difference;
  void* const block = ::operator new(1000);
  EXPECT_EQ(difference.now().calls, 1U);
  EXPECT_EQ(difference.now().bytes, 1000U);
  ::operator delete (block, std::size_t{1000});
  EXPECT_EQ(difference.now().freed_bytes, 1000U);
  EXPECT_EQ(difference.now().live_bytes(), 0U);
}

TEST(AllocationCounter, EveryFormOfNewIsCounted) {
  const Difference difference;
  const std::align_val_t alignment{256};
  ::operator delete (::operator new(10), std::size_t{10});
  ::operator delete[](::operator new[](10), std::size_t{10});
  ::operator delete (::operator new(10, std::nothrow), std::size_t{10});
  ::operator delete[](::operator new[](10, std::nothrow), std::size_t{10});
  void* const aligned = ::operator new(10, alignment);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(aligned) % 256, 0U);
  ::operator delete (aligned, std::size_t{10}, alignment);
  ::operator delete[](::operator new[](10, alignment), std::size_t{10}, alignment);
  EXPECT_EQ(difference.now().calls, 6U);
  EXPECT_EQ(difference.now().bytes, 60U);
  EXPECT_EQ(difference.now().freed_bytes, 60U);
  EXPECT_EQ(difference.now().unsized_deletes, 0U);
}

TEST(AllocationCounter, UnsizedDeleteIsCountedApartAndByUsableSize) {
  const Difference difference;
  ::operator delete(::operator new(1000));
  EXPECT_EQ(difference.now().unsized_deletes, 1U);
  EXPECT_GE(difference.now().freed_bytes, 1000U);
}

TEST(AllocationCounter, DeleteOfNullCountsNothing) {
  const Difference difference;
  ::operator delete(nullptr);
  ::operator delete (nullptr, std::size_t{8});
  EXPECT_EQ(difference.now().freed_bytes, 0U);
}

TEST(AllocationCounter, StandardContainersGiveTheirSizesBack) {
  const Difference difference;
  {
    std::vector<std::string> texts(100, std::string(200, 'x'));
    const auto shared = std::make_shared<std::string>(500, 'y');
    EXPECT_GT(difference.now().live_bytes(), 100U * 200U);
  }
  EXPECT_EQ(difference.now().live_bytes(), 0U);
  EXPECT_EQ(difference.now().unsized_deletes, 0U);
}

TEST(AllocationCounter, CountsOfEndedThreadsStayInTheSum) {
  const AllocationCounts before = allocation_counts();
  constexpr int threads = 300;  // more than there are slots
  for (int i = 0; i < threads; ++i) {
    std::thread([] { ::operator delete (::operator new(1 << 20), std::size_t{1} << 20); }).join();
  }
  const AllocationCounts after = allocation_counts();
  EXPECT_GE(after.bytes - before.bytes, std::uint64_t{threads} << 20);
  EXPECT_GE(after.freed_bytes - before.freed_bytes, std::uint64_t{threads} << 20);
}

TEST(AllocationCounter, ThePeakOutlivesWhatMadeIt) {
  const std::uint64_t live = allocation_counts().live_bytes();
  constexpr std::size_t burst = std::size_t{64} << 20;
  ::operator delete(::operator new(burst), burst);
  EXPECT_GE(allocation_counts().peak_bytes, live + burst - (1 << 20));
  EXPECT_LT(allocation_counts().live_bytes(), live + (1 << 20));
}

TEST(AllocationCounter, BlocksFreedByAnotherThreadBalanceInTheSum) {
  const AllocationCounts before = allocation_counts();
  std::vector<void*> blocks;
  blocks.reserve(1000);
  std::thread([&] {
    for (int i = 0; i < 1000; ++i) blocks.push_back(::operator new(512));
  }).join();
  for (void* const block : blocks) ::operator delete (block, std::size_t{512});
  const AllocationCounts after = allocation_counts();
  EXPECT_GE(after.freed_bytes - before.freed_bytes, 512'000U);
  // What is left is this test's own vector and what the runtime keeps of a thread.
  EXPECT_LT((after.bytes - before.bytes) - (after.freed_bytes - before.freed_bytes), 20'000U);
}

TEST(AllocationCounter, ImpossibleSizeThrowsOrGivesNullAndCountsNothing) {
  const std::size_t impossible = SIZE_MAX / 2 + 1;
  const Difference difference;
  std::size_t volatile size = impossible;  // or the compiler warns of what is meant here
  EXPECT_THROW(static_cast<void>(::operator new(size)), std::bad_alloc);
  EXPECT_EQ(::operator new(size, std::nothrow), nullptr);
  EXPECT_LT(difference.now().bytes, impossible);
}

}  // namespace
}  // namespace plateau
