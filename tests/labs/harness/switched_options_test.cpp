// Protects the switching of fixes: each lane takes a change once, and a fix is on or off only when it is so everywhere.
#include "labs/harness/switched_options.hpp"

#include <gtest/gtest.h>

namespace plateau::harness {
namespace {

struct Options {
  bool fast = false;
  bool tidy = false;
};

TEST(SwitchedOptions, EachLaneTakesAChangeOnce) {
  SwitchedOptions<Options, 2> options({.fast = true});
  EXPECT_FALSE(options.take(0)) << "nothing was switched";
  options.set({.tidy = true});
  const auto taken = options.take(0);
  ASSERT_TRUE(taken);
  EXPECT_TRUE(taken->tidy);
  EXPECT_FALSE(taken->fast);
  EXPECT_FALSE(options.take(0));
  EXPECT_TRUE(options.take(1));
}

TEST(SwitchedOptions, OfSeveralChangesTheLastCounts) {
  SwitchedOptions<Options, 2> options(Options{});
  options.set({.fast = true});
  options.set({.tidy = true});
  EXPECT_FALSE(options.take(0)->fast);
  EXPECT_FALSE(options.take(0));
}

TEST(SwitchedOptions, AFlagIsOnOrOffOnlyInAllLanes) {
  SwitchedOptions<Options, 2> options(Options{});
  EXPECT_EQ(options.in_lanes(&Options::fast), std::optional(false));
  options.set({.fast = true});
  EXPECT_EQ(options.in_lanes(&Options::fast), std::optional(false)) << "nobody works with it yet";
  options.take(1);
  EXPECT_EQ(options.in_lanes(&Options::fast), std::nullopt);
  options.take(0);
  EXPECT_EQ(options.in_lanes(&Options::fast), std::optional(true));
  options.set({.fast = false});
  options.take(0);
  EXPECT_EQ(options.in_lanes(&Options::fast), std::nullopt) << "one lane still works with it";
  options.take(1);
  EXPECT_EQ(options.in_lanes(&Options::fast), std::optional(false));
}

}  // namespace
}  // namespace plateau::harness
