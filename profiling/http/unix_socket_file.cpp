#include "profiling/http/unix_socket_file.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <system_error>

namespace plateau {
namespace {

constexpr auto patience = std::chrono::seconds(1);

[[noreturn]] void fail(int error) {
  throw std::system_error(error, std::generic_category());
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

bool bind_to(int socket, const std::string& path) {
  const sockaddr_un address = address_of(path);
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// Whether the process that made the file is gone. One that is just about to listen counts as gone, too, which is why
// processes take turns in a folder.
bool is_left_behind(const std::string& path) {
  const Descriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un address = address_of(path);
  return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
         errno == ECONNREFUSED;
}

// A folder that two processes lock takes them one after the other. Whoever may not read it, or finds it locked for a
// second, goes on without.
class Turn {
 public:
  explicit Turn(int folder) : folder_(folder) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (::flock(folder_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() > deadline) return;
      ::sched_yield();
    }
  }
  ~Turn() { ::flock(folder_, LOCK_UN); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  const int folder_;
};

Descriptor open_folder(const std::string& folder) {
  constexpr int flags = O_DIRECTORY | O_CLOEXEC;
  Descriptor opened(::open(folder.c_str(), O_RDONLY | flags));
  if (!opened && errno == EACCES) opened.reset(::open(folder.c_str(), O_PATH | flags));
  return opened;
}

}  // namespace

UnixSocketFile::UnixSocketFile(const std::string& path) : process_(::getpid()) {
  const auto slash = path.rfind('/');
  folder_ = open_folder(path.substr(0, slash + 1));
  if (!folder_) fail(errno);
  name_ = path.substr(slash + 1);
  const Turn turn(folder_.get());
  listen_at(path);
}

UnixSocketFile::~UnixSocketFile() {
  struct stat now {};
  if (inode_ == 0 || process_ != ::getpid()) return;
  if (::fstatat(folder_.get(), name_.c_str(), &now, AT_SYMLINK_NOFOLLOW) != 0) return;
  if (now.st_dev == device_ && now.st_ino == inode_) ::unlinkat(folder_.get(), name_.c_str(), 0);
}

void UnixSocketFile::listen_at(const std::string& path) {
  socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket_) fail(errno);
  if (!bind_to(socket_.get(), path)) {
    const int error = errno;
    struct stat there {};
    if (error != EADDRINUSE || ::fstatat(folder_.get(), name_.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) fail(error);
    if (!S_ISSOCK(there.st_mode)) fail(EEXIST);
    if (!is_left_behind(path)) fail(EADDRINUSE);
    if (::unlinkat(folder_.get(), name_.c_str(), 0) != 0) fail(errno);
    if (!bind_to(socket_.get(), path)) fail(errno);
  }
  struct stat made {};
  if (::listen(socket_.get(), SOMAXCONN) != 0 ||
      ::fstatat(folder_.get(), name_.c_str(), &made, AT_SYMLINK_NOFOLLOW) != 0) {
    fail(errno);
  }
  device_ = made.st_dev;
  inode_ = made.st_ino;
}

}  // namespace plateau
