#include "profiling/formats/gzip_input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace plateau {

class GzipInput::Buffer : public std::streambuf {
 public:
  explicit Buffer(const std::string& path) {
    const int fd = path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) throw std::runtime_error(std::generic_category().message(errno));
    struct stat status {};
    if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
      ::close(fd);
      throw std::runtime_error("a folder, not a file");
    }
    file_ = gzdopen(fd, "rb");
    if (file_ == nullptr) {
      ::close(fd);
      throw std::runtime_error("no memory to read it");
    }
    gzbuffer(file_, 256 * 1024);
  }
  ~Buffer() override { gzclose_r(file_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

 protected:
  int_type underflow() override {
    const std::streamsize got = read(block_.data(), block_.size());
    if (got == 0) return traits_type::eof();
    setg(block_.data(), block_.data(), block_.data() + got);
    return traits_type::to_int_type(block_[0]);
  }

  // Straight into the reader's memory.
  std::streamsize xsgetn(char* to, std::streamsize size) override {
    const std::streamsize had = std::min<std::streamsize>(size, egptr() - gptr());
    std::copy_n(gptr(), had, to);
    gbump(static_cast<int>(had));
    return had + read(to + had, static_cast<std::size_t>(size - had));
  }

 private:
  // As much as there is: less than `size` only at the end.
  std::streamsize read(char* to, std::size_t size) {
    if (size == 0) return 0;
    const int got = gzread(file_, to, static_cast<unsigned>(size));
    int error = Z_OK;
    const char* const message = gzerror(file_, &error);
    if (error == Z_ERRNO) throw std::runtime_error(std::generic_category().message(errno));
    if (got < 0 || error != Z_OK) throw std::runtime_error(std::string("broken gzip data: ") + message);
    return got;
  }

  gzFile file_ = nullptr;
  std::array<char, 4096> block_{};
};

GzipInput::GzipInput(const std::string& path) : std::istream(nullptr), buffer_(std::make_unique<Buffer>(path)) {
  rdbuf(buffer_.get());
  exceptions(std::ios::badbit);  // what the buffer throws comes through
}

GzipInput::~GzipInput() = default;

}  // namespace plateau
