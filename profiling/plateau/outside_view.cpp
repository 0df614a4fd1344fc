#include "profiling/plateau/outside_view.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace plateau {
namespace {

constexpr std::uint64_t page_bytes = 4096;

}  // namespace

OutsideView::OutsideView(pid_t process) : process_(process) {
  errno = 0;
  std::ifstream smaps(file("smaps"));
  const int error = errno;
  if (!smaps && (error == EACCES || error == EPERM))
    throw std::runtime_error(fmt::format("process {} may not be looked at: run this as its user, or as root", process));
  if (!smaps) throw std::runtime_error(fmt::format("no process {}; plateau ps and ps -e list what there is", process));
  maps_ = memory_maps_in(smaps);
  if (maps_.empty())
    throw std::runtime_error(fmt::format(
        "process {} has no memory to look at: it is the kernel's, has ended, or may not be looked at", process));
  pagemap_.reset(::open(file("pagemap").c_str(), O_RDONLY | O_CLOEXEC));
  const auto readable = std::find_if(maps_.begin(), maps_.end(), [](const MemoryMap& map) {
    return map.readable && map.resident_bytes > 0 && map.name.find("[v") == std::string::npos;
  });
  char byte = 0;
  reads_memory_ = readable != maps_.end() && read(readable->start, &byte, 1);
}

std::string OutsideView::file(const char* name) const {
  return fmt::format("/proc/{}/{}", process_, name);
}

std::uint64_t OutsideView::resident_in(std::uint64_t start, std::uint64_t limit) const {
  constexpr std::uint64_t most = 65536;
  constexpr std::uint64_t present = std::uint64_t{1} << 63;
  std::uint64_t resident = 0;
  std::vector<std::uint64_t> entries;
  for (std::uint64_t at = start & ~(page_bytes - 1); pagemap_ && at < limit;) {
    const std::uint64_t count = std::min((limit - at + page_bytes - 1) / page_bytes, most);
    entries.resize(count);
    const ssize_t bytes = ::pread(pagemap_.get(), entries.data(), count * sizeof(std::uint64_t),
                                  static_cast<off_t>(at / page_bytes * sizeof(std::uint64_t)));
    if (bytes <= 0) break;
    entries.resize(static_cast<std::size_t>(bytes) / sizeof(std::uint64_t));
    resident +=
        page_bytes * static_cast<std::uint64_t>(std::count_if(entries.begin(), entries.end(),
                                                              [](std::uint64_t one) { return (one & present) != 0; }));
    at += count * page_bytes;
  }
  return resident;
}

bool OutsideView::read(std::uint64_t address, void* to, std::size_t bytes) const {
  iovec local{to, bytes};
  iovec remote{reinterpret_cast<void*>(address), bytes};
  return ::process_vm_readv(process_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes);
}

}  // namespace plateau
