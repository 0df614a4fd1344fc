// How far the kernel's memory limit is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace plateau {

// Where the cgroup hierarchies are, and which groups this process is in; parameters so that tests can make their own.
struct CgroupFiles {
  std::filesystem::path mounts = "/proc/self/mounts";
  std::filesystem::path own_groups = "/proc/self/cgroup";
};

// The limit that holds for this process: `limit_bytes` when given, else the smaller one of RLIMIT_DATA and that of its
// cgroup (v2, else v1), or of the nearest cgroup above that has any. Reads, once made, take some microseconds and allocate nothing.
// Thread-safe.
class MemoryHeadroom {
 public:
  // Throws std::runtime_error when there is no limit.
  explicit MemoryHeadroom(std::optional<std::uint64_t> limit_bytes = std::nullopt, const CgroupFiles& files = {});

  std::uint64_t limit_bytes() const { return limit_; }
  // What counts against the limit and the kernel could not take back at once: of a cgroup its usage without inactive
  // file pages (its working set); for a limit that was given, RSS; of RLIMIT_DATA, data pages of the address space.
  std::uint64_t used_bytes() const noexcept;
  // Who set the limit: "/sys/fs/cgroup/…/memory.max", "RLIMIT_DATA", "given".
  const std::string& source() const { return source_; }

 private:
  bool find_cgroup_v2(const CgroupFiles& files);
  bool find_cgroup_v1(const CgroupFiles& files);
  bool find_limit(std::filesystem::path group, const std::filesystem::path& root, const char* limit_file);

  enum class Kind { given, cgroup, rlimit_data };

  Kind kind_ = Kind::given;
  std::uint64_t limit_ = 0;
  std::string source_;
  std::string usage_file_;
  std::string statistics_file_;
  const char* inactive_file_ = nullptr;
};

}  // namespace plateau
