// Protects: names of code that a program made itself are read as the program appends and replaces them, and only from
// files of its own user.
#include "profiling/symbols/perf_map.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/scratch_folder.hpp"

namespace plateau {
namespace {

using testing::ScratchFolder;

class PerfMapFile : public ::testing::Test {
 protected:
  void append(const std::string& text) { std::ofstream(path_, std::ios::app) << text; }

  ScratchFolder folder_;
  const std::string path_ = folder_ / "perf.map";
  PerfMap map_{path_};
};

TEST_F(PerfMapFile, IsReadAsItGrows) {
  map_.update();
  EXPECT_EQ(map_.name_at(0x1000), "") << "there is no file yet";
  append("1000 10 first\n0x2000 0x20 LazyCompile:*second /app/a b.js:3\n");
  map_.update();
  EXPECT_EQ(map_.name_at(0x0fff), "");
  EXPECT_EQ(map_.name_at(0x1000), "first");
  EXPECT_EQ(map_.name_at(0x100f), "first");
  EXPECT_EQ(map_.name_at(0x1010), "");
  EXPECT_EQ(map_.name_at(0x2010), "LazyCompile:*second /app/a b.js:3");
  append("3000 10 thi");
  map_.update();
  EXPECT_EQ(map_.name_at(0x3000), "") << "the line is half written";
  append("rd\n");
  map_.update();
  EXPECT_EQ(map_.name_at(0x3000), "third");
}

TEST_F(PerfMapFile, NewerCodeTakesThePlaceOfOlder) {
  append("1000 100 old\n1200 10 other\n1080 200 new\n");
  map_.update();
  EXPECT_EQ(map_.name_at(0x1010), "old");
  EXPECT_EQ(map_.name_at(0x1080), "new");
  EXPECT_EQ(map_.name_at(0x1205), "new");
}

TEST_F(PerfMapFile, LinesThatAreNoneAreLeftOut) {
  append("\n\nnothing\n1000\n1000 10\n1000 0 empty\nffffffffffffffff 10 over\n1000 10 \n2000 10 right\n");
  map_.update();
  EXPECT_EQ(map_.name_at(0x1000), "");
  EXPECT_EQ(map_.name_at(0x2000), "right");
}

TEST_F(PerfMapFile, ALinkIsNotFollowed) {
  std::ofstream(folder_ / "elsewhere") << "1000 10 name\n";
  std::filesystem::create_symlink(folder_ / "elsewhere", path_);
  map_.update();
  EXPECT_EQ(map_.name_at(0x1000), "");
}

TEST_F(PerfMapFile, AnotherUsersIsNotRead) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  append("1000 10 name\n");
  ASSERT_EQ(::chown(path_.c_str(), 65534, 65534), 0);
  map_.update();
  EXPECT_EQ(map_.name_at(0x1000), "");
}

}  // namespace
}  // namespace plateau
