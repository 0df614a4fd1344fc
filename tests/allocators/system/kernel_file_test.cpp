// Protects: a number is found behind its key however the kernel sets it apart, and nothing else is taken for one.
#include "allocators/system/kernel_file.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "tests/support/scratch_folder.hpp"

namespace plateau::kernel_file {
namespace {

using Number = std::optional<std::uint64_t>;

TEST(NumberInLine, IsFoundBehindColonBlanksAndTabs) {
  for (const char* const line : {"VmData:\t     360 kB", "VmData:\t360 kB", "VmData: 360 kB", "VmData:360 kB",
                                 "VmData\t360\tkB", "VmData:\t \t 360 kB and more", "VmData: 360 kB\r"}) {
    EXPECT_EQ(number_in_line(line, "VmData"), 360 * 1024) << line;
  }
  EXPECT_EQ(number_in_line("inactive_file 4096", "inactive_file"), 4096);
  EXPECT_EQ(number_in_line("oom_kill 3\r", "oom_kill"), 3);
  EXPECT_EQ(number_in_line("Threads:\t17", "Threads"), 17);
}

TEST(NumberInLine, OfAnotherKeyOrWithoutOneThereIsNone) {
  EXPECT_EQ(number_in_line("total_inactive_file 4096", "inactive_file"), std::nullopt);
  EXPECT_EQ(number_in_line("oom_kill_disable 1", "oom_kill"), std::nullopt);
  EXPECT_EQ(number_in_line("oom_group_kill 2", "oom"), std::nullopt);
  EXPECT_EQ(number_in_line("VmDataX: 5 kB", "VmData"), std::nullopt);
  for (const char* const line : {"VmData:", "VmData", "VmData: ", "VmData: max", "VmData: -1 kB", "VmData: 12x kB",
                                 "VmData: 99999999999999999999999 kB", "VmData: 18446744073709551615 kB", ""}) {
    EXPECT_EQ(number_in_line(line, "VmData"), std::nullopt) << line;
  }
}

class KernelFile : public ::testing::Test {
 protected:
  std::string file(const std::string& text) const {
    folder_.write("file", text);
    return folder_ / "file";
  }

 private:
  const plateau::testing::ScratchFolder folder_;
};

TEST_F(KernelFile, ColumnsOfTheFirstLine) {
  const std::string statm = file("  27720 26711\t2456 1\n5 6\n");
  EXPECT_EQ(number(statm.c_str()), 27720);
  EXPECT_EQ(number(statm.c_str(), 1), 26711);
  EXPECT_EQ(number(statm.c_str(), 3), 1);
  EXPECT_EQ(number(statm.c_str(), 4), std::nullopt) << "the second line is not the first's";
  EXPECT_EQ(number(file("max\n").c_str()), std::nullopt);
  EXPECT_EQ(number(file("18446744073709551615").c_str()), UINT64_MAX) << "and without a newline";
  EXPECT_EQ(number(file("").c_str()), std::nullopt);
  EXPECT_EQ(number("/no/such/file"), std::nullopt);
  EXPECT_EQ(number("/proc/self"), std::nullopt) << "a folder";
}

TEST_F(KernelFile, SeveralKeysInOnePassAndTheFirstOfEachCounts) {
  const std::string events = file("low 0\nhigh 7\nmax\noom_kill 1\noom 2\nhigh 9\n");
  const std::array<std::string_view, 4> keys{"oom", "high", "max", "none"};
  std::array<Number, 4> values{1, 2, 3, 4};
  EXPECT_TRUE(numbers_behind(events.c_str(), keys, values));
  EXPECT_EQ(values, (std::array<Number, 4>{2, 7, std::nullopt, std::nullopt}));
  EXPECT_FALSE(numbers_behind("/no/such/file", keys, values));
  EXPECT_EQ(values, (std::array<Number, 4>{}));
}

// A user of hundreds of groups pushes the figures out of the first page, and their line out of any buffer.
TEST_F(KernelFile, WhatComesAfterLongLinesIsFound) {
  for (const std::size_t length : {4080U, 4095U, 4096U, 4097U, 8191U, 8192U, 8193U, 100000U}) {
    const std::string text = "Groups:\t" + std::string(length, '7') + "\nVmRSS:\t   12 kB\n";
    EXPECT_EQ(number_behind(file(text).c_str(), "VmRSS"), 12 * 1024) << length;
    EXPECT_EQ(number_behind(file(text + std::string(length, 'x')).c_str(), "VmRSS"), 12 * 1024) << length;
  }
  // The end of a long line is no line: its number is not taken for a key's.
  std::string disguised(4096, 'x');
  disguised += "VmRSS: 13 kB\n";
  EXPECT_EQ(number_behind(file(disguised).c_str(), "VmRSS"), std::nullopt);
}

}  // namespace
}  // namespace plateau::kernel_file
