// Protects results that are on disk already: whatever goes wrong with the new file, the old one stays.
#include "profiling/replaced_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <string>

#include "tests/labs/lab_process.hpp"

namespace plateau::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

void write(const std::string& path, const std::string& text) {
  ReplacedFile file(path);
  file.stream() << text;
  file.commit();
}

template <class Function>
std::string reason_of(Function function) {
  try {
    function();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "nothing went wrong";
}

std::size_t files_in(const ScratchFolder& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder.path()), {}));
}

TEST(ReplacedFile, IsThereAfterTheCommit) {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write(path, "old");
  {
    ReplacedFile file(path);
    file.stream() << "new";
    file.stream().flush();
    EXPECT_EQ(read_text(path), "old");
  }
  EXPECT_EQ(read_text(path), "old") << "without a commit";
  write(path, "new");
  EXPECT_EQ(read_text(path), "new");
  EXPECT_EQ(files_in(folder), 1U);
}

TEST(ReplacedFile, AFullDiskLeavesTheOldFile) {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write(path, "old");
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::string reason = reason_of([&] { write(path, std::string(100'000, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  EXPECT_THAT(reason, HasSubstr("cannot write " + path + ": "));
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(files_in(folder), 1U);
}

TEST(ReplacedFile, DevicesAreWrittenAsTheyAre) {
  write("/dev/null", "text");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_THAT(reason_of([] { write("/dev/full", "text"); }), HasSubstr("No space left on device"));
}

TEST(ReplacedFile, OfALinkTheFileIsReplaced) {
  const ScratchFolder folder;
  write(folder / "file", "old");
  fs::create_symlink("file", folder / "link");
  write(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read_text(folder / "file"), "new");
}

TEST(ReplacedFile, CheckFindsWhatCannotBeWrittenAndChangesNothing) {
  const ScratchFolder folder;
  write(folder / "file", "old");
  ReplacedFile::check(folder / "file");
  ReplacedFile::check(folder / "other");
  EXPECT_EQ(files_in(folder), 1U);
  EXPECT_EQ(read_text(folder / "file"), "old");
  EXPECT_THAT(reason_of([&] { ReplacedFile::check(folder.path()); }), HasSubstr("it is a folder"));
  EXPECT_THAT(reason_of([&] { ReplacedFile::check(folder / "none" + "/file"); }), HasSubstr("No such file"));
}

}  // namespace
}  // namespace plateau::testing
