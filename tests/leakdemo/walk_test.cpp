// Protects the guided walk: its commands are run as the README has them, but for the port, and lead to the line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

// The lines of the only shell block.
std::vector<std::string> commands_of(const std::string& readme) {
  const std::string fence = "```sh\n";
  const auto begin = readme.find(fence);
  if (begin == std::string::npos) return {};
  const auto end = readme.find("```", begin + fence.size());
  std::istringstream block(readme.substr(begin + fence.size(), end - begin - fence.size()));
  std::vector<std::string> commands;
  for (std::string line; std::getline(block, line);) commands.push_back(line);
  return commands;
}

int line_with(const std::string& text, const std::string& what) {
  int line = 1;
  for (const char c : text.substr(0, text.find(what))) line += c == '\n' ? 1 : 0;
  return line;
}

TEST(HeapDiff, FiveCommandsLeadFromTheSymptomToTheLine) {
  const std::vector<std::string> commands = commands_of(read_text(SOURCES "/leakdemo/README.md"));
  ASSERT_EQ(commands.size(), 5U);

  // What a checkout looks like after `make build build/pprof`.
  const ScratchFolder folder;
  fs::create_directories(folder.path() / "build");
  fs::create_directories(folder.path() / "out");
  fs::create_directory_symlink(BINARIES, folder.path() / "build/release");
  fs::create_symlink(PPROF, folder.path() / "build/pprof");

  const std::string port = std::to_string(20000 + ::getpid() % 10000);
  std::string script = "cd " + folder.path().string() + "\ntrap 'kill %1' EXIT\nset -e\n";
  for (std::size_t i = 0; i < commands.size(); ++i) {
    std::string command = std::regex_replace(commands[i], std::regex("6060"), port);
    if (i == 0)
      command = std::regex_replace(command, std::regex(" --seconds"), " --address 127.0.0.1:" + port + " --seconds");
    script += command + "\necho '== end of " + std::to_string(i + 1) + "'\n";
  }
  const Finished finished = run("/bin/bash", {"-c", script});
  const auto output_of = [&](int nth) {
    const std::string begin = "== end of " + std::to_string(nth - 1);
    const auto at = finished.out.find(begin);
    return finished.out.substr(at, finished.out.find("== end of " + std::to_string(nth)) - at);
  };
  EXPECT_EQ(finished.status, 0) << finished.out << finished.error;
  EXPECT_THAT(output_of(2), HasSubstr("live blocks"));
  EXPECT_THAT(output_of(3), HasSubstr("UnboundedPageCache::render"));
  EXPECT_THAT(output_of(4), HasSubstr("UnboundedPageCache::render"));
  const int line = line_with(read_text(SOURCES "/leakdemo/leaks/unbounded_cache.cpp"), "pages_.try_emplace");
  EXPECT_THAT(output_of(5), HasSubstr("unbounded_cache.cpp:" + std::to_string(line)));
}

}  // namespace
}  // namespace plateau::testing
