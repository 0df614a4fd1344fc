// The memory of another process, as it can be read from outside: nothing is stopped, attached or written.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "allocators/system/descriptor.hpp"
#include "allocators/system/memory_maps.hpp"

namespace plateau {

// Not thread-safe.
class OutsideView {
 public:
  // Throws std::runtime_error, in one line that says what to do, when there is no such process, or when it may not be
  // looked at.
  explicit OutsideView(pid_t process);

  pid_t process() const { return process_; }
  // As they were at construction, by address.
  const std::vector<MemoryMap>& maps() const { return maps_; }
  // Bytes of the range that are resident; 0 where the kernel does not tell.
  std::uint64_t resident_in(std::uint64_t start, std::uint64_t limit) const;
  // Copies memory that may go away meanwhile; false when it is not there, or may not be read. Cost: a system call.
  bool read(std::uint64_t address, void* to, std::size_t bytes) const;
  // Whether read() is allowed: ptrace_scope may forbid what smaps does not.
  bool reads_memory() const { return reads_memory_; }
  std::string file(const char* name) const;  // "/proc/PID/NAME"

 private:
  pid_t process_;
  std::vector<MemoryMap> maps_;
  Descriptor pagemap_;
  bool reads_memory_ = false;
};

}  // namespace plateau
