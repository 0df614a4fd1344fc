#include "profiling/host/private_descriptors.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "allocators/runtime_symbol.hpp"

namespace plateau {
namespace {

using Pipe = std::array<int, 2>;

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

// One end of a pipe as libunwind makes it: O_CLOEXEC and O_NONBLOCK.
struct PipeEnd {
  int fd;
  ino_t pipe;
};

std::vector<PipeEnd> nonblocking_pipe_ends() {
  std::vector<PipeEnd> ends;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/thread-self/fd", error), none; !error && at != none;
       at.increment(error)) {
    const std::string name = at->path().filename();
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    struct stat status {};
    if (fd < 0 || ::fstat(fd, &status) != 0 || !S_ISFIFO(status.st_mode)) continue;
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) != 0 && ::fcntl(fd, F_GETFD) == FD_CLOEXEC)
      ends.push_back({fd, status.st_ino});
  }
  return ends;
}

// Where both ends are open here: somebody in this process writes to itself.
std::vector<Pipe> pipes_to_itself() {
  const std::vector<PipeEnd> ends = nonblocking_pipe_ends();
  std::vector<Pipe> pipes;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    for (std::size_t j = i + 1; j < ends.size(); ++j) {
      if (ends[i].pipe == ends[j].pipe)
        pipes.push_back({std::min(ends[i].fd, ends[j].fd), std::max(ends[i].fd, ends[j].fd)});
    }
  }
  return pipes;
}

// Empty where libunwind is not loaded; nothing when its pipe cannot be told.
[[maybe_unused]] std::optional<std::vector<int>> descriptors_of_libunwind(UnwindBacktrace* backtrace) {
  if (backtrace == nullptr) return std::vector<int>{};
  void* frame = nullptr;
  backtrace(&frame, 1);  // opens the pipe, unless it is open already
  const std::vector<Pipe> pipes = pipes_to_itself();
  if (pipes.size() != 1) return std::nullopt;
  return std::vector<int>(pipes.front().begin(), pipes.front().end());
}

// `kept` in rising order.
[[maybe_unused]] void unshare_all_but(std::span<const int> kept) {
  unsigned first = 0;
  unsigned flags = CLOSE_RANGE_UNSHARE;
  const auto close_up_to = [&](unsigned last) {
    if (first <= last && ::close_range(first, last, static_cast<int>(flags)) != 0) {
      fail("cannot have descriptors of its own (close_range)");
    }
    if (first <= last) flags = 0;  // the table is this thread's own from then on
  };
  for (const int fd : kept) {
    if (fd > 0) close_up_to(static_cast<unsigned>(fd) - 1);
    first = static_cast<unsigned>(fd) + 1;
  }
  close_up_to(~0U);
}

}  // namespace

PrivateDescriptors::PrivateDescriptors() : backtrace_(runtime_symbol<UnwindBacktrace>("unw_backtrace")) {}

bool PrivateDescriptors::enter() const {
#ifdef __SANITIZE_THREAD__
  return false;
#else
  const auto kept = descriptors_of_libunwind(backtrace_);
  if (!kept) return false;
  unshare_all_but(*kept);
  // So that what a library writes to standard error never ends up in a socket that got its number.
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    if (std::find(kept->begin(), kept->end(), fd) != kept->end()) continue;
    if (::open("/dev/null", O_RDWR | O_CLOEXEC) != fd) fail("cannot open /dev/null");
  }
  return true;
#endif
}

}  // namespace plateau
