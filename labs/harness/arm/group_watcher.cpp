#include "labs/harness/arm/group_watcher.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "allocators/system/descriptor.hpp"

namespace plateau::harness {
namespace {

// What runs in the watcher comes after a fork of a process that may have threads: it must be async-signal-safe, and so
// it neither allocates nor locks.

// Version 2 has a file for it since Linux 5.14; else each process is told.
void kill_all(const char* kill_file, const char* processes_file) noexcept {
  if (const Descriptor all(::open(kill_file, O_WRONLY)); all && ::write(all.get(), "1", 1) == 1) return;
  const Descriptor processes(::open(processes_file, O_RDONLY));
  std::array<char, 4096> text;
  pid_t pid = 0;
  for (ssize_t count = 0; processes && (count = ::read(processes.get(), text.data(), text.size())) > 0;) {
    for (ssize_t i = 0; i < count; ++i) {
      const char c = text[static_cast<std::size_t>(i)];
      if (c >= '0' && c <= '9') {
        pid = pid * 10 + (c - '0');
      } else if (pid > 0) {
        ::kill(pid, SIGKILL);
        pid = 0;
      }
    }
  }
}

[[noreturn]] void watch(int maker, const char* folder, const char* kill_file, const char* processes_file) noexcept {
  ::setsid();
  ::prctl(PR_SET_NAME, "plateau-watcher");
  if (::dup2(maker, 0) != 0) ::_exit(1);
  ::syscall(SYS_close_range, 1U, ~0U, 0U);  // whoever waits for the end of an output waits for the maker's alone
  static_cast<void>(!::chdir("/"));
  pollfd ended{.fd = 0, .events = POLLIN, .revents = 0};
  while (::poll(&ended, 1, -1) < 0 && errno == EINTR) {
  }
  constexpr timespec pause{0, 5'000'000};
  for (int attempt = 0; attempt < 12'000; ++attempt) {  // a minute
    kill_all(kill_file, processes_file);
    if (::rmdir(folder) == 0 || errno != EBUSY) ::_exit(0);
    ::nanosleep(&pause, nullptr);
  }
  ::_exit(1);
}

}  // namespace

GroupWatcher::GroupWatcher(const Cgroup& group) {
  const std::string folder = group.folder();
  const std::string kill_file = group.file("cgroup.kill");
  const std::string processes_file = group.file("cgroup.procs");
  const Descriptor maker(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  if (!maker) return;
  pid_ = ::fork();
  if (pid_ == 0) watch(maker.get(), folder.c_str(), kill_file.c_str(), processes_file.c_str());
}

GroupWatcher::~GroupWatcher() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace plateau::harness
