#include "profiling/host/closed_in_children.hpp"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <new>

namespace plateau {
namespace {

std::atomic<int> descriptor{-1};

void close_in_child() {
  if (const int fd = descriptor.exchange(-1); fd >= 0) ::close(fd);
}

}  // namespace

ClosedInChildren::ClosedInChildren(int fd) {
  static const int registered = ::pthread_atfork(nullptr, nullptr, close_in_child);
  if (registered != 0) throw std::bad_alloc();
  before_ = descriptor.exchange(fd);
}

ClosedInChildren::~ClosedInChildren() {
  descriptor = before_;
}

}  // namespace plateau
