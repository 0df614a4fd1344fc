#include "labs/harness/memory_limit.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace plateau::harness {
namespace fs = std::filesystem;
namespace {

constexpr const char* group_prefix = "plateau-";

bool write_file(const fs::path& file, const std::string& text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return written;
}

std::string read_file(const fs::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// Mount point of the cgroup file system of `type` that has `option` ("" for any), from /proc/self/mounts.
fs::path mount_point(const CgroupPlaces& places, const std::string& type, const std::string& option) {
  std::ifstream mounts(places.mounts);
  std::string device;
  std::string point;
  std::string kind;
  std::string options;
  std::string rest;
  while (mounts >> device >> point >> kind >> options && std::getline(mounts, rest)) {
    const bool has = option.empty() || ("," + options + ",").find("," + option + ",") != std::string::npos;
    if (kind == type && has) return point;
  }
  return {};
}

// The group that this process is in: "N:memory:/path" for v1, "0::/path" for v2.
fs::path own_group(const CgroupPlaces& places, const std::string& controller) {
  std::ifstream groups(places.own_groups);
  std::string line;
  while (std::getline(groups, line)) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controllers == ",," ? controller.empty() : controllers.find("," + controller + ",") != std::string::npos) {
      return line.substr(second + 1);
    }
  }
  return {};
}

// Groups of runs that were killed themselves stay behind, empty; whoever comes next to the same place removes them.
void remove_orphans(const fs::path& parent) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(group_prefix)) continue;
    const int pid = std::atoi(name.c_str() + std::string_view(group_prefix).size());
    if (pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH) ::rmdir(entry.path().c_str());
  }
}

}  // namespace

std::string to_string(LimitKind kind) {
  switch (kind) {
    case LimitKind::cgroup_v2:
      return "cgroup_v2";
    case LimitKind::cgroup_v1:
      return "cgroup_v1";
    case LimitKind::rlimit_data:
      return "rlimit_data";
    case LimitKind::none:
      break;
  }
  return "none";
}

MemoryLimit::MemoryLimit(std::optional<std::uint64_t> bytes, const std::string& name, const CgroupPlaces& places)
    : bytes_(bytes) {
  static std::atomic<unsigned> made{0};  // a name again may be that of a group that still lives
  const std::string group = group_prefix + std::to_string(::getpid()) + "-" + std::to_string(++made) + "-" + name;
  if (make_v2(places, group)) {
    kind_ = LimitKind::cgroup_v2;
  } else if (make_v1(places, group)) {
    kind_ = LimitKind::cgroup_v1;
  } else if (bytes_) {
    kind_ = LimitKind::rlimit_data;
  }
}

bool MemoryLimit::make_v2(const CgroupPlaces& places, const std::string& name) {
  const fs::path root = mount_point(places, "cgroup2", "");
  fs::path own = own_group(places, "");
  if (root.empty() || own.empty()) return false;
  // A group with processes may not share out controllers to children, so the place is often a sibling of ours. Only
  // where the memory controller is shared out already: how the machine is set up is not ours to change.
  for (fs::path place = root / own.relative_path();; place = place.parent_path()) {
    if ((" " + read_file(place / "cgroup.subtree_control")).find(" memory") != std::string::npos) {
      remove_orphans(place);
      if (adopt(place / name, "memory.max")) {
        write_file(group_ / "memory.swap.max", "0");  // absent without swap
        return true;
      }
    }
    if (place == root || place == place.parent_path()) return false;
  }
}

bool MemoryLimit::make_v1(const CgroupPlaces& places, const std::string& name) {
  const fs::path root = mount_point(places, "cgroup", "memory");
  const fs::path own = own_group(places, "memory");
  if (root.empty() || own.empty()) return false;
  // Inside a container the path of /proc/self/cgroup may be the host's; the mount's own root is then the place.
  fs::path place = root / own.relative_path();
  std::error_code error;
  if (!fs::exists(place, error)) place = root;
  remove_orphans(place);
  if (!adopt(place / name, "memory.limit_in_bytes")) return false;
  if (bytes_)
    write_file(group_ / "memory.memsw.limit_in_bytes", std::to_string(*bytes_));  // absent without swap accounting
  return true;
}

bool MemoryLimit::adopt(const fs::path& group, const char* limit_file) {
  std::error_code error;
  if (!fs::create_directory(group, error)) return false;
  const bool limited = !bytes_ || write_file(group / limit_file, std::to_string(*bytes_));
  if (limited) procs_fd_ = ::open((group / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  if (procs_fd_ < 0) {
    ::rmdir(group.c_str());
    return false;
  }
  group_ = group;
  return true;
}

MemoryLimit::~MemoryLimit() {
  if (procs_fd_ < 0) return;
  ::close(procs_fd_);
  // The kernel lets go of a dead process's group a moment after wait() has returned.
  for (int attempt = 0; attempt < 200 && ::rmdir(group_.c_str()) != 0 && errno == EBUSY; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

bool MemoryLimit::enter() const noexcept {
  if (procs_fd_ >= 0) return ::write(procs_fd_, "0", 1) == 1;
  if (kind_ != LimitKind::rlimit_data) return true;
  const rlimit limit{*bytes_, *bytes_};
  return ::setrlimit(RLIMIT_DATA, &limit) == 0;
}

// The number behind `key` in a file of the group, or the file's only number for an empty key; 0 when there is none.
std::uint64_t MemoryLimit::counter(const char* file, std::string_view key) const {
  std::istringstream text(read_file(group_ / file));
  std::string word;
  std::uint64_t value = 0;
  if (key.empty()) return text >> value ? value : 0;
  while (text >> word >> value) {
    if (word == key) return value;
  }
  return 0;
}

bool MemoryLimit::killed() const {
  if (procs_fd_ < 0 || !bytes_) return false;
  if (kind_ == LimitKind::cgroup_v2)
    return counter("memory.events", "oom_kill") > 0 && counter("memory.events", "oom") > 0;
  // memory.failcnt stays 0 on recent kernels, so that the group met its limit is read off its highest use. Charges are
  // made in batches, hence not to the byte.
  const double met = 0.99 * static_cast<double>(*bytes_);
  return counter("memory.oom_control", "oom_kill") > 0 &&
         static_cast<double>(counter("memory.max_usage_in_bytes", "")) >= met;
}

std::string MemoryLimit::evidence() const {
  if (procs_fd_ < 0) return {};
  const bool v2 = kind_ == LimitKind::cgroup_v2;
  const char* const events = v2 ? "memory.events" : "memory.oom_control";
  const char* const peak = v2 ? "memory.peak" : "memory.max_usage_in_bytes";
  std::string text = std::string(events) + ": oom_kill " + std::to_string(counter(events, "oom_kill"));
  if (const std::uint64_t highest = counter(peak, ""); highest > 0) {
    text += std::string("; ") + peak + ": " + std::to_string(highest);
  }
  return text;
}

}  // namespace plateau::harness
