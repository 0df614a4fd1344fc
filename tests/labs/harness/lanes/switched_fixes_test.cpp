// Protects the switching of fixes: each lane takes a change once, and a fix is on or off only when it is so everywhere.
#include "labs/harness/lanes/switched_fixes.hpp"

#include <gtest/gtest.h>

namespace plateau::harness {
namespace {

struct Fixes {
  bool fast = false;
  bool tidy = false;
};

TEST(SwitchedFixes, EachLaneTakesAChangeOnce) {
  SwitchedFixes<Fixes> fixes({.fast = true}, 2);
  EXPECT_FALSE(fixes.take(0)) << "nothing was switched";
  fixes.set({.tidy = true});
  const auto taken = fixes.take(0);
  ASSERT_TRUE(taken);
  EXPECT_TRUE(taken->tidy);
  EXPECT_FALSE(taken->fast);
  EXPECT_FALSE(fixes.take(0));
  EXPECT_TRUE(fixes.take(1));
}

TEST(SwitchedFixes, WhatIsWantedIsKnownBeforeAnyLaneWorksWithIt) {
  SwitchedFixes<Fixes> fixes({.fast = true}, 2);
  EXPECT_TRUE(fixes.wanted().fast);
  fixes.set({.tidy = true});
  EXPECT_FALSE(fixes.wanted().fast);
  EXPECT_TRUE(fixes.wanted().tidy);
}

TEST(SwitchedFixes, OfSeveralChangesTheLastCounts) {
  SwitchedFixes<Fixes> fixes(Fixes{}, 2);
  fixes.set({.fast = true});
  fixes.set({.tidy = true});
  EXPECT_FALSE(fixes.take(0)->fast);
  EXPECT_FALSE(fixes.take(0));
}

TEST(SwitchedFixes, AFlagIsOnOrOffOnlyInAllLanes) {
  SwitchedFixes<Fixes> fixes(Fixes{}, 2);
  EXPECT_EQ(fixes.in_lanes(&Fixes::fast), std::optional(false));
  fixes.set({.fast = true});
  EXPECT_EQ(fixes.in_lanes(&Fixes::fast), std::optional(false)) << "nobody works with it yet";
  fixes.take(1);
  EXPECT_EQ(fixes.in_lanes(&Fixes::fast), std::nullopt);
  fixes.take(0);
  EXPECT_EQ(fixes.in_lanes(&Fixes::fast), std::optional(true));
  fixes.set({.fast = false});
  fixes.take(0);
  EXPECT_EQ(fixes.in_lanes(&Fixes::fast), std::nullopt) << "one lane still works with it";
  fixes.take(1);
  EXPECT_EQ(fixes.in_lanes(&Fixes::fast), std::optional(false));
}

}  // namespace
}  // namespace plateau::harness
