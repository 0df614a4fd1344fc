#include "profiling/symbols/mapped_code.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <string>
#include <utility>

#include "allocators/system/descriptor.hpp"

namespace plateau {
namespace {

std::string text_of_maps() {
  std::string text;
  const Descriptor file(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC));
  if (!file) return text;
  std::array<char, 16384> buffer;
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

}  // namespace

// "<start>-<limit> <perms> <offset> <device> <inode> <file>", numbers in hex (proc(5)).
std::optional<Mapping> executable_line(std::string_view line) {
  constexpr std::string_view deleted = " (deleted)";  // what the kernel appends when the file is gone
  Mapping mapping;
  const auto hex = [&line](std::uint64_t& value, char end) {
    const auto [rest, error] = std::from_chars(line.data(), line.data() + line.size(), value, 16);
    const auto size = static_cast<std::size_t>(rest - line.data());
    if (error != std::errc() || size == line.size() || line[size] != end) return false;
    line.remove_prefix(size + 1);
    return true;
  };
  const auto word = [&line] {
    const std::string_view text = line.substr(0, line.find(' '));
    line.remove_prefix(text.size());
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    return text;
  };
  if (!hex(mapping.start, '-') || !hex(mapping.limit, ' ') || mapping.start >= mapping.limit) return std::nullopt;
  if (word().find('x') == std::string_view::npos || !hex(mapping.offset, ' ')) return std::nullopt;
  word();  // device
  word();  // inode
  if (line.ends_with(deleted)) {
    line.remove_suffix(deleted.size());
    mapping.file_is_it = false;
  }
  mapping.file = line;
  return mapping;
}

std::vector<Mapping> mapped_code() {
  std::vector<Mapping> code;
  const std::string text = text_of_maps();
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (auto mapping = executable_line(line)) code.push_back(*std::move(mapping));
  }
  return code;
}

}  // namespace plateau
