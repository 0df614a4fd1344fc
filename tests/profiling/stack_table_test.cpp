// Protects the table of stacks: one place a stack, and sums that stay right when it is full and while others write.
#include "profiling/stacks/stack_table.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace plateau {
namespace {

using Stack = std::vector<std::uintptr_t>;
using Count = std::atomic<std::uint64_t>;

constexpr std::size_t capacity = 1024;
constexpr std::size_t frames = 8 * capacity;
using Table = StackTable<Count, capacity, frames>;

struct Sum {
  std::size_t stacks = 0;
  std::uint64_t count = 0;
};

Sum sum_of(const Table& table) {
  Sum sum;
  table.for_each([&sum](std::span<const std::uintptr_t> stack, const Count& count) {
    sum.stacks += stack.empty() ? 0 : 1;
    sum.count += count;
  });
  return sum;
}

TEST(StackTable, TheSameStackHasOnePlace) {
  const auto table = std::make_unique<Table>();
  const auto one = table->find_or_add(Stack{1, 2, 3});
  EXPECT_NE(one, Table::overflow);
  EXPECT_EQ(table->find_or_add(Stack{1, 2, 3}), one);
  const auto shorter = table->find_or_add(Stack{1, 2});
  const auto reversed = table->find_or_add(Stack{3, 2, 1});
  EXPECT_NE(shorter, one);
  EXPECT_NE(reversed, one);
  EXPECT_NE(reversed, shorter);
  table->totals(one) += 5;
  bool seen = false;
  table->for_each([&](std::span<const std::uintptr_t> stack, const Count& count) {
    if (count == 0) return;
    EXPECT_EQ(Stack(stack.begin(), stack.end()), (Stack{1, 2, 3}));
    EXPECT_EQ(count, 5u);
    seen = true;
  });
  EXPECT_TRUE(seen);
}

TEST(StackTable, WhatFindsNoPlaceIsCountedTogether) {
  const auto table = std::make_unique<Table>();
  const std::size_t tried = capacity + 100;
  std::size_t lost = 0;
  for (std::uintptr_t i = 0; i < tried; ++i) {
    const auto place = table->find_or_add(Stack{i + 1, 2 * i, 5});
    lost += place == Table::overflow ? 1 : 0;
    table->totals(place) += 1;
  }
  EXPECT_GE(lost, 100u);
  EXPECT_EQ(sum_of(*table).count, tried);
  EXPECT_EQ(sum_of(*table).stacks, tried - lost);
}

TEST(StackTable, FramesThatFindNoRoomAreCountedTogether) {
  const auto table = std::make_unique<Table>();
  Stack stack(128);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    stack[0] = i;
    const auto place = table->find_or_add(stack);
    kept += place != Table::overflow ? 1 : 0;
    table->totals(place) += 1;
  }
  EXPECT_EQ(kept, frames / stack.size());
  EXPECT_EQ(sum_of(*table).count, 200u);
  EXPECT_EQ(table->find_or_add(Stack{7}), Table::overflow);
}

TEST(StackTable, NothingIsLostBetweenThreadsThatAddTheSameStacks) {
  const auto table = std::make_unique<Table>();
  constexpr std::uint64_t rounds = 100'000;
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&table] {
      for (std::uintptr_t n = 0; n < rounds; ++n) table->totals(table->find_or_add(Stack{n % 97 + 1, 8})) += 1;
    });
  }
  std::uint64_t last = 0;
  for (int round = 0; round < 1000; ++round) {
    const std::uint64_t now = sum_of(*table).count;
    ASSERT_GE(now, last);
    last = now;
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(sum_of(*table).count, 4 * rounds);
}

}  // namespace
}  // namespace plateau
