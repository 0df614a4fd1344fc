// Protects the forms of a debug server's address, and that a socket's file is never taken from who listens on it.
#include "profiling/http/server_address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include "profiling/http/unix_socket_file.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau {
namespace {

using ::testing::HasSubstr;
using testing::ScratchFolder;
namespace fs = std::filesystem;

std::string error_of(const std::string& text) {
  try {
    parse_server_address(text, true);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return {};
}

TEST(ServerAddress, OnePortOrTheNextOnes) {
  EXPECT_EQ(parse_server_address("127.0.0.1:6060", false).ports, 1U);
  const ServerAddress next = parse_server_address("[::1]:6060+", false);
  EXPECT_EQ(next.tcp.port, 6060);
  EXPECT_EQ(next.ports, most_ports_tried);
  EXPECT_EQ(parse_server_address("127.0.0.1:65535+", false).ports, 1U) << "there are no more";
  EXPECT_THAT(error_of("127.0.0.1:0+"), HasSubstr("first port"));
  for (const char* const text : {"127.0.0.1:+", "127.0.0.1+", "127.0.0.1:6060++", "+", "127.0.0.1:+6060"}) {
    EXPECT_NE(error_of(text), "") << text;
  }
  EXPECT_THROW(parse_server_address("0.0.0.0:6060+", false), std::invalid_argument) << "of this machine alone";
}

TEST(ServerAddress, UnixSocketsWithTheNumberOfTheProcess) {
  EXPECT_EQ(parse_server_address("unix:/run/app.sock", false).path, "/run/app.sock");
  EXPECT_EQ(parse_server_address("unix:/run/%p/100%%.sock", false).path,
            "/run/" + std::to_string(::getpid()) + "/100%.sock");
  for (const char* const text : {"unix:", "unix:app.sock", "unix:/run/", "unix:/run/%d.sock", "unix:/run/app%"}) {
    EXPECT_NE(error_of(text), "") << text;
  }
  EXPECT_EQ(error_of("unix:/" + std::string(106, 'x')), "");
  EXPECT_THAT(error_of("unix:/" + std::string(107, 'x')), HasSubstr("108 bytes, and the kernel takes 107"));
}

bool answers(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const Descriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

int error_of_listening(const std::string& path) {
  try {
    const UnixSocketFile file(path);
  } catch (const std::system_error& error) {
    return error.code().value();
  }
  return 0;
}

TEST(UnixSocketFile, IsRemovedAtItsEndByItsOwnerOnly) {
  const ScratchFolder folder;
  const std::string path = folder / "socket";
  std::optional<UnixSocketFile> file(path);
  EXPECT_TRUE(answers(path));
  const pid_t child = ::fork();
  if (child == 0) {
    file.reset();
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(answers(path)) << "a child's end is not the owner's";
  file.reset();
  EXPECT_FALSE(fs::exists(path));
}

TEST(UnixSocketFile, InUseIsLeftAloneAndLeftBehindIsReplaced) {
  const ScratchFolder folder;
  const std::string path = folder / "socket";
  {
    const UnixSocketFile first(path);
    EXPECT_EQ(error_of_listening(path), EADDRINUSE);
    EXPECT_TRUE(answers(path));
  }
  const pid_t child = ::fork();  // that ends as if it were killed
  if (child == 0) {
    const UnixSocketFile left(path);
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  ASSERT_TRUE(fs::exists(path));
  EXPECT_FALSE(answers(path));
  const UnixSocketFile second(path);
  EXPECT_TRUE(answers(path));
}

TEST(UnixSocketFile, TakesNoOtherFilesPlaceAndRemovesNoOthers) {
  const ScratchFolder folder;
  folder.write("important", "text");
  EXPECT_EQ(error_of_listening(folder / "important"), EEXIST);
  EXPECT_EQ(testing::read_text(folder / "important"), "text");
  fs::create_symlink(folder / "important", folder / "link");
  EXPECT_EQ(error_of_listening(folder / "link"), EEXIST);
  EXPECT_EQ(error_of_listening(folder / "none/socket"), ENOENT);
  {
    const UnixSocketFile replaced(folder / "socket");
    fs::remove(folder / "socket");
    folder.write("socket", "of somebody else");
  }
  EXPECT_EQ(testing::read_text(folder / "socket"), "of somebody else");
}

}  // namespace
}  // namespace plateau
