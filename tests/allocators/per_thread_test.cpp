// Protects the values of threads: one a thread, kept when it ends, passed on, and never touched after their owner died.
#include "allocators/per_thread.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace plateau {
namespace {

struct Context {
  std::atomic<int> made{0};
};

struct Value {
  explicit Value(Context& context) { ++context.made; }
  int number = 0;
};

using Values = PerThread<Value, Context>;

TEST(PerThread, EachThreadHasItsOwn) {
  Context context;
  Values values(context);
  values.local()->number = 1;
  std::thread([&] {
    EXPECT_EQ(values.local_if_any(), nullptr);
    EXPECT_EQ(values.local()->number, 0);
    values.local()->number = 2;
  }).join();
  EXPECT_EQ(values.local()->number, 1);
  int sum = 0;
  int in_use_count = 0;
  values.for_each([&](const Value& value, bool in_use) {
    sum += value.number;
    in_use_count += in_use ? 1 : 0;
  });
  EXPECT_EQ(sum, 3) << "the value of the ended thread stays";
  EXPECT_EQ(in_use_count, 1);
}

TEST(PerThread, TheValueOfAnEndedThreadPassesToTheNext) {
  Context context;
  Values values(context);
  for (int i = 0; i < 20; ++i) {
    std::thread([&] { EXPECT_EQ(values.local()->number++, i); }).join();
  }
  EXPECT_EQ(context.made, 1);
}

TEST(PerThread, AnOwnerInThePlaceOfADeadOneStartsAfresh) {
  Context context;
  auto values = std::make_unique<Values>(context);
  values->local()->number = 5;
  values = std::make_unique<Values>(context);
  EXPECT_EQ(values->local_if_any(), nullptr);
  EXPECT_EQ(values->local()->number, 0);
}

TEST(PerThread, AThreadMayOutliveTheOwner) {
  Context context;
  std::atomic<int> step{0};
  std::optional<Values> values(std::in_place, context);
  std::thread thread([&] {
    values->local()->number = 1;
    step = 1;
    step.notify_all();
    step.wait(1);
  });
  step.wait(0);
  values.reset();
  step = 2;
  step.notify_all();
  thread.join();  // its end finds no owner
  EXPECT_EQ(context.made, 1);
}

TEST(PerThread, ManyOwnersAtATime) {
  Context context;
  std::vector<std::unique_ptr<Values>> owners;
  for (int i = 0; i < 100; ++i) {
    owners.push_back(std::make_unique<Values>(context));
    owners.back()->local()->number = i;
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(owners[static_cast<std::size_t>(i)]->local()->number, i);
}

}  // namespace
}  // namespace plateau
