// Where the kernel itself tells that memory is being used up.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "allocators/system/cgroup.hpp"
#include "allocators/system/descriptor.hpp"

namespace plateau {

// Events of the group that a MemoryHeadroom's limit is of:
//
//   cgroup v2   memory.events (the group has met memory.high or memory.max) and memory.pressure, a trigger of the
//               pressure stall information: its processes have waited for memory for 40 ms within 2 s
//   cgroup v1   cgroup.event_control: memory.usage_in_bytes has passed what expect_usage() names
//
// Of other limits, and where the files may not be used (a container's are often read-only), there are none: wait() is
// then a sleep, so that whoever waits must look by himself as well. Holds descriptors; of one thread.
class MemoryEvents {
 public:
  // As MemoryHeadroom::source() names the limit.
  explicit MemoryEvents(const std::filesystem::path& limit_file);
  MemoryEvents(const MemoryEvents&) = delete;
  MemoryEvents& operator=(const MemoryEvents&) = delete;

  // The files that tell of events; empty: none.
  std::vector<std::string> sources() const;

  // Takes the place of what was expected before. Without effect except with cgroup v1.
  void expect_usage(std::uint64_t bytes) noexcept;

  // Until there is an event, or for so long. Gives whether there was one. Allocates nothing.
  bool wait(std::chrono::milliseconds timeout) noexcept;

 private:
  struct Source {
    std::string file;
    Descriptor descriptor;
    short event = 0;
  };

  void watch(const std::string& file, const char* trigger);

  std::optional<Cgroup> group_;
  std::vector<Source> sources_;
  bool thresholds_ = false;  // of cgroup v1: the one source is an eventfd, a new one for each expectation
};

}  // namespace plateau
