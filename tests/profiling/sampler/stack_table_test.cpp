// Protects the table of stacks: one place a stack, totals that stay right when it is full, and readers that see no
// negative difference.
#include "profiling/sampler/stack_table.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace plateau::sampler {
namespace {

using Stack = std::vector<std::uintptr_t>;

struct Sum {
  std::size_t stacks = 0;
  std::uint64_t bytes = 0;
};

Sum sum_of(const StackTable& table) {
  Sum sum;
  table.for_each([&sum](std::span<const std::uintptr_t>, const StackTotals& totals) {
    ++sum.stacks;
    sum.bytes += totals.allocated.bytes;
  });
  return sum;
}

TEST(StackTable, TheSameStackHasOnePlace) {
  const auto table = std::make_unique<StackTable>();
  const auto one = table->find_or_add(Stack{1, 2, 3});
  EXPECT_NE(one, StackTable::overflow);
  EXPECT_EQ(table->find_or_add(Stack{1, 2, 3}), one);
  EXPECT_NE(table->find_or_add(Stack{1, 2}), one);
  EXPECT_NE(table->find_or_add(Stack{3, 2, 1}), one);
  table->add_allocated(one, {Weight::object_scale, 10});
  table->add_allocated(one, {Weight::object_scale, 10});
  table->add_freed(one, {Weight::object_scale, 10});
  table->for_each([](std::span<const std::uintptr_t> stack, const StackTotals& totals) {
    EXPECT_EQ(Stack(stack.begin(), stack.end()), (Stack{1, 2, 3}));
    EXPECT_EQ(totals.allocated.bytes, 20u);
    EXPECT_EQ(totals.in_use().bytes, 10u);
  });
  EXPECT_EQ(sum_of(*table).stacks, 1u);
}

TEST(StackTable, WhatFindsNoPlaceIsCountedTogether) {
  const auto table = std::make_unique<StackTable>();
  std::size_t lost = 0;
  const std::size_t tried = StackTable::capacity + 1000;
  for (std::uintptr_t i = 0; i < tried; ++i) {
    const auto place = table->find_or_add(Stack{i + 1, 2 * i, 5});
    lost += place == StackTable::overflow ? 1 : 0;
    table->add_allocated(place, {Weight::object_scale, 100});
  }
  EXPECT_GE(lost, 1000u);
  EXPECT_EQ(sum_of(*table).bytes, tried * 100);
  EXPECT_EQ(sum_of(*table).stacks, tried - lost + 1);
}

TEST(StackTable, FramesThatFindNoRoomAreCountedTogether) {
  const auto table = std::make_unique<StackTable>();
  const std::size_t tried = StackTable::frame_capacity / StackTable::max_depth + 100;
  Stack stack(StackTable::max_depth);
  std::size_t lost = 0;
  for (std::size_t i = 0; i < tried; ++i) {
    stack[0] = i;
    const auto place = table->find_or_add(stack);
    lost += place == StackTable::overflow ? 1 : 0;
    table->add_allocated(place, {Weight::object_scale, 1});
  }
  EXPECT_GE(lost, 100u);
  EXPECT_EQ(sum_of(*table).bytes, tried);
}

TEST(StackTable, ReadersNeverSeeMoreFreedThanAllocated) {
  const auto table = std::make_unique<StackTable>();
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int i = 0; i < 2; ++i) {
    writers.emplace_back([&] {
      for (std::uintptr_t n = 0; !stop; ++n) {
        const auto place = table->find_or_add(Stack{n % 7 + 1});
        table->add_allocated(place, {Weight::object_scale, 64});
        table->add_freed(place, {Weight::object_scale, 64});
      }
    });
  }
  for (int round = 0; round < 200; ++round) {
    table->for_each([](std::span<const std::uintptr_t>, const StackTotals& totals) {
      ASSERT_LE(totals.freed.bytes, totals.allocated.bytes);
      ASSERT_LE(totals.freed.objects, totals.allocated.objects);
    });
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
}

}  // namespace
}  // namespace plateau::sampler
