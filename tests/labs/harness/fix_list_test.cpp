// Protects the meaning of --fix.
#include "labs/harness/fix_list.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "labs/harness/usage_error.hpp"
#include "tests/labs/harness/lab_of_tests.hpp"

namespace plateau::harness {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ParseFixes, NoneAllListsAndExceptions) {
  EXPECT_THAT(parse_fixes(lab(), "none"), IsEmpty());
  EXPECT_THAT(parse_fixes(lab(), "all"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(parse_fixes(lab(), "c,a"), ElementsAre("a", "c"));
  EXPECT_THAT(parse_fixes(lab(), "all,-b"), ElementsAre("a", "c"));
  EXPECT_THAT(parse_fixes(lab(), "a,wrong"), ElementsAre("a", "wrong"));
}

TEST(ParseFixes, UnknownNamesAreRefusedByName) {
  for (const char* const text : {"d", "a,d", "all,-d", "A"}) EXPECT_THROW(parse_fixes(lab(), text), UsageError) << text;
}

}  // namespace
}  // namespace plateau::harness
