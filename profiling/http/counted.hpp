// One more of something, until the end of a block.
#pragma once

#include <cstddef>

namespace plateau {

// On one thread.
class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(++count) {}
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::size_t& count_;
};

}  // namespace plateau
