// The kernel's list of a process's memory, and which of its pages are resident: /proc/PID/smaps and pagemap, see
// proc(5).
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string>
#include <vector>

namespace plateau {

// One line of /proc/PID/maps with what smaps says of it. All sizes in bytes.
struct MemoryMap {
  std::uint64_t start = 0;
  std::uint64_t limit = 0;  // first address after it
  bool readable = false;
  bool writable = false;
  bool shared = false;
  std::uint64_t inode = 0;  // 0: anonymous
  std::string name;         // a file, "[heap]", "[stack]", …; empty for most anonymous memory
  std::uint64_t resident_bytes = 0;
  std::uint64_t anonymous_bytes = 0;     // of those: private pages, of files those that were written to
  std::uint64_t lazily_freed_bytes = 0;  // of those: LazyFree
  std::uint64_t huge_page_bytes = 0;     // of those: AnonHugePages
  std::uint64_t swapped_bytes = 0;
  std::uint64_t locked_bytes = 0;

  bool is_anonymous() const { return inode == 0 && !shared && (name.empty() || name.front() == '['); }
  std::uint64_t size() const { return limit - start; }
};

// Reads those of the calling process, by address; empty where the kernel has no smaps. Throws std::bad_alloc. Cost: the
// kernel walks all page tables, about a millisecond a GiB and some microseconds a mapping; other threads' mmap and
// munmap wait meanwhile for one mapping at a time.
std::vector<MemoryMap> own_memory_maps();
// The same from a text in the form of smaps.
std::vector<MemoryMap> memory_maps_in(std::istream& smaps);

// Counts resident pages of the calling process. Not thread-safe.
class ResidentPages {
 public:
  ResidentPages();
  ~ResidentPages();
  ResidentPages(const ResidentPages&) = delete;
  ResidentPages& operator=(const ResidentPages&) = delete;

  // Bytes of the range that are resident in this process; 0 for what is not mapped. By pagemap; where that may not be
  // read by mincore, which of shared memory and files tells the page cache's and not the process's. Cost: a system call
  // for each 256 MiB.
  std::uint64_t in(std::uint64_t start, std::uint64_t limit) const;

 private:
  int pagemap_ = -1;
};

// Copies `bytes` of this process's memory, which may go away meanwhile; false when it is not there.
bool read_own_memory(std::uint64_t address, void* to, std::size_t bytes);

}  // namespace plateau
