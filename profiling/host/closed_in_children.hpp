// A descriptor that forked children do not keep.
#pragma once

namespace plateau {

// While it lives, a child made by fork() has `fd` closed. At most one at a time is closed in children; -1: none.
// Throws std::bad_alloc when the handler cannot be registered.
class ClosedInChildren {
 public:
  explicit ClosedInChildren(int fd);
  ~ClosedInChildren();
  ClosedInChildren(const ClosedInChildren&) = delete;
  ClosedInChildren& operator=(const ClosedInChildren&) = delete;

 private:
  int before_ = -1;
};

}  // namespace plateau
