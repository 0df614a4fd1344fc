// Protects that a mistyped period is never taken for another: -1 was 2^64 - 1 once, and nothing was sampled.
#include "profiling/sampler/period.hpp"

#include <gtest/gtest.h>

namespace plateau::sampler {
namespace {

TEST(Period, IsReadWithItsUnit) {
  EXPECT_EQ(period_in(nullptr), default_period_bytes);
  EXPECT_EQ(period_in("0"), 0U);
  EXPECT_EQ(period_in("65536"), 65536U);
  EXPECT_EQ(period_in("4k"), 4096U);
  EXPECT_EQ(period_in("4K"), 4096U);
  EXPECT_EQ(period_in("512KiB"), 512U * 1024);
  EXPECT_EQ(period_in("512 kib"), 512U * 1024);
  EXPECT_EQ(period_in("1m"), 1024U * 1024);
  EXPECT_EQ(period_in("1TiB"), longest_period_bytes);
}

TEST(Period, OfWhatIsNoneThereIsNone) {
  for (const char* const text :
       {"", " ", "-1", "+1", "1.5k", "lots", "4kk", "4x", "0x1000", "k", "1 2", "1099511627777", "18446744073709551615",
        "18446744073709551616", "16EiB", "17179869184GiB"}) {
    EXPECT_FALSE(period_in(text)) << text;
  }
}

}  // namespace
}  // namespace plateau::sampler
