// What the odd host does to its descriptors. Files that it wrote are looked at again at the end: nobody else's bytes.
#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "host.hpp"

namespace plateau::conformance {
namespace {

constexpr int highest = 1024;

// Inode numbers and process ids differ from run to run.
std::string without_numbers(const char* target) {
  std::string text;
  for (const char* at = target; *at != '\0'; ++at) {
    if (std::isdigit(static_cast<unsigned char>(*at)) == 0) {
      text += *at;
    } else if (text.empty() || text.back() != 'N') {
      text += 'N';
    }
  }
  return text;
}

std::string target_of(int fd) {
  char name[64];
  char target[512];
  std::snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  const ssize_t length = ::readlink(name, target, sizeof target - 1);
  if (length < 0) return "?";
  target[length] = '\0';
  return without_numbers(target);
}

void list(Host& /*host*/, const std::string& /*argument*/) {
  for (int fd = 0; fd < highest; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0) continue;
    say("descriptor %d: %s, %s, status flags %o", fd, target_of(fd).c_str(),
        flags != 0 ? "closed by exec" : "kept by exec", static_cast<unsigned>(::fcntl(fd, F_GETFL)));
  }
}

std::string content_of_important(int which) {
  return "important " + std::to_string(which) + "\n";
}

void check_important(int fd, ino_t inode, int which) {
  struct stat status {};
  // Whoever closed it since then, or put another file there, was the host itself.
  if (::fstat(fd, &status) != 0 || status.st_ino != inode) return;
  std::array<char, 64> bytes{};
  const std::string expected = content_of_important(which);
  const ssize_t read = ::pread(fd, bytes.data(), bytes.size(), 0);
  const bool same = read == static_cast<ssize_t>(expected.size()) &&
                    expected.compare(0, expected.size(), bytes.data(), expected.size()) == 0;
  const bool where_it_was = ::lseek(fd, 0, SEEK_CUR) == static_cast<off_t>(expected.size());
  if (!same || !where_it_was || status.st_size != static_cast<off_t>(expected.size())) {
    say("descriptor %d: %lld bytes where %zu were written", fd, static_cast<long long>(status.st_size),
        expected.size());
  }
}

void open_files(Host& host, const std::string& argument) {
  static int opened = 0;
  std::string numbers;
  for (int i = 0; i < number(argument, 4); ++i) {
    const std::string name = "important-" + std::to_string(opened);
    const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) {
      numbers += std::string(" ") + outcome(false);
      continue;
    }
    const std::string content = content_of_important(opened);
    static_cast<void>(!::write(fd, content.data(), content.size()));
    struct stat status {};
    ::fstat(fd, &status);
    host.final_checks.emplace_back([fd, inode = status.st_ino, which = opened] { check_important(fd, inode, which); });
    ++opened;
    numbers += " " + std::to_string(fd);
  }
  say("open:%s", numbers.c_str());
}

// Nobody but the host writes into its pipes.
void make_pipes(Host& host, const std::string& argument) {
  std::string numbers;
  for (int i = 0; i < number(argument, 2); ++i) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_NONBLOCK) != 0) {
      numbers += std::string(" ") + outcome(false);
      continue;
    }
    numbers += " " + std::to_string(ends[0]) + " " + std::to_string(ends[1]);
    struct stat status {};
    ::fstat(ends[0], &status);
    host.final_checks.emplace_back([read_end = ends[0], inode = status.st_ino] {
      struct stat now {};
      int waiting = 0;
      if (::fstat(read_end, &now) != 0 || now.st_ino != inode || ::ioctl(read_end, FIONREAD, &waiting) != 0) return;
      if (waiting != 0) say("pipe %d: %d bytes that nobody here wrote", read_end, waiting);
    });
  }
  say("pipes:%s", numbers.c_str());
}

void close_one_by_one(Host& /*host*/, const std::string& /*argument*/) {
  for (int fd = 3; fd < highest; ++fd) ::close(fd);
}

void close_by_range(Host& /*host*/, const std::string& /*argument*/) {
  say("close_range: %s", outcome(::close_range(3, ~0U, 0) == 0));
}

void close_from(Host& /*host*/, const std::string& /*argument*/) {
  ::closefrom(3);
}

void close_what_proc_lists(Host& /*host*/, const std::string& /*argument*/) {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) {
    say("close_listed: %s", outcome(false));
    return;
  }
  std::array<bool, highest> listed{};
  while (const dirent* const entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    if (fd > 2 && fd < highest && fd != ::dirfd(folder)) listed[static_cast<std::size_t>(fd)] = true;
  }
  ::closedir(folder);
  std::string numbers;
  for (int fd = 3; fd < highest; ++fd) {
    if (!listed[static_cast<std::size_t>(fd)]) continue;
    numbers += " " + std::to_string(fd);
    ::close(fd);
  }
  say("close_listed:%s", numbers.c_str());
}

// Every number becomes a file that stays empty, since nothing has any business with it.
void overwrite_all(Host& host, const std::string& argument) {
  const int file = ::open("nobody-writes-here", O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (file < 0) {
    say("dup2_all: %s", outcome(false));
    return;
  }
  int made = 0;
  for (int fd = 3; fd < number(argument, 64); ++fd) made += ::dup2(file, fd) == fd ? 1 : 0;
  say("dup2_all: %d", made);
  host.final_checks.emplace_back([] {
    struct stat status {};
    if (::stat("nobody-writes-here", &status) == 0 && status.st_size != 0)
      say("dup2_all: %lld bytes in a file into which nobody writes", static_cast<long long>(status.st_size));
  });
}

void lowest_free(Host& /*host*/, const std::string& /*argument*/) {
  const int fd = ::open("/dev/null", O_RDONLY);
  if (fd < 0) {
    say("lowest_free: %s", outcome(false));
  } else {
    say("lowest_free: %d", fd);
    ::close(fd);
  }
}

void unshare_descriptors(Host& /*host*/, const std::string& /*argument*/) {
  say("close_range_unshare: %s", outcome(::close_range(3, ~0U, CLOSE_RANGE_UNSHARE) == 0));
}

constexpr Operation operations[] = {
    {"fds", list},
    {"open", open_files},
    {"pipes", make_pipes},
    {"close_loop", close_one_by_one},
    {"close_range", close_by_range},
    {"closefrom", close_from},
    {"close_listed", close_what_proc_lists},
    {"close_range_unshare", unshare_descriptors},
    {"dup2_all", overwrite_all},
    {"lowest_free", lowest_free},
};

}  // namespace

std::span<const Operation> descriptor_operations() {
  return operations;
}

}  // namespace plateau::conformance
