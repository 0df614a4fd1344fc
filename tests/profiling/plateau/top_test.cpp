// Protects `plateau top`: what it shows fits, and in a pipe it is text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "profiling/plateau/top_screen.hpp"
#include "tests/support/child_program.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TopMoment moment() {
  TopMoment result;
  result.program = "service";
  result.process = 4711;
  result.rss_bytes = 2e8;
  result.verdict.append(30, 'v').append(" ").append(60, 'w').append(" ").append(200, 'x');
  result.parts = {{"live blocks", 1.9e8}, {"untracked (residual)", 1e7}, {"metadata", 10}};
  for (int i = 0; i < 50; ++i) result.functions.push_back({"geführt::" + std::string(100, 'f'), 1e6, 1e3});
  return result;
}

std::size_t characters(const std::string& line) {
  std::size_t count = 0;
  for (const char c : line) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

TEST(TopScreen, FitsAnyTerminal) {
  for (const std::size_t columns : {1U, 20U, 46U, 80U, 200U}) {
    for (const std::size_t rows : {1U, 5U, 24U, 0U}) {
      const std::vector<std::string> lines = top_screen(moment(), columns, rows);
      if (rows > 0) {
        EXPECT_LE(lines.size(), rows);
      }
      for (const std::string& line : lines) EXPECT_LE(characters(line), columns) << columns << ": " << line;
    }
  }
}

TEST(TopScreen, LeavesOutWhatIsNothing) {
  std::string text;
  for (const std::string& line : top_screen(moment(), 80, 24)) text += line + "\n";
  EXPECT_THAT(text, HasSubstr("live blocks"));
  EXPECT_THAT(text, Not(HasSubstr("metadata")));
  EXPECT_THAT(text, HasSubstr("geführt"));
}

TEST(PlateauTop, IsTextInAPipe) {
  ChildProgram held({"/usr/bin/python3", "-c", "import sys; print('ready', flush=True); sys.stdin.read()"},
                    {"LD_PRELOAD=" AGENT, "PLATEAU_PPROF=127.0.0.1:0", "PLATEAU_PPROF_VERBOSE=1"});
  const std::string said = held.read_error_line();
  const std::string port = said.substr(said.find("port ") + 5, said.find(" (process") - said.find("port ") - 5);
  ASSERT_EQ(held.read_line(), "ready");
  for (const std::string& target : {std::to_string(held.pid()), "http://127.0.0.1:" + port + "/debug/"}) {
    const Finished top = run_to_end({PLATEAU, "top", "--count", "2", "--seconds", "1", target});
    EXPECT_EQ(top.status, 0) << top.error;
    EXPECT_THAT(top.out, HasSubstr("python3"));
    EXPECT_THAT(top.out, HasSubstr("function that grows")) << target;
    EXPECT_THAT(top.out, Not(HasSubstr("\x1b")));
  }
}

TEST(PlateauTop, LooksFromOutsideAtWhatIsNotServed) {
  ChildProgram held({"cat"});
  const Finished top = run_to_end({PLATEAU, "top", "--count", "1", std::to_string(held.pid())});
  EXPECT_EQ(top.status, 0) << top.error;
  EXPECT_THAT(top.out, HasSubstr("plateau run"));
}

TEST(PlateauTop, RefusesInOneLine) {
  for (const std::string target : {"nonsense", "99999999", "127.0.0.1:1"}) {
    const Finished top = run_to_end({PLATEAU, "top", "--count", "1", target});
    EXPECT_EQ(top.status, 2) << target;
    EXPECT_EQ(std::count(top.error.begin(), top.error.end(), '\n'), 1) << top.error;
  }
}

}  // namespace
}  // namespace plateau::testing
