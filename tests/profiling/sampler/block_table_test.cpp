// Protects the table of live blocks: it finds what it holds, fills up before it refuses, and loses nothing to threads.
#include "profiling/sampler/block_table.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace plateau::sampler {
namespace {

const void* address(std::uintptr_t nth) {
  return reinterpret_cast<const void*>(0x7f0000000000 + 48 * nth);
}

TEST(BlockTable, GivesBackWhatWasInsertedOnce) {
  const auto table = std::make_unique<BlockTable>();
  ASSERT_TRUE(table->insert(address(1), {{4096, 100}, 7}));
  EXPECT_FALSE(table->take(address(2)));
  const auto record = table->take(address(1));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->weight.bytes, 100u);
  EXPECT_EQ(record->stack, 7u);
  EXPECT_FALSE(table->take(address(1)));
}

TEST(BlockTable, FillsToTwoThirdsBeforeItRefusesAndForgetsNothing) {
  const auto table = std::make_unique<BlockTable>();
  std::vector<std::uintptr_t> held;
  std::size_t refused_at = 0;
  for (std::uintptr_t nth = 0; nth < BlockTable::capacity; ++nth) {
    if (table->insert(address(nth), {{}, static_cast<std::uint32_t>(nth)})) {
      held.push_back(nth);
    } else if (refused_at == 0) {
      refused_at = held.size();
    }
  }
  EXPECT_GT(refused_at, BlockTable::capacity * 2 / 3);
  EXPECT_GT(held.size(), BlockTable::capacity * 19 / 20) << "single refusals leave room for others";
  for (const std::uintptr_t nth : held) {
    const auto record = table->take(address(nth));
    ASSERT_TRUE(record) << nth;
    ASSERT_EQ(record->stack, nth);
  }
  EXPECT_TRUE(table->insert(address(5), {})) << "places are free again";
}

TEST(BlockTable, ThreadsDoNotDisturbEachOther) {
  const auto table = std::make_unique<BlockTable>();
  std::vector<std::thread> threads;
  std::array<bool, 4> intact{};
  for (std::uint32_t own = 0; own < intact.size(); ++own) {
    threads.emplace_back([&, own] {
      bool right = true;
      for (std::uintptr_t round = 0; round < 200; ++round) {
        for (std::uintptr_t i = 0; i < 500; ++i) right &= table->insert(address(4 * i + own), {{round, i}, own});
        for (std::uintptr_t i = 0; i < 500; ++i) {
          const auto record = table->take(address(4 * i + own));
          right &= record && record->stack == own && record->weight.bytes == i && record->weight.objects == round;
        }
      }
      intact[own] = right;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const bool right : intact) EXPECT_TRUE(right);
}

TEST(PageFilter, KnowsThePagesOfItsBlocksAndForgetsThem) {
  const auto filter = std::make_unique<PageFilter>();
  const auto* const block = reinterpret_cast<const void*>(0x7f0000001010);
  const auto* const neighbour = reinterpret_cast<const void*>(0x7f0000001ff0);
  const auto* const elsewhere = reinterpret_cast<const void*>(0x7f0000003010);
  filter->add(block);
  EXPECT_TRUE(filter->may_hold(block));
  EXPECT_TRUE(filter->may_hold(neighbour)) << "it counts by page";
  EXPECT_FALSE(filter->may_hold(elsewhere));
  EXPECT_FALSE(filter->may_hold(nullptr));
  filter->remove(block);
  EXPECT_FALSE(filter->may_hold(block));
}

TEST(PageFilter, APageOfMoreBlocksThanItCountsIsNeverForgotten) {
  const auto filter = std::make_unique<PageFilter>();
  const auto block = [](std::uintptr_t i) { return reinterpret_cast<const void*>(0x7f0000001000 + 8 * i); };
  for (std::uintptr_t i = 0; i < 300; ++i) filter->add(block(i));
  for (std::uintptr_t i = 0; i < 299; ++i) {
    filter->remove(block(i));
    ASSERT_TRUE(filter->may_hold(block(299))) << i;
  }
}

}  // namespace
}  // namespace plateau::sampler
