#include "profiling/host/file_image.hpp"

#include <sys/stat.h>

namespace plateau {

std::optional<FileImage> FileImage::of(int file) noexcept {
  struct stat status {};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0) return std::nullopt;
  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* const start = map_unlocked_file(file, bytes);
  if (start == nullptr) return std::nullopt;
  return FileImage(start, bytes);
}

}  // namespace plateau
