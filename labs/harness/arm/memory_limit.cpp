#include "labs/harness/arm/memory_limit.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

namespace plateau::harness {
namespace fs = std::filesystem;
namespace {

constexpr const char* group_prefix = "plateau-";

bool write_file(const fs::path& file, const std::string& text) {
  const Descriptor descriptor(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  return descriptor && ::write(descriptor.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Whether the group shares the memory controller out to its children.
bool shares_memory_out(const fs::path& group) {
  std::ifstream controllers(group / "cgroup.subtree_control");
  return std::find(std::istream_iterator<std::string>(controllers), {}, "memory") !=
         std::istream_iterator<std::string>();
}

// The kernel lets go of a dead process's group a moment after wait() has returned.
void remove_group(const fs::path& folder) {
  for (int attempt = 0; attempt < 200 && ::rmdir(folder.c_str()) != 0 && errno == EBUSY; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// Groups of runs that were killed together with their watchers stay behind, empty; whoever comes next to the same place
// removes them.
void remove_orphans(const fs::path& parent) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(parent, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(group_prefix)) continue;
    const int pid = std::atoi(name.c_str() + std::string_view(group_prefix).size());
    if (pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH) remove_group(entry.path());
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

MemoryLimit::MemoryLimit(std::optional<std::uint64_t> bytes, const std::string& name, const CgroupFiles& files)
    : bytes_(bytes) {
  static std::atomic<unsigned> made{0};  // a name again may be that of a group that still lives
  const std::string group = group_prefix + std::to_string(::getpid()) + "-" + std::to_string(++made) + "-" + name;
  if (make_v2(files, group)) {
    kind_ = LimitKind::cgroup_v2;
  } else if (make_v1(files, group)) {
    kind_ = LimitKind::cgroup_v1;
  } else if (bytes_) {
    kind_ = LimitKind::rlimit_data;
  }
}

bool MemoryLimit::make_v2(const CgroupFiles& files, const std::string& name) {
  const std::optional<CgroupPlace> found = find_cgroup(CgroupVersion::v2, files);
  if (!found) return false;
  // A group with processes may not share out controllers to children, so the place is often a sibling of ours. Only
  // where the memory controller is shared out already: how the machine is set up is not ours to change.
  for (fs::path place = found->own;; place = place.parent_path()) {
    if (shares_memory_out(place)) {
      remove_orphans(place);
      if (adopt(Cgroup(CgroupVersion::v2, place / name))) {
        write_file(group_->file("memory.swap.max"), "0");  // absent without swap
        return true;
      }
    }
    if (place == found->root || place == place.parent_path()) return false;
  }
}

bool MemoryLimit::make_v1(const CgroupFiles& files, const std::string& name) {
  const std::optional<CgroupPlace> place = find_cgroup(CgroupVersion::v1, files);
  if (!place) return false;
  remove_orphans(place->own);
  if (!adopt(Cgroup(CgroupVersion::v1, place->own / name))) return false;
  // Absent without swap accounting.
  if (bytes_) write_file(group_->file("memory.memsw.limit_in_bytes"), std::to_string(*bytes_));
  return true;
}

bool MemoryLimit::adopt(Cgroup group) {
  std::error_code error;
  if (!fs::create_directory(group.folder(), error)) return false;
  const bool limited = !bytes_ || write_file(group.limit_file(), std::to_string(*bytes_));
  if (limited) processes_.reset(::open(group.file("cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  if (!processes_) {
    ::rmdir(group.folder().c_str());
    return false;
  }
  group_ = std::move(group);
  watcher_.emplace(*group_);
  return true;
}

MemoryLimit::~MemoryLimit() {
  if (!group_) return;
  processes_.reset();
  remove_group(group_->folder());
}

bool MemoryLimit::enter() const noexcept {
  if (processes_) return ::write(processes_.get(), "0", 1) == 1;
  if (kind_ != LimitKind::rlimit_data) return true;
  const rlimit limit{*bytes_, *bytes_};
  return ::setrlimit(RLIMIT_DATA, &limit) == 0;
}

bool MemoryLimit::killed() const {
  if (!group_ || !bytes_ || group_->oom_kills().value_or(0) == 0) return false;
  if (kind_ == LimitKind::cgroup_v2) return group_->out_of_memory_events().value_or(0) > 0;
  // memory.failcnt stays 0 on recent kernels, so that the group met its limit is read off its highest use. Charges are
  // made in batches, hence not to the byte.
  const double met = 0.99 * static_cast<double>(*bytes_);
  return static_cast<double>(group_->peak().value_or(0)) >= met;
}

std::string MemoryLimit::evidence() const {
  if (!group_) return {};
  const auto name = [](const fs::path& file) { return file.filename().string(); };
  std::string text = name(group_->events_file()) + ": oom_kill " + std::to_string(group_->oom_kills().value_or(0));
  if (const std::uint64_t highest = group_->peak().value_or(0); highest > 0) {
    text += "; " + name(group_->peak_file()) + ": " + std::to_string(highest);
  }
  return text;
}

}  // namespace plateau::harness
