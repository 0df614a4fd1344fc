#include "profiling/formats/gzip.hpp"

#define ZLIB_CONST  // input that is read only
#include <zlib.h>

#include <new>
#include <stdexcept>

namespace plateau {
namespace {

constexpr int gzip_window = 15 + 16;
constexpr std::size_t block_bytes = 64 * 1024;

void feed(z_stream& stream, std::string_view data) {
  stream.next_in = reinterpret_cast<const Bytef*>(data.data());
  stream.avail_in = static_cast<uInt>(data.size());
}

}  // namespace

std::string gzipped(std::string_view data, int level) {
  z_stream stream{};
  if (deflateInit2(&stream, level, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
  std::string result;
  std::string block(block_bytes, '\0');
  for (int status = Z_OK; status != Z_STREAM_END;) {
    const std::string_view next = data.substr(0, block.size());
    data.remove_prefix(next.size());
    feed(stream, next);
    do {
      stream.next_out = reinterpret_cast<Bytef*>(block.data());
      stream.avail_out = static_cast<uInt>(block.size());
      status = deflate(&stream, data.empty() ? Z_FINISH : Z_NO_FLUSH);
      result.append(block, 0, block.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  }
  deflateEnd(&stream);
  return result;
}

std::string gunzipped(std::string_view data) {
  z_stream stream{};
  if (inflateInit2(&stream, gzip_window) != Z_OK) throw std::bad_alloc();
  feed(stream, data);
  std::string result;
  std::string block(block_bytes, '\0');
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = static_cast<uInt>(block.size());
    status = inflate(&stream, Z_NO_FLUSH);
    result.append(block, 0, block.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END) throw std::runtime_error("it is not gzip, or is cut short");
  return result;
}

}  // namespace plateau
