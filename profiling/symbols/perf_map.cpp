#include "profiling/symbols/perf_map.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <iterator>

#include "allocators/system/descriptor.hpp"

namespace plateau {
namespace {

constexpr std::string_view before_pid = "/tmp/perf-";
constexpr std::string_view after_pid = ".map";
constexpr std::uint64_t most_bytes = std::uint64_t{64} << 20;

// Everyone can write into /tmp: neither links nor other users' files are followed.
Descriptor open_own(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  if (file && (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != ::geteuid())) {
    file.reset();
  }
  return file;
}

}  // namespace

std::string perf_map_of_this_process() {
  std::string path = std::string(before_pid) + std::to_string(::getpid()) + std::string(after_pid);
  if (!open_own(path)) path.clear();
  return path;
}

bool is_perf_map(std::string_view path) {
  return path.starts_with(before_pid) && path.ends_with(after_pid);
}

std::string_view PerfMap::name_at(std::uint64_t address) const {
  const auto after = code_.upper_bound(address);
  if (after == code_.begin()) return {};
  const Code& code = std::prev(after)->second;
  return address < code.limit ? std::string_view(code.name) : std::string_view();
}

void PerfMap::update() {
  const Descriptor file = open_own(path_);
  if (!file) return;
  std::string text;
  std::size_t used = 0;
  while (bytes_read_ + used < most_bytes) {
    constexpr std::size_t block = std::size_t{64} << 10;
    text.resize(used + block);
    const ssize_t count = ::pread(file.get(), text.data() + used, block, static_cast<off_t>(bytes_read_ + used));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    used += static_cast<std::size_t>(count);
  }
  text.resize(used);
  // The last line may be half written.
  const std::size_t end = text.rfind('\n') + 1;
  for (std::string_view rest = std::string_view(text).substr(0, end); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    add_line(line);
  }
  bytes_read_ += end;
}

// "<start> <size> <name>", numbers in hex (Linux, tools/perf/Documentation/jit-interface.txt).
void PerfMap::add_line(std::string_view line) {
  const auto hex = [&line](std::uint64_t& value) {
    if (line.starts_with("0x")) line.remove_prefix(2);
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), value, 16);
    const auto size = static_cast<std::size_t>(rest - line.data());
    if (error != std::errc() || size == line.size() || line[size] != ' ') return false;
    line.remove_prefix(std::min(line.find_first_not_of(' ', size), line.size()));
    return true;
  };
  std::uint64_t start = 0;
  std::uint64_t size = 0;
  if (!hex(start) || !hex(size) || size == 0 || start + size < start || line.empty()) return;
  auto at = code_.lower_bound(start);
  if (at != code_.begin() && std::prev(at)->second.limit > start) std::prev(at)->second.limit = start;
  while (at != code_.end() && at->first < start + size) at = code_.erase(at);
  code_.insert_or_assign(start, Code{start + size, std::string(line)});
}

}  // namespace plateau
