// Protects the meaning of --fix.
#include "labs/harness/fix_list.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "labs/harness/usage_error.hpp"

namespace plateau::harness {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

LabDescription lab() {
  return {.name = "lab",
          .symptom = "",
          .operation = "order",
          .mechanisms = {},
          .fixes = {{"a", ""}, {"b", ""}, {"c", ""}},
          .wrong_fixes = {{"w", "", "", 24}},
          .gauges = {}};
}

TEST(ParseFixes, NoneAllListsAndExceptions) {
  EXPECT_THAT(parse_fixes(lab(), "none"), IsEmpty());
  EXPECT_THAT(parse_fixes(lab(), "all"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(parse_fixes(lab(), "c,a"), ElementsAre("a", "c"));
  EXPECT_THAT(parse_fixes(lab(), "all,-b"), ElementsAre("a", "c"));
  EXPECT_THAT(parse_fixes(lab(), "a,w"), ElementsAre("a", "w"));
}

TEST(ParseFixes, UnknownNamesAreRefusedByName) {
  for (const char* const text : {"d", "a,d", "all,-d", "A"}) EXPECT_THROW(parse_fixes(lab(), text), UsageError) << text;
}

}  // namespace
}  // namespace plateau::harness
