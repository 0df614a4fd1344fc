// A file as bytes in memory, which only what is looked at makes resident, also in a program that locks its memory.
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "profiling/host/unlocked_pages.hpp"

namespace plateau {

// Read-only. Not thread-safe.
class FileImage {
 public:
  // The whole of a regular file; none of others, and where it cannot be mapped. The descriptor may be closed after.
  static std::optional<FileImage> of(int file) noexcept;

  FileImage(FileImage&& other) noexcept : start_(std::exchange(other.start_, nullptr)), bytes_(other.bytes_) {}
  FileImage& operator=(FileImage&& other) noexcept {
    std::swap(start_, other.start_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~FileImage() {
    if (start_ != nullptr) unmap_file(start_, bytes_);
  }

  void* start() const noexcept { return start_; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  FileImage(void* start, std::size_t bytes) noexcept : start_(start), bytes_(bytes) {}

  void* start_;
  std::size_t bytes_;
};

}  // namespace plateau
