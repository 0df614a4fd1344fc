#include "profiling/formats/compressed_input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#define ZLIB_CONST  // input that is read only
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <new>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "allocators/system/descriptor.hpp"

namespace plateau {
namespace {

constexpr std::string_view gzip_mark = "\x1f\x8b";
constexpr std::string_view zstd_mark = "\x28\xb5\x2f\xfd";
constexpr int gzip_window = 15 + 16;
constexpr std::size_t block_bytes = 256 * 1024;
constexpr std::size_t most_at_once = std::size_t{1} << 30;  // zlib counts in 32 bits

class Decoder {
 public:
  virtual ~Decoder() = default;
  // Takes from `input` and gives the number of bytes that are in `output` now; both may be used up in part.
  virtual std::size_t decode(std::string_view& input, char* output, std::size_t size) = 0;
  // Whether the input may end here.
  virtual bool is_at_end() const = 0;
};

class Plain : public Decoder {
 public:
  std::size_t decode(std::string_view& input, char* output, std::size_t size) override {
    const std::size_t bytes = input.copy(output, size);
    input.remove_prefix(bytes);
    return bytes;
  }
  bool is_at_end() const override { return true; }
};

class Gzip : public Decoder {
 public:
  Gzip() {
    if (inflateInit2(&stream_, gzip_window) != Z_OK) throw std::bad_alloc();
  }
  ~Gzip() override { inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  std::size_t decode(std::string_view& input, char* output, std::size_t size) override {
    if (is_at_end_) {
      // Bytes behind a member that are none themselves are no data, as for gzip: zeros that fill up a block.
      if (!gzip_mark.starts_with(input.substr(0, 2))) input = {};
      if (input.empty()) return 0;
      inflateReset(&stream_);
      is_at_end_ = false;
    }
    stream_.next_in = reinterpret_cast<const Bytef*>(input.data());
    stream_.avail_in = static_cast<uInt>(input.size());
    stream_.next_out = reinterpret_cast<Bytef*>(output);
    stream_.avail_out = static_cast<uInt>(size);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    input.remove_prefix(input.size() - stream_.avail_in);
    is_at_end_ = status == Z_STREAM_END;
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
      throw std::runtime_error(std::string("broken gzip data: ") +
                               (stream_.msg != nullptr ? stream_.msg : "a dictionary"));
    }
    return size - stream_.avail_out;
  }
  bool is_at_end() const override { return is_at_end_; }

 private:
  z_stream stream_{};
  bool is_at_end_ = false;  // of a member
};

class Zstd : public Decoder {
 public:
  Zstd() : stream_(ZSTD_createDStream(), ZSTD_freeDStream) {
    if (stream_ == nullptr) throw std::bad_alloc();
  }

  // Its window is 128 MiB at most, which is libzstd's own limit.
  std::size_t decode(std::string_view& input, char* output, std::size_t size) override {
    if (is_at_end_ && input.empty()) return 0;
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer out{output, size, 0};
    const std::size_t left = ZSTD_decompressStream(stream_.get(), &out, &in);
    if (ZSTD_isError(left) != 0) throw std::runtime_error(std::string("broken zstd data: ") + ZSTD_getErrorName(left));
    input.remove_prefix(in.pos);
    is_at_end_ = left == 0;
    return out.pos;
  }
  bool is_at_end() const override { return is_at_end_; }

 private:
  std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream_;
  bool is_at_end_ = false;  // of a frame
};

}  // namespace

class CompressedInput::Buffer : public std::streambuf {
 public:
  explicit Buffer(const std::string& path)
      : file_(path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
        input_(block_bytes),
        output_(block_bytes) {
    if (file_.get() < 0) throw std::runtime_error(std::generic_category().message(errno));
    struct stat status {};
    if (::fstat(file_.get(), &status) == 0 && S_ISDIR(status.st_mode)) throw std::runtime_error("a folder, not a file");
  }

  std::string_view beginning() {
    if (gptr() == egptr()) underflow();
    return {gptr(), static_cast<std::size_t>(egptr() - gptr())};
  }
  bool is_cut() const { return is_cut_; }

 protected:
  int_type underflow() override {
    const std::size_t got = read(output_.data(), output_.size());
    if (got == 0) return traits_type::eof();
    setg(output_.data(), output_.data(), output_.data() + got);
    return traits_type::to_int_type(output_[0]);
  }

  // Straight into the reader's memory.
  std::streamsize xsgetn(char* to, std::streamsize size) override {
    const std::streamsize had = std::min<std::streamsize>(size, egptr() - gptr());
    std::copy_n(gptr(), had, to);
    gbump(static_cast<int>(had));
    return had + static_cast<std::streamsize>(read(to + had, static_cast<std::size_t>(size - had)));
  }

 private:
  // Gives as much as there is: less than `size` only at the end.
  std::size_t read(char* to, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
      if (rest_.empty() && !fill() && !decoder_) break;
      if (!decoder_) decoder_ = decoder_of(rest_);
      const std::size_t before = rest_.size();
      const std::size_t got = decoder_->decode(rest_, to + done, std::min(size - done, most_at_once));
      done += got;
      if (got > 0 || rest_.size() != before) continue;
      if (!rest_.empty()) throw std::runtime_error("broken compressed data");
      if (!is_file_at_end_) continue;
      is_cut_ = !decoder_->is_at_end();  // what a decoder still held came without input
      break;
    }
    return done;
  }

  // A whole block, so that what a pipe gives first is enough to know the compression by.
  bool fill() {
    std::size_t filled = 0;
    while (!is_file_at_end_ && filled < input_.size()) {
      const ssize_t got = ::read(file_.get(), input_.data() + filled, input_.size() - filled);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw std::runtime_error(std::generic_category().message(errno));
      is_file_at_end_ = got == 0;
      filled += static_cast<std::size_t>(got);
    }
    rest_ = {input_.data(), filled};
    return filled > 0;
  }

  static std::unique_ptr<Decoder> decoder_of(std::string_view beginning) {
    if (beginning.starts_with(gzip_mark)) return std::make_unique<Gzip>();
    if (beginning.starts_with(zstd_mark)) return std::make_unique<Zstd>();
    return std::make_unique<Plain>();
  }

  Descriptor file_;
  std::vector<char> input_;
  std::vector<char> output_;
  std::string_view rest_;  // of the input, not yet decoded
  std::unique_ptr<Decoder> decoder_;
  bool is_file_at_end_ = false;
  bool is_cut_ = false;
};

CompressedInput::CompressedInput(const std::string& path)
    : std::istream(nullptr), buffer_(std::make_unique<Buffer>(path)) {
  rdbuf(buffer_.get());
  exceptions(std::ios::badbit);  // what the buffer throws comes through
}

CompressedInput::~CompressedInput() = default;

std::string_view CompressedInput::beginning() {
  return buffer_->beginning();
}

bool CompressedInput::is_cut() const {
  return buffer_->is_cut();
}

}  // namespace plateau
