// A file or standard input as a stream, gzipped or not.
#pragma once

#include <istream>
#include <memory>
#include <streambuf>
#include <string>

namespace plateau {

// Not thread-safe. Reading throws std::runtime_error when the file cannot be read or its compression is broken.
class GzipInput : public std::istream {
 public:
  // "-" is standard input. Throws std::runtime_error, which names the file, when it cannot be opened.
  explicit GzipInput(const std::string& path);
  ~GzipInput() override;

 private:
  class Buffer;
  std::unique_ptr<Buffer> buffer_;
};

}  // namespace plateau
