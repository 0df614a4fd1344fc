#include "allocators/system/kernel_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "allocators/system/descriptor.hpp"

namespace plateau::kernel_file {
namespace {

constexpr std::string_view blanks = " \t";

std::string_view without_blanks(std::string_view text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text;
}

std::string_view first_word(std::string_view text) noexcept {
  return text.substr(0, text.find_first_of(" \t\r\n"));
}

// The whole word must be the number.
std::optional<std::uint64_t> number_in_word(std::string_view word) noexcept {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

// Calls visit(line) until that returns false. The kernel hands out a page or so at a time, so that one read is not all.
// Lines longer than the buffer (the groups of a user with hundreds of them) are left out. False when there is nothing
// to be read.
template <class Visit>
bool for_each_line(const char* file, Visit visit) noexcept {
  const Descriptor descriptor(::open(file, O_RDONLY | O_CLOEXEC));
  if (!descriptor) return false;
  std::array<char, 4096> buffer;
  std::size_t filled = 0;
  bool too_long = false;  // what is in the buffer continues a line that did not fit
  for (;;) {
    const ssize_t count = ::read(descriptor.get(), buffer.data() + filled, buffer.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
    std::string_view text(buffer.data(), filled);
    for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
      if (!std::exchange(too_long, false) && !visit(text.substr(0, end))) return true;
      text.remove_prefix(end + 1);
    }
    if (text.size() == buffer.size()) {
      too_long = true;
      text.remove_prefix(text.size());
    }
    std::memmove(buffer.data(), text.data(), text.size());
    filled = text.size();
  }
  if (filled > 0 && !too_long) visit(std::string_view(buffer.data(), filled));
  return true;
}

}  // namespace

std::optional<std::uint64_t> number_in_line(std::string_view line, std::string_view key) noexcept {
  if (!line.starts_with(key)) return std::nullopt;
  line.remove_prefix(key.size());
  const std::string_view behind = line.starts_with(':') ? line.substr(1) : line;
  if (behind.empty() || (behind.size() == line.size() && blanks.find(behind.front()) == std::string_view::npos))
    return std::nullopt;
  const std::string_view text = without_blanks(behind);
  const std::string_view word = first_word(text);
  const auto value = number_in_word(word);
  if (!value || first_word(without_blanks(text.substr(word.size()))) != "kB") return value;
  return *value <= UINT64_MAX / 1024 ? std::optional(*value * 1024) : std::nullopt;
}

std::optional<std::uint64_t> number_in_column(std::string_view line, std::size_t column) noexcept {
  std::string_view text = without_blanks(line);
  for (std::size_t i = 0; i < column; ++i) text = without_blanks(text.substr(first_word(text).size()));
  return number_in_word(first_word(text));
}

std::string_view head(const char* file, std::span<char> buffer) noexcept {
  const Descriptor descriptor(::open(file, O_RDONLY | O_CLOEXEC));
  std::size_t filled = 0;
  while (descriptor && filled < buffer.size()) {
    const ssize_t count = ::read(descriptor.get(), buffer.data() + filled, buffer.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    filled += static_cast<std::size_t>(count);
  }
  return {buffer.data(), filled};
}

std::optional<std::uint64_t> number(const char* file, std::size_t column) noexcept {
  std::optional<std::uint64_t> found;
  for_each_line(file, [&](std::string_view line) {
    found = number_in_column(line, column);
    return false;
  });
  return found;
}

std::optional<std::uint64_t> number_behind(const char* file, std::string_view key) noexcept {
  std::optional<std::uint64_t> value;
  numbers_behind(file, {&key, 1}, {&value, 1});
  return value;
}

bool numbers_behind(const char* file, std::span<const std::string_view> keys,
                    std::span<std::optional<std::uint64_t>> values) noexcept {
  std::fill(values.begin(), values.end(), std::nullopt);
  std::size_t missing = keys.size();
  const bool read = for_each_line(file, [&](std::string_view line) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (values[i]) continue;
      values[i] = number_in_line(line, keys[i]);
      if (values[i]) --missing;
    }
    return missing > 0;
  });
  if (!read) std::fill(values.begin(), values.end(), std::nullopt);
  return read;
}

}  // namespace plateau::kernel_file
