// Protects results that are on disk already, and the names of what is no file: whatever goes wrong with the new file,
// the old one stays, and a device, a pipe or a link is never replaced by a file.
#include "allocators/system/whole_file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "tests/support/child_program.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

void write(const std::string& path, const std::string& text) {
  write_whole_file(path, text);
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

TEST(WholeFile, IsThereAfterTheCommit) {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write(path, "old");
  {
    WholeFile file(path);
    file.stream() << "new";
    file.stream().flush();
    EXPECT_EQ(read_text(path), "old");
  }
  EXPECT_EQ(read_text(path), "old") << "without a commit";
  write(path, "new");
  EXPECT_EQ(read_text(path), "new");
  EXPECT_EQ(files_in(folder), 1U);
}

TEST(WholeFile, AFullDiskLeavesTheOldFile) {
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

TEST(WholeFile, ADeviceStaysOne) {
  const ScratchFolder folder;
  // A node of one's own, since root could replace the machine's; whoever is not root cannot.
  std::string node = folder / "null";
  if (::mknod(node.c_str(), S_IFCHR | 0666, ::makedev(1, 3)) != 0) node = "/dev/null";
  if (::access(node.c_str(), W_OK) != 0 || reason_of([&] { write(node, ""); }) != "nothing went wrong") {
    GTEST_SKIP() << "no device can be opened at " << node;
  }
  fs::create_symlink(node, folder / "link");
  write(node, "text");
  write(folder / "link", "text");
  WholeFile::check(folder / "link");
  EXPECT_TRUE(fs::is_character_file(node));
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_LE(files_in(folder), 2U);
  EXPECT_THAT(reason_of([] { write("/dev/full", "text"); }), HasSubstr("No space left on device"));
}

TEST(WholeFile, APipeGetsTheTextAndIsNotOpenedToCheckIt) {
  const ScratchFolder folder;
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  WholeFile::check(pipe);
  write(pipe, "text");
  std::array<char, 16> text{};
  EXPECT_EQ(::read(reader, text.data(), text.size()), 4);
  EXPECT_STREQ(text.data(), "text");
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(files_in(folder), 1U);
}

TEST(WholeFile, ADescriptorGoesOnWhereItStands) {
  const ScratchFolder folder;
  const int file = ::open((folder / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_EQ(::write(file, "before ", 7), 7);
  const std::string name = "/dev/fd/" + std::to_string(file);
  fs::create_symlink(name, folder / "link");
  WholeFile::check(name);
  write(name, "text");
  write("/proc/thread-self/fd/" + std::to_string(file), " and");
  write(folder / "link", " more");
  ASSERT_EQ(::write(file, " after", 6), 6);
  EXPECT_EQ(read_text(folder / "file"), "before text and more after");
  fs::remove(folder / "file");
  write(name, "of no name any more");
  ::close(file);
  EXPECT_EQ(files_in(folder), 1U) << "the link";
  EXPECT_THAT(reason_of([&] { write(name, "text"); }), HasSubstr("Bad file descriptor"));

  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  write("/proc/self/fd/" + std::to_string(ends[0]), "text");
  std::array<char, 16> text{};
  EXPECT_EQ(::read(ends[1], text.data(), text.size()), 4);
  for (const int end : ends) ::close(end);
}

TEST(WholeFile, OfALinkTheFileIsReplaced) {
  const ScratchFolder folder;
  write(folder / "file", "old");
  fs::create_symlink("file", folder / "link");
  fs::create_symlink(folder / "link", folder / "link of a link");
  write(folder / "link of a link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_TRUE(fs::is_symlink(folder / "link of a link"));
  EXPECT_EQ(read_text(folder / "file"), "new");
  fs::remove(folder / "file");
  write(folder / "link", "a file where the link leads");
  EXPECT_EQ(read_text(folder / "file"), "a file where the link leads");
  fs::create_symlink("round", folder / "round");
  EXPECT_THAT(reason_of([&] { write(folder / "round", "text"); }), HasSubstr("Too many levels of symbolic links"));
}

TEST(WholeFile, TheModeIsThatOfTheOldFile) {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const mode_t mask = ::umask(027);
  write(path, "new");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0640));
  fs::permissions(path, fs::perms(0606));
  {
    WholeFile file(path);
    file.stream() << "newer";
    EXPECT_EQ(files_in(folder), 2U);
    file.commit();
  }
  ::umask(mask);
  EXPECT_EQ(read_text(path), "newer");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0606));
}

TEST(WholeFile, AWriteProtectedFileIsLeftAlone) {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write(path, "old");
  fs::permissions(path, fs::perms(0444));
  const uid_t user = ::geteuid();
  constexpr uid_t nobody = 65534;  // root may write anything
  if (user == 0) {
    ASSERT_EQ(::seteuid(nobody), 0);
  }
  const std::string refused = reason_of([&] { write(path, "new"); });
  const std::string checked = reason_of([&] { WholeFile::check(path); });
  ASSERT_EQ(::seteuid(user), 0);
  EXPECT_EQ(refused, "cannot write " + path + ": Permission denied");
  EXPECT_EQ(checked, refused);
  EXPECT_EQ(read_text(path), "old");
}

TEST(WholeFile, OfTwoAtATimeTheLastOneStays) {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  WholeFile one(path);
  WholeFile other(path);
  one.stream() << std::string(100'000, '1');
  other.stream() << std::string(50'000, '2');
  one.commit();
  EXPECT_EQ(read_text(path), std::string(100'000, '1'));
  other.commit();
  EXPECT_EQ(read_text(path), std::string(50'000, '2'));
  EXPECT_EQ(files_in(folder), 1U);
}

TEST(WholeFile, WhatLiesUnderTheOtherNameIsNotWrittenTo) {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  std::string unfinished;
  {
    const WholeFile file(path);
    unfinished = fs::directory_iterator(folder.path())->path();
  }
  write(folder / "victim", "old");
  fs::create_symlink("victim", unfinished);
  write(path, "new");
  EXPECT_EQ(read_text(folder / "victim"), "old");
  EXPECT_EQ(read_text(path), "new");
  EXPECT_FALSE(fs::is_symlink(path));
}

TEST(WholeFile, NamesMayBeAsLongAsTheyGet) {
  const ScratchFolder folder;
  const std::string path = folder / std::string(255, 'x');
  write(path, "old");
  write(path, "new");
  EXPECT_EQ(read_text(path), "new");
}

TEST(WholeFile, WhatAKilledProcessLeftIsKnownByItsName) {
  const ScratchFolder folder;
  {
    const WholeFile file(folder / "file.heap");
    const WholeFile again(folder / "file.heap");
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      EXPECT_TRUE(WholeFile::is_unfinished(entry.path().filename().string(), "file.heap")) << entry.path();
      EXPECT_FALSE(WholeFile::is_unfinished(entry.path().filename().string(), "file")) << entry.path();
    }
  }
  for (const char* const other :
       {"file.heap", "file.heap.part", "file.heap..part", "file.heap.x.part", "file.heap.1"}) {
    EXPECT_FALSE(WholeFile::is_unfinished(other, "file.heap")) << other;
  }
}

TEST(WholeFile, CheckFindsWhatCannotBeWrittenAndChangesNothing) {
  const ScratchFolder folder;
  write(folder / "file", "old");
  WholeFile::check(folder / "file");
  WholeFile::check(folder / "other");
  EXPECT_EQ(files_in(folder), 1U);
  EXPECT_EQ(read_text(folder / "file"), "old");
  EXPECT_THAT(reason_of([&] { WholeFile::check(folder.path()); }), HasSubstr("it is a folder"));
  EXPECT_THAT(reason_of([&] { WholeFile::check(folder / "none" + "/file"); }), HasSubstr("No such file"));
  EXPECT_THAT(reason_of([&] { WholeFile::check(folder / "file" + "/file"); }), HasSubstr("Not a directory"));
  EXPECT_THAT(reason_of([] { WholeFile::check(""); }), HasSubstr("No such file"));
  const int file = ::open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_THAT(reason_of([&] { WholeFile::check("/dev/fd/" + std::to_string(file)); }), HasSubstr("for reading only"));
  ::close(file);
}

}  // namespace
}  // namespace plateau::testing
