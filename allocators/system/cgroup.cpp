#include "allocators/system/cgroup.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <span>
#include <string_view>

#include "allocators/system/kernel_file.hpp"

namespace plateau {
namespace fs = std::filesystem;
namespace {

using Number = std::optional<std::uint64_t>;

constexpr std::uint64_t unlimited = std::uint64_t{1} << 60;  // version 1 writes 2^63 less a page for "no limit"

bool has_word(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

// The kernel writes blanks and backslashes of a path as \ and three octal digits.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view digits = text.substr(i + 1, 3);
    const bool is_escape =
        text[i] == '\\' && digits.size() == 3 && digits.find_first_not_of("01234567") == std::string_view::npos;
    if (is_escape) {
      plain += static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0'));
      i += digits.size();
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// Where the hierarchy is mounted, which may be at several places.
std::vector<fs::path> mount_points(CgroupVersion version, const fs::path& mounts) {
  std::vector<fs::path> points;
  std::ifstream lines(mounts);
  std::string device, point, kind, options, rest;
  while (lines >> device >> point >> kind >> options && std::getline(lines, rest)) {
    const bool is_it =
        version == CgroupVersion::v2 ? kind == "cgroup2" : kind == "cgroup" && has_word(options, "memory");
    if (is_it) points.emplace_back(unescaped(point));
  }
  return points;
}

// The path of the group that this process is in: "N:memory:/path" for version 1, "0::/path" for version 2.
fs::path own_path(CgroupVersion version, const fs::path& groups) {
  std::ifstream lines(groups);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (version == CgroupVersion::v2 ? controllers.empty() : has_word(controllers, "memory"))
      return line.substr(second + 1);
  }
  return {};
}

// The longest end of `path` that is a folder below `root`; `root` itself when none is.
fs::path mounted_end(const fs::path& root, const fs::path& path) {
  const fs::path whole = path.relative_path();
  // A path that leads out of what a namespace shows ("/../..").
  if (std::find(whole.begin(), whole.end(), "..") != whole.end()) return root;
  for (auto from = whole.begin(); from != whole.end(); ++from) {
    fs::path end = root;
    for (auto part = from; part != whole.end(); ++part) end /= *part;
    std::error_code error;
    if (fs::is_directory(end, error)) return end;
  }
  return root;
}

Number limit_in(const std::string& file) noexcept {
  const Number bytes = kernel_file::number(file.c_str());  // "max" is none
  return bytes && *bytes < unlimited ? bytes : std::nullopt;
}

void add_limits(CgroupVersion version, const CgroupFiles& files, std::vector<CgroupLimit>& limits) {
  const std::optional<CgroupPlace> place = find_cgroup(version, files);
  if (!place) return;
  for (fs::path folder = place->own;; folder = folder.parent_path()) {
    Cgroup group(version, folder);
    if (folder != place->own && !group.counts_children()) return;
    const Number limit = group.limit();
    const Number high = group.high();
    const bool high_is_smaller = high && (!limit || *high < *limit);
    if (limit || high) {
      std::string file = high_is_smaller ? group.high_file() : group.limit_file();
      limits.push_back({std::move(group), high_is_smaller ? *high : *limit, std::move(file)});
    }
    if (folder == place->root || folder == folder.parent_path()) return;
  }
}

}  // namespace

std::optional<CgroupPlace> find_cgroup(CgroupVersion version, const CgroupFiles& files) {
  const std::vector<fs::path> roots = mount_points(version, files.mounts);
  const fs::path own = own_path(version, files.own_groups);
  if (roots.empty() || own.empty()) return std::nullopt;
  std::optional<CgroupPlace> best;
  for (const fs::path& root : roots) {
    CgroupPlace place{root, mounted_end(root, own)};
    const auto depth = [](const CgroupPlace& of) { return std::distance(of.own.begin(), of.own.end()); };
    const auto below_root = [&](const CgroupPlace& of) {
      return depth(of) - std::distance(of.root.begin(), of.root.end());
    };
    if (!best || below_root(place) > below_root(*best)) best = std::move(place);
  }
  return best;
}

Cgroup::Cgroup(CgroupVersion version, const fs::path& folder)
    : version_(version), folder_(folder), statistics_file_(folder / "memory.stat") {
  if (version == CgroupVersion::v2) {
    limit_file_ = folder / "memory.max";
    high_file_ = folder / "memory.high";
    usage_file_ = folder / "memory.current";
    peak_file_ = folder / "memory.peak";
    events_file_ = folder / "memory.events";
  } else {
    limit_file_ = folder / "memory.limit_in_bytes";
    usage_file_ = folder / "memory.usage_in_bytes";
    peak_file_ = folder / "memory.max_usage_in_bytes";
    events_file_ = folder / "memory.oom_control";
    hierarchy_file_ = folder / "memory.use_hierarchy";
    kernel_file_ = folder / "memory.kmem.usage_in_bytes";
    sockets_file_ = folder / "memory.kmem.tcp.usage_in_bytes";
  }
}

std::optional<Cgroup> Cgroup::of_limit_file(const fs::path& file) {
  const fs::path name = file.filename();
  if (name == "memory.max" || name == "memory.high") return Cgroup(CgroupVersion::v2, file.parent_path());
  if (name == "memory.limit_in_bytes") return Cgroup(CgroupVersion::v1, file.parent_path());
  return std::nullopt;
}

std::optional<std::uint64_t> Cgroup::limit() const noexcept {
  return limit_in(limit_file_);
}

std::optional<std::uint64_t> Cgroup::high() const noexcept {
  return version_ == CgroupVersion::v2 ? limit_in(high_file_) : std::nullopt;
}

std::optional<std::uint64_t> Cgroup::usage() const noexcept {
  return kernel_file::number(usage_file_.c_str());
}

std::optional<std::uint64_t> Cgroup::peak() const noexcept {
  return kernel_file::number(peak_file_.c_str());
}

std::optional<std::uint64_t> Cgroup::inactive_file() const noexcept {
  // Version 1 tells of the group alone under the plain name.
  return kernel_file::number_behind(statistics_file_.c_str(),
                                    version_ == CgroupVersion::v2 ? "inactive_file" : "total_inactive_file");
}

std::optional<std::uint64_t> Cgroup::working_set() const noexcept {
  const Number used = usage();
  if (!used) return std::nullopt;
  const std::uint64_t inactive = inactive_file().value_or(0);
  return *used > inactive ? *used - inactive : 0;
}

std::optional<std::uint64_t> Cgroup::held() const noexcept {
  const Number used = usage();
  if (!used) return std::nullopt;
  const CgroupContents now = contents();
  const std::uint64_t cached = now.inactive_file.value_or(0) + now.active_file.value_or(0);
  return *used > cached ? *used - cached : 0;
}

CgroupContents Cgroup::contents() const noexcept {
  constexpr std::array<std::string_view, 7> of_v2{"anon",   "active_file", "inactive_file", "shmem",
                                                  "kernel", "slab",        "sock"};
  constexpr std::array<std::string_view, 4> of_v1{"total_rss", "total_active_file", "total_inactive_file",
                                                  "total_shmem"};
  std::array<Number, of_v2.size()> values;
  if (version_ == CgroupVersion::v2) {
    kernel_file::numbers_behind(statistics_file_.c_str(), of_v2, values);
  } else {
    kernel_file::numbers_behind(statistics_file_.c_str(), of_v1, std::span(values).first<of_v1.size()>());
    values[4] = kernel_file::number(kernel_file_.c_str());
    values[6] = kernel_file::number(sockets_file_.c_str());
  }
  const auto& [anonymous, active, inactive, shared, kernel, slab, sockets] = values;
  return {anonymous, active, inactive, shared, kernel, slab, sockets};
}

std::optional<std::uint64_t> Cgroup::oom_kills() const noexcept {
  return kernel_file::number_behind(events_file_.c_str(), "oom_kill");
}

std::optional<std::uint64_t> Cgroup::out_of_memory_events() const noexcept {
  return version_ == CgroupVersion::v2 ? kernel_file::number_behind(events_file_.c_str(), "oom") : std::nullopt;
}

bool Cgroup::counts_children() const noexcept {
  return version_ == CgroupVersion::v2 || kernel_file::number(hierarchy_file_.c_str()) != std::uint64_t{0};
}

std::vector<CgroupLimit> limits_on_the_way_up(const CgroupFiles& files) {
  std::vector<CgroupLimit> limits;
  add_limits(CgroupVersion::v2, files, limits);
  if (limits.empty()) add_limits(CgroupVersion::v1, files, limits);
  return limits;
}

}  // namespace plateau
