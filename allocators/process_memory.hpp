// The kernel's figures of a process's memory: /proc/PID/status, statm and smaps_rollup, see proc(5).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace plateau {

// rss_bytes is the sum of anonymous_bytes, file_bytes and shared_bytes. A kernel that does not tell them apart
// (gVisor's, Linux before 4.5) has it all in anonymous_bytes.
struct ProcessMemory {
  std::uint64_t rss_bytes = 0;
  std::uint64_t peak_rss_bytes = 0;   // VmHWM; the kernel updates it lazily, so it can be below rss_bytes
  std::uint64_t anonymous_bytes = 0;  // RssAnon: heap, stacks, private pages that were written to
  std::uint64_t file_bytes = 0;       // RssFile: programs, libraries, mapped files
  std::uint64_t shared_bytes = 0;     // RssShmem: shared anonymous memory and tmpfs
};

// From outside or of oneself. Empty when the process is gone (or has given up its memory). Does not allocate.
std::optional<ProcessMemory> process_memory(pid_t pid);
// The same from a file in the form of /proc/PID/status.
std::optional<ProcessMemory> process_memory_in(const char* status_file);

// RSS of the calling process in bytes, without allocating; 0 when it cannot be read.
std::uint64_t own_rss_bytes() noexcept;

// VmData of the calling process, which is what RLIMIT_DATA limits: address space for data, touched or not. Empty where
// the kernel does not tell. Does not allocate.
std::optional<std::uint64_t> own_data_bytes() noexcept;

// Parts of the calling process's anonymous memory that have a story of their own.
struct AnonymousMemory {
  std::uint64_t lazily_freed_bytes = 0;  // LazyFree: given back by MADV_FREE, resident until the kernel wants it
  std::uint64_t huge_page_bytes = 0;     // AnonHugePages: transparent huge pages
};

// Empty where the kernel has no smaps_rollup. Does not allocate. The kernel walks all page tables for it: about a
// millisecond a GiB, during which mmap and munmap of other threads wait.
std::optional<AnonymousMemory> own_anonymous_memory();
// The same from a file in the form of smaps_rollup.
std::optional<AnonymousMemory> anonymous_memory_in(const char* rollup_file);

}  // namespace plateau
