// What the kernel says of a process, read from outside.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace plateau::harness {

struct ProcessSample {
  std::uint64_t rss_bytes = 0;
  std::uint64_t peak_rss_bytes = 0;   // VmHWM; the kernel updates it lazily, so it can be below rss_bytes
  std::uint64_t anonymous_bytes = 0;  // RssAnon: without file-backed pages
};

// Empty when the process is gone (or has given up its memory).
std::optional<ProcessSample> sample_process(pid_t pid);

// RSS of the calling process in bytes, without allocating; 0 when it cannot be read.
std::uint64_t own_rss_bytes() noexcept;

}  // namespace plateau::harness
