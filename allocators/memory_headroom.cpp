#include "allocators/memory_headroom.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <fstream>
#include <stdexcept>
#include <string_view>

#include "allocators/process_memory.hpp"

namespace plateau {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t unlimited = std::uint64_t{1} << 60;  // cgroup v1 writes 2^63 less a page for "no limit"

// Allocates nothing; empty on failure.
std::string_view read_file(const char* name, std::array<char, 8192>& buffer) noexcept {
  const int fd = ::open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t bytes = ::read(fd, buffer.data(), buffer.size());
  ::close(fd);
  return bytes <= 0 ? std::string_view{} : std::string_view(buffer.data(), static_cast<std::size_t>(bytes));
}

std::optional<std::uint64_t> number(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

std::optional<std::uint64_t> read_number(const char* name) noexcept {
  std::array<char, 8192> buffer;
  return number(read_file(name, buffer));
}

// The number behind `key` at the start of a line.
std::optional<std::uint64_t> read_field(const char* name, std::string_view key) noexcept {
  std::array<char, 8192> buffer;
  std::string_view text = read_file(name, buffer);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ')
      return number(line.substr(key.size() + 1));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

bool has_word(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

// Where a cgroup file system of `type` is mounted that has `option` ("" for any).
fs::path mount_point(const fs::path& mounts, const std::string& type, const std::string& option) {
  std::ifstream lines(mounts);
  std::string device, point, kind, options, rest;
  while (lines >> device >> point >> kind >> options && std::getline(lines, rest)) {
    if (kind == type && (option.empty() || has_word(options, option))) return point;
  }
  return {};
}

// The group that this process is in: "N:memory:/path" for v1, "0::/path" for v2 (controller "").
fs::path own_group(const fs::path& groups, const std::string& controller) {
  std::ifstream lines(groups);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty() ? controller.empty() : !controller.empty() && has_word(controllers, controller))
      return line.substr(second + 1);
  }
  return {};
}

}  // namespace

MemoryHeadroom::MemoryHeadroom(std::optional<std::uint64_t> limit_bytes, const CgroupFiles& files) {
  if (limit_bytes) {
    limit_ = *limit_bytes;
    source_ = "given";
    return;
  }
  const bool in_cgroup = find_cgroup_v2(files) || find_cgroup_v1(files);
  rlimit data{};
  if (::getrlimit(RLIMIT_DATA, &data) == 0 && data.rlim_cur != RLIM_INFINITY &&
      (!in_cgroup || data.rlim_cur < limit_)) {
    kind_ = Kind::rlimit_data;
    limit_ = data.rlim_cur;
    source_ = "RLIMIT_DATA";
    return;
  }
  if (in_cgroup) {
    kind_ = Kind::cgroup;
    return;
  }
  throw std::runtime_error("no memory limit holds for this process (neither a cgroup's nor RLIMIT_DATA): give one");
}

bool MemoryHeadroom::find_cgroup_v2(const CgroupFiles& files) {
  const fs::path root = mount_point(files.mounts, "cgroup2", "");
  const fs::path own = own_group(files.own_groups, "");
  if (root.empty() || own.empty() || !find_limit(root / own.relative_path(), root, "memory.max")) return false;
  usage_file_ = fs::path(source_).replace_filename("memory.current");
  inactive_file_ = "inactive_file";
  return true;
}

bool MemoryHeadroom::find_cgroup_v1(const CgroupFiles& files) {
  const fs::path root = mount_point(files.mounts, "cgroup", "memory");
  const fs::path own = own_group(files.own_groups, "memory");
  if (root.empty() || own.empty()) return false;
  // Inside a container the path of /proc/self/cgroup may be the host's; the mount's own root is then the place.
  std::error_code error;
  const fs::path group = root / own.relative_path();
  if (!find_limit(fs::exists(group, error) ? group : root, root, "memory.limit_in_bytes")) return false;
  usage_file_ = fs::path(source_).replace_filename("memory.usage_in_bytes");
  inactive_file_ = "total_inactive_file";
  return true;
}

bool MemoryHeadroom::find_limit(fs::path group, const fs::path& root, const char* limit_file) {
  for (;; group = group.parent_path()) {
    const fs::path file = group / limit_file;
    const auto limit = read_number(file.c_str());  // "max" is no number
    if (limit && *limit < unlimited) {
      limit_ = *limit;
      source_ = file;
      statistics_file_ = group / "memory.stat";
      return true;
    }
    if (group == root || group == group.parent_path()) return false;
  }
}

std::uint64_t MemoryHeadroom::used_bytes() const noexcept {
  switch (kind_) {
    case Kind::given:
      return own_rss_bytes();
    case Kind::rlimit_data:
      return read_field("/proc/self/status", "VmData:").value_or(0) * 1024;
    case Kind::cgroup:
      break;
  }
  const std::uint64_t usage = read_number(usage_file_.c_str()).value_or(0);
  const std::uint64_t inactive = read_field(statistics_file_.c_str(), inactive_file_).value_or(0);
  return usage > inactive ? usage - inactive : 0;
}

}  // namespace plateau
