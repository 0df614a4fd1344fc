// Lines of text from a stream, without a copy and in bounded memory.
#pragma once

#include <cstddef>
#include <istream>
#include <optional>
#include <string_view>
#include <vector>

namespace plateau {

// Not thread-safe.
class LineReader {
 public:
  static constexpr std::size_t longest_line = std::size_t{1} << 20;

  explicit LineReader(std::istream& input) : input_(input), buffer_(64 * 1024) {}

  // The first bytes of the input, as many as the buffer takes: call it before next().
  std::string_view beginning();

  // The next line without its newline and the carriage returns before it, valid until the next call; nothing at the
  // end. Throws std::runtime_error when a line is longer than `longest_line` bytes.
  std::optional<std::string_view> next();

  // Whether the line that next() gave last had no newline, which only the last line of a text has not. Zeros that a
  // crash left behind the text are not given out.
  bool is_unfinished() const { return is_unfinished_; }

  // Of the line that next() gave last; the first is 1.
  std::size_t line_number() const { return line_number_; }

 private:
  bool fill();  // whether there was more

  std::istream& input_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // of what is read and not yet given out
  std::size_t end_ = 0;
  std::size_t line_number_ = 0;
  bool is_unfinished_ = false;
};

}  // namespace plateau
