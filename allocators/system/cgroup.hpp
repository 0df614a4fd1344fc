// The one reader of memory cgroups, versions 1 and 2: where a process's group is, what limits it, and what it uses. See
// cgroup-v2.rst and cgroup-v1/memory.rst of the kernel.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace plateau {

// Where the cgroup hierarchies are, and which groups this process is in; parameters so that tests can make their own.
// The thread's own view, since that of a process whose main thread has ended is empty.
struct CgroupFiles {
  std::filesystem::path mounts = "/proc/thread-self/mounts";
  std::filesystem::path own_groups = "/proc/thread-self/cgroup";
};

enum class CgroupVersion { v1, v2 };

// The hierarchy that has the memory controller (v1) or may have it (v2).
struct CgroupPlace {
  std::filesystem::path root;  // where it is mounted
  std::filesystem::path own;   // the group of this process in it, root or below
};

// Empty where none of that version is mounted, or this process is in none. In a container /proc may name the host's
// path of the group, of which the front part is not mounted: the longest end of it that is there is taken.
std::optional<CgroupPlace> find_cgroup(CgroupVersion version, const CgroupFiles& files = {});

// The kernel's division of what a group holds, its children included. Figures that it does not tell are empty.
struct CgroupContents {
  std::optional<std::uint64_t> anonymous;      // heaps, stacks: in RSS of its processes
  std::optional<std::uint64_t> active_file;    // cached pages of files, used lately; mapped ones are in RSS as well
  std::optional<std::uint64_t> inactive_file;  // those that nobody used lately
  std::optional<std::uint64_t> shared;         // tmpfs (an emptyDir of medium Memory, /dev/shm), shared memory
  std::optional<std::uint64_t> kernel;         // for the group's processes: slab, stacks, page tables
  std::optional<std::uint64_t> slab;           // of those
  std::optional<std::uint64_t> sockets;        // buffers of connections
};

// One group. Making it allocates and touches no file; reads allocate nothing, and are empty for a file or a line that
// is not there. Thread-safe.
class Cgroup {
 public:
  Cgroup(CgroupVersion version, const std::filesystem::path& folder);
  // The group whose limit is written in that file; empty when the name is no limit's.
  static std::optional<Cgroup> of_limit_file(const std::filesystem::path& file);

  CgroupVersion version() const { return version_; }
  const std::filesystem::path& folder() const { return folder_; }

  // memory.max, memory.limit_in_bytes: beyond it the kernel kills. Empty: there is none.
  std::optional<std::uint64_t> limit() const noexcept;
  // memory.high: beyond it the kernel slows the group down and takes pages back. Version 2 only.
  std::optional<std::uint64_t> high() const noexcept;
  // memory.current, memory.usage_in_bytes: all that counts against the limit.
  std::optional<std::uint64_t> usage() const noexcept;
  // memory.peak (since Linux 5.19), memory.max_usage_in_bytes.
  std::optional<std::uint64_t> peak() const noexcept;
  // Pages of files that nobody used lately, its children's included: the kernel takes them back at once.
  std::optional<std::uint64_t> inactive_file() const noexcept;
  // Usage without those. Empty without a usage.
  std::optional<std::uint64_t> working_set() const noexcept;
  // Usage without any cached pages of files: the kernel also takes the active ones before it kills. Empty without a
  // usage.
  std::optional<std::uint64_t> held() const noexcept;
  CgroupContents contents() const noexcept;
  // How often a process was killed for want of memory, here or below.
  std::optional<std::uint64_t> oom_kills() const noexcept;
  // How often the group was at its limit and nothing could be taken back. Version 2 only.
  std::optional<std::uint64_t> out_of_memory_events() const noexcept;
  // Whether what children use counts here. False only for version 1 with memory.use_hierarchy 0.
  bool counts_children() const noexcept;

  // For those who write limits, wait for events, or name the evidence.
  const std::string& limit_file() const { return limit_file_; }
  const std::string& high_file() const { return high_file_; }  // v2
  const std::string& usage_file() const { return usage_file_; }
  const std::string& peak_file() const { return peak_file_; }
  const std::string& events_file() const { return events_file_; }  // memory.events, memory.oom_control
  std::string file(const char* name) const { return folder_ / name; }

 private:
  CgroupVersion version_;
  std::filesystem::path folder_;
  std::string limit_file_;
  std::string high_file_;
  std::string usage_file_;
  std::string peak_file_;
  std::string events_file_;
  std::string statistics_file_;
  std::string kernel_file_;   // v1
  std::string sockets_file_;  // v1
  std::string hierarchy_file_;
};

// The limit that holds a process: that of its own group or of one above.
struct CgroupLimit {
  Cgroup group;
  std::uint64_t bytes;
  std::string file;
};

// The limits that hold for this process, its own group's first and then upwards as far as is mounted; of each group the
// smaller one of limit() and high(). Those of version 2, or where it has none those of version 1. May be empty.
std::vector<CgroupLimit> limits_on_the_way_up(const CgroupFiles& files = {});

}  // namespace plateau
