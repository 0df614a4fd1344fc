#include "allocators/process_memory.hpp"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "allocators/system/kernel_file.hpp"

namespace plateau {
namespace {

using Number = std::optional<std::uint64_t>;

// Threads of a process whose main thread has ended find nothing of it under /proc/self.
constexpr const char* own_status = "/proc/thread-self/status";

}  // namespace

std::optional<ProcessMemory> process_memory(pid_t pid) {
  std::array<char, 64> file{};
  std::snprintf(file.data(), file.size(), "/proc/%d/status", static_cast<int>(pid));
  return process_memory_in(pid == ::getpid() ? own_status : file.data());
}

std::optional<ProcessMemory> process_memory_in(const char* status_file) {
  constexpr std::array<std::string_view, 4> keys{"VmRSS", "VmHWM", "RssFile", "RssShmem"};
  std::array<Number, keys.size()> values;
  kernel_file::numbers_behind(status_file, keys, values);
  const auto& [rss, peak, file, shared] = values;
  if (!rss) return std::nullopt;
  ProcessMemory memory{.rss_bytes = *rss,
                       .peak_rss_bytes = peak.value_or(*rss),
                       .file_bytes = file.value_or(0),
                       .shared_bytes = shared.value_or(0)};
  const std::uint64_t named = memory.file_bytes + memory.shared_bytes;
  memory.anonymous_bytes = *rss > named ? *rss - named : 0;
  return memory;
}

std::uint64_t own_rss_bytes() noexcept {
  const Number pages = kernel_file::number("/proc/thread-self/statm", 1);
  return pages.value_or(0) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::optional<std::uint64_t> own_data_bytes() noexcept {
  return kernel_file::number_behind(own_status, "VmData");
}

std::optional<AnonymousMemory> own_anonymous_memory() {
  return anonymous_memory_in("/proc/thread-self/smaps_rollup");
}

std::optional<AnonymousMemory> anonymous_memory_in(const char* rollup_file) {
  constexpr std::array<std::string_view, 2> keys{"LazyFree", "AnonHugePages"};
  std::array<Number, keys.size()> values;
  kernel_file::numbers_behind(rollup_file, keys, values);
  const auto& [lazy, huge] = values;
  if (!lazy || !huge) return std::nullopt;
  return AnonymousMemory{*lazy, *huge};
}

}  // namespace plateau
