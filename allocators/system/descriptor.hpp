// A file descriptor with an owner.
#pragma once

#include <unistd.h>

#include <utility>

namespace plateau {

// Closes its descriptor when it ends. Allocates nothing, throws nothing. Not thread-safe.
class Descriptor {
 public:
  // Takes over `fd`; a negative one, as open() returns on failure, is none.
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~Descriptor() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

  // Closes what there is and takes over `fd`.
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }
  // Gives the descriptor away: whoever called closes it.
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace plateau
