// Protects: values are shown in units that people read.
#include "profiling/formats/top_table.hpp"

#include <gtest/gtest.h>

namespace plateau {
namespace {

TEST(Human, BytesAndNanosecondsHaveTheirUnitsAndOthersNone) {
  EXPECT_EQ(human(0, "bytes"), "0B");
  EXPECT_EQ(human(1023, "bytes"), "1023B");
  EXPECT_EQ(human(1536, "bytes"), "1.50kB");
  EXPECT_EQ(human(-3 * 1024 * 1024, "bytes"), "-3.00MB");
  EXPECT_EQ(human(std::int64_t{5} << 50, "bytes"), "5120.00TB");
  EXPECT_EQ(human(999, "nanoseconds"), "999ns");
  EXPECT_EQ(human(12'000'000, "nanoseconds"), "12.00ms");
  EXPECT_EQ(human(990'000'000, "nanoseconds"), "990.00ms");
  EXPECT_EQ(human(3'600'000'000'000, "nanoseconds"), "3600.00s");
  EXPECT_EQ(human(7, "count"), "7");
}

}  // namespace
}  // namespace plateau
