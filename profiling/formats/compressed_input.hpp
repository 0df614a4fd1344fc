// A file or standard input as a stream, decompressed.
#pragma once

#include <istream>
#include <memory>
#include <streambuf>
#include <string>
#include <string_view>

namespace plateau {

// gzip, Zstandard, or neither; members that follow one another are one text. Not thread-safe. Reading throws
// std::runtime_error when the file cannot be read or its compression is broken; a file that is cut short gives what is
// there, and is_cut() says so.
class CompressedInput : public std::istream {
 public:
  // "-" is standard input. Throws std::runtime_error, which names the file, when it cannot be opened.
  explicit CompressedInput(const std::string& path);
  ~CompressedInput() override;

  // The first bytes, which stay to be read. Call it before anything is read.
  std::string_view beginning();

  // Whether the compressed data ended too early; known when all was read.
  bool is_cut() const;

 private:
  class Buffer;
  std::unique_ptr<Buffer> buffer_;
};

}  // namespace plateau
