// Protects the one place where a fix has its name, its sentence and its flag.
#include "labs/harness/fix_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

namespace plateau::harness {
namespace {

struct Fixes {
  bool a = false;
  bool b = false;
  bool wrong = false;
};

constexpr auto right = std::to_array<FixRow<Fixes>>(
    {{"a", "sentence of a", &Fixes::a}, {"b", "sentence of b", &Fixes::b, FixScope::process, "later"}});
constexpr auto wrong = std::to_array<WrongFixRow<Fixes>>({{"w", "sentence of w", "because", &Fixes::wrong, 12}});
constexpr FixTable<Fixes> table(right, wrong);

Fixes chosen(const std::vector<std::string>& names) {
  return table.chosen(names);
}

TEST(FixTable, SetsTheFlagsOfTheNamesAndNoOther) {
  EXPECT_FALSE(chosen({}).a);
  const Fixes some = chosen({"w", "a"});
  EXPECT_TRUE(some.a);
  EXPECT_FALSE(some.b);
  EXPECT_TRUE(some.wrong);
}

TEST(FixTable, ANameThatIsNotInItIsRefusedByName) {
  try {
    chosen({"a", "A"});
    FAIL() << "accepted";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("'A'"));
  }
}

TEST(FixTable, FindsRightFixesOnly) {
  ASSERT_NE(table.find("b"), nullptr);
  EXPECT_EQ(table.find("b")->scope, FixScope::process);
  EXPECT_EQ(table.find("a")->scope, FixScope::lane);
  EXPECT_EQ(table.find("w"), nullptr);
  EXPECT_EQ(table.find("c"), nullptr);
}

TEST(FixTable, DescribesItsRowsInTheirOrder) {
  const std::vector<Fix> fixes = table.fixes();
  ASSERT_EQ(fixes.size(), 2U);
  EXPECT_EQ(fixes[0].name, "a");
  EXPECT_EQ(fixes[1].sentence, "sentence of b");
  EXPECT_EQ(fixes[1].when_switched, "later");
  const std::vector<WrongFix> wrong_fixes = table.wrong_fixes();
  ASSERT_EQ(wrong_fixes.size(), 1U);
  EXPECT_EQ(wrong_fixes[0].name, "w");
  EXPECT_EQ(wrong_fixes[0].reason, "because");
  EXPECT_EQ(wrong_fixes[0].hours, 12);
}

}  // namespace
}  // namespace plateau::harness
