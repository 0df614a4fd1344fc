#include "profiling/host/private_descriptors.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

// `kept` in rising order. False, and nothing has changed, where the kernel (before 5.9) or a sandbox has no
// close_range.
bool unshare_at_once(std::span<const int> kept) {
  unsigned first = 0;
  unsigned flags = CLOSE_RANGE_UNSHARE;
  const auto close_up_to = [&](unsigned last) {
    if (first > last) return true;
    if (::close_range(first, last, static_cast<int>(flags)) != 0) return false;
    flags = 0;  // the table is this thread's own from then on
    return true;
  };
  for (const int fd : kept) {
    if (fd > 0 && !close_up_to(static_cast<unsigned>(fd) - 1)) return false;
    first = static_cast<unsigned>(fd) + 1;
  }
  return close_up_to(~0U);
}

std::vector<int> open_descriptors() {
  std::vector<int> open;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/thread-self/fd", error), none; !error && at != none;
       at.increment(error)) {
    const std::string name = at->path().filename();
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    if (fd >= 0) open.push_back(fd);
  }
  if (!error) return open;
  constexpr rlim_t most = 65536;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  for (rlim_t fd = 0; fd < std::min(limit.rlim_cur, most); ++fd) open.push_back(static_cast<int>(fd));
  return open;
}

// The same in two steps. The kernel itself: the agent stands in front of unshare().
bool unshare_one_by_one(std::span<const int> kept) {
  if (::syscall(SYS_unshare, CLONE_FILES) != 0) return false;
  for (const int fd : open_descriptors()) {
    if (std::find(kept.begin(), kept.end(), fd) == kept.end()) ::close(fd);
  }
  return true;
}

// What a library writes to standard error must never end up in a socket that got its number. A folder without a file
// /dev/null has at least itself, which nobody can write to by O_PATH.
void occupy(int fd) {
  int opened = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (opened < 0) opened = ::open("/", O_PATH | O_CLOEXEC);
  if (opened != fd) fail("cannot open /dev/null");
}

}  // namespace

PrivateDescriptors::PrivateDescriptors() : backtrace_(runtime_symbol<UnwindBacktrace>("unw_backtrace")) {}

bool PrivateDescriptors::enter() const {
#ifdef __SANITIZE_THREAD__
  return false;
#else
  const auto kept = descriptors_of_libunwind(backtrace_);
  if (!kept) return false;
  if (!unshare_at_once(*kept) && !unshare_one_by_one(*kept)) return false;
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    if (std::find(kept->begin(), kept->end(), fd) == kept->end()) occupy(fd);
  }
  return true;
#endif
}

}  // namespace plateau
