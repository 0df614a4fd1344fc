#include "allocators/process_memory.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace plateau {
namespace {

// Reads a small file of /proc into `buffer`; the text is empty on failure. Does not allocate.
template <std::size_t Size>
std::string_view read_small_file(const char* name, std::array<char, Size>& buffer) noexcept {
  const int fd = ::open(name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t bytes = ::read(fd, buffer.data(), Size - 1);
  ::close(fd);
  if (bytes <= 0) return {};
  buffer[static_cast<std::size_t>(bytes)] = '\0';
  return {buffer.data(), static_cast<std::size_t>(bytes)};
}

std::optional<std::uint64_t> kib_field(std::string_view text, std::string_view key) {
  const auto at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  return std::strtoull(text.data() + at + key.size(), nullptr, 10) * 1024;
}

}  // namespace

std::optional<ProcessMemory> process_memory(pid_t pid) {
  std::array<char, 4096> buffer{};
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "/proc/%d/status", static_cast<int>(pid));
  const std::string_view text = read_small_file(name.data(), buffer);
  const auto rss = kib_field(text, "\nVmRSS:");
  if (!rss) return std::nullopt;
  return ProcessMemory{.rss_bytes = *rss,
                       .peak_rss_bytes = kib_field(text, "\nVmHWM:").value_or(*rss),
                       .anonymous_bytes = kib_field(text, "\nRssAnon:").value_or(0),
                       .file_bytes = kib_field(text, "\nRssFile:").value_or(0),
                       .shared_bytes = kib_field(text, "\nRssShmem:").value_or(0)};
}

std::uint64_t own_rss_bytes() noexcept {
  std::array<char, 256> buffer{};
  const std::string_view text = read_small_file("/proc/self/statm", buffer);
  const auto space = text.find(' ');
  if (space == std::string_view::npos) return 0;
  return std::strtoull(text.data() + space + 1, nullptr, 10) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::optional<AnonymousMemory> own_anonymous_memory() {
  std::array<char, 4096> buffer{};
  const std::string_view text = read_small_file("/proc/self/smaps_rollup", buffer);
  const auto lazy = kib_field(text, "\nLazyFree:");
  const auto huge = kib_field(text, "\nAnonHugePages:");
  if (!lazy || !huge) return std::nullopt;
  return AnonymousMemory{*lazy, *huge};
}

}  // namespace plateau
