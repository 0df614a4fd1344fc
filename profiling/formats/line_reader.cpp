#include "profiling/formats/line_reader.hpp"

#include <cstring>
#include <stdexcept>

namespace plateau {
namespace {

std::string_view without_end(std::string_view line, char end) {
  while (line.ends_with(end)) line.remove_suffix(1);
  return line;
}

}  // namespace

bool LineReader::fill() {
  if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
  input_.read(buffer_.data() + end_, static_cast<std::streamsize>(buffer_.size() - end_));
  const auto got = static_cast<std::size_t>(input_.gcount());
  end_ += got;
  return got > 0;
}

std::string_view LineReader::beginning() {
  if (end_ == 0) fill();
  return {buffer_.data(), end_};
}

std::optional<std::string_view> LineReader::next() {
  if (is_unfinished_) return std::nullopt;
  ++line_number_;
  std::size_t searched = begin_;
  while (true) {
    if (const void* const found = std::memchr(&buffer_[0] + searched, '\n', end_ - searched); found != nullptr) {
      const auto newline = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
      const std::string_view line(&buffer_[0] + begin_, newline - begin_);
      begin_ = newline + 1;
      return without_end(line, '\r');
    }
    std::memmove(buffer_.data(), &buffer_[0] + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    searched = end_;
    if (end_ == longest_line) throw std::runtime_error("a line of more than 1 MiB");
    if (fill()) continue;
    const std::string_view rest = without_end({buffer_.data(), end_}, '\0');
    end_ = 0;
    if (rest.empty()) return std::nullopt;
    is_unfinished_ = true;
    return without_end(rest, '\r');
  }
}

}  // namespace plateau
