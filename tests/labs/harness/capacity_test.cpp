// Protects: compressed time leaves a machine room, whatever an operation costs on it and whoever is beside it.
#include "labs/harness/arm/capacity.hpp"

#include <gtest/gtest.h>

#include "labs/harness/arm/arm.hpp"

namespace plateau::harness {
namespace {

TEST(Capacity, TheRateUsesTheShareThatIsAllowed) {
  const Capacity idle{.cpu_us_an_operation = 100, .cpus = 2};
  EXPECT_DOUBLE_EQ(idle.most_operations_per_second(), 12'000);
  EXPECT_DOUBLE_EQ(idle.share(idle.most_operations_per_second()), most_cpu_share);
  const Capacity beside_another{.cpu_us_an_operation = 100, .cpus = 1};
  EXPECT_DOUBLE_EQ(beside_another.most_operations_per_second(), 6'000);
  const Capacity slow{.cpu_us_an_operation = 400, .cpus = 2};
  EXPECT_DOUBLE_EQ(slow.most_operations_per_second(), 3'000);
}

TEST(Capacity, AnArmTellsWhatItUsed) {
  ArmResult arm;
  arm.cpu_seconds = 30;
  arm.wall_seconds = 20;
  EXPECT_FALSE(arm.cpu_share());
  arm.spec.capacity = Capacity{.cpu_us_an_operation = 100, .cpus = 2};
  EXPECT_DOUBLE_EQ(arm.cpu_share().value(), 0.75);
}

}  // namespace
}  // namespace plateau::harness
