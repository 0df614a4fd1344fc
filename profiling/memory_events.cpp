#include "profiling/memory_events.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <utility>

namespace plateau {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t most_sources = 2;

// Stalled for so many us in a window of so many. Without privileges windows are of two seconds.
constexpr const char* pressure_trigger = "some 40000 2000000";

// The kernel tells of what has changed since the file was read last.
void read_to_rearm(int fd) noexcept {
  std::array<char, 512> ignored;
  static_cast<void>(!::pread(fd, ignored.data(), ignored.size(), 0));
}

}  // namespace

MemoryEvents::MemoryEvents(const fs::path& limit_file) : group_(limit_file.parent_path()) {
  if (limit_file.filename() == "memory.max") {
    watch(group_ / "memory.events", nullptr);
    watch(group_ / "memory.pressure", pressure_trigger);
  } else if (limit_file.filename() == "memory.limit_in_bytes" &&
             ::access((group_ / "cgroup.event_control").c_str(), W_OK) == 0) {
    sources_.push_back({group_ / "cgroup.event_control", -1, POLLIN});
    thresholds_ = true;
  }
}

MemoryEvents::~MemoryEvents() {
  for (Source& source : sources_) close(source);
}

std::vector<std::string> MemoryEvents::sources() const {
  std::vector<std::string> files;
  for (const Source& source : sources_) files.push_back(source.file);
  return files;
}

void MemoryEvents::watch(const fs::path& file, const char* trigger) {
  Source source{file, ::open(file.c_str(), (trigger != nullptr ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK), POLLPRI};
  if (source.fd < 0) return;
  if (trigger == nullptr) read_to_rearm(source.fd);
  if (trigger != nullptr && ::write(source.fd, trigger, std::strlen(trigger) + 1) < 0) {
    close(source);
    return;
  }
  sources_.push_back(std::move(source));
}

void MemoryEvents::close(Source& source) noexcept {
  if (source.fd >= 0) ::close(std::exchange(source.fd, -1));
}

// cgroup-v1/memory.rst, "Memory thresholds": "<event_fd> <fd of memory.usage_in_bytes> <threshold>".
void MemoryEvents::expect_usage(std::uint64_t bytes) noexcept {
  if (!thresholds_) return;
  Source& source = sources_.front();
  close(source);
  const int control = ::open(source.file.c_str(), O_WRONLY | O_CLOEXEC);
  const int usage = ::open((group_ / "memory.usage_in_bytes").c_str(), O_RDONLY | O_CLOEXEC);
  source.fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  std::array<char, 96> request;
  const int length = std::snprintf(request.data(), request.size(), "%d %d %llu", source.fd, usage,
                                   static_cast<unsigned long long>(bytes));
  if (::write(control, request.data(), static_cast<std::size_t>(length)) != length) close(source);
  if (control >= 0) ::close(control);
  if (usage >= 0) ::close(usage);
}

bool MemoryEvents::wait(std::chrono::milliseconds timeout) noexcept {
  std::array<pollfd, most_sources> polled{};
  for (std::size_t i = 0; i < sources_.size(); ++i) polled[i] = {sources_[i].fd, sources_[i].event, 0};
  if (::poll(polled.data(), sources_.size(), static_cast<int>(timeout.count())) <= 0) return false;
  bool told = false;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (polled[i].revents == 0) continue;
    if ((polled[i].revents & sources_[i].event) == 0) {
      close(sources_[i]);  // the group is gone: it would be told of for ever
      continue;
    }
    told = true;
    std::uint64_t count = 0;
    if (sources_[i].event == POLLIN) static_cast<void>(!::read(sources_[i].fd, &count, sizeof count));
    if (sources_[i].event == POLLPRI) read_to_rearm(sources_[i].fd);
  }
  return told;
}

}  // namespace plateau
