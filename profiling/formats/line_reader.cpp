#include "profiling/formats/line_reader.hpp"

#include <cstring>
#include <stdexcept>

namespace plateau {

std::optional<std::string_view> LineReader::next() {
  ++line_number_;
  std::size_t searched = begin_;
  while (true) {
    if (const void* const found = std::memchr(&buffer_[0] + searched, '\n', end_ - searched); found != nullptr) {
      const auto newline = static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data());
      const std::string_view line(&buffer_[0] + begin_, newline - begin_);
      begin_ = newline + 1;
      return line;
    }
    std::memmove(buffer_.data(), &buffer_[0] + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    searched = end_;
    if (end_ == longest_line) throw std::runtime_error("a line of more than 1 MiB");
    if (end_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
    input_.read(buffer_.data() + end_, static_cast<std::streamsize>(buffer_.size() - end_));
    const auto got = static_cast<std::size_t>(input_.gcount());
    if (got == 0 && end_ > 0) throw std::runtime_error("cut short in the middle of a line");
    if (got == 0) return std::nullopt;
    end_ += got;
  }
}

}  // namespace plateau
