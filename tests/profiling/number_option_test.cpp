// Protects what all programs do with a number on their command line: it is taken as it was meant, or refused in one
// line.
#include "profiling/number_option.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace plateau {
namespace {

using ::testing::HasSubstr;

class NumberOption : public ::testing::Test {
 protected:
  NumberOption() {
    add_whole_number(app_, "-w,--whole", whole_, "");
    add_whole_number(app_, "--small", small_, "", 10, 1'000'000)->capture_default_str();
    add_real_number(app_, "--real", real_, "", 0.001, 10'000);
    add_real_number(app_, "--maybe", maybe_, "", -1, 1);
    add_size(app_, "--size", size_, "", std::uint64_t{16} << 20, std::uint64_t{1} << 40)->capture_default_str();
    add_duration(app_, "--time", time_, "", 0.1, 3600)->capture_default_str();
  }
  // Gives what was wrong, or nothing.
  std::string parse(const std::string& name, const std::string& text) {
    std::vector<std::string> words{text, name};  // the last one first
    try {
      app_.parse(words);
    } catch (const CLI::ParseError& error) {
      return error.what();
    }
    return {};
  }

  CLI::App app_;
  std::uint64_t whole_ = 1;
  std::uint32_t small_ = 1000;
  double real_ = 1;
  std::optional<double> maybe_;
  std::uint64_t size_ = std::uint64_t{2} << 30;
  double time_ = 10;
};

TEST_F(NumberOption, TakesWhatIsMeant) {
  EXPECT_EQ(parse("--whole", "18446744073709551615"), "");
  EXPECT_EQ(whole_, 18446744073709551615U);
  EXPECT_EQ(parse("-w", "0"), "");
  EXPECT_EQ(whole_, 0U);
  EXPECT_EQ(parse("--small", "1000000"), "");
  EXPECT_EQ(small_, 1000000U);
  EXPECT_EQ(parse("--real", "2.5e3"), "");
  EXPECT_EQ(real_, 2500);
  EXPECT_EQ(parse("--maybe", "-0.5"), "");
  EXPECT_EQ(maybe_, -0.5);
  for (const char* const text : {"64MiB", "64m", "64 MB", "65536k", "67108864"}) {
    size_ = 0;
    EXPECT_EQ(parse("--size", text), "");
    EXPECT_EQ(size_, 67108864U) << text;
  }
  for (const char* const text : {"90", "90s", "1.5min", "90000 ms"}) {
    time_ = 0;
    EXPECT_EQ(parse("--time", text), "");
    EXPECT_EQ(time_, 90) << text;
  }
}

TEST_F(NumberOption, RefusesTheRestAndSaysWhatIsWanted) {
  const auto refusal = [](const std::string& name, const std::string& text, const std::string& wanted) {
    return name + " " + text + ": give a " + wanted;
  };
  for (const char* const text : {"-1", "18446744073709551616", "1x", "1.5", "0x1", "", " 1", "+1", "one"}) {
    EXPECT_EQ(parse("--whole", text), refusal("--whole", text, "whole number from 0 to 18446744073709551615"));
  }
  for (const char* const text : {"9", "1000001", "4294967306", "-10"}) {
    EXPECT_EQ(parse("--small", text), refusal("--small", text, "whole number from 10 to 1000000"));
  }
  for (const char* const text : {"0", "10001", "nan", "inf", "-inf", "1e999", "1e-999", "1,5", "1h", ""}) {
    EXPECT_EQ(parse("--real", text), refusal("--real", text, "number from 0.001 to 10000"));
  }
  EXPECT_EQ(parse("--maybe", "2"), "--maybe 2: give a number from -1 to 1");
  for (const char* const text : {"1MiB", "2TiB", "16EiB", "18014398509481984k", "-64MiB", "64MiBs", "64 %", "1.5GiB"}) {
    EXPECT_EQ(parse("--size", text), refusal("--size", text, "size such as 512MiB, from 16MiB to 1TiB"));
  }
  for (const char* const text : {"0s", "2h", "3 lightyears", "-3s", "nan", "infs", "s", "61min"}) {
    EXPECT_EQ(parse("--time", text), refusal("--time", text, "time such as 3s or 500ms, from 0.1s to 3600s"));
  }
  EXPECT_EQ(whole_, 1U) << "what was refused changes nothing";
  EXPECT_FALSE(maybe_);
}

TEST_F(NumberOption, ALongTextOfSeveralLinesBecomesAShortOne) {
  const std::string refusal = parse("--whole", "1\n2\t" + std::string(10'000, '3'));
  EXPECT_THAT(refusal, HasSubstr("--whole 1 2 333"));
  EXPECT_LT(refusal.size(), 200U);
  EXPECT_EQ(refusal.find('\n'), std::string::npos);
}

TEST_F(NumberOption, ShowsItsDefaultAsItIsTyped) {
  EXPECT_THAT(app_.help(), HasSubstr("--size SIZE=2GiB"));
  EXPECT_THAT(app_.help(), HasSubstr("--time TIME=10s"));
  EXPECT_THAT(app_.help(), HasSubstr("--small NUMBER=1000"));
}

}  // namespace
}  // namespace plateau
