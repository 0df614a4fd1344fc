#include "profiling/host/memory_events.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <utility>

namespace plateau {
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

MemoryEvents::MemoryEvents(const std::filesystem::path& limit_file) : group_(Cgroup::of_limit_file(limit_file)) {
  if (!group_) return;
  if (group_->version() == CgroupVersion::v2) {
    watch(group_->events_file(), nullptr);
    watch(group_->file("memory.pressure"), pressure_trigger);
  } else if (::access(group_->file("cgroup.event_control").c_str(), W_OK) == 0) {
    sources_.push_back({group_->file("cgroup.event_control"), Descriptor(), POLLIN});
    thresholds_ = true;
  }
}

std::vector<std::string> MemoryEvents::sources() const {
  std::vector<std::string> files;
  for (const Source& source : sources_) files.push_back(source.file);
  return files;
}

void MemoryEvents::watch(const std::string& file, const char* trigger) {
  Descriptor descriptor(::open(file.c_str(), (trigger != nullptr ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK));
  if (!descriptor) return;
  if (trigger == nullptr) read_to_rearm(descriptor.get());
  if (trigger != nullptr && ::write(descriptor.get(), trigger, std::strlen(trigger) + 1) < 0) return;
  sources_.push_back({file, std::move(descriptor), POLLPRI});
}

// cgroup-v1/memory.rst, "Memory thresholds": "<event_fd> <fd of memory.usage_in_bytes> <threshold>".
void MemoryEvents::expect_usage(std::uint64_t bytes) noexcept {
  if (!thresholds_) return;
  Source& source = sources_.front();
  source.descriptor.reset();  // what was expected before
  const Descriptor control(::open(source.file.c_str(), O_WRONLY | O_CLOEXEC));
  const Descriptor usage(::open(group_->usage_file().c_str(), O_RDONLY | O_CLOEXEC));
  source.descriptor.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::array<char, 96> request;
  const int length = std::snprintf(request.data(), request.size(), "%d %d %llu", source.descriptor.get(), usage.get(),
                                   static_cast<unsigned long long>(bytes));
  if (::write(control.get(), request.data(), static_cast<std::size_t>(length)) != length) source.descriptor.reset();
}

bool MemoryEvents::wait(std::chrono::milliseconds timeout) noexcept {
  std::array<pollfd, most_sources> polled{};
  for (std::size_t i = 0; i < sources_.size(); ++i) polled[i] = {sources_[i].descriptor.get(), sources_[i].event, 0};
  if (::poll(polled.data(), sources_.size(), static_cast<int>(timeout.count())) <= 0) return false;
  bool told = false;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (polled[i].revents == 0) continue;
    if ((polled[i].revents & sources_[i].event) == 0) {
      sources_[i].descriptor.reset();  // the group is gone: it would be told of for ever
      continue;
    }
    told = true;
    std::uint64_t count = 0;
    if (sources_[i].event == POLLIN) static_cast<void>(!::read(sources_[i].descriptor.get(), &count, sizeof count));
    if (sources_[i].event == POLLPRI) read_to_rearm(sources_[i].descriptor.get());
  }
  return told;
}

}  // namespace plateau
